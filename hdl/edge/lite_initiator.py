"""AXI4-Lite on an initiator port."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import axi

DEVICE = 0b0000
"""AxCACHE of AXI4-Lite: not modifiable, not bufferable (IHI 0022H, B1.1.1)."""


class LiteInitiator(wiring.Component):
    """What AXI4-Lite leaves out: every access is a single beat of the full width, with ID 0 (IHI 0022H, B1.1).

    Latency: combinational.

    Parameters
    ----------
    signature : axi.LiteSignature
    user_width : int
        Of the AXI4 side, in bits; AxUSER is 0.

    Members
    -------
    up : In(signature)
    down : Out(axi.Signature)
        As wide as `up`, 1 bit of ID.
    """

    def __init__(self, signature: axi.LiteSignature, *, user_width: int) -> None:
        down = axi.Signature(
            data_width=signature.data_width,
            address_width=signature.address_width,
            id_width=1,
            user_width=user_width,
        )
        super().__init__({"up": In(signature), "down": Out(down)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        up, down = self.up, self.down
        for name, member in up.signature.flip().members.items():
            source, sink = (up, down) if member.flow == Out else (down, up)
            m.d.comb += getattr(sink, name).eq(getattr(source, name))
        for channel in ("ar", "aw"):
            m.d.comb += [
                getattr(down, f"{channel}size").eq(exact_log2(up.signature.data_width // 8)),
                getattr(down, f"{channel}burst").eq(axi.Burst.INCR),
                getattr(down, f"{channel}cache").eq(DEVICE),
            ]
        m.d.comb += down.wlast.eq(1)
        return m
