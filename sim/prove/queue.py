"""P2 at the queue that stands everywhere: nothing is lost, doubled or overtaken."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal

from hdl.bus.queue import Queue

from .harness import Harness
from .ring import position

WIDTH = 4
"""Bits of what is queued; the queue does not look at it."""


def queue(depth: int, *, fall_through: bool, recalls: bool, room: tuple[str, ...]) -> Harness:
    """One payload, any one, from its arrival until it leaves; `room` are the claims of those who see to its room."""
    always_room = bool(room)
    h = Harness()
    m = h.m
    kind = Queue(WIDTH, depth, always_room=always_room, fall_through=fall_through, recalls=recalls)
    box = h.place(kind)
    push, pop = box.signal("push"), box.signal("pop")
    write_at, read_at, stored = (box.signal(name) for name in ("write_at", "read_at", "stored"))
    inside = Signal(range(depth + 1))
    m.d.sync += inside.eq(Mux(box.clear, 0, inside + push - pop))
    if always_room:
        h.assume(~box.i.valid | (inside != depth), *room)
    held = Mux(stored, (position(write_at, depth) - position(read_at, depth) - 1)[: len(write_at)] + 1, 0)
    h.invariant("what is held", held == inside)
    h.invariant("an empty queue", write_at == read_at, when=~stored)
    if not always_room:
        h.claim("room is told exactly", box.i.ready == (inside != depth))
    h.claim("what is there is offered", box.o.valid, when=inside != 0)
    if fall_through:
        h.claim("what comes is offered", box.o.valid, when=box.i.valid & box.i.ready)
    h.claim("nothing else is offered", (inside != 0) | (box.i.valid if fall_through else 0), when=box.o.valid)

    chosen = h.any(1, "chosen")
    tracked = Signal()
    payload = Signal(WIDTH)
    ahead = Signal(range(depth))
    place = Signal(len(write_at))
    starts = push & chosen & ~tracked
    with m.If(box.clear):
        m.d.sync += tracked.eq(0)
    with m.Elif(tracked):
        m.d.sync += ahead.eq(ahead - pop)
        with m.If(pop & (ahead == 0)):
            m.d.sync += tracked.eq(0)
    with m.Elif(starts & ~(pop & (inside == 0))):
        m.d.sync += [tracked.eq(1), payload.eq(box.i.payload), ahead.eq(inside - pop), place.eq(write_at)]
    h.shown |= {"tracked": tracked, "payload": payload, "ahead": ahead, "inside": inside}
    h.invariant("it is inside", ahead < inside, when=tracked)
    h.invariant("its place", position(place, depth) == (position(read_at, depth) + ahead)[: len(place)], when=tracked)
    h.invariant("it stands there", box.word(m, "entries", place) == payload, when=tracked)
    h.claim("it comes out as it went in, after those before it", box.o.payload == payload, when=tracked & (ahead == 0))
    if fall_through:
        h.claim("it passes as it is", box.o.payload == box.i.payload, when=push & (inside == 0))
    if recalls:
        last, known = Signal(WIDTH), Signal()
        m.d.sync += [known.eq(stored & ~box.clear), last.eq(box.word(m, "entries", read_at))]
        h.claim("the head of the cycle before is recalled", box.before == last, when=known)
    return h
