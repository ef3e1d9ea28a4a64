"""P2, P4 at the choice of the next answer: it is complete, in its turn, chosen once, and soon."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal

from hdl.fabric.pick import Pick
from hdl.plan.plan import Plan

from .harness import Harness
from .slots import COMPLETE, NEXT, ONCE, OPEN
from .under_way import ASKED, ONE_SLOT
from .white_box import WhiteBox


def place(h: Harness, plan: Plan) -> WhiteBox:
    """The choice of a port of the card."""
    return h.place(Pick(plan, len(plan.targets) + 1))


def pick(plan: Plan) -> Harness:
    """What is picked."""
    h = Harness()
    follow(h, place(h, plan), plan)
    return h


def rounds(plan: Plan) -> Harness:
    """How soon."""
    h = Harness()
    follow_rounds(h, place(h, plan), plan)
    return h


def follow(h: Harness, box: WhiteBox, plan: Plan) -> None:
    """One slot, any one."""
    m = h.m
    sources = len(plan.targets) + 1
    slot = h.constant(plan.slot_bits, "slot_of_interest")
    comes = Cat(getattr(box, f"done{n}") & (getattr(box, f"done{n}_slot") == slot) for n in range(sources)).any()
    complete = Signal()
    picked = box.valid & box.first & (box.slot == slot)
    h.assume(~comes | ~complete, ONE_SLOT, environment=ASKED)
    h.assume(~box.chain | (box.first & (box.chain_slot != box.slot)), NEXT)
    was_complete, was_open, was_next = Signal(), Signal(), Signal()
    blocked = box.blocked.bit_select(slot, 1)
    m.d.sync += [
        complete.eq((complete | comes) & ~picked),
        was_complete.eq(complete & ~picked),
        was_open.eq(~blocked),
        was_next.eq(box.chain & (box.chain_slot == slot)),
    ]
    h.show("picked", picked)
    h.invariant("it is known to be complete", box.signal("complete").bit_select(slot, 1) == complete)
    h.invariant("nobody is first without being delivered", box.valid, when=box.first)
    h.claim(COMPLETE, was_complete, when=picked)
    h.claim(ONCE, complete, when=picked)
    h.claim(OPEN, was_open | was_next, when=picked)
    stays, last = Signal(), Signal(plan.slot_bits)
    m.d.sync += [stays.eq(box.valid & ~box.next), last.eq(box.slot)]
    h.claim("it is delivered to the end", box.valid & (box.slot == last) & ~box.first, when=stays)


def follow_rounds(h: Harness, box: WhiteBox, plan: Plan) -> None:
    """How many others are picked while one slot, any one, could be."""
    m = h.m
    slots = plan.outstanding
    slot = h.constant(plan.slot_bits, "slot_of_interest")
    ready = box.signal("ready").bit_select(slot, 1)
    picks = box.next & (box.signal("any_candidate") | box.signal("chained"))
    picked = picks & (box.slot_next == slot)
    passed = Signal(range(2 * slots + 1))
    with m.If(~ready | picked):
        m.d.sync += passed.eq(0)
    with m.Elif(picks):
        m.d.sync += passed.eq(passed + 1)
    h.shown |= {"ready": ready, "passed": passed}
    in_batch = box.signal("in_batch")
    others = in_batch & ~box.signal("taken") & ~(1 << slot)[:slots]
    # Those that may go before it: the rest of the batch, and if it is not in it, another one.
    left = sum(others, start=Const(0, 1)) + Mux(in_batch.bit_select(slot, 1), 0, slots)
    h.invariant("what is left of the batches", passed + left < 2 * slots, when=ready)
    h.claim("fewer than two rounds of others go before", passed < 2 * slots, when=ready & (passed != 0))
