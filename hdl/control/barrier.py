"""When is a change of rights complete? When every target has answered what had passed before it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Barrier(wiring.Component):
    """Drains all targets at once.

    Latency: that of the slowest target's drain, plus 2 cycles.

    Members
    -------
    start : In(1)
        Ignored while busy.
    busy : Out(1)
    finished : Out(1)
        The barrier ends in this cycle.
    drain, drained : one bit per target
        Client ports of the targets' epochs.
    """

    def __init__(self, targets: int) -> None:
        self.targets = targets
        super().__init__(
            {"start": In(1), "busy": Out(1), "finished": Out(1), "drain": Out(targets), "drained": In(targets)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waiting = Signal(self.targets)
        m.d.comb += [self.drain.eq(waiting), self.finished.eq(self.busy & ~waiting.any())]
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.busy.eq(1), waiting.eq(-1)]
        with m.Elif(self.finished):
            m.d.sync += self.busy.eq(0)
        with m.Else():
            m.d.sync += waiting.eq(waiting & ~self.drained)
        return m
