"""P1 at the ingress: a request asks with the slice that owned its context when it entered, or is denied."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from hdl.fabric.id_order import order_layout
from hdl.fabric.translate import PLACES, Translate, request_layout
from hdl.plan.plan import Initiator, Plan

from .harness import Harness
from .id_order import BEHIND, NEXT, UNBLOCKED
from .ring import position
from .white_box import WhiteBox


def translate(plan: Plan, port: Initiator, *, write: bool) -> Harness:
    """One request, any one, from when its slice is known until it leaves; windows may hold anything."""
    h = Harness()
    m = h.m
    box = h.place(Translate(plan, port, write=write))
    lookup, order = box.parts["lookup"], box.parts["order"]
    contexts = len(port.contexts)
    stands = box.signal("stands")
    write_at, read_at = position(box.signal("write_at"), PLACES), position(box.signal("read_at"), PLACES)
    bits = PLACES.bit_length() - 1
    inside = Signal(range(PLACES))
    m.d.sync += inside.eq(inside + box.enters - box.leave)
    h.assume(~box.leave | box.valid, "only who asks is granted")
    h.invariant("what stands", stands == (1 << inside)[: len(stands) + 1] - 1)
    h.invariant("its places", write_at == (read_at + inside)[:bits])
    h.claim("a request enters when there is room", order.component.room, when=box.enters)

    chosen = h.any(1, "chosen")
    tracked, ahead, place = Signal(), Signal(range(PLACES)), Signal(bits)
    came = Signal(request_layout(plan))
    owner, had_owner, mine = Signal(plan.slice_bits), Signal(), Signal(plan.user_bits)
    context = box.entering_context
    members = range(contexts)
    known = context < contexts
    current = box.current if not port.has_reset else Const(1)
    owned = known & current & Array(getattr(box, f"owned{n}") for n in members)[context]
    starts = box.enters & chosen & ~tracked
    fresh = Signal()
    m.d.sync += fresh.eq(starts)
    with m.If(starts):
        m.d.sync += [
            tracked.eq(1),
            ahead.eq(inside - box.leave),
            place.eq(box.signal("write_at")),
            came.eq(box.signal("arriving")),
            mine.eq(context),
            had_owner.eq(owned),
            owner.eq(Array(getattr(box, f"slice{n}") for n in members)[context]),
        ]
    with m.Elif(tracked):
        m.d.sync += [ahead.eq(ahead - box.leave), tracked.eq(~(box.leave & (ahead == 0)))]
    h.shown |= {"tracked": tracked, "ahead": ahead, "owner": owner, "had_owner": had_owner, "mine": mine}
    arriving = data.View(request_layout(plan), box.signal("arriving"))
    goes_to = arriving.order.destination
    targets = len(plan.targets)
    h.claim("who has no slice is denied", ~goes_to[:targets].any() & goes_to[-1], when=box.enters & ~owned)
    entry = lookup.component.entry
    leads = (goes_to[:targets] == entry.target) & (goes_to[-1] == entry.nowhere)
    h.claim("what is in order goes where its window leads", leads, when=box.enters & lookup.component.accepted)
    h.claim("what is no legal burst inside the window is denied", ~goes_to[:targets].any() & goes_to[-1],
            when=box.enters & ~lookup.component.accepted)  # fmt: skip
    h.invariant("it is inside", ahead < inside, when=tracked)
    h.invariant("its place", position(place, PLACES) == (read_at + ahead)[:bits], when=tracked)
    h.invariant("it stands there", box.word(m, "ring", place).as_value() == came.as_value(), when=tracked)
    h.invariant("it goes where its window leads", box.signal("destination") == came.order.destination,
                when=tracked & (ahead == 0))  # fmt: skip
    h.invariant("its owner", came.slice == owner, when=tracked & had_owner)
    h.invariant("its context", came.context == mine, when=tracked)
    h.invariant("nobody's goes nowhere", ~came.order.destination[:targets].any(), when=tracked & ~had_owner)
    asks = tracked & (ahead == 0) & box.ask.any()
    h.claim("only a slice's request asks", had_owner, when=asks)
    h.claim("it asks for the slice that owned its context", box.asking.slice == owner, when=asks)
    h.claim("it asks for the granule that its window says", box.asking.granule == came.granule, when=asks)
    h.claim("it asks where its window says", (box.ask & ~came.order.destination[:targets]) == 0, when=asks)
    h.claim("it is denied if its window leads nowhere", came.order.destination[-1],
            when=tracked & (ahead == 0) & box.deny)  # fmt: skip
    told, told_context = Signal(), Signal(plan.user_bits)
    m.d.sync += [told.eq(tracked & (ahead == 0)), told_context.eq(mine)]
    told_next = Signal(order_layout(plan))
    component = order.component
    m.d.sync += told_next.eq(Mux(component.moves, component.coming.as_value(), component.head.as_value()))
    h.claim(NEXT, component.head.as_value() == told_next.as_value(), when=component.valid)
    shown = tracked & (ahead == 0)
    h.claim("it is shown as it came", box.head.as_value() == came.as_value(), when=shown)
    h.claim("it asks for as many beats as it came with", box.asking.length == came.request.len, when=shown)
    h.claim("its context is told", box.rest.context == told_context, when=told)
    asked = Signal(request_layout(plan))
    m.d.sync += asked.eq(came)
    names = {"length": "len", "protection": "prot", **{name: name for name in ("size", "burst", "lock", "cache")}}
    # Of AxSIZE there is no more than a legal one has.
    rest = [box.rest[name] == asked.request[field][: len(box.rest[name])] for name, field in names.items()]
    rest.append(box.rest.offset == asked.request.addr[: plan.granule_bits])
    h.claim("all else is as it came", Cat(rest).all(), when=told)
    h.claim("it is shown once more", box.tail.as_value() == asked.as_value(), when=told)
    note = box.note
    numbered = (note.sequence == asked.order.sequence) & (note.context == told_context)
    named = (note.id == asked.request.id) & (note.length == asked.request.len)
    h.claim("it is noted under its number", numbered & named, when=told)
    walked = Signal()
    m.d.sync += walked.eq(component.walks)
    h.invariant("it is noted whether it did without its turn", note.walks == walked, when=told)
    _goes_on(h, box, inside)
    if not port.has_reset:
        _drained(h, box, owned)
    return h


def _goes_on(h: Harness, box: WhiteBox, inside: Signal) -> None:
    """What comes is looked up, enters and asks as soon as it may, and not before."""
    m, component = h.m, box.component
    plan, port = component.plan, component.initiator
    lookup, order = box.parts["lookup"].component, box.parts["order"].component
    fields = box.parts["lookup"].parts["fields"].component
    comes = Cat(fields.i.valid, fields.i.ready, fields.i.payload.arriving)
    h.invariant("what comes is looked up", comes == Cat(box.i.valid, box.i.ready, box.i.payload))
    room = (inside < PLACES - 1) & order.room
    h.claim("what has its answer enters when there is room", box.enters, when=lookup.valid & room & ~box.clear)
    asks, previous = box.ask.any(), order.head.previous[:-1]
    blocked, could = Signal(), Signal()
    m.d.sync += [blocked.eq(order.blocked_next), could.eq(box.eligible0 if len(port.contexts) == 1 else 1)]
    h.claim(BEHIND, order.free | ((box.ask & ~previous) == 0), when=asks)
    if component.write and plan.ordering != "stall":
        h.invariant("a write may go anywhere", order.free, when=box.valid)
    elif plan.ordering != "stall":
        h.claim(UNBLOCKED, ~blocked, when=asks)
    nowhere = order.head.destination[-1] & (order.free | order.head.previous[-1])
    h.claim("what leads nowhere asks to be denied in its turn", box.deny == nowhere, when=box.valid)
    if not plan.slice_outstanding:
        target = order.head.destination[:-1]
        anywhere = order.free | ((target & ~previous) == 0)
        h.claim("what may go asks", asks, when=box.valid & target.any() & ~blocked & could & anywhere)


def _drained(h: Harness, box: WhiteBox, owned: Value) -> None:
    """A hand-over is told when nothing of a context, any one, is outstanding."""
    component = box.component
    context = h.constant(component.plan.user_bits, "drains", below=len(component.initiator.contexts))
    outstanding = Signal(range(component.plan.outstanding + 1))
    up = box.enters & owned & (box.entering_context == context)
    down = box.done & box.done_owned & (box.done_context == context)
    h.m.d.sync += outstanding.eq(outstanding + up - down)
    counts = Array(box.signal(f"context{n}_outstanding") for n in range(len(component.initiator.contexts)))
    h.invariant("how many are outstanding", counts[context] == outstanding)
    drained = box.drained.bit_select(context, 1)
    h.claim("a context has drained when none of its requests is outstanding", drained == (outstanding == 0),
            when=box.enters | box.done)  # fmt: skip
