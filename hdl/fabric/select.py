"""One-hot words: what selects with them, and what makes them."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Value, ValueCastable


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
