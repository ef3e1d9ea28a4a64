"""AXI4-Lite on a target port."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import axi
from ..bus.queue import Queue
from .wires import PAYLOADS


class LiteTarget(wiring.Component):
    """Drops what AXI4-Lite does not have, and remembers IDs: it answers in order (IHI 0022H, B1.1.1).

    In front of it stands :class:`hdl.edge.narrow.Narrow` with `single`, so that only single beats come.
    Latency: combinational; an access per cycle.

    Parameters
    ----------
    signature : axi.Signature
        Of the AXI4 side, 32 or 64 bits wide.
    depth : int
        Reads, and likewise writes, that can be outstanding, a power of two.

    Members
    -------
    up : In(signature)
    down : Out(axi.LiteSignature)
    """

    def __init__(self, signature: axi.Signature, *, depth: int) -> None:
        self.depth = depth
        down = axi.LiteSignature(address_width=signature.address_width, data_width=signature.data_width)
        super().__init__({"up": In(signature), "down": Out(down)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        up, down = self.up, self.down
        for channel, fields in PAYLOADS.items():
            source, sink = (down, up) if channel in ("r", "b") else (up, down)
            for field in fields:
                if f"{channel}{field}" in down.signature.members:
                    m.d.comb += getattr(sink, channel + field).eq(getattr(source, channel + field))
        for request, answer in (("ar", "r"), ("aw", "b")):
            ids = Queue(up.signature.id_width, self.depth)
            m.submodules[f"{answer}_ids"] = ids
            m.d.comb += [
                getattr(down, f"{request}valid").eq(getattr(up, f"{request}valid") & ids.i.ready),
                getattr(up, f"{request}ready").eq(getattr(down, f"{request}ready") & ids.i.ready),
                ids.i.valid.eq(getattr(up, f"{request}valid") & getattr(down, f"{request}ready")),
                ids.i.payload.eq(getattr(up, f"{request}id")),
                getattr(up, f"{answer}id").eq(ids.o.payload),
                # What nobody asked for is taken and dropped.
                getattr(up, f"{answer}valid").eq(getattr(down, f"{answer}valid") & ids.o.valid),
                getattr(down, f"{answer}ready").eq(getattr(up, f"{answer}ready") | ~ids.o.valid),
                ids.o.ready.eq(getattr(down, f"{answer}valid") & getattr(up, f"{answer}ready")),
            ]
        m.d.comb += [
            up.rlast.eq(1),
            down.wvalid.eq(up.wvalid),
            up.wready.eq(down.wready),
        ]
        return m
