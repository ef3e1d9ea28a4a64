"""A signature of everything that a port's signals have done since reset: equal signatures mean equal cycles."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WIDTH = 32
_ROTATION = 7
"""Odd, so that a beat that comes a cycle later, or a bit that moves, meets other bits of the sum."""


class PortSignature(wiring.Component):
    """Folds `signals` into 32 bits, in each cycle.

    Each cycle's signals are added to a rotated sum, word after word. Two runs of a port whose signals differ in one
    cycle have different sums from then on, but for one case in 2**32.

    Members
    -------
    signals : In(width)
    value : Out(32)
        The sum up to the cycle before.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"signals": In(width), "value": Out(WIDTH, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total: Value = self.value
        for start in range(0, self.width, WIDTH):
            word = Signal(WIDTH, name=f"word{start // WIDTH}")
            step = Signal(WIDTH, name=f"sum{start // WIDTH}")
            m.d.comb += [
                word.eq(self.signals[start : start + WIDTH]),
                step.eq(Cat(total[_ROTATION:], total[:_ROTATION]) + word),
            ]
            total = step
        # Without this the sum of a port that does nothing would stand still, whatever the number of cycles.
        m.d.sync += self.value.eq(Cat(total[1:], total[:1]) + Const(0x9E3779B9, WIDTH))
        return m
