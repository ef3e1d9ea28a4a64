"""P2, P7 where an initiator's answers come together: one at a time, and an offer stays as it is."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal

from hdl.fabric.deliver import Deliver
from hdl.plan.plan import Plan

from .arbiter import is_order, matrix
from .harness import Harness
from .return_queue import WHOLE
from .white_box import WhiteBox


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
    before = matrix(box.parts["turn"], sources)
    is_order(h, before, sources)
    h.claim("somebody is shown", show.any(), when=box.valid.any())
    h.claim("who is shown is offered", box.o.valid, when=show.any())
    waiting, chosen = Signal(), Signal(sources)
    m.d.sync += [waiting.eq(box.o.valid & ~take.any()), chosen.eq(show)]
    # A return queue takes no offer back, and what it shows stays as it is until it is taken.
    h.assume(~waiting | ((box.valid & chosen) == chosen), "an offer of an answer stays")
    h.invariant("it goes first", Cat(~chosen[i] | before[i, j] for i, j in before).all(), when=waiting)
    h.claim("the choice stands until it is taken whole", show == chosen, when=waiting)
    _beats(h, box, sources, waiting, write=write)
    return h


def _beats(h: Harness, box: WhiteBox, sources: int, waiting: Signal, *, write: bool) -> None:
    """What is shown is delivered as it is; a denied read as often as it asked for beats."""
    m, out = h.m, box.o
    fields = ["id", "context", "length", "denied"]
    taken, whole = out.valid & out.ready, Const(1)
    shown = Signal(box.component.shape)
    m.d.sync += shown.eq(out.payload)
    for n in range(sources):
        beat = getattr(box, f"beat{n}")
        h.assume(box.show[n] | (beat.as_value() == 0), "what is not asked for reads as zero",
                 environment="what is denied on the way in reads as zero unless it is shown")  # fmt: skip
        alike = [out.payload[name] == beat[name] for name in fields]
        answer, given = out.payload.answer, beat.answer
        alike += [answer[name] == given[name] for name in ("response", "last" if write else "data")]
        h.claim("a beat is delivered as it is shown", Cat(alike).all(), when=box.show[n] & out.valid)
    if not write:
        h.assume(~waiting | (out.payload.length == shown.length), "what is stored stays")
        h.assume(~(box.show & ~box.whole).any() | (out.payload.length != 0), WHOLE)
        number = Signal(8)
        with m.If(taken):
            m.d.sync += number.eq(Mux(box.take.any(), 0, number + 1))
        started = number != 0
        ends = number == out.payload.length
        h.invariant("the first beat", box.signal("first") == ~started)
        h.invariant("how many there were", box.signal("number") == number)
        h.invariant("the last beat", box.signal("ends") == ends, when=started)
        h.invariant("no more beats than were asked for", number <= out.payload.length, when=started)
        h.invariant("what has begun is there", waiting, when=started)
        whole = Mux(started, ends, (box.show & box.whole).any())
        told = Mux(started, ends, (box.show & box.last).any())
        h.claim("the last beat is told", out.payload.answer.last == told, when=out.valid)
    h.claim("it is taken with its last beat", box.take.any() == (taken & whole))
