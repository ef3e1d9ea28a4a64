"""Where things go: pure functions from what is taken to a place."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Run(NamedTuple):
    """`length` free granules of a target from `first`; `rank` orders targets by preference, 0 first."""

    rank: int
    target: str
    first: int
    length: int


def gaps(taken: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Free (first, length) runs below `size`, given taken (first, length) runs that do not overlap."""
    result, start = [], 0
    for first, length in sorted(taken):
        if first > start:
            result.append((start, first - start))
        start = max(start, first + length)
    if size > start:
        result.append((start, size - start))
    return result


def place(runs: Sequence[Run], granules: int, *, contiguous: bool) -> list[tuple[str, int, int]] | None:
    """Extents (target, first, length) for `granules` granules, or None.

    Best fit: the shortest free run that holds all of it, on the most preferred target that has one. If there is none
    and the memory need not be contiguous, the longest runs of the most preferred targets are used up first, so that
    there are few extents, and the rest goes where it fits best.
    """
    whole = [run for run in runs if run.length >= granules]
    if whole:
        best = min(whole, key=lambda run: (run.rank, run.length, run.target, run.first))
        return [(best.target, best.first, granules)]
    if contiguous or sum(run.length for run in runs) < granules:
        return None
    longest = min(runs, key=lambda run: (run.rank, -run.length, run.target, run.first))
    rest = place([run for run in runs if run != longest], granules - longest.length, contiguous=False)
    assert rest is not None  # the sum was checked, and taking a whole run takes as much from both sides
    return [(longest.target, longest.first, longest.length), *rest]


def first_hole(taken: Iterable[tuple[int, int]], size: int, length: int) -> int | None:
    """The lowest place below `size` where `length` in a row are free, or None."""
    return next((first for first, free in gaps(taken, size) if free >= length), None)


def is_free(taken: Iterable[tuple[int, int]], first: int, length: int) -> bool:
    """Whether nothing that is taken overlaps `length` from `first`."""
    return all(first + length <= start or start + count <= first for start, count in taken)


def aligned_lanes(taken: Iterable[tuple[int, int]], lanes: int, width: int) -> int | None:
    """The lowest free group of `width` lanes that begins at a multiple of `width`, or None."""
    used = list(taken)
    return next((first for first in range(0, lanes - width + 1, width) if is_free(used, first, width)), None)
