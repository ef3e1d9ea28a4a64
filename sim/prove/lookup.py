"""P1 on the way in: whose a request is, where its window leads it, and whether it is a burst that AXI allows."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from hdl.bus.axi import Burst
from hdl.fabric import layouts
from hdl.fabric.lookup import BURST, NO_SLICE, WAITING, WINDOW, Lookup, entry_layout
from hdl.plan.plan import Initiator, Plan, bits_for

from .harness import Harness
from .ring import filled, position
from .white_box import WhiteBox

ONE_TARGET = "a window leads to one target at most"
ONLY = "a window leads only where its port may go"
OWN_CONTEXTS = "an entry is for a context of its port"
TOLD = "it is told what the window held when it was looked up"
EMPTY = "a window is empty when power comes on"


def lookup(plan: Plan, port: Initiator, *, write: bool) -> Harness:
    """One request, any one, from the port until it goes on; and one entry of the window, any one."""
    h = Harness()
    m = h.m
    box = h.place(Lookup(plan, port, write=write))
    contexts = len(port.contexts)
    several = contexts > 1
    granule = h.constant(plan.window_bits, "granule", below=plan.window_granules)
    context = h.constant(plan.user_bits, "context", below=contexts)
    at = Cat(
        granule[: (plan.window_granules - 1).bit_length()], context[: bits_for(contexts)] if several else Const(0, 0)
    )
    entry = _window(h, box, plan, port, granule, context, at, write=write)

    # How many wait, and how many of them have not been looked up.
    inside = Signal(range(WAITING + 1))
    taken = box.signal("taken")
    m.d.sync += inside.eq(Mux(box.clear, 0, inside + taken - box.next))
    h.assume(~box.next | box.valid, environment="only what is there goes on")
    fields, indices = box.parts["fields"], box.parts["indices"]
    of_fields, of_indices = (filled(part) for part in (fields, indices))
    for part, count in ((fields, of_fields), (indices, of_indices)):
        empty = part.signal("write_at") == part.signal("read_at")
        h.invariant("an empty queue", empty, when=~part.signal("stored"))
        h.invariant("a full queue", part.signal("full") == (count == WAITING))
    h.invariant("all are there", of_fields == inside)
    h.invariant("one has its answer", box.valid == (inside != 0))
    h.invariant("the others wait", of_indices == Mux(inside == 0, 0, inside - 1))
    h.claim("what was taken has its answer, or waits for it", box.valid, when=inside != 0)

    chosen = h.any(1, "chosen")
    tracked, ahead = Signal(), Signal(range(WAITING))
    came, place, waits_at = Signal(layouts.arriving(plan, port)), Signal(2), Signal(2)
    looked = Signal(entry_layout(plan))
    starts = taken & chosen & ~tracked
    turn = Signal()  # it is looked up in this cycle
    first = (inside == 0) | ((inside == 1) & box.next)
    m.d.comb += turn.eq((starts & first) | (tracked & (ahead == 1) & box.next))
    with m.If(box.clear):
        m.d.sync += tracked.eq(0)
    with m.Elif(starts):
        m.d.sync += [
            tracked.eq(1),
            ahead.eq(inside - box.next),
            came.eq(box.i.payload),
            place.eq(fields.signal("write_at")),
            waits_at.eq(indices.signal("write_at")),
        ]
    with m.Elif(tracked):
        m.d.sync += [ahead.eq(ahead - box.next), tracked.eq(~(box.next & (ahead == 0)))]
    with m.If(turn):
        m.d.sync += looked.eq(entry)
    h.shown |= {"tracked": tracked, "ahead": ahead, "inside": inside, "came": came.as_value()}
    request = came.request
    user = request.user if several else Const(0, plan.user_bits)
    legal, within = _legal(plan, request), (request.addr >> plan.granule_bits) < plan.window_granules
    stored = fields.word(m, "entries", place)
    h.invariant("it is inside", ahead < inside, when=tracked)
    for queue, there, number, when in (
        (fields, place, ahead, tracked),
        (indices, waits_at, ahead - 1, tracked & (ahead != 0)),
    ):
        at_head = position(queue.signal("read_at"), WAITING)
        h.invariant("its place", position(there, WAITING) == (at_head + number)[:2], when=when)
    h.invariant("it stands there", stored.arriving.as_value() == came.as_value(), when=tracked)
    h.invariant("what is known of it", (stored.legal == legal) & (stored.inside == within), when=tracked)
    index = indices.word(m, "entries", waits_at)
    h.invariant("what is to be looked up", (index.granule == (request.addr >> plan.granule_bits)[: plan.window_bits])
                & (index.context == request.user), when=tracked & (ahead != 0))  # fmt: skip

    oldest = tracked & (ahead == 0)
    members = range(contexts)
    known = user < contexts
    of = lambda what: Array(getattr(box, f"{what}{n}") for n in members)[user]  # noqa: E731
    owned = known & of("owned") & (Const(1) if port.has_reset else box.current)
    h.claim("it goes on as it came", box.request.as_value() == request.as_value(), when=oldest)
    if not port.has_reset:
        h.claim("it keeps its mark", box.mark.as_value() == came.mark.as_value(), when=oldest)
    if several:  # a port with one context has wires here
        h.claim("it is of the context that it names", box.context == user, when=oldest)
        h.claim("it is for the slice that owns its context", box.slice == of("slice"), when=oldest & owned)
        h.claim("it has its context's class", box.request_class == of("class"), when=oldest & known)
    if several or not port.has_reset:
        h.claim("it is a slice's if that owns its context", box.owned == owned, when=oldest)
    h.claim("it is let on if it is a slice's, legal, and inside the window", box.accepted == (owned & legal & within),
            when=oldest)  # fmt: skip
    why = Mux(~owned, NO_SLICE, Mux(legal, WINDOW, BURST))
    h.claim("it is told why it would be denied", box.kind == why, when=oldest)
    same = (user == context) & ((request.addr >> plan.granule_bits) == granule)
    h.claim(TOLD, box.entry.as_value() == looked.as_value(),
            when=oldest & same)  # fmt: skip
    return h


def _window(
    h: Harness, box: WhiteBox, plan: Plan, port: Initiator, granule: Signal, context: Signal, at: Value, *, write: bool
) -> data.View:
    """What an entry of the window holds: nothing until it is written; then what it leads to, if the port may do so."""
    m = h.m
    targets = len(plan.targets)
    reachable = sum(1 << target for target in port.targets)
    if len(port.contexts) < 1 << plan.user_bits:
        h.assume(~box.fill_enable | (box.fill_context < len(port.contexts)), OWN_CONTEXTS)
    target = box.fill_entry.target
    h.assume(~box.fill_enable | ((target & (target - 1))[:targets] == 0), "an entry leads to one target at most")
    entry = Signal(entry_layout(plan), init={"nowhere": 1}, reset_less=True)
    first = h.contents(box, "window", at, entry_layout(plan).size)
    h.assume(first == entry_layout(plan).const({"nowhere": 1}).as_value(), environment=EMPTY)
    fill = box.fill_entry
    permitted = fill.writable if write else fill.readable
    target = Mux(permitted, fill.target & reachable, 0)
    with m.If(box.fill_enable & (box.fill_context == context) & (box.fill_granule == granule)):
        m.d.sync += [entry.target.eq(target), entry.nowhere.eq(target == 0), entry.granule.eq(fill.granule)]
    held = box.word(m, "window", at)
    h.invariant("the window", held.as_value() == entry.as_value())
    if len(port.targets) < targets:
        nowhere_else = (held.target & ~Const(reachable, targets)) == 0
        h.claim(ONLY, nowhere_else, when=~held.nowhere)
    if targets > 1:
        h.claim(ONE_TARGET, (held.target & (held.target - 1))[:targets] == 0, when=~held.nowhere)
    h.claim("a window leads somewhere or nowhere", held.nowhere == ~held.target.any())
    return entry


def _legal(plan: Plan, request: data.View) -> Value:
    """Whether AXI allows a burst (IHI 0022H, A3.4.1)."""
    start = request.addr[:12] - (request.addr[:12] & ((1 << request.size) - 1))
    end = start + ((request.len + 1) << request.size)
    wraps = Cat(request.len == length - 1 for length in (2, 4, 8, 16)).any() & (start == request.addr[:12])
    of_kind = Mux(request.burst == Burst.FIXED, request.len < 16,
                  Mux(request.burst == Burst.INCR, end <= 1 << 12, (request.burst == Burst.WRAP) & wraps))  # fmt: skip
    return of_kind & (request.size <= plan.size_max)
