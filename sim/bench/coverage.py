"""Functional coverage of random traffic.

Every transaction is counted, but cocotb-coverage sees each combination of points once: sampling it costs as much as
the transaction itself.
"""

import json
from collections import Counter
from pathlib import Path

from cocotb_coverage.coverage import CoverCross, CoverPoint, coverage_db

from ..coverage import CROSSES, LONGEST, POINTS
from .burst import FIXED, INCR, WRAP, Burst
from .ports import Initiator, Reply

ROOT = "traffic"
NOWHERE = -1
"""Target of a region whose window entries lead to none."""
_BURSTS = {FIXED: "FIXED", INCR: "INCR", WRAP: "WRAP"}
_RESPONSES = {0: "OKAY", 1: "OKAY", 2: "SLVERR", 3: "DECERR"}
_seen: Counter[tuple[str, ...]] = Counter()


def _points(function):
    """The sampling function with all points and crosses around it."""
    # A cross asks for its points when it is made, and is sampled after them, so it is wrapped inside.
    points = [
        CoverPoint(f"{ROOT}.{name}", xf=lambda values, place=place: values[place], bins=list(bins))
        for place, (name, bins) in enumerate(POINTS.items())
    ]
    crosses = [
        CoverCross(f"{ROOT}.{cross}", items=[f"{ROOT}.{point}" for point in of]) for cross, of in CROSSES.items()
    ]
    for item in (*crosses, *points):
        function = item(function)
    return function


@_points
def _sample(values: tuple[str, ...]) -> None:
    """Hit the bins of one combination, which has a value for each of `POINTS`."""


def sample(port: Initiator, burst: Burst, reply: Reply, *, write: bool, target: int, phase: str, chunk: int) -> None:
    """Note a transaction that has ended."""
    last = port.targets_before.get(write)
    port.targets_before[write] = target
    shortfall = port.size_max - burst.size
    values = {
        "direction": "write" if write else "read",
        "burst": _BURSTS[burst.burst],
        "length": next(name for name, longest in LONGEST.items() if burst.beats <= longest),
        "size": ("full", "half", "narrow")[min(2, shortfall)],
        "alignment": "unaligned" if burst.address % (1 << burst.size) else "aligned",
        "split": "split" if burst.burst == INCR and burst.beats > chunk else "whole",
        "response": _RESPONSES[reply.response],
        "path": "nowhere" if target == NOWHERE else "same" if last in (None, target) else "other",
        "phase": phase,
    }
    _seen[tuple(values[point] for point in POINTS)] += 1


def write_hits(path: Path) -> None:
    """Write how many transactions this process has sampled, and which bins of each cross, as words, they have hit."""
    for values in _seen:
        _sample(values)
    hits = {}
    for cross in CROSSES:
        counts = coverage_db[f"{ROOT}.{cross}"].detailed_coverage
        hits[cross] = [" ".join(values) for values, count in counts.items() if count]
    content = {"samples": _seen.total(), "hits": hits}
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
