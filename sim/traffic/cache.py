"""A model of a processor's caches: from the accesses of a program to what reaches the memory."""

from collections.abc import Iterator
from typing import NamedTuple

LINE_BYTES = 64
PAGE_BYTES = 4096
KIBI = 1024


class Victim(NamedTuple):
    """A line that had to go; nothing remembers it if it was as in memory."""

    line: int
    dirty: bool


class Transfer(NamedTuple):
    """A line fill, or with `write` a write-back."""

    line: int
    write: bool


class Level:
    """One cache: set-associative, least recently used goes, write-back, a write brings its line in.

    Parameters
    ----------
    size : int
        Bytes.
    ways : int
        Lines of a set.
    """

    def __init__(self, size: int, ways: int) -> None:
        if size % (ways * LINE_BYTES):
            raise ValueError(f"{size} bytes are no whole number of sets of {ways} lines of {LINE_BYTES} bytes")
        self.size, self.ways = size, ways
        # A set is line -> dirty; a dict keeps the order, so the one that was used longest ago stands first.
        self._sets: list[dict[int, bool]] = [{} for _ in range(size // (ways * LINE_BYTES))]

    def access(self, line: int, write: bool) -> tuple[bool, Victim | None]:
        """Use a line, bringing it in if it is not here: whether it was here, and which line went for it."""
        lines = self._sets[line % len(self._sets)]
        dirty = lines.pop(line, None)
        if dirty is not None:
            lines[line] = dirty or write
            return True, None
        victim = None
        if len(lines) == self.ways:
            oldest = next(iter(lines))
            victim = Victim(oldest, lines.pop(oldest))
        lines[line] = write
        return False, victim


class Hierarchy:
    """First-level caches for instructions and data, and one second level behind both.

    The second level holds a line or not whatever the first does (neither inclusive nor exclusive). A line that the
    first level writes back is whole, so the second level takes it without a fill. Nothing keeps the two first-level
    caches alike; a program that writes its own instructions is not modelled.

    Parameters
    ----------
    first, second : int
        Bytes of each first-level cache, and of the second level.
    ways : int
        Of all of them.
    """

    def __init__(self, first: int = 32 * KIBI, second: int = 128 * KIBI, ways: int = 8) -> None:
        self.first, self.second, self.ways = first, second, ways
        self._instructions, self._data = Level(first, ways), Level(first, ways)
        self._second = Level(second, ways)

    def describe(self) -> str:
        """The filter in a line."""
        return (
            f"{self.first // KIBI} KiB instructions + {self.first // KIBI} KiB data, {self.second // KIBI} KiB second"
            f" level, {self.ways} ways, lines of {LINE_BYTES} bytes, least recently used, write-back, write-allocate"
        )

    def access(self, address: int, size: int, *, write: bool, fetch: bool = False) -> Iterator[Transfer]:
        """What an access of `size` bytes makes the memory do; the fill comes before the write-backs it causes."""
        for line in range(address // LINE_BYTES, (address + size - 1) // LINE_BYTES + 1):
            hit, victim = (self._instructions if fetch else self._data).access(line, write)
            if hit:
                continue
            yield from self._behind(line, Transfer(line, False), write=False)
            if victim and victim.dirty:
                yield from self._behind(victim.line, None, write=True)

    def _behind(self, line: int, fill: Transfer | None, *, write: bool) -> Iterator[Transfer]:
        hit, victim = self._second.access(line, write)
        if not hit and fill:
            yield fill
        if victim and victim.dirty:
            yield Transfer(victim.line, True)
