"""One-hot words: what selects with them, and what makes them."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueCastable


def select(one_hot: Value, inputs: Sequence[ValueCastable]) -> Value:
    """The input whose bit is set; zero if none is."""
    parts = [
        Value.cast(value) & bit.replicate(len(Value.cast(value))) for bit, value in zip(one_hot, inputs, strict=True)
    ]
    return reduce(or_, parts)


def decode(index: Value, enable: Value) -> Value:
    """One-hot word of 2**len(index) bits; zero without `enable`. Made from two halves, which many bits share."""
    half = len(index) // 2
    if not half:
        return Cat(enable & (index == n) for n in range(1 << len(index)))
    low = [index[:half] == n for n in range(1 << half)]
    high = [(index[half:] == n) & enable for n in range(1 << (len(index) - half))]
    return Cat(one & other for other in high for one in low)


class Later:
    """Selects in the next cycle what a one-hot word has chosen in this one; zero if no bit was set.

    Four inputs need two look-up tables of four inputs for each bit: of a, b, c, d the first one passes a or b, or says
    which of c and d it is, and the second one passes what the first one says. Three registered bits drive both.
    """

    FOUR = 4

    def __init__(self, m: Module, one_hot: Value, name: str) -> None:
        self.count = len(one_hot)
        self.codes: list[Signal] = []
        for first in range(0, self.count, self.FOUR):
            bits = one_hot[first : first + self.FOUR]
            if len(bits) > 2:
                bits = Cat(bits[1] | bits[3:].any(), ~bits[:2].any(), bits[2:].any())
            code = Signal(len(bits), name=f"{name}{first // self.FOUR}")
            m.d.sync += code.eq(bits)
            self.codes.append(code)

    def __call__(self, inputs: Sequence[ValueCastable]) -> Value:
        """What the inputs show now."""
        values = [Value.cast(value) for value in inputs]
        groups = [values[first : first + self.FOUR] for first in range(0, self.count, self.FOUR)]
        return reduce(or_, (self._of(code, group) for code, group in zip(self.codes, groups, strict=True)))

    @staticmethod
    def _of(code: Signal, group: list[Value]) -> Value:
        if len(group) <= 2:
            return select(code, group)
        a, b, c, d = (*group, Value.cast(0))[:4]
        second, other, upper = code
        width = max(map(len, group))
        early = Mux(other, second.replicate(width), Mux(second, b, a))
        return Mux(upper, (early & d) | (~early & c), early)
