"""Is a burst one that AXI allows? An initiator is not trusted to keep to the protocol."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Burst
from ..plan.plan import Plan, bits_for


class BurstCheck(wiring.Component):
    """Checks type, size, length and the 4 KiB rule of a burst (IHI 0022H, A3.4.1).

    A granule is at least 4 KiB, so a legal burst lies in one granule and one look-up decides about all its beats.
    Latency: combinational.

    Members
    -------
    address : In(12)
        Bits inside 4 KiB of the first beat's address.
    length, size, burst : In
        AxLEN, AxSIZE, AxBURST.
    legal : Out(1)
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__({"address": In(12), "length": In(8), "size": In(3), "burst": In(2), "legal": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size_bits = bits_for(self.plan.size_max + 1)
        size = self.size[:size_bits]
        # The start of the last beat: what an unaligned start adds to it lies below the size and makes no carry.
        last_beat = Signal(13)
        misaligned = Signal()
        m.d.comb += [
            last_beat.eq(self.address + (self.length << size)[:12]),
            misaligned.eq((self.address[: self.plan.size_max] & ((1 << size) - 1)).any()),
        ]
        fits = (self.size >> size_bits == 0) & (size <= self.plan.size_max)
        crosses = last_beat[12] | (self.length << size)[12:].any()
        wrap_length = (self.length == 1) | (self.length == 3) | (self.length == 7) | (self.length == 15)
        with m.Switch(self.burst):
            with m.Case(Burst.FIXED):
                m.d.comb += self.legal.eq(fits & (self.length < 16))
            with m.Case(Burst.INCR):
                m.d.comb += self.legal.eq(fits & ~crosses)
            with m.Case(Burst.WRAP):
                m.d.comb += self.legal.eq(fits & wrap_length & ~misaligned)
        return m
