"""P4 at the table of time slots: a slot is its slice's to the end, and comes once in a round."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Signal
from amaranth.utils import exact_log2

from hdl.fabric.time_slots import TimeSlots
from hdl.plan.plan import SLOT_CYCLES, Plan, Target

from .harness import Harness

STAYS = "a slot is one slice's until it ends"
ROUND = "the slots go round for ever, each as long as all others"


def time_slots(plan: Plan, target: Target) -> Harness:
    """One slot, any one."""
    h = Harness()
    m = h.m
    box = h.place(TimeSlots(plan, target))
    slot = h.constant(exact_log2(target.time_slots), "slot_of_interest")
    turn, number = box.turn, box.signal("number")
    round_cycles = target.time_slots * SLOT_CYCLES
    owned, owner, was_last = Signal(), Signal(plan.slice_bits), Signal()
    m.d.sync += [
        owned.eq(turn.owned),
        owner.eq(turn.slice),
        was_last.eq(turn.elapsed == SLOT_CYCLES - 1),
    ]
    h.claim(STAYS, (turn.owned == owned) & (turn.slice == owner), when=turn.elapsed != 0)
    h.claim("it ends after as many cycles as all others", turn.elapsed == 0, when=was_last)

    # What the table holds: what was written last, or what power left there.
    known, written_owned, written_slice = Signal(), Signal(), Signal(plan.slice_bits)
    with m.If(box.slot_write & (box.slot_index == slot)):
        m.d.sync += [known.eq(1), written_owned.eq(box.slot_owned), written_slice.eq(box.slot_slice)]
    held = box.word(m, "table", slot)
    h.invariant("the table", (held.owned == written_owned) & (held.slice == written_slice), when=known)
    cycle, counted = Signal(len(turn.elapsed)), Signal.like(number)
    m.d.sync += cycle.eq(cycle + 1)
    h.invariant("each takes as many cycles", turn.elapsed == cycle)
    with m.If(turn.elapsed == SLOT_CYCLES - 1):
        m.d.sync += counted.eq(counted + 1)
    h.invariant("which slot it is", number == counted)
    begins, was_known, then_owned, then_slice = Signal(), Signal(), Signal(), Signal(plan.slice_bits)
    m.d.sync += [
        begins.eq((number + 1)[: len(number)] == slot),
        was_known.eq(known),
        then_owned.eq(written_owned),
        then_slice.eq(written_slice),
    ]
    starts = was_last & begins
    h.claim("it is whose it was said to be when it begins", (turn.owned == then_owned) & (turn.slice == then_slice),
            when=starts & was_known)  # fmt: skip

    since, once = Signal(range(round_cycles + 1)), Signal()
    with m.If(starts):
        m.d.sync += [since.eq(1), once.eq(1)]
    with m.Elif(since != round_cycles):
        m.d.sync += since.eq(since + 1)
    h.shown |= {"since": since, "number": number}
    place = ((number - slot) * SLOT_CYCLES + turn.elapsed)[: exact_log2(round_cycles)]
    h.invariant("where it is", since == place, when=once & ~starts)
    h.invariant("where it was", was_last == (turn.elapsed == 0), when=once)
    h.claim(ROUND, starts == (since == round_cycles), when=once)
    return h


def small(plan: Plan, target: Target) -> tuple[Plan, Target]:
    """The same with two slots, which come round soon."""
    return plan, replace(target, time_slots=2)
