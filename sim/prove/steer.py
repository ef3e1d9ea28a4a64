"""P2 at the data of writes with strict isolation: each beat goes where its request went."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Mux, Signal

from hdl.fabric.steer import Steer
from hdl.plan.plan import Initiator, Plan

from .harness import Harness
from .lookup import ONE_TARGET, ONLY, TOLD
from .ring import filled, position
from .virtual_queue import A_SLOT, AFTER, ROOM

REQUESTS = "the queue of requests for data never overflows"
WHOLE = "a request takes as many beats as it says"


def steer(plan: Plan, port: Initiator) -> Harness:
    """One request, any one, from when it enters until its last beat has gone; and one target, any one."""
    h = Harness()
    m = h.m
    box = h.place(Steer(plan, port))
    queue = box.parts["requests"]
    depth, targets, most = plan.outstanding, len(plan.targets), plan.outstanding - 1
    reachable = sum(1 << target for target in port.targets)
    moves, last, number = box.signal("moves"), box.signal("last"), box.signal("number")
    waits = queue.signal("stored")
    finishes = moves & last
    inside = Signal(range(depth + 1))
    h.assume(~box.enters | (inside < most), A_SLOT)
    one = Cat(box.target == value for value in (0, *(1 << t for t in port.targets))).any()
    h.assume(~box.enters | one, ONE_TARGET, TOLD, *[ONLY] * (len(port.targets) < targets))
    m.d.sync += inside.eq(inside + box.enters - finishes)
    write_at, read_at = (position(queue.signal(name), depth) for name in ("write_at", "read_at"))
    bits = len(queue.signal("write_at"))
    h.invariant("how many wait for data", inside == filled(queue))
    h.invariant("nobody waits", write_at == read_at, when=~waits)
    h.invariant("a new one begins", number == 0, when=~waits)
    h.claim(REQUESTS, inside < depth, when=queue.signal("push"))

    # Of one target: requests that went there and wait for data.
    target = h.constant(range(targets), "target_of_interest", below=targets)
    pending = Signal(range(depth + 1))
    ends_there = Array(box.beat_valid)[target] & box.beat.last
    enters_there = box.enters & Array(box.target)[target]
    h.assume(~enters_there | (pending < most), A_SLOT)
    m.d.sync += pending.eq(pending + enters_there - ends_there)

    chosen = h.any(1, "chosen")
    tracked, ahead, place, sent = Signal(), Signal(range(depth)), Signal(bits), Signal(8)
    came = Signal(box.component.request_layout)
    starts = box.enters & chosen & ~tracked
    at_once = starts & (inside == 0)
    current = at_once | (tracked & (ahead == 0))
    request = Signal(box.component.request_layout)
    m.d.comb += request.eq(Mux(tracked, came.as_value(), Cat(box.target, box.length, box.slot)))
    with m.If(starts):
        m.d.sync += [
            tracked.eq(~(at_once & finishes)),
            came.eq(request),
            ahead.eq(inside - finishes),
            place.eq(queue.signal("write_at")),
            sent.eq(at_once & moves),
        ]
    with m.Elif(tracked):
        m.d.sync += [
            ahead.eq(ahead - finishes),
            sent.eq(sent + (current & moves)),
            tracked.eq(~(current & finishes)),
        ]
    h.shown |= {"tracked": tracked, "ahead": ahead, "inside": inside, "sent": sent}
    here = tracked & Array(came.target)[target]
    h.assume(~ends_there | current | (pending + (enters_there & (inside == 0)) > here), AFTER)
    h.invariant("it is inside", ahead < inside, when=tracked)
    h.invariant("its place", position(place, depth) == (read_at + ahead)[:bits], when=tracked)
    h.invariant("it stands there", queue.word(m, "entries", place).as_value() == came.as_value(), when=tracked)
    h.invariant("its beats are counted", (number == sent) & (sent <= came.length), when=tracked & (ahead == 0))
    h.invariant("it has none yet", sent == 0, when=tracked & (ahead != 0))
    h.invariant("it is one of those that wait", pending != 0, when=here)
    before = Mux(tracked, sent, 0)
    h.claim("its beats go where it went", box.beat_valid == request.target, when=current & moves)
    h.claim(WHOLE, last == (before == request.length), when=current & moves)
    h.claim("nothing goes while nothing moves", ~box.beat_valid.any(), when=~moves)
    h.claim(ROOM, (box.beat_valid & ~box.beat_ready & reachable) == 0, when=box.beat_valid.any())
    h.claim(AFTER, enters_there | (pending != 0), when=current & Array(box.beat_valid)[target])
    h.claim("data that is made up in a reset writes nothing", box.beat.strobe == 0, when=box.isolate & moves)
    ended, nowhere, slot = Signal(), Signal(), Signal(plan.slot_bits)
    m.d.sync += [ended.eq(current & finishes), nowhere.eq(~request.target.any()), slot.eq(request.slot)]
    h.claim("what went nowhere is denied when its data is gone", box.denied & (box.denied_slot == slot),
            when=ended & nowhere)  # fmt: skip
    h.claim("what went somewhere is not denied", ~box.denied, when=ended & ~nowhere)
    stuck = tracked & (ahead == 0) & box.parts["beats"].component.o.valid & ((came.target & ~box.beat_ready) == 0)
    h.claim("a beat that has room goes", moves, when=stuck)
    beats = box.parts["beats"]
    stands = beats.word(m, "entries", beats.component.read_at)
    as_it_came = (box.beat.data == stands.data) & (box.beat.strobe == stands.strb)
    h.claim("a beat goes as it came", as_it_came, when=beats.signal("stored") & moves & ~box.isolate)
    return h
