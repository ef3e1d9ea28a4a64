"""P2 at write data that stands aside: what is read ahead has room, and each beat goes on as it came, in its turn."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Mux, Signal, Value
from amaranth.utils import exact_log2

from hdl.fabric.context_data import AHEAD, ContextData
from hdl.plan.plan import Initiator, Plan, bits_for

from .harness import Harness
from .ring import filled, position
from .white_box import WhiteBox

ROOM_AHEAD = "no more is read ahead than there is room for"
ALONE = "while data of a request that passes is next, none that stood aside is on its way"


def context_data(plan: Plan, port: Initiator) -> Harness:
    """How many beats are on their way out of the block RAM, and one of them, any one."""
    h = Harness()
    box = h.place(ContextData(plan, len(port.contexts)))
    h.without_contents.append("beats")
    inside = read_ahead(h, box)
    h.claim(ROOM_AHEAD, inside < AHEAD, when=box.parts["ahead"].signal("push"))
    h.claim("all has gone on when it says so", (inside == 0) & ~box.signal("fetched"), when=box.empty)
    _beat(h, box, inside)
    _shares(h, box)
    _may_leave(h, box)
    return h


def read_ahead(h: Harness, box: WhiteBox) -> Signal:
    """How many beats were read ahead and wait."""
    queue = box.parts["ahead"]
    inside = Signal(range(AHEAD + 1))
    h.m.d.sync += inside.eq(inside + queue.signal("push") - queue.signal("pop"))
    write_at, read_at = (position(queue.signal(name), AHEAD) for name in ("write_at", "read_at"))
    h.invariant("how many wait", inside == filled(queue))
    h.invariant("an empty queue", write_at == read_at, when=~queue.signal("stored"))
    h.invariant("all that was fetched", box.signal("reading") == inside + box.signal("fetched"))
    h.invariant("never too many", box.signal("reading") <= AHEAD)
    return inside


def _beat(h: Harness, box: WhiteBox, inside: Signal) -> None:
    """One beat of one context: in the block RAM, on its way out, among those that were read ahead."""
    m, component, ahead = h.m, box.component, box.parts["ahead"]
    contexts, places = component.contexts, exact_log2(component.beats)
    direct, w, o = box.signal("direct"), component.w, component.o
    context = h.constant(bits_for(contexts), "context", below=contexts)
    goes_to, comes_from = (box.parts[name].component.o.payload.queue for name in ("routes", "due"))
    if contexts < 1 << len(context):
        there = (goes_to < contexts) & (comes_from < contexts)
        h.assume(there, "it comes out as it went in, after those before it", environment="a context that the port has")
    stores = box.signal("store") & (goes_to == context)
    fetches = box.signal("fetch") & (comes_from == context)
    held = Signal(range(component.beats + 1))
    m.d.sync += held.eq(held + stores - fetches)

    def of_it(name: str) -> Value:
        return Array(box.signal(name.format(n)) for n in range(contexts))[context]

    write_at, read_at = of_it("write{}_at"), of_it("read{}_at")
    h.invariant("how many are held", of_it("count{}") == held)
    h.invariant("some or none", box.signal("has").bit_select(context, 1) == (held != 0))
    h.invariant("full or not", box.signal("full").bit_select(context, 1) == (held == component.beats))
    h.invariant("where they are", write_at == (read_at + held)[:places])

    kept, fetched, waits = Signal(), Signal(), Signal()  # one of them, if it is there
    before, place = Signal(range(component.beats)), Signal(places)
    before_ahead, place_ahead = Signal(range(AHEAD)), Signal.like(ahead.signal("write_at"))
    came = Signal(len(Value.cast(w.payload)))
    pop = ahead.signal("pop")
    starts = stores & h.any(1, "chosen") & ~(kept | fetched | waits)
    leaves_first, goes = kept & fetches & (before == 0), waits & pop & (before_ahead == 0)
    with m.If(starts):
        m.d.sync += [before.eq(held - fetches), place.eq(write_at), came.eq(w.payload)]
    with m.Elif(fetches):
        m.d.sync += before.eq(before - 1)
    with m.If(fetched):
        m.d.sync += [before_ahead.eq(inside - pop), place_ahead.eq(ahead.signal("write_at"))]
    with m.Elif(pop):
        m.d.sync += before_ahead.eq(before_ahead - 1)
    m.d.sync += [
        kept.eq(starts | (kept & ~leaves_first)),
        fetched.eq(leaves_first),
        waits.eq(fetched | (waits & ~goes)),
    ]
    h.shown |= {"kept": kept, "fetched": fetched, "waits": waits, "held": held}
    h.invariant("in one place", kept + fetched + waits <= 1)
    h.invariant("it is held", before < held, when=kept)
    h.invariant("its place", place == (read_at + before)[:places], when=kept)
    stands = box.word(m, "beats", Cat(place, context))
    h.invariant("it stands there", stands.as_value() == came, when=kept)
    h.invariant("it was fetched", box.signal("fetched") & (Value.cast(box.looked("beats")) == came), when=fetched)
    h.invariant("it waits", before_ahead < inside, when=waits)
    at_head = position(ahead.signal("read_at"), AHEAD)
    its_place = position(place_ahead, AHEAD) == (at_head + before_ahead)[: len(place_ahead)]
    h.invariant("its place ahead", its_place, when=waits)
    h.invariant("it is there", Value.cast(ahead.word(m, "entries", place_ahead)) == came, when=waits)
    h.assume(~(direct & (inside != 0)), ALONE)
    h.claim("a beat goes on as it came, after those before it", o.valid & (Value.cast(o.payload) == came),
            when=waits & (before_ahead == 0))  # fmt: skip
    h.claim("a beat that passes goes on as it is", o.valid & (Value.cast(o.payload) == Value.cast(w.payload)),
            when=direct & w.valid)  # fmt: skip


def _may_leave(h: Harness, box: WhiteBox) -> None:
    """A request of a context, any one, may leave when all its data is here, or what is next at the port is its own."""
    m, component = h.m, box.component
    context = h.constant(bits_for(component.contexts), "context", below=component.contexts)
    ahead = Array(box.signal(f"ahead{n}") for n in range(component.contexts))[context]
    routes, due = box.parts["routes"].component, box.parts["due"].component
    for queue in (box.parts["routes"], box.parts["due"]):
        stands = queue.word(m, "entries", queue.component.read_at)
        first = Mux(queue.signal("stored"), stands.as_value(), queue.component.i.payload.as_value())
        h.claim("what goes by a request goes by the first one", queue.component.o.payload.as_value() == first,
                when=queue.component.o.valid)  # fmt: skip
    route, w, o = routes.o.payload, component.w, component.o
    passes = (o.valid == w.valid) & (w.ready == o.ready)
    h.claim("data of a request that passes does not wait here", passes, when=routes.o.valid & route.passes)
    mine = routes.o.valid & ~route.passes & (route.queue == context)
    here, is_next = Signal.like(box.signal("ahead0")), Signal()
    left = component.leaves & (component.leaving.queue == context)
    m.d.sync += [here.eq(here + (mine & routes.o.ready) - left), is_next.eq(mine & ~routes.o.ready)]
    h.invariant("how many have all their data here", ahead == here)
    may = due.i.ready & ((here > 0) | ((here == 0) & is_next))
    h.claim("who may leave has its data here, or next at the port",
            box.may_leave.bit_select(context, 1) == may, when=mine | left)  # fmt: skip


def _shares(h: Harness, box: WhiteBox) -> None:
    """Each request has as many beats as it says, when it comes and when it leaves."""
    m = h.m
    moves = {"routes": box.w.valid & box.w.ready, "due": box.signal("fetch")}
    for (name, moved), register in zip(moves.items(), box.signals("number"), strict=True):
        queue = box.parts[name].component.o
        number = Signal(8, name=f"beats_of_{name}")
        ends = moved & (number == queue.payload.length)
        with m.If(moved):
            m.d.sync += number.eq(Mux(ends, 0, number + 1))
        h.invariant("its number", register == number)
        h.claim("a request takes as many beats as it says", queue.valid & (queue.ready == ends), when=moved)
