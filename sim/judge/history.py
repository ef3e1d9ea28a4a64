"""A value over time, when it is known only roughly in which cycle it changed."""

from bisect import bisect_left, bisect_right
from typing import Generic, TypeVar

Value = TypeVar("Value")


class History(Generic[Value]):
    """What a register of the card held when.

    A change is given by the first and the last cycle in which it may have happened; both never go back.

    Parameters
    ----------
    value
        What it held from the beginning.
    """

    __slots__ = ("first", "last", "values")

    def __init__(self, value: Value) -> None:
        self.first, self.last, self.values = [-1], [-1], [value]

    def change(self, value: Value, first: int, last: int) -> None:
        """It changed to `value` in one of the cycles `first` to `last`."""
        first = max(first, self.first[-1])
        self.first.append(first)
        self.last.append(max(first, last, self.last[-1]))
        self.values.append(value)

    def possible(self, begin: int, end: int) -> list[Value]:
        """All values that it may have held in any of the cycles `begin` to `end`."""
        if len(self.values) == 1:
            return self.values
        # The last change that has certainly happened before `begin`, up to the last that may have happened by `end`.
        low = bisect_left(self.last, begin) - 1
        high = bisect_right(self.first, end)
        return self.values[max(low, 0) : high]

    def now(self) -> Value:
        """What it holds after all changes known so far."""
        return self.values[-1]
