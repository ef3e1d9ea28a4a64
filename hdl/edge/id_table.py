"""Which short ID stands for which long one, for one direction."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

MOST = 31
"""Requests of one ID that can be under way."""


class IdTable(wiring.Component):
    """Lends a short ID to a long one for as long as requests of it are under way.

    The same long ID gets the same short one while it has it, so the order within the ID is the target's own. A long ID
    that finds no free short one waits, and with it who comes behind. Latency: combinational; a request per cycle.

    Parameters
    ----------
    long_width, short_width : int

    Members
    -------
    valid : In(1)
        A request with `long` stands here; `go` tells that it may pass as `short`. Both stay until it is `taken`.
    answer : In(short_width)
        ID of an answer; `owner` is the long one, `known` tells that somebody waits for it.
    done : In(1)
        The answer is the last of its request.
    """

    def __init__(self, *, long_width: int, short_width: int) -> None:
        self.long_width, self.short_width = long_width, short_width
        super().__init__(
            {
                "valid": In(1),
                "long": In(long_width),
                "go": Out(1),
                "short": Out(short_width),
                "taken": In(1),
                "answer": In(short_width),
                "owner": Out(long_width),
                "known": Out(1),
                "done": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places = 1 << self.short_width
        m.submodules.owners = owners = Memory(shape=self.long_width, depth=places, init=[])
        write, read = owners.write_port(), owners.read_port(domain="comb")
        longs = [Signal(self.long_width, name=f"long{n}") for n in range(places)]
        counts = [Signal(range(MOST + 1), name=f"count{n}") for n in range(places)]
        busy = Cat(count != 0 for count in counts)
        match = Cat((count != 0) & (long == self.long) for count, long in zip(counts, longs, strict=True))
        full = Cat(count == MOST for count in counts)
        # A request that is waiting has been counted already, so that its short ID is not taken away.
        counted = Signal()
        chosen = Signal(places)
        lends = Signal()
        free = ~busy
        m.d.comb += [
            chosen.eq(Mux(match.any(), match, free & (~free + 1)[:places])),
            self.go.eq(counted | (chosen & ~full).any()),
            lends.eq(self.valid & self.go & ~counted),
            *(
                self.short[bit].eq(Cat(chosen[n] for n in range(places) if n >> bit & 1).any())
                for bit in range(self.short_width)
            ),
            write.en.eq(lends),
            write.addr.eq(self.short),
            write.data.eq(self.long),
            read.addr.eq(self.answer),
            self.owner.eq(read.data),
            self.known.eq(busy.bit_select(self.answer, 1)),
        ]
        m.d.sync += counted.eq(self.valid & self.go & ~self.taken)
        for n, (long, count) in enumerate(zip(longs, counts, strict=True)):
            begins, ends = lends & chosen[n], self.done & (self.answer == n)
            m.d.sync += count.eq(count + begins - ends)
            with m.If(begins):
                m.d.sync += long.eq(self.long)
        return m
