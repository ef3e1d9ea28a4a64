"""Remembers something for each outstanding request, and finds the oldest of an ID."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

SHORT_ID_BITS = 4
"""ID bits up to which an adapter keeps a queue per ID; wider IDs are remapped in front of it."""


class IdQueues(wiring.Component):
    """A queue for each ID, all in one distributed RAM. AXI answers the requests of an ID in order: the oldest is next.

    Latency: a pushed entry is seen in the next cycle; one in and one out per cycle.

    Parameters
    ----------
    shape : StructLayout of an entry
    id_width : int
        At most `SHORT_ID_BITS`, or the memory gets large.
    depth : int
        Entries of each ID, a power of two.

    Members
    -------
    push : In(1)
        Append `info` to the queue of `push_id`. Only while `room`, which says that this queue is not full.
    id : In(id_width)
        The queue that `head` shows; `known` if it has an entry. `pop` removes it.
    """

    def __init__(self, shape: data.StructLayout, *, id_width: int, depth: int) -> None:
        if not 1 <= id_width <= SHORT_ID_BITS:
            raise ValueError(f"ID width must be 1 to {SHORT_ID_BITS} bits, not {id_width!r}")
        self.shape, self.id_width, self.depth = shape, id_width, depth
        super().__init__(
            {
                "push": In(1),
                "push_id": In(id_width),
                "info": In(shape),
                "room": Out(1),
                "id": In(id_width),
                "known": Out(1),
                "head": Out(shape),
                "pop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ids, bits = 1 << self.id_width, exact_log2(self.depth)
        m.submodules.entries = entries = Memory(shape=self.shape, depth=ids * self.depth, init=[])
        write, read = entries.write_port(), entries.read_port(domain="comb")
        # One bit more than the place has, so that full and empty differ.
        written = Array(Signal(bits + 1, name=f"written{n}") for n in range(ids))
        taken = Array(Signal(bits + 1, name=f"taken{n}") for n in range(ids))
        written_here = Signal(bits + 1)
        taken_here = Signal(bits + 1)
        m.d.comb += [
            written_here.eq(written[self.push_id]),
            taken_here.eq(taken[self.id]),
            self.room.eq(written_here ^ taken[self.push_id] != self.depth),
            self.known.eq(written[self.id] != taken_here),
            write.en.eq(self.push),
            write.addr.eq(Cat(written_here[:bits], self.push_id)),
            write.data.eq(self.info),
            read.addr.eq(Cat(taken_here[:bits], self.id)),
            self.head.eq(read.data),
        ]
        with m.If(self.push):
            m.d.sync += written[self.push_id].eq(written_here + 1)
        with m.If(self.pop):
            m.d.sync += taken[self.id].eq(taken_here + 1)
        return m
