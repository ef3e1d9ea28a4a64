"""Follows the beats of read answers over the lanes of the wider side, for every ID by itself."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import lanes
from .id_queues import IdQueues


class AnswerWalk(wiring.Component):
    """Where does the beat that has come lie? Beats of different IDs may interleave (IHI 0022H, A5.3.1).

    Latency: `offset` is combinational; a pushed burst is known in the next cycle.

    Parameters
    ----------
    offset_bits : int
        Bits of an address inside a word of the wider side.
    size_max : int
        AxSIZE of the narrower side's full width, which no beat exceeds.
    id_width, depth : int
        As of :class:`IdQueues`.

    Members
    -------
    push, push_id, info, room
        As of :class:`IdQueues`; `info` has the burst's lanes, and whether it is the `final` part of a request.
    id : In(id_width)
        Of the beat that has come; `known` if it was asked for.
    offset : Out(offset_bits)
        Where it lies; `burst` is the burst that it belongs to, `middle` tells that it is not its first beat.
    step : In(1)
        It goes; `last` that it is the last of its burst.
    """

    def __init__(self, *, offset_bits: int, size_max: int, id_width: int, depth: int) -> None:
        self.offset_bits, self.size_max = offset_bits, size_max
        self.id_width, self.depth = id_width, depth
        self.info_layout = lanes.beat_layout(offset_bits, final=1)
        super().__init__(
            {
                "push": In(1),
                "push_id": In(id_width),
                "info": In(self.info_layout),
                "room": Out(1),
                "id": In(id_width),
                "known": Out(1),
                "offset": Out(offset_bits),
                "burst": Out(self.info_layout),
                "middle": Out(1),
                "step": In(1),
                "last": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = IdQueues(self.info_layout, id_width=self.id_width, depth=self.depth)
        m.submodules.offsets = offsets = Memory(shape=self.offset_bits, depth=1 << self.id_width, init=[])
        write, read = offsets.write_port(), offsets.read_port(domain="comb")
        begun = Signal(1 << self.id_width)
        head = bursts.head
        m.d.comb += [
            bursts.push.eq(self.push),
            bursts.push_id.eq(self.push_id),
            bursts.info.eq(self.info),
            self.room.eq(bursts.room),
            bursts.id.eq(self.id),
            self.known.eq(bursts.known),
            self.burst.eq(head),
            bursts.pop.eq(self.step & self.last),
            self.middle.eq(begun.bit_select(self.id, 1)),
            read.addr.eq(self.id),
            self.offset.eq(Mux(self.middle, read.data, head.offset)),
            write.en.eq(self.step),
            write.addr.eq(self.id),
            write.data.eq(
                lanes.following_offset(self.offset, lanes.smaller(head.size, self.size_max), head.mask),
            ),
        ]
        with m.If(self.step):
            m.d.sync += begun.bit_select(self.id, 1).eq(~self.last)
        return m
