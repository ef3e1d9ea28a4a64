"""P2 and P7 at a port that is narrower than the fabric: each burst passes as one, its answers through a buffer."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux

from hdl.bus.queue import following

from .axi import Port
from .axi_pass import all_reads_pass, answers_pass, buffered, writes_pass
from .byte_lane import ReadLane, WriteLane, lanes_known
from .harness import Harness
from .ring import filled, position
from .white_box import WhiteBox


def widens(h: Harness, box: WhiteBox, up: Port, down: Port) -> None:
    """Invariants of :class:`hdl.edge.widen.Widen`."""
    all_reads_pass(h, up, down, buffered(h, box.parts["r"]))
    bursts = box.parts["answers"].parts["bursts"]
    for below in down.reads:
        written, taken = (bursts.signal(f"{what}{Const.cast(below.identity).value}") for what in ("written", "taken"))
        h.invariant("reads whose answers are awaited", (written - taken)[: len(written)] == below.count)

    writes_pass(h, up, down)
    answers_pass(h, up, down)
    writes, walk = down.writes, box.parts["data"]
    queue = walk.parts["bursts"]
    depth = queue.component.depth
    h.invariant("who is remembered", box.parts["aw"].signal("known") == writes.known)
    h.invariant("writes whose data is to come", filled(queue) + writes.complete == writes.count)
    h.invariant("the beats of the first of these", walk.signal("number") == writes.number)
    read_at = position(queue.signal("read_at"), depth)
    for n in range(depth):
        place = Const(n, len(read_at))
        behind = (position(place, depth) - read_at)[: len(read_at)]
        named = Array(writes.named)[writes.complete + behind]
        length = queue.word(h.m, "entries", place).length
        h.invariant("how long each is", (behind >= filled(queue)) | (length == named[:8]))


def widens_reads(h: Harness, box: WhiteBox, up: Port, down: Port) -> None:
    """Invariants of its read data, of any one ID."""
    byte = ReadLane(h, up, down, gathers=False)
    byte.buffered(box.parts["r"])
    walk, below, identity = box.parts["answers"], byte.below, byte.identity
    queues, begun = walk.parts["bursts"], walk.signal("begun")
    for n, one in enumerate(down.reads):
        some = Mux(one.count == 0, one.number == 0, one.number <= one.lengths[0])
        h.invariant("no beats without a read", some)
        h.invariant("whether it is in the middle of one", begun[n] == (one.number != 0))
    middle, at = begun.bit_select(identity, 1), walk.word(h.m, "offsets", identity)
    h.invariant("where the next beat lies", ~middle | (at == below.current.address))
    taken = Array(queues.signal(f"taken{n}") for n in range(len(down.reads)))[identity]
    for n, (there, one, length) in enumerate(zip(below.there, below.entries, below.lengths, strict=True)):
        entry = queues.word(h.m, "entries", Cat((taken + n)[: len(taken) - 1], identity))
        lanes_known(h, entry, one, length, box.component.size_max, there)


def widens_writes(h: Harness, box: WhiteBox, up: Port, down: Port) -> None:
    """Invariants of its write data."""
    byte = WriteLane(h, up, down, splits=False)
    walk, below, writes = box.parts["data"], byte.below, down.writes
    queue = walk.parts["bursts"]
    h.invariant("where the next beat lies", (writes.number == 0) | (walk.signal("at") == below.current.address))
    at, entries = queue.signal("read_at"), Array(each.as_value() for each in below.entries)
    for n in range(min(queue.component.depth, len(below.entries))):
        entry, which = queue.word(h.m, "entries", at), (writes.complete + n)[:2]
        at = following(at)
        one, length = below.layout(entries[which]), Array(below.lengths)[which]
        lanes_known(h, entry, one, length, box.component.size_max, filled(queue) > n)
    newest = below.layout(entries[(writes.count - 1)[:2]])
    asked = [down.field(f"aw{name}") for name in ("addr", "size", "burst")]
    same = (newest.address == asked[0][: byte.bits]) & (newest.size == asked[1]) & (newest.burst == asked[2])
    h.invariant("the newest below", ~writes.known | same)
