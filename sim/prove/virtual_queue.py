"""P2 in front of a gate with strict isolation: a write waits for all its data, and takes its own."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux, Signal

from hdl.bus.queue import following
from hdl.fabric.virtual_queue import VirtualQueue
from hdl.plan.plan import Plan

from .harness import Harness
from .ring import filled, position
from .white_box import WhiteBox

A_SLOT = "a request enters only with a slot"
ROOM = "a beat goes only where there is room"
AFTER = "a beat goes with its request or later"
HELD = "a write keeps the grant until its last beat"


def writes(plan: Plan) -> Harness:
    """All that waits: each beat bears the number of its request, which counts the last beats before it."""
    h = Harness()
    m = h.m
    box = h.place(VirtualQueue(plan, write=True))
    requests, beats = box.parts["requests"], box.parts["beats"]
    depth = beats.component.depth
    most = plan.outstanding - 1
    grant, take = box.o_valid & box.o_ready, beats.signal("pop")
    comes, ends = box.i_beat_valid & box.i_beat.last, take & box.o_last
    waiting, no_data, is_open = Signal(range(most + 1)), Signal(range(most + 1)), Signal()
    h.assume(~box.i_valid | (waiting < most), A_SLOT)
    h.assume(~box.i_beat_valid | box.i_beat_ready, ROOM)
    h.assume(~box.i_beat_valid | box.i_valid | (no_data != 0), AFTER)
    h.assume(~box.o_ready | box.o_valid, environment="only who asks is granted")
    h.assume(~box.o_ready | ~is_open, HELD)
    h.assume(~box.o_beat_ready | is_open, HELD)
    m.d.sync += [
        waiting.eq(waiting + box.i_valid - grant),
        no_data.eq(no_data + box.i_valid - comes),  # requests whose last beat has not come
        is_open.eq(Mux(grant | box.o_beat_ready, (is_open | grant) & ~ends, is_open)),
    ]
    place_bits = len(beats.signal("write_at"))
    # Of the request that the next beat in, or out, is of.
    came, went = Signal(range(2 * depth)), Signal(range(2 * depth))
    m.d.sync += [came.eq(came + comes), went.eq(went + ends)]
    tags = [Signal.like(came, name=f"tag{n}") for n in range(depth)]
    for n, tag in enumerate(tags):
        with m.If(beats.signal("push") & (beats.signal("write_at") == n)):
            m.d.sync += tag.eq(came)
    inside = Signal(range(depth + 1))
    m.d.sync += inside.eq(inside + beats.signal("push") - take)
    write_at, read_at = position(beats.signal("write_at"), depth), position(beats.signal("read_at"), depth)
    h.invariant("how many beats are here", inside == filled(beats))
    h.invariant("an empty queue", write_at == read_at, when=~beats.signal("stored"))
    h.invariant("a full queue", beats.signal("full") == (inside == depth))
    h.invariant("nothing is of no request", came == went, when=inside == 0)
    h.invariant("the oldest beat", Array(tags)[beats.signal("read_at")] == went, when=inside != 0)
    for n in range(depth):
        offset = (position(Const(n, place_bits), depth) - read_at)[:place_bits]
        last = beats.word(m, "entries", Const(n, place_bits)).last
        after = Mux(offset + 1 == inside, came, Array(tags)[following(Const(n, place_bits))])
        h.invariant("the next beat", after == (tags[n] + last)[: len(came)], when=offset < inside)
    whole, completed = box.signal("whole"), box.signal("completed")
    h.invariant("all of whom all is here", (came - went)[: len(came)] == whole + completed + is_open)
    h.invariant("and the others", waiting == whole + completed + no_data)
    h.invariant("shown", box.o_valid == (whole + completed != 0))
    stored = requests.signal("stored")
    places = requests.component.depth
    to, since = position(requests.signal("write_at"), places), position(requests.signal("read_at"), places)
    h.invariant("how many requests are here", waiting == filled(requests))
    h.invariant("no requests", to == since, when=~stored)

    h.claim("a write is shown when all its data is here", (came != went) & beats.component.o.valid,
            when=box.o_valid & ~is_open)  # fmt: skip
    h.claim("a write is shown once its data is here", box.o_valid, when=(waiting != no_data))
    h.claim("a write that is shown is there", requests.component.o.valid, when=box.o_valid)
    h.claim("its data follows without a pause", box.o_beat_valid, when=is_open)
    taken = box.o_beat_valid & (box.o_ready | box.o_beat_ready)
    h.invariant("what is taken is gone", (take == taken) & (requests.signal("pop") == grant))
    _as_it_came(h, box)
    return h


def _as_it_came(h: Harness, box: WhiteBox) -> None:
    """What stands in the queues is what came, and what is shown stands there; some of it by wires alone."""
    requests, beats = box.parts["requests"], box.parts["beats"]
    into = requests.component.i.payload
    h.invariant("a request is kept as it came", Cat(into.asking, into.rest, into["class"]) ==
                Cat(box.i_asking, box.i_rest, box.i_class), when=box.i_valid)  # fmt: skip
    h.invariant("so is a beat", beats.component.i.payload == box.i_beat, when=box.i_beat_valid)
    request, beat = (queue.word(h.m, "entries", queue.component.read_at) for queue in (requests, beats))
    shown = Cat(box.o_asking, box.o_class) == Cat(request.asking, request["class"])
    h.invariant("the oldest request is shown", shown, when=requests.signal("stored"))
    h.invariant("whether the oldest beat is the last is shown", box.o_last == beat.last, when=box.o_beat_valid)
    rest, data, was_request, was_beat = Signal.like(box.i_rest), Signal.like(box.i_beat), Signal(), Signal()
    h.m.d.sync += [
        rest.eq(request.rest),
        data.eq(beat),
        was_request.eq(requests.signal("stored")),
        was_beat.eq(beats.signal("stored")),
    ]
    h.claim("what else it has is shown in the next cycle", box.o_rest == rest, when=was_request)
    h.claim("the data of the oldest beat is shown in the next cycle", box.o_beat == data, when=was_beat)
