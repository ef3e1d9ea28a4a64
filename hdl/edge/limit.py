"""A port that may have fewer requests outstanding than the fabric allows."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import axi
from .wires import pass_channel, pass_payload


class Limit(wiring.Component):
    """Holds AR and AW back while as many reads, or writes, are outstanding as the port may have.

    Latency: combinational. A request may go in the cycle after the one in which an answer made room for it.

    Parameters
    ----------
    signature : axi.Signature
    outstanding : int
        Reads, and likewise writes, that may be outstanding; at least 1.

    Members
    -------
    up : In(signature)
    down : Out(signature)
    """

    def __init__(self, signature: axi.Signature, *, outstanding: int) -> None:
        if outstanding < 1:
            raise ValueError(f"Outstanding requests must be at least 1, not {outstanding!r}")
        self.outstanding = outstanding
        super().__init__({"up": In(signature), "down": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        up, down = self.up, self.down
        for channel in ("w", "b", "r"):
            pass_channel(m, up, down, channel)
        ends = {"ar": up.rvalid & up.rready & up.rlast, "aw": up.bvalid & up.bready}
        for channel, end in ends.items():
            valid, ready = (getattr(up, channel + name) for name in ("valid", "ready"))
            count = Signal(range(self.outstanding + 1), name=f"{channel}_count")
            room = Signal(name=f"{channel}_room")
            pass_payload(m, up, down, channel)
            m.d.comb += [
                room.eq(count != self.outstanding),
                getattr(down, f"{channel}valid").eq(valid & room),
                ready.eq(getattr(down, f"{channel}ready") & room),
            ]
            # An answer that nobody asked for must not make the count wrong.
            m.d.sync += count.eq(count + (valid & ready) - (end & (count != 0)))
        return m
