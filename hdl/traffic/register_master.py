"""Register accesses without a test bench in every cycle: reads, writes, and waits until a register is as expected."""

from enum import IntEnum

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus import axi

GAP = 8
"""Cycles between two polls, about as many as a RAM behind a bus has."""


class Access(IntEnum):
    """What the master can do."""

    READ = 0
    WRITE = 1
    WAIT = 2


def access_members(address_width: int) -> dict[str, wiring.Member]:
    """What a register master is asked, and answers."""
    return {
        "order": In(1),
        "kind": In(2),
        "address": In(address_width),
        "value": In(32),
        "mask": In(32),
        "polls": In(16),
        "done": Out(1),
        "seen": Out(32),
        "failed": Out(1),
    }


class RegisterMaster(wiring.Component):
    """Carries out one register access at a time on an AXI4-Lite bus.

    Latency: whatever the registers take; `done` follows the last answer by one cycle.

    Members
    -------
    bus : AXI4-Lite, as a manager
    order : In(1)
        Each change of it starts an access with `kind`, `address`, `value`, `mask` and `polls`; they stay until its end.
    kind : In(2)
        An :class:`Access`. A wait reads until ``value == read & mask``, at most `polls` times.
    done : Out(1)
        Equal to `order` again when the access has ended.
    seen : Out(32)
        What was read last.
    failed : Out(1)
        The last access was answered with an error, or its wait ran out of polls.
    """

    def __init__(self, address_width: int) -> None:
        self.address_width = address_width
        super().__init__({"bus": Out(axi.LiteSignature(address_width=address_width)), **access_members(address_width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.bus
        left = Signal(16)
        gap = Signal(range(GAP))
        met = Signal()
        m.d.comb += [
            bus.awaddr.eq(self.address),
            bus.araddr.eq(self.address),
            bus.wdata.eq(self.value),
            bus.wstrb.eq(-1),
            bus.bready.eq(1),
            bus.rready.eq(1),
            met.eq((self.kind == Access.READ) | ((bus.rdata & self.mask) == self.value)),
        ]
        with m.FSM():
            with m.State("REST"):
                with m.If(self.order != self.done):
                    m.d.sync += left.eq(Mux(self.kind == Access.WAIT, self.polls, 1))
                    with m.If(self.kind == Access.WRITE):
                        m.d.sync += [bus.awvalid.eq(1), bus.wvalid.eq(1)]
                        m.next = "WRITE"
                    with m.Else():
                        m.d.sync += bus.arvalid.eq(1)
                        m.next = "READ"
            with m.State("WRITE"):
                for channel in ("aw", "w"):
                    with m.If(getattr(bus, f"{channel}ready")):
                        m.d.sync += getattr(bus, f"{channel}valid").eq(0)
                with m.If(bus.bvalid):
                    m.d.sync += [self.done.eq(self.order), self.failed.eq(bus.bresp != 0)]
                    m.next = "REST"
            with m.State("READ"):
                with m.If(bus.arready):
                    m.d.sync += bus.arvalid.eq(0)
                with m.If(bus.rvalid):
                    m.d.sync += [self.seen.eq(bus.rdata), left.eq(left - 1), gap.eq(GAP - 1)]
                    with m.If(met | (left == 1) | (bus.rresp != 0)):
                        m.d.sync += [self.done.eq(self.order), self.failed.eq(~met | (bus.rresp != 0))]
                        m.next = "REST"
                    with m.Else():
                        m.next = "GAP"
            with m.State("GAP"):
                m.d.sync += gap.eq(gap - 1)
                with m.If(gap == 0):
                    m.d.sync += bus.arvalid.eq(1)
                    m.next = "READ"
        return m
