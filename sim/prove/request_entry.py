"""P2 where requests enter a network: what enters has room at its target, and the beats of a write follow it."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Mux, Signal

from hdl.fabric.virtual_queue import beats_of
from hdl.network.request_entry import RequestEntry
from hdl.plan.plan import Plan

from .harness import Harness
from .under_way import ASKED
from .virtual_queue import A_SLOT


def request_entry(plan: Plan) -> Harness:
    """Writes to one target, any one; of each slot is known whether it has a write there that is not answered."""
    h = Harness()
    m = h.m
    box = h.place(RequestEntry(plan, write=True))
    targets = range(len(plan.targets))
    target = h.constant(max(1, (len(plan.targets) - 1).bit_length()), "target", below=len(plan.targets))
    flit, begun = box.o.flit, box.signal("begun")
    goes, begins = box.signal("goes"), box.signal("begins")
    slots = range(plan.outstanding)
    slot, length = flit.payload.request.rest.slot, flit.payload.request.asking.length
    there = [Signal(name=f"there{n}") for n in slots]
    beats = [Signal(len(length) + 1, name=f"beats{n}") for n in slots]
    answered = Array(box.answer_valid[t] for t in targets)[target]
    answer_slot = Array(getattr(box, f"answer_slot{t}") for t in targets)[target]
    enters = begins & (flit.sink == target)
    h.assume(~begins | ~Array(there)[slot], A_SLOT)
    h.assume(~answered | Array(there)[answer_slot], environment=ASKED)
    for n in slots:
        mine, back = enters & (slot == n), answered & (answer_slot == n)
        m.d.sync += there[n].eq((there[n] | mine) & ~back)
        with m.If(mine):
            m.d.sync += beats[n].eq(length + 1)
        for t in targets:
            kept = box.word(m, f"lengths{t}", Const(n, plan.slot_bits))
            h.invariant("what a slot has", (target != t) | ~there[n] | (kept + 1 == beats[n]))
    # Beats of the slots up to each, as numbers of their own: a sum of all at once is too hard for a solver.
    room, under_way = beats_of(plan), Const(0, 1)
    for n in slots:
        before, under_way = under_way, Signal(range(2 * room), name=f"beats_to{n}")
        given, back = (Mux(goes & (which <= n), count, 0) for goes, which, count in (
            (enters, slot, length + 1), (answered, answer_slot, Array(beats)[answer_slot])))  # fmt: skip
        m.d.sync += under_way.eq(under_way + given - back)
        h.invariant("beats that are under way", under_way == before + Mux(there[n], beats[n], 0))
    free = Array(box.signal(f"free{t}") for t in targets)[target]
    h.invariant("room that is not given", free + under_way == room)
    h.claim("a write that enters has room for all its beats", under_way + length + 1 <= room, when=enters)

    sink, is_open = Signal.like(flit.sink), Signal()
    with m.If(goes):
        m.d.sync += [sink.eq(flit.sink), is_open.eq(~flit.payload.beat.last)]
    h.claim("a write ends with its last beat", begun == is_open, rule="end")
    h.invariant("where it went is kept", ~begun | (box.signal("sink") == sink))
    h.claim("its beats go where it went", flit.sink == sink, when=goes & begun)
    h.claim(
        "it begins with its request, and nothing else has one", flit.payload.first == ~begun, when=goes, rule="begin"
    )
    return h
