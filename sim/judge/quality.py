"""Quality of service: measured shares of a saturated target against contracts."""

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from .scoreboard import Result

TOLERANCE = 0.05
"""Of a beat per cycle; what start and end of a measurement may add to a share."""
BUSY = 0.80
"""Beats per cycle that a target must do when two slices without limits saturate it."""


@dataclass
class Share:
    """What a slice got of a target, and what it was entitled to.

    `under_way` is how many of its requests the target had at once; `outstanding`, if not 0, how many at most.
    """

    slice: int
    share: float
    limit: float | None
    priority: int
    outstanding: int = 0
    under_way: int = 0


@dataclass
class Measurement:
    """One phase in which slices saturated a target, with what is wrong about it; `longest` is their longest latency."""

    name: str
    target: str
    begin: int
    end: int
    shares: list[Share] = field(default_factory=list)
    longest: int = 0
    wrong: list[str] = field(default_factory=list)


def beats_between(result: Result, target: int, begin: int, end: int) -> dict[int, int]:
    """Beats of each slice at a target in the cycles `begin` to `end`."""
    beats: dict[int, int] = {}
    scrubber = len(result.reference.initiators)
    for access in result.accesses[target]:
        if access.write and access.id == scrubber:
            continue
        cycles = access.beat_cycles if access.write else access.response_cycles
        inside = sum(begin <= cycle < end for cycle in cycles)
        if inside:
            beats[access.user] = beats.get(access.user, 0) + inside
    return beats


def most_at_once(result: Result, target: int, number: int, begin: int, end: int) -> int:
    """Most requests of a slice that a target had at once in the cycles `begin` to `end`."""
    scrubber = len(result.reference.initiators)
    accesses = (access for access in result.accesses[target] if not (access.write and access.id == scrubber))
    own = [access for access in accesses if access.user == number and begin <= access.end and access.cycle < end]
    steps = [(access.cycle, 1) for access in own] + [(access.end, -1) for access in own]
    return max(accumulate(change for _, change in sorted(steps)), default=0)


def judge_shares(measured: Measurement, patience: int, burst: dict[int, int], rivals: int = 0) -> None:
    """Limits hold, nothing is wasted, a higher class goes first, equals get equal shares.

    `rivals` others, which are not measured, may have as much as each of those who are.
    """
    cycles = measured.end - measured.begin
    total = sum(share.share for share in measured.shares)
    for share in measured.shares:
        if share.limit is not None:
            allowed = share.limit + burst[share.slice] / cycles
            text = f"slice {share.slice} got {share.share:.3f} beats per cycle; its limit is {share.limit:.3f}"
            fair = min(share.limit, 1 / len(measured.shares))
            if not fair - 2 * TOLERANCE <= share.share <= allowed + TOLERANCE:
                measured.wrong.append(text)
        if share.outstanding and not 0 < share.under_way <= share.outstanding:
            had = f"slice {share.slice} had {share.under_way} requests under way at once"
            measured.wrong.append(f"{had}; its limit is {share.outstanding}")
    free = [share for share in measured.shares if share.limit is None and not share.outstanding]
    if free and total < BUSY * len(measured.shares) / (len(measured.shares) + rivals):
        measured.wrong.append(f"{measured.target} did {total:.3f} beats per cycle, though it was saturated")
    for one in free:
        for other in free:
            if one.priority > other.priority and one.share <= other.share:
                measured.wrong.append(f"slice {one.slice} has the higher class and got less than slice {other.slice}")
            if one.priority == other.priority and one.share - other.share > 2 * TOLERANCE:
                measured.wrong.append(f"slice {one.slice} got more than slice {other.slice}, which is its equal")
            # A waiting lower class is passed over at most `patience` times in a row.
            if one.priority < other.priority and not one.share:
                measured.wrong.append(f"slice {one.slice} starves; every {patience + 1}th grant is its own")


def measure(manifest: dict[str, Any], result: Result, kind: str = "qos") -> list[Measurement]:
    """Every phase of this kind of a run in which slices saturated a target."""
    names = [target["name"] for target in manifest["targets"]]
    fabric, contracts = manifest["fabric"], result.reference.contracts
    measurements = []
    for begin, end, mark in result.trace.spans("phase"):
        what = mark.get("measure") or {}
        if what.get("what") != kind:
            continue
        measured = Measurement(mark["name"], what["target"], begin, end)
        beats = beats_between(result, names.index(what["target"]), begin, end)
        burst = {}
        for number in what["slices"]:

            def held(name: str, number: int = number, at: int = begin) -> int:
                return contracts[number, name].possible(at, at)[-1]

            unit = fabric["budget_period"] << fabric["budget_fraction_bits"]
            plane = "write_" if what.get("write") and held("separate") else ""
            limit = held(f"{plane}rate") / unit if held(f"{plane}limited") else None
            burst[number] = held(f"{plane}beats")
            share = beats.get(number, 0) / max(1, end - begin)
            under_way = most_at_once(result, names.index(what["target"]), number, begin, end)
            measured.shares.append(Share(number, share, limit, held("class"), held("outstanding"), under_way))
        judge_shares(measured, fabric["patience"], burst, what.get("rivals", 0))
        own = [
            whole.request.latency
            for whole in result.wholes
            if begin <= whole.request.end < end and {piece.slice for piece in whole.pieces} <= set(what["slices"])
        ]
        measured.longest = max(own, default=0)
        measurements.append(measured)
    return measurements
