"""P7 at a port that is narrower than the fabric: each burst passes as one, its answers through a buffer."""

from __future__ import annotations

from amaranth.hdl import Array, Const

from .axi import Port
from .axi_pass import all_reads_pass, answers_pass, buffered, writes_pass
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
