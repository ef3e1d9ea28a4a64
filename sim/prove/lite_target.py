"""P7 at a target port with AXI4-Lite: answers come in the order of requests, and get their IDs back from a queue."""

from __future__ import annotations

from amaranth.hdl import Const, Value

from hdl.bus.queue import following

from .axi import Port
from .axi_pass import writes_pass
from .harness import Harness
from .ring import filled
from .white_box import WhiteBox


def gives_ids(h: Harness, box: WhiteBox, up: Port, down: Port) -> None:
    """Invariants of :class:`hdl.edge.lite_target.LiteTarget`, in front of which each burst is one beat."""
    h.assume(~up.bus.wvalid | up.bus.wlast, environment="a burst has no more than 1 beats")
    most = len(down.reads[0].lengths)
    reads = _entries(h, box.parts["r_ids"], most)
    below = down.reads[0]
    h.invariant("IDs of all reads are kept", filled(box.parts["r_ids"]) == below.count)
    for above in up.reads:
        h.invariant("reads of an ID", above.count == _count(reads, below.count, above.identity))
        for n, length in enumerate(above.lengths):
            h.invariant("they have one beat", (above.count <= n) | (length == 0))
        h.invariant("and none has begun", above.number == 0)

    writes_pass(h, up, down, lambda above, _: above[:8] == 0)
    (_, due), queue, a = down.due[0], box.parts["b_ids"], up.writes
    writes = _entries(h, queue, 2 * most)
    h.invariant("IDs of all writes are kept", filled(queue) == due + a.addresses)
    for identity, above in up.due:
        h.invariant("answers that are due", above == _count(writes[:most], due, identity))
    for n in range(most):
        for older in range(most + 1):
            there = (due == older) & (a.addresses > n)
            h.invariant("whose write it is", ~there | (writes[older + n] == a.named[n][8:]))
        h.invariant("each has one beat", (a.count <= n) | (a.named[n][:8] == 0))
        h.invariant("and data of one", (a.complete <= n) | (a.early[n] == 0))
    h.invariant("none is in the middle", a.number == 0)


def _entries(h: Harness, queue: WhiteBox, most: int) -> list[Value]:
    """The first entries of a queue."""
    place: Value = queue.component.read_at
    found = []
    for _ in range(most):
        found.append(queue.word(h.m, "entries", place))
        place = following(place)
    return found


def _count(entries: list[Value], among: Value, identity: Value) -> Value:
    """How many of the first so many entries are this ID."""
    return sum(((among > n) & (entry == identity) for n, entry in enumerate(entries)), start=Const(0, 1))
