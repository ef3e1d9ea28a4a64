"""What random traffic should have tried: the bins, those that cannot be, and what is left over after a run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

FILE = "coverage.json"
TARGET = 0.98
"""Part of the reachable bins that must be hit."""

POINTS: dict[str, tuple[str, ...]] = {
    "direction": ("read", "write"),
    "burst": ("FIXED", "INCR", "WRAP"),
    "length": ("1", "2-4", "5-16", "17-64", "65-256"),
    "size": ("full", "half", "narrow"),
    "alignment": ("aligned", "unaligned"),
    "split": ("whole", "split"),
    "response": ("OKAY", "SLVERR", "DECERR"),
    "path": ("same", "other", "nowhere"),
    "phase": ("steady", "bystander", "named"),
}
"""Bins of each point. `size`: the whole bus, half of it, less. `split`: an INCR burst is longer than the chunk. `path`:
to the same target as the port's request before, to another one, or to none. `phase`: nothing changes, others change,
the slice itself does."""
CROSSES: dict[str, tuple[str, ...]] = {
    "shape": ("direction", "burst", "length", "size", "alignment", "split"),
    "outcome": ("direction", "burst", "length", "response", "phase"),
    "way": ("direction", "burst", "split", "path", "response", "phase"),
}
"""Points whose combinations are counted: what a burst looks like, how it ends while what happens, and where it goes."""
LONGEST = {"1": 1, "2-4": 4, "5-16": 16, "17-64": 64, "65-256": 256}
SHORTEST = {"1": 1, "2-4": 2, "5-16": 5, "17-64": 17, "65-256": 65}

PAGE = 4096

Bin = tuple[str, ...]


@dataclass(frozen=True)
class Numbers:
    """What the bins of a card depend on: bytes of a beat, and beats of a chunk."""

    data_bytes: int
    chunk: int


def impossible(values: Mapping[str, str], numbers: Numbers) -> str | None:
    """Why nothing can fall into a combination of bins; None if something can. This is the one list of exclusions."""
    burst, length, split = values.get("burst"), values.get("length"), values.get("split")
    if burst != "INCR" and length in ("17-64", "65-256"):
        return "FIXED and WRAP bursts have 16 beats at most (IHI 0022H, A3.4.1)"
    if burst == "WRAP" and length == "1":
        return "a WRAP burst has 2, 4, 8 or 16 beats (IHI 0022H, A3.4.1)"
    if burst == "WRAP" and values.get("alignment") == "unaligned":
        return "a WRAP burst is aligned (IHI 0022H, A3.4.1)"
    if split == "split" and burst != "INCR":
        return "only INCR bursts are split"
    if split and length and split == "split" and LONGEST[length] <= numbers.chunk:
        return f"a burst of that length fits into the chunk of {numbers.chunk} beats"
    if split and length and split == "whole" and burst == "INCR" and SHORTEST[length] > numbers.chunk:
        return f"a burst of that length does not fit into the chunk of {numbers.chunk} beats"
    if values.get("alignment") == "unaligned" and values.get("size") == "narrow" and numbers.data_bytes <= 4:
        return "on this bus a narrow beat is one byte, which is always aligned"
    if values.get("size") == "full" and length == "65-256" and 65 * numbers.data_bytes > PAGE:
        return "no burst crosses 4 KiB (IHI 0022H, A3.4.1)"
    if "path" in values and "response" in values and (values["path"] == "nowhere") != (values["response"] == "DECERR"):
        return "DECERR means that the window leads nowhere"
    return None


def reachable(cross: str, numbers: Numbers) -> Iterator[Bin]:
    """The bins of a cross that can be hit."""
    points = CROSSES[cross]
    for values in product(*(POINTS[point] for point in points)):
        if impossible(dict(zip(points, values, strict=True)), numbers) is None:
            yield values


def excluded(numbers: Numbers) -> dict[str, int]:
    """Reasons, and how many bins each excludes."""
    reasons: dict[str, int] = {}
    for points in CROSSES.values():
        for values in product(*(POINTS[point] for point in points)):
            reason = impossible(dict(zip(points, values, strict=True)), numbers)
            if reason is not None:
                reasons[reason] = reasons.get(reason, 0) + 1
    return reasons


def collect(files: Sequence[Path], numbers: Numbers) -> dict[str, Any]:
    """Add up what several runs have written; names every hole."""
    possible = {cross: list(reachable(cross, numbers)) for cross in CROSSES}
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    hit = {cross: {tuple(text.split()) for run in runs for text in run["hits"][cross]} for cross in CROSSES}
    holes = {cross: [" ".join(bin_) for bin_ in bins if bin_ not in hit[cross]] for cross, bins in possible.items()}
    total = sum(map(len, possible.values()))
    missed = sum(map(len, holes.values()))
    return {
        "bins": total,
        "hit": total - missed,
        "part": round((total - missed) / total, 4),
        "target": TARGET,
        "samples": sum(run["samples"] for run in runs),
        "crosses": {
            cross: {"points": list(CROSSES[cross]), "bins": len(bins), "hit": len(bins) - len(holes[cross])}
            for cross, bins in possible.items()
        },
        "holes": holes,
        "excluded": excluded(numbers),
    }
