"""P2, P7 at the gate: the data of a write goes with its own request, and stays its own while others come."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Mux, Signal, Value

from hdl.bus.queue import following
from hdl.fabric.gate import DEPTH, HIGH_WATER, Gate
from hdl.plan.plan import Plan, Target

from .gate import VERDICTS
from .harness import Harness
from .ring import filled, position
from .virtual_queue import HELD
from .white_box import WhiteBox

RECALLED = "the head of the cycle before is recalled"
BEATS = "the gate's queue of beats never overflows"


def data(plan: Plan, target: Target) -> Harness:
    """All beats, each with the number of its request; and the requests by number."""
    h = Harness()
    h.without_contents += ["key_table"] * (target.kind == "memory")
    follow(h, h.place(Gate(plan, target, write=True)))
    return h


def follow(h: Harness, box: WhiteBox) -> None:
    """The same in a gate that stands somewhere."""
    m = h.m
    beats, verdicts = box.parts["beats"], box.parts["verdicts"]
    grant, leave, taking, taken = (box.signal(name) for name in ("grant", "leave", "taking", "taken"))
    ends = box.signal("held_next") == 0
    places = DEPTH.bit_length() - 1

    # A request is numbered by its grant; a beat by the last ones that were taken before it.
    granted, left, came, went = (Signal(places + 1, name=name) for name in ("granted_", "left_", "came", "went"))
    number = Signal(places + 1)  # of the beat that was taken in the cycle before
    push, pop = beats.signal("push"), beats.signal("pop")
    is_open, opener = Signal(), Signal(len(grant))
    m.d.sync += [
        granted.eq(granted + grant.any()),
        left.eq(left + leave),
        came.eq(came + (taking.any() & ends)),
        number.eq(came),
        went.eq(went + (pop & beats.component.o.payload.last)),
    ]
    with m.If(grant.any()):
        m.d.sync += [is_open.eq(~ends), opener.eq(grant)]
    with m.Elif(taking.any()):
        m.d.sync += is_open.eq(~ends)
    h.show("granted_", granted)
    lasts = Array(getattr(box, f"last{n}") for n in range(len(grant)))
    for n in range(len(grant)):
        taken_here, was_last = Signal(name=f"taken{n}"), Signal(name=f"was_last{n}")
        m.d.sync += [taken_here.eq(taking[n]), was_last.eq(lasts[n])]
        h.assume(~taken_here | (getattr(box, f"beat{n}").last == was_last), RECALLED)
        h.claim("a beat is the last if it says so", ends == lasts[n], when=taking[n] & (taking == 1 << n))
        shown = Value.cast(getattr(box, f"beat{n}"))
        h.claim("a beat is what its source shows", Value.cast(beats.component.i.payload) == shown, when=taken_here)
    h.invariant("one grant", (grant & (grant - 1))[: len(grant)] == 0)
    h.invariant("the opener", (opener & (opener - 1))[: len(grant)] == 0)
    h.invariant("held", box.signal("held") == is_open)
    h.invariant("by the opener", box.signal("holder") == Mux(is_open, opener, 0))
    h.invariant("one request is open", (came + is_open)[: len(came)] == granted)
    h.claim(HELD, ~is_open & ~box.beat_ready.any(), when=grant.any())
    h.claim("only data of who was granted is taken", (box.beat_ready & ~opener) == 0, when=is_open)
    h.claim("no data is taken while nobody is granted", ~box.beat_ready.any(), when=~is_open)

    # How many beats there are.
    inside = Signal(range(DEPTH + 1))
    m.d.sync += inside.eq(inside + push - pop)
    write_at, read_at = position(beats.signal("write_at"), DEPTH), position(beats.signal("read_at"), DEPTH)
    h.invariant("what is held", inside == filled(beats))
    h.invariant("an empty queue", write_at == read_at, when=~beats.signal("stored"))
    level = box.signal("beats_level")
    h.invariant("the level is late", level == inside + taken + box.signal("gone"))
    h.invariant("room", level <= HIGH_WATER, when=box.signal("beat_room") | box.signal("may_grant"))
    h.invariant("never full", level <= HIGH_WATER + 1)
    h.claim(BEATS, inside < DEPTH, when=push)

    # Each beat bears its number.
    tags = [Signal.like(came, name=f"tag{n}") for n in range(DEPTH)]
    for n, tag in enumerate(tags):
        with m.If(push & (beats.signal("write_at") == n)):
            m.d.sync += tag.eq(number)
    last_before = Signal()  # of the beat that was taken in the cycle before
    m.d.sync += last_before.eq(ends & taking.any())
    h.invariant("what comes is numbered", came == (number + last_before)[: len(came)], when=taken)
    upcoming = Mux(taken, number, came)
    h.invariant("nothing is of no request", went == upcoming, when=inside == 0)
    h.invariant("the oldest beat", Array(tags)[beats.signal("read_at")] == went, when=inside != 0)
    for n in range(DEPTH):
        place = Const(n, places)
        offset = (position(place, DEPTH) - read_at)[:places]
        after = Mux(offset + 1 == inside, upcoming, Array(tags)[following(place)])
        last = beats.word(m, "entries", place).last
        h.invariant("the next beat", after == (tags[n] + last)[: len(came)], when=offset < inside)

    # The requests: how many are between grant and target.
    between = Signal(range(DEPTH + 1))
    m.d.sync += between.eq(between + grant.any() - leave)
    h.assume(between < DEPTH, VERDICTS)
    h.assume(~verdicts.component.o.valid | (between != 0), "what is offered was granted")
    h.invariant("all requests", between == (granted - left)[: len(between)])
    data_taken = box.signal("data_taken")
    h.invariant("the data of the oldest has gone, or goes", went == (left + data_taken)[: len(went)])
    h.invariant("what has gone was granted", between != 0, when=data_taken)
    h.claim("data is offered with the request that it came with", Array(tags)[beats.signal("read_at")] == left,
            when=box.w.valid)  # fmt: skip
    head = verdicts.component.o
    stays_there, last_verdict = Signal(), Signal(len(Value.cast(head.payload)))
    m.d.sync += [stays_there.eq(head.valid & ~head.ready), last_verdict.eq(head.payload)]
    h.assume(
        ~stays_there | (head.valid & (Value.cast(head.payload) == last_verdict)),
        "what is there is offered",
        "it comes out as it went in, after those before it",
    )
    offered, before = Signal(), Signal(len(Value.cast(box.w.payload)))
    m.d.sync += [offered.eq(box.w.valid & ~box.w.ready), before.eq(box.w.payload)]
    stays = box.w.valid & (Value.cast(box.w.payload) == before)
    h.claim("an offer of data stays until it is taken", stays, when=offered)
    h.claim("a request leaves when its data has gone", data_taken | (pop & beats.component.o.payload.last), when=leave)
