"""P2 at requests that stand aside: each goes on as it came, and none of an ID overtakes another."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Signal, Value
from amaranth.utils import exact_log2

from hdl.fabric.context_queues import ContextQueues
from hdl.plan.plan import Initiator, Plan, bits_for

from .harness import Harness


def context_queues(plan: Plan, port: Initiator, *, write: bool) -> Harness:
    """One request that stands aside, any one, in any queue; any requests before and after it."""
    h = Harness()
    m = h.m
    box = h.place(ContextQueues(plan, port, write=write))
    h.without_contents += ["beats"] * write
    component = box.component
    contexts, places = component.contexts, exact_log2(component.places)
    queue = h.constant(bits_for(contexts), "queue", below=contexts)
    apart, into, turn, has = (box.signal(name) for name in ("apart", "into", "turn", "has"))
    push, pop, passes = (box.signal(name) for name in ("push", "pop", "passes"))
    if contexts < 1 << len(queue):
        h.assume((into < contexts) & (turn < contexts), environment="a queue that is there")

    def of_it(name: str) -> Value:
        return Array(box.signal(name.format(n)) for n in range(contexts))[queue]

    # How many wait in the queue.
    comes, goes = push & (into == queue), pop & (turn == queue)
    waiting = Signal(range(component.places + 1))
    m.d.sync += waiting.eq(waiting + comes - goes)
    write_at, read_at = of_it("write{}_at"), of_it("read{}_at")
    counts = [box.signal(f"count{n}") for n in range(contexts)]
    for n, count in enumerate(counts):
        h.invariant("some or none", has[n] == (count != 0))
        h.invariant("no more than there is room for", count <= component.places)
        h.invariant("none waits while requests pass", count == 0, when=~apart)
        h.invariant("several or not", box.signal("several")[n] == (count > 1))
    full = Cat(count == component.places for count in counts).any()
    h.invariant("full or not", box.signal("full") == full)
    h.invariant("how many wait", of_it("count{}") == waiting)
    h.invariant("where they are", write_at == (read_at + waiting)[:places])
    chosen = box.signal("chosen")
    h.invariant("whose turn it is has one", Array(counts)[turn] != 0, when=chosen)
    h.claim("who leaves was there", waiting != 0, when=goes)

    # One of them.
    tracked, before, place = Signal(), Signal(range(component.places)), Signal(places)
    came = Signal(component.request)
    starts = comes & h.any(1, "picked") & ~tracked
    with m.If(starts):
        m.d.sync += [tracked.eq(1), before.eq(waiting - goes), place.eq(write_at), came.eq(box.i.payload)]
    with m.Elif(tracked & goes):
        m.d.sync += [before.eq(before - 1), tracked.eq(before != 0)]
    h.shown |= {"tracked": tracked, "before": before, "waiting": waiting}
    h.invariant("it waits", before < waiting, when=tracked)
    h.invariant("its place", place == (read_at + before)[:places], when=tracked)
    stands = box.word(m, "requests", Cat(place, queue))
    h.invariant("it stands there", stands.as_value() == came.as_value(), when=tracked)
    identity = came.request.id
    held = box.signal("held").bit_select(identity, 1)
    h.invariant("its ID has this queue", held & (box.word(m, "holders", identity) == queue), when=tracked)
    h.claim("it goes on as it came, after those before it", box.o.payload.as_value() == came.as_value(),
            when=tracked & goes & (before == 0))  # fmt: skip
    h.claim("nothing passes while one waits", apart & ~passes, when=tracked)
    same = box.i.payload.request.id == identity
    h.claim("what comes of its ID waits behind it", into == queue, when=tracked & push & same)
    h.claim("what passes goes on as it is", box.o.payload.as_value() == box.i.payload.as_value(),
            when=box.o.valid & passes)  # fmt: skip
    h.claim("what is taken has gone on, or waits", push | (box.o.valid & box.o.ready), when=box.i.valid & box.i.ready)
    return h
