"""Sends an address on, and tells another part of it no later than that."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Fork(wiring.Component):
    """An address goes on when there is `room` to remember it, and is remembered once when it is first offered.

    The side below may wait for write data before it takes the address, and the data waits until the address is
    remembered; so remembering must not wait until the address is taken (IHI 0022H, A3.3.1: Dependencies).
    Latency: combinational. Nothing is stored: an address that has not gone on stands at the port.

    Members
    -------
    valid, ready : In, Out
        Of the address that comes.
    o_valid, o_ready : Out, In
        Of the same on the other side.
    room : In(1)
        It can be remembered; once it is set, it stays until `push`.
    push : Out(1)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "ready": Out(1),
                "o_valid": Out(1),
                "o_ready": In(1),
                "room": In(1),
                "push": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        known = Signal()
        goes = Signal()
        m.d.comb += [
            goes.eq(known | self.room),
            self.push.eq(self.valid & self.room & ~known),
            self.o_valid.eq(self.valid & goes),
            self.ready.eq(self.o_ready & goes),
        ]
        m.d.sync += known.eq(self.o_valid & ~self.o_ready)
        return m
