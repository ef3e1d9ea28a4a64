"""Knows when everything that a target's gates had granted is answered, without stopping what comes after."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

SETTLING = 4
"""Cycles in which a request that was granted is in sight of nobody: it is being checked."""


class Epochs(wiring.Component):
    """Two epochs of requests in flight at one target.

    A request belongs to the epoch in which it was granted, until it is answered or denied. A drain turns the epoch over
    and waits until nothing of the older one is left. It need not count: all that a request passes is in order, so the
    oldest request in each place tells whether that place has any of the older epoch. New requests are never held up.

    Latency: ``SETTLING`` + 1 cycles at least from `drain` to `drained`.

    Members
    -------
    behind : In(1)
        Somewhere a request of the older epoch is left.
    epoch : Out(1)
        The current epoch.
    drain : In(clients)
        Held by a client until its `drained`.
    drained : Out(clients)
        One cycle: what had been granted before the client asked is answered.
    """

    def __init__(self, clients: int) -> None:
        self.clients = clients
        super().__init__({"behind": In(1), "epoch": Out(1), "drain": In(clients), "drained": Out(clients)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        serving = Signal(self.clients)
        settling = Signal(range(SETTLING + 1))
        behind = Signal()
        finished = Signal()
        m.d.sync += behind.eq(self.behind)
        m.d.comb += finished.eq(serving.any() & (settling == SETTLING) & ~behind)
        with m.If(~serving.any()):
            with m.If(self.drain.any()):
                m.d.sync += [serving.eq(self.drain), self.epoch.eq(~self.epoch), settling.eq(0)]
        with m.Elif(finished):
            m.d.comb += self.drained.eq(serving)
            m.d.sync += serving.eq(0)
        with m.Elif(settling != SETTLING):
            m.d.sync += settling.eq(settling + 1)
        return m
