"""P2, P7 where an initiator's answers come together: one at a time, and an offer stays as it is."""

from __future__ import annotations

from amaranth.hdl import Cat, Signal

from hdl.fabric.deliver import Deliver
from hdl.plan.plan import Plan

from .harness import Harness


def deliver(plan: Plan, *, write: bool) -> Harness:
    """Any answers from all targets, and an initiator that takes them when it likes."""
    h = Harness()
    m = h.m
    sources = len(plan.targets) + 1
    box = h.place(Deliver(plan, sources, write=write))
    show, take = box.show, box.take
    h.claim("one answer at a time", (show & (show - 1)[:sources]) == 0, when=show.any())
    h.claim("only what is offered is taken", (take & ~box.valid) == 0, when=take.any())
    h.claim("what is taken is shown", (take & ~show) == 0, when=take.any())
    turn = box.parts["turn"]
    pairs = {(i, j): turn.signal(f"first_{i}_{j}") for j in range(sources) for i in range(j)}
    before = {**pairs, **{(j, i): ~first for (i, j), first in pairs.items()}}
    for i in range(sources):
        for j in range(sources):
            for k in range(sources):
                if len({i, j, k}) == 3:
                    h.invariant("an order", ~(before[i, j] & before[j, k] & before[k, i]))
    h.claim("somebody is shown", show.any(), when=box.valid.any())
    waiting, chosen = Signal(), Signal(sources)
    m.d.sync += [waiting.eq(box.o.valid & ~take.any()), chosen.eq(show)]
    # A return queue takes no offer back, and what it shows stays as it is until it is taken.
    h.assume(~waiting | ((box.valid & chosen) == chosen), "an offer of an answer stays")
    h.invariant("it goes first", Cat(~chosen[i] | before[i, j] for i, j in before).all(), when=waiting)
    h.claim("the choice stands until it is taken whole", show == chosen, when=waiting)
    return h
