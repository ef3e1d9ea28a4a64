"""A small FIFO in distributed RAM."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

TAPS = {2: 0b11, 3: 0b110, 4: 0b1100, 5: 0b10100, 6: 0b110000}
"""Feedback of shift registers of maximal length, by their number of bits (Xilinx XAPP052, table 3)."""


def following(place: Value, *, whole: bool = True) -> Value:
    """The place after `place` in a ring: a shift register's next state, which needs one look-up table and no carry.

    The ring has every state of `place`; with ``whole=False`` it leaves out state 0, and never gets there from another.
    """
    bits = len(place)
    if bits == 1:
        return ~place
    feedback = (place & TAPS[bits]).xor()
    return Cat(feedback ^ (place[:-1] == 0) if whole else feedback, place[:-1])


class Queue(wiring.Component):
    """A FIFO whose `valid` and `ready` are registers and whose payload is an asynchronous read.

    Latency: 1 cycle, or none with `fall_through`; a payload per cycle, in and out at once. A payload that comes while
    `ready` is low is not taken.

    Parameters
    ----------
    shape : shape of the payload
    depth : int
        Entries, a power of two from 2 to 64.
    always_room : bool
        Whoever fills it sees to it that it never overflows: `ready` is constant.
    fall_through : bool
        What comes while it is empty is offered in the same cycle.
    recalls : bool
        It has the member `before`.

    Members
    -------
    i, o : stream of `shape`
    clear : In(1)
        Drops everything, what arrives in this cycle included.
    read_at : Out
        Place of the oldest entry, for a memory beside this one that is written in the order of :func:`following`.
    before : Out
        What the head of the queue was in the cycle before.
    """

    def __init__(
        self,
        shape: Shape | data.StructLayout | int,
        depth: int,
        *,
        always_room: bool = False,
        fall_through: bool = False,
        recalls: bool = False,
    ) -> None:
        self.shape, self.depth, self.always_room, self.fall_through = shape, depth, always_room, fall_through
        self.recalls = recalls
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "clear": In(1),
                "read_at": Out(exact_log2(depth)),
                **({"before": Out(shape)} if recalls else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self.shape, depth=self.depth, init=[])
        write, read = entries.write_port(), entries.read_port(domain="comb")
        write_at = Signal(exact_log2(self.depth))
        push = Signal()
        pop = Signal()
        full = Signal()
        stored = Signal()
        write_next = following(write_at)
        read_next = following(self.read_at)
        m.d.comb += [
            self.i.ready.eq(~full),
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
            write.en.eq(push),
            write.addr.eq(write_at),
            write.data.eq(self.i.payload),
            read.addr.eq(self.read_at),
        ]
        if self.recalls:
            # A place that was given up is not written before the end of the next cycle.
            recall = entries.read_port(domain="comb")
            m.d.sync += recall.addr.eq(self.read_at)
            m.d.comb += self.before.eq(recall.data)
        more = stored & ~(pop & (read_next == write_at))
        if self.fall_through:
            m.d.comb += [
                self.o.valid.eq(stored | push),
                Value.cast(self.o.payload).eq(Mux(stored, Value.cast(read.data), Value.cast(self.i.payload))),
            ]
            m.d.sync += stored.eq(Mux(push, stored | ~pop, more))
        else:
            m.d.comb += [self.o.valid.eq(stored), self.o.payload.eq(read.data)]
            m.d.sync += stored.eq(push | more)
        if not self.always_room:
            m.d.sync += full.eq(~pop & (full | (push & (write_next == self.read_at))))
        with m.If(push):
            m.d.sync += write_at.eq(write_next)
        with m.If(pop):
            m.d.sync += self.read_at.eq(read_next)
        with m.If(self.clear):
            m.d.sync += [stored.eq(0), full.eq(0), self.read_at.eq(0), write_at.eq(0)]
        return m
