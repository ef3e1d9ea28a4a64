"""P7 at a port with fewer ID bits: a short ID is its long one's while requests of it are under way."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Value

from .axi import Port
from .axi_pass import reads_pass, writes_pass
from .harness import Harness
from .white_box import WhiteBox


def remaps(h: Harness, box: WhiteBox, up: Port, down: Port) -> None:
    """Invariants of :class:`hdl.edge.id_remap.IdRemap`."""
    reads, writes = (Table(h, box.parts[name]) for name in ("reads", "writes"))
    for above in up.reads:
        owned = [reads.owner(n, above.identity) for n in range(len(down.reads))]
        for has, below in zip(owned, down.reads, strict=True):
            reads_pass(h, above, below, when=has)
        h.invariant("no reads of an ID that has no short one", Cat(owned).any() | (above.count == 0))
    for one in (*up.reads, *down.reads):
        h.invariant("no beats without a read", (one.count != 0) | (one.number == 0))
    for n, below in enumerate(down.reads):
        h.invariant("reads are counted", reads.counts[n] == below.count + reads.waits(n))

    def alike(above: Value, below: Value) -> Value:
        return (above[:8] == below[:8]) & (above[8:] == Array(writes.longs)[below[8:]])

    writes_pass(h, up, down, alike)
    for identity, above in up.due:
        owned = [writes.owner(n, identity) for n in range(len(down.due))]
        for has, (_, below) in zip(owned, down.due, strict=True):
            h.invariant("answers that are due", ~has | (above == below))
        h.invariant("none is due to an ID that has no short one", Cat(owned).any() | (above == 0))
    known = down.writes
    for n, (_, below) in enumerate(down.due):
        of_it = [(known.count > k) & (entry[8:] == n) for k, entry in enumerate(known.named)]
        h.invariant("writes are counted", writes.counts[n] == below + sum(of_it, start=Const(0, 1)))


class Table:
    """An IdTable, and what is always so of it.

    Members
    -------
    counts, longs : list of Signal
        By short ID: how many requests are under way, and whose it is.
    """

    def __init__(self, h: Harness, box: WhiteBox) -> None:
        places = range(1 << box.component.short_width)
        self.counts = [box.signal(f"count{n}") for n in places]
        self.longs = [box.signal(f"long{n}") for n in places]
        self._chosen, self._counted = box.signal("chosen"), box.signal("counted")
        has_one = Cat(self.owner(n, box.long) for n in places).any()
        h.invariant("who is counted has a short ID", has_one & box.valid, when=self._counted)
        for n in places:
            owner = box.word(h.m, "owners", Const(n, box.component.short_width))
            h.invariant("its owner is the one that has it", owner == self.longs[n], when=self.counts[n] != 0)
            for other in range(n):
                both = (self.counts[n] != 0) & (self.counts[other] != 0)
                h.invariant("a long ID has one short one", self.longs[n] != self.longs[other], when=both)

    def owner(self, n: int, identity: Value) -> Value:
        """Whether a short ID is this long one's."""
        return (self.counts[n] != 0) & (self.longs[n] == identity)

    def waits(self, n: int) -> Value:
        """Whether a request with this short ID was counted and is not taken yet."""
        return self._counted & self._chosen[n]
