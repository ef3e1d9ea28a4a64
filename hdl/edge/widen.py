"""A narrow port on a wider side."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import axi
from ..bus.buffer import Buffer
from . import lanes
from .answer_walk import AnswerWalk
from .data_walk import DataWalk
from .fork import Fork
from .wires import answer_layout, pass_channel, pass_payload, resized

ILLEGAL_SIZE = 7
"""128 bytes, more than any port of a card has: the burst check of the fabric refuses it."""


class Widen(wiring.Component):
    """Bursts keep AxSIZE, so that each beat goes to some lanes of a wider beat: one beat in, one beat out.

    Latency: AR, AW and B combinational; a beat of W waits for its address and can go in the cycle after it; R 1 cycle.
    Throughput: a beat per cycle in each direction. An AxSIZE wider than the narrow port is made one that is wrong on
    the wider side too.

    Parameters
    ----------
    signature : axi.Signature
        Of the narrow port.
    data_width : int
        Of the wide side, in bits.
    depth : int
        Bursts of each ID, and writes whose data is still to come, a power of two.

    Members
    -------
    up : In(signature)
        The narrow side, where a manager is attached.
    down : Out(axi.Signature)
    """

    def __init__(self, signature: axi.Signature, *, data_width: int, depth: int) -> None:
        if data_width <= signature.data_width:
            raise ValueError(f"Data width must be more than {signature.data_width} bits, not {data_width!r}")
        self.depth = depth
        super().__init__({"up": In(signature), "down": Out(resized(signature, data_width=data_width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        up, down = self.up, self.down
        self.offset_bits = exact_log2(down.signature.data_width // 8)
        self.size_max = exact_log2(up.signature.data_width // 8)
        for channel in ("ar", "aw"):
            size = getattr(up, f"{channel}size")
            pass_payload(m, up, down, channel, but=("size",))
            m.d.comb += getattr(down, f"{channel}size").eq(Mux(size > self.size_max, ILLEGAL_SIZE, size))
        self._read(m)
        self._write(m)
        pass_channel(m, up, down, "b")
        return m

    def _lanes(self, channel: str) -> dict[str, Value]:
        """Lanes of the burst that is asked for."""
        fields = {name: getattr(self.up, channel + name) for name in ("addr", "len", "size", "burst")}
        mask = lanes.address_mask(fields["burst"], fields["len"], fields["size"], self.offset_bits)
        return {"offset": fields["addr"][: self.offset_bits], "size": fields["size"], "mask": mask}

    def _read(self, m: Module) -> None:
        up, down = self.up, self.down
        id_width = up.signature.id_width
        m.submodules.answers = walk = AnswerWalk(
            offset_bits=self.offset_bits, size_max=self.size_max, id_width=id_width, depth=self.depth
        )
        m.submodules.r = r = Buffer(answer_layout(up.signature))
        m.d.comb += [
            down.arvalid.eq(up.arvalid & walk.room),
            up.arready.eq(down.arready & walk.room),
            walk.push.eq(up.arvalid & up.arready),
            walk.push_id.eq(up.arid),
            *(walk.info[name].eq(value) for name, value in self._lanes("ar").items()),
            walk.info.final.eq(1),
            # What nobody asked for is taken and dropped.
            walk.id.eq(down.rid),
            r.i.valid.eq(down.rvalid & walk.known),
            down.rready.eq(r.i.ready | ~walk.known),
            walk.step.eq(r.i.valid & r.i.ready),
            walk.last.eq(down.rlast),
            r.i.payload.id.eq(down.rid),
            r.i.payload.resp.eq(down.rresp),
            r.i.payload.last.eq(down.rlast),
            r.i.payload.data.eq(down.rdata.word_select(walk.offset[self.size_max :], up.signature.data_width)),
            up.rvalid.eq(r.o.valid),
            r.o.ready.eq(up.rready),
            *(getattr(up, f"r{name}").eq(r.o.payload[name]) for name in ("id", "data", "resp", "last")),
        ]

    def _write(self, m: Module) -> None:
        up, down = self.up, self.down
        m.submodules.aw = fork = Fork()
        m.submodules.data = walk = DataWalk(offset_bits=self.offset_bits, size_max=self.size_max, depth=self.depth)
        ratio = down.signature.data_width // up.signature.data_width
        goes = Signal()
        m.d.comb += [
            fork.valid.eq(up.awvalid),
            up.awready.eq(fork.ready),
            down.awvalid.eq(fork.o_valid),
            fork.o_ready.eq(down.awready),
            fork.room.eq(walk.i.ready),
            walk.i.valid.eq(fork.push),
            *(walk.i.payload[name].eq(value) for name, value in self._lanes("aw").items()),
            walk.i.payload.length.eq(up.awlen),
            down.wvalid.eq(up.wvalid & walk.valid),
            up.wready.eq(down.wready & walk.valid),
            goes.eq(up.wvalid & up.wready),
            walk.step.eq(goes),
            down.wdata.eq(up.wdata.replicate(ratio)),
            down.wstrb.word_select(walk.offset[self.size_max :], len(up.wstrb)).eq(up.wstrb),
            down.wlast.eq(walk.last),
        ]
