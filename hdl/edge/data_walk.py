"""Follows the beats of write data over the lanes of the wider side. AXI4 gives write data in the order of addresses."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from . import lanes


class DataWalk(wiring.Component):
    """Where does the beat that has come lie, and is it the last? AxLEN tells: nobody trusts an initiator's WLAST.

    Latency: 1 cycle from `i` to `valid`; `offset` is combinational.

    Parameters
    ----------
    offset_bits, size_max : int
        As of :class:`hdl.edge.answer_walk.AnswerWalk`.
    depth : int
        Bursts whose data is still to come, a power of two.

    Members
    -------
    i : stream of {offset, size, mask, length}
        Bursts, in order; `length` is AxLEN.
    valid : Out(1)
        The address of the beat that comes next is known.
    offset : Out(offset_bits)
        Where it lies; `size` is its burst's.
    last : Out(1)
        It is the last of its burst.
    step : In(1)
        It goes.
    """

    def __init__(self, *, offset_bits: int, size_max: int, depth: int) -> None:
        self.offset_bits, self.size_max, self.depth = offset_bits, size_max, depth
        self.layout = lanes.beat_layout(offset_bits, length=8)
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "valid": Out(1),
                "offset": Out(offset_bits),
                "size": Out(3),
                "last": Out(1),
                "step": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = Queue(self.layout, self.depth)
        head = bursts.o.payload
        number = Signal(8)
        at = Signal(self.offset_bits)
        wiring.connect(m, wiring.flipped(self.i), bursts.i)
        m.d.comb += [
            self.valid.eq(bursts.o.valid),
            self.size.eq(head.size),
            self.offset.eq(Mux(number == 0, head.offset, at)),
            self.last.eq(number == head.length),
            bursts.o.ready.eq(self.step & self.last),
        ]
        with m.If(self.step):
            m.d.sync += [
                number.eq(Mux(self.last, 0, number + 1)),
                at.eq(lanes.following_offset(self.offset, lanes.smaller(head.size, self.size_max), head.mask)),
            ]
        return m
