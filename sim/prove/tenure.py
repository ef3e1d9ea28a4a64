"""P6 at the mark of a request: one that was accepted before a hand-over is never taken for the new owner's."""

from __future__ import annotations

from amaranth.hdl import Array, Mux, Signal

from hdl.fabric.entry import standing_places
from hdl.fabric.tenure import Tenure
from hdl.plan.plan import Initiator, Plan

from .harness import Harness


def tenure(plan: Plan, port: Initiator) -> Harness:
    """One request, any one, of any context, while the contexts change hands."""
    h = Harness()
    m = h.m
    contexts, places = len(port.contexts), standing_places(port)
    box = h.place(Tenure(plan, port, places), driven=("leaving",))
    context = h.constant(plan.user_bits, "context", below=contexts)
    owned = Array(box.owned)[context]
    waits = Array(box.waits)[context]
    parity = Array(box.signal("parity"))[context]
    before = Array(box.signal("before"))[context]
    h.assume(~(owned & ~before) | ~waits, "a context is given when it is drained, to whom it was meant for")
    entry = "the entry tells of contexts that the port has"
    h.assume(~box.arrives | (box.arriving_context < contexts), environment=entry)
    h.assume(~box.leaves | (box.leaving_context < contexts), environment=entry)

    # Others of this context that stand, with either mark; this one is counted beside them.
    arrives = box.arrives & (box.arriving_context == context)
    leaves = box.leaves & (box.leaving_context == context)
    chosen = h.any(1, "chosen")
    tracked, mark, same = Signal(), Signal(2), Signal()
    mine = Signal()
    m.d.comb += mine.eq(h.any(1, "it_leaves") & tracked & leaves)
    other = h.any(2, "mark_of_another")
    m.d.comb += box.leaving.as_value().eq(Mux(mine, mark, other))
    starts = Signal()
    m.d.comb += starts.eq(arrives & chosen & ~tracked)
    standing = [Signal(range(places + 1), name=f"others_{value}") for value in range(2)]
    for value, count in enumerate(standing):
        comes = arrives & box.arriving.owned & (box.arriving.tenure == value) & ~starts
        goes = leaves & ~mine & box.leaving.owned & (box.leaving.tenure == value)
        h.assume(~goes | (count != 0), "it comes out as it went in, after those before it")
        m.d.sync += count.eq(count + comes - goes)
    h.assume(~box.arrives | (standing[0] + standing[1] + tracked < places), "room is told exactly")
    with m.If(starts):
        m.d.sync += [tracked.eq(1), mark.eq(box.arriving.as_value()), same.eq(owned)]
    with m.Elif(tracked):
        m.d.sync += [same.eq(same & owned), tracked.eq(~mine)]
    h.shown |= {"tracked": tracked, "mark": mark, "same": same}
    h.show("has_owner", owned)
    h.show("must_wait", waits)
    for n in range(contexts):
        for value in range(2):
            h.invariant("what stands is counted",
                        box.signal(f"context{n}_standing{value}") == standing[value]
                        + (tracked & mark[0] & (mark[1] == value)), when=context == n)  # fmt: skip
    of_now = mark[0] & (mark[1] == parity)
    h.invariant("the mark of the present owner", of_now & before, when=tracked & same)
    h.invariant("the mark of one before", ~of_now, when=tracked & ~same & before)
    h.claim("a request of the present owner is known as such", box.current, when=mine & same & owned)
    # It stands in nobody's way until its context has been lost twice.
    lost = Signal(2)
    with m.If(starts):
        m.d.sync += lost.eq(0)
    with m.Elif(before & ~owned & (lost < 2)):
        m.d.sync += lost.eq(lost + 1)
    h.invariant("not lost yet", mark[1] == parity, when=tracked & mark[0] & (lost == 0))
    h.invariant("lost once", mark[1] != parity, when=tracked & mark[0] & (lost == 1))
    alone = tracked & mark[0] & (standing[0] == 0) & (standing[1] == 0)
    h.claim("a hand-over does not wait for the last owner's requests", ~waits,
            when=alone & (lost == 1) & ~owned & ~before)  # fmt: skip
    h.claim("no other is taken for one of the present owner", ~box.current, when=mine & owned & ~same)
    return h
