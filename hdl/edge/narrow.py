"""A wide port on a narrower side, or on one that takes single beats only."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import axi
from . import lanes
from .data_walk import DataWalk
from .fork import Fork
from .gather import GatherReads, GatherResponses
from .split import Split
from .wires import ADDRESS, address_layout, resized


class Narrow(wiring.Component):
    """Bursts of beats that fit keep AxSIZE; wider ones are split (see :class:`Split`), their answers merged.

    Latency: AR and AW combinational, each part of a burst takes its cycle; a beat of W waits for its address and can go
    in the cycle after it; R and B 1 cycle. Throughput: a beat of the narrow side per cycle in each direction.

    Parameters
    ----------
    signature : axi.Signature
        Of the wide port; its IDs are short (:class:`hdl.edge.id_queues.IdQueues`).
    data_width : int
        Of the narrow side, in bits; with `single` it may be as wide.
    depth : int
        Parts of each ID, and writes whose data is still to come, a power of two.
    single : bool
        The narrow side gets single beats.

    Members
    -------
    up : In(signature)
        The wide side, where a manager is attached.
    down : Out(axi.Signature)
    ar_held, ar_user, aw_held, aw_user : Out
        Parts of a request that has been taken are still to go, and its AxUSER.
    """

    def __init__(self, signature: axi.Signature, *, data_width: int, depth: int, single: bool = False) -> None:
        if data_width > signature.data_width or (data_width == signature.data_width and not single):
            raise ValueError(f"Data width must be less than {signature.data_width} bits, not {data_width!r}")
        self.depth, self.single = depth, single
        super().__init__(
            {
                "up": In(signature),
                "down": Out(resized(signature, data_width=data_width)),
                **{f"{channel}_held": Out(1) for channel in ("ar", "aw")},
                **{f"{channel}_user": Out(signature.user_width) for channel in ("ar", "aw")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.wide_max = exact_log2(self.up.signature.data_width // 8)
        self.narrow_max = exact_log2(self.down.signature.data_width // 8)
        self._read(m)
        self._write(m)
        return m

    def _split(self, m: Module, channel: str) -> Split:
        """Between the address channels; the caller connects what goes out."""
        split = Split(
            address_layout(self.up.signature), wide_max=self.wide_max, narrow_max=self.narrow_max, single=self.single
        )
        m.submodules[f"split_{channel}"] = split
        for field in ADDRESS:
            m.d.comb += [
                split.i.payload[field].eq(getattr(self.up, channel + field)),
                getattr(self.down, channel + field).eq(split.o.payload[field]),
            ]
        m.d.comb += [
            split.i.valid.eq(getattr(self.up, f"{channel}valid")),
            getattr(self.up, f"{channel}ready").eq(split.i.ready),
            getattr(self, f"{channel}_held").eq(split.held),
            getattr(self, f"{channel}_user").eq(split.held_user),
        ]
        return split

    def _read(self, m: Module) -> None:
        up, down = self.up, self.down
        split = self._split(m, "ar")
        m.submodules.reads = gather = GatherReads(up.signature, data_width=down.signature.data_width, depth=self.depth)
        m.d.comb += [
            down.arvalid.eq(split.o.valid & gather.room),
            split.o.ready.eq(down.arready & gather.room),
            gather.push.eq(down.arvalid & down.arready),
            gather.push_id.eq(down.arid),
            *(gather.info[name].eq(split.beats[name]) for name in ("offset", "size", "mask")),
            gather.info.final.eq(split.final),
            gather.i.valid.eq(down.rvalid),
            down.rready.eq(gather.i.ready),
            up.rvalid.eq(gather.o.valid),
            gather.o.ready.eq(up.rready),
        ]
        for name in ("id", "data", "resp", "last"):
            m.d.comb += [
                gather.i.payload[name].eq(getattr(down, f"r{name}")),
                getattr(up, f"r{name}").eq(gather.o.payload[name]),
            ]

    def _write(self, m: Module) -> None:
        up, down = self.up, self.down
        split = self._split(m, "aw")
        m.submodules.aw = fork = Fork()
        m.submodules.data = walk = DataWalk(
            offset_bits=len(split.beats.offset), size_max=self.narrow_max, depth=self.depth
        )
        m.submodules.responses = gather = GatherResponses(id_width=up.signature.id_width, depth=self.depth)
        m.d.comb += [
            fork.valid.eq(split.o.valid),
            split.o.ready.eq(fork.ready),
            down.awvalid.eq(fork.o_valid),
            fork.o_ready.eq(down.awready),
            fork.room.eq(walk.i.ready & gather.room),
            walk.i.valid.eq(fork.push),
            *(walk.i.payload[name].eq(split.beats[name]) for name in ("offset", "size", "mask")),
            walk.i.payload.length.eq(down.awlen),
            gather.push.eq(fork.push),
            gather.push_id.eq(down.awid),
            gather.final.eq(split.final),
            gather.i.valid.eq(down.bvalid),
            down.bready.eq(gather.i.ready),
            gather.i.payload.id.eq(down.bid),
            gather.i.payload.resp.eq(down.bresp),
            up.bvalid.eq(gather.o.valid),
            gather.o.ready.eq(up.bready),
            up.bid.eq(gather.o.payload.id),
            up.bresp.eq(gather.o.payload.resp),
        ]
        # A beat of the wide side is taken with its last piece.
        step = lanes.smaller(walk.size, self.narrow_max)
        goes = Signal()
        ends = Signal()
        m.d.comb += [
            goes.eq(down.wvalid & down.wready),
            ends.eq(lanes.ends_word(walk.offset, step, walk.size)),
            down.wvalid.eq(up.wvalid & walk.valid),
            up.wready.eq(goes & ends),
            walk.step.eq(goes),
            down.wlast.eq(walk.last),
        ]
        if self.wide_max > self.narrow_max:
            piece = walk.offset[self.narrow_max :]
            m.d.comb += [
                down.wdata.eq(up.wdata.word_select(piece, len(down.wdata))),
                down.wstrb.eq(up.wstrb.word_select(piece, len(down.wstrb))),
            ]
        else:
            m.d.comb += [down.wdata.eq(up.wdata), down.wstrb.eq(up.wstrb)]
