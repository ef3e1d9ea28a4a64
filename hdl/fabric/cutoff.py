"""A target that no longer answers is cut off, so that nobody waits for it for ever."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..plan.plan import Target


class Cutoff(wiring.Component):
    """Whether a target is cut off: both planes at once, with strict isolation.

    It is cut off when one of its planes has a request that waits too long, or when it makes no progress with a scrub
    for `timeout` cycles. From then on it sees no request, what it owes is answered with SLVERR by the fabric, and so is
    everything that comes for it, until it is attached again. An offer that it had not taken is withdrawn, which AXI
    does not allow (IHI 0022H, A3.2.1), and answers of its may be lost: whoever attaches it again must have reset it.

    Members
    -------
    overdue : In(2)
        Of reads and writes, see :class:`hdl.fabric.owed.Owed`.
    scrubs, scrub_moves : In(1)
        A scrub is under way; the target took a part of it or answered one in this cycle.
    swept : In(2)
        What it owed is answered.
    cut : Out(1)
        It is cut off.
    settled : Out(1)
        And it owes nothing any more.
    attach : In(1)
        Attach it again; ignored unless it is settled.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        super().__init__(
            {
                "overdue": In(2),
                "scrubs": In(1),
                "scrub_moves": In(1),
                "swept": In(2),
                "cut": Out(1),
                "settled": Out(1),
                "attach": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waited = Signal(exact_log2(self.target.timeout))
        with m.If(self.scrubs & ~self.scrub_moves & ~self.cut):
            m.d.sync += waited.eq(waited + 1)
        with m.Else():
            m.d.sync += waited.eq(0)
        m.d.comb += self.settled.eq(self.cut & self.swept.all())
        with m.If(self.overdue.any() | waited.all()):
            m.d.sync += self.cut.eq(1)
        with m.Elif(self.settled & self.attach):
            m.d.sync += self.cut.eq(0)
        return m
