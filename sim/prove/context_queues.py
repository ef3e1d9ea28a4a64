"""P2 at requests that stand aside: each goes on as it came, and none of an ID overtakes another."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.utils import exact_log2

from hdl.fabric.context_data import ROUTES
from hdl.fabric.context_queues import ContextQueues
from hdl.plan.plan import Initiator, Plan, bits_for

from .arbiter import is_order, matrix
from .context_data import ALONE, read_ahead
from .harness import Harness
from .ring import filled, order, position
from .white_box import WhiteBox


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
    _turns(h, box, write=write)
    if write:
        _data(h, box.parts["data"], apart, counts)
    return h


def _turns(h: Harness, box: WhiteBox, *, write: bool) -> None:
    """Each queue has its turn, and goes if it may."""
    m = h.m
    contexts = box.component.contexts
    apart, chosen, turn, pop = (box.signal(name) for name in ("apart", "chosen", "turn", "pop"))

    def may_go(user: Value) -> Value:
        return Array(box.may_go)[user] | (user >= contexts)

    room = box.parts["data"].component.room if write else Const(1)
    passes = box.i.valid & ~apart & may_go(box.i.payload.request.user)
    h.claim("what may go passes if none stands aside", box.o.valid == room, when=passes)
    goes = may_go(box.o.payload.request.user)
    h.claim("nothing goes that may not", goes, when=box.o.valid)
    if write:
        goes &= Array(box.parts["data"].may_leave)[turn]
    h.claim("whose turn it is goes if it may", box.o.valid, when=apart & chosen & goes)
    turns = box.parts["next"]
    before = matrix(turns, contexts)
    is_order(h, before, contexts)
    given, candidates = turns.grant & turns.accept.replicate(contexts), turns.candidates
    ends, others = Signal(), Signal()
    m.d.sync += [ends.eq(pop | ~box.o.valid), others.eq(candidates.any())]
    h.claim("a turn that ends is followed by another's", chosen, when=apart & ends & others)
    for n in range(contexts):
        passed = Signal(range(contexts + 1), name=f"passed_{n}")
        with m.If(~candidates[n] | given[n]):
            m.d.sync += passed.eq(0)
        with m.Elif(given.any()):
            m.d.sync += passed.eq(passed + 1)
        rank = sum((before[j, n] for j in range(contexts) if j != n), start=Const(0, 1))
        h.invariant("those that had their turn longer ago", passed + rank < contexts)
        h.claim("fewer turns than there are queues go before", passed < contexts, when=candidates[n])


def _data(h: Harness, box: WhiteBox, apart: Signal, counts: list[Signal]) -> None:
    """Data of requests that pass comes before that of all that stand aside, or after all of it has gone on."""
    inside = read_ahead(h, box)
    queue, due = box.parts["routes"], box.parts["due"]
    for one in (queue, due):
        empty = one.signal("write_at") == one.signal("read_at")
        h.invariant("an empty queue", empty, when=~one.signal("stored"))
        h.invariant("a full one", one.signal("full") == (filled(one) == ROUTES))
    head = position(queue.signal("read_at"), ROUTES)
    places = order(exact_log2(ROUTES))
    words = [queue.word(h.m, "entries", Const(n, len(head))) for n in range(ROUTES)]
    after_head = [(Const(place, len(head)) - head)[: len(head)] for place in places]
    there = [behind < filled(queue) for behind in after_head]
    for n, place in enumerate(places):
        before = words[places.index((place - 1) % ROUTES)]
        is_behind = there[n] & (after_head[n] != 0)
        h.invariant("those that pass come first", ~is_behind | before.passes | ~words[n].passes)
    gone = ~due.signal("stored") & (box.signal("reading") == 0)
    push, pop = queue.signal("push"), queue.signal("pop")
    i, o = queue.component.i.payload, queue.component.o.payload
    for n, count in enumerate(counts):
        # Each place knows how many of the queue had come before; so nobody has to count what the places hold.
        came, went = (Signal(ROUTES.bit_length(), name=f"{what}{n}") for what in ("came", "went"))
        h.m.d.sync += [
            came.eq(came + (push & ~i.passes & (i.queue == n))),
            went.eq(went + (pop & ~o.passes & (o.queue == n))),
        ]
        number = [Signal.like(came, name=f"came{n}_before{k}") for k in range(ROUTES)]
        following = [(number[k] + (~words[k].passes & (words[k].queue == n)))[: len(came)] for k in range(ROUTES)]
        for k, place in enumerate(places):
            with h.m.If(push & (queue.signal("write_at") == k)):
                h.m.d.sync += number[k].eq(came)
            before = following[places.index((place - 1) % ROUTES)]
            is_last = after_head[k] + 1 == filled(queue)
            h.invariant("its number", ~there[k] | (number[k] == Mux(after_head[k] == 0, went, before)))
            h.invariant("the last one", ~(there[k] & is_last) | (came == following[k]))
        h.invariant("none is to come", came == went, when=~queue.signal("stored"))
        ahead = box.signal(f"ahead{n}")
        h.invariant("whose data is here, or is to come", count == ahead + (came - went)[: len(came)])
        gone &= (ahead == 0) & ~box.signal(f"is_next{n}")
    passing = Cat(~there[n] | words[n].passes for n in range(ROUTES)).all()
    h.invariant("while requests pass, all data that stood aside has gone on", passing & gone, when=~apart)
    direct = box.signal("direct")
    h.invariant("or none of it is here", gone, when=direct)
    h.claim(ALONE, (inside == 0) & ~box.signal("fetched"), when=direct)
