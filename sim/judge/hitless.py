"""Hitless: the same run with and without changes, compared cycle by cycle and request by request."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .events import TraceError
from .pieces import Asked
from .reference import NOBODY
from .scoreboard import Result
from .transactions import FOREVER

BURST_BEATS = 256
"""Longest burst of AXI4."""


@dataclass
class Comparison:
    """What two runs with the same seed have in common.

    Members
    -------
    strict : list of str
        Bystander ports that share no target, and no link, with what changes, not even through others: they must be
        equal.
    differences : list of str
        Where a strict port differs.
    sharing : list of int
        Bystander slices that share a target with what changes.
    errors, missing, reordered : list of str
        What happened to bystanders' requests in the changed run only.
    added : int
        Most cycles that a bystander's request took longer than in the quiet run.
    bound, stall_bound, growth_bound : int
        Most cycles that it may take longer; longest wait for one grant in a busy card; longest stall of a port in a
        busy card whatever changes: a write that is split has one answer for all its pieces.
    stalls : dict
        By growing slice: its longest stall in the quiet run and in the changed one.
    """

    named: list[int] = field(default_factory=list)
    strict: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    compared: int = 0
    sharing: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    requests: int = 0
    added: int = 0
    bound: int = 0
    stall_bound: int = 0
    growth_bound: int = 0
    stalls: dict[int, tuple[int, int]] = field(default_factory=dict)
    growth_errors: list[str] = field(default_factory=list)


def _touched(
    manifest: dict[str, Any], results: tuple[Result, Result], named: set[int], targets: set[str]
) -> tuple[set[int], set[int]]:
    """Initiators and targets whose timing a change can reach: through named slices' ports and targets, step by step.

    In a network also through links, each a step by itself in either direction.
    """
    passes = {
        (flow["initiator"], flow["target"]): {(way, *link) for way in ("request", "response") for link in flow[way]}
        for flow in manifest.get("network", {"flows": ()})["flows"]
    }
    pairs: set[tuple[int, int]] = set()
    reached_ports: set[int] = set()
    for result in results:
        for one in result.asked:
            if one.slice in named:
                reached_ports.add(one.initiator)
            if one.access is not None:
                pairs.add((one.initiator, one.target))
        for handover in result.reference.handovers:
            if handover.slice in named:
                reached_ports.add(handover.initiator)
    reached_targets = {index for index, target in enumerate(manifest["targets"]) if target["name"] in targets}
    while True:
        more_targets = reached_targets | {target for port, target in pairs if port in reached_ports}
        more_ports = reached_ports | {port for port, target in pairs if target in more_targets}
        disturbed = {pair for pair in pairs if pair[0] in more_ports or pair[1] in more_targets}
        links = set().union(*(passes.get(pair, ()) for pair in disturbed))
        beside = {pair for pair in pairs if links & passes.get(pair, set())}
        more_ports, more_targets = more_ports | {port for port, _ in beside}, more_targets | {t for _, t in beside}
        if (more_ports, more_targets) == (reached_ports, reached_targets):
            return reached_ports, reached_targets
        reached_ports, reached_targets = more_ports, more_targets


def first_difference(port: str, quiet: Path, changed: Path) -> str | None:
    """First cycle and signals in which a port's recordings differ; None if they are equal."""
    names = [folder / f"signals_{port}.txt" for folder in (quiet, changed)]
    for name in names:
        if not name.is_file():
            raise TraceError(f"{name}: missing; record twins with +signals")
    with names[0].open(encoding="ascii") as left, names[1].open(encoding="ascii") as right:
        header = left.readline()
        if header != right.readline():
            return f"{port}: the recordings have different signals"
        before = "0"
        while True:
            one, other = left.readline(), right.readline()
            if one == other:
                if not one:
                    return None
                before = one.split()[1]
                continue
            cycles = [int(line.split()[0]) for line in (one, other) if line]
            cycle = min(cycles)
            values = [line.split()[1] if line and int(line.split()[0]) == cycle else before for line in (one, other)]
            return f"{port} differs from cycle {cycle} on: {', '.join(_signals(header, *values))}"


def _signals(header: str, one: str, other: str) -> list[str]:
    """Names of the signals in which two values of a port differ."""
    difference = int(one, 16) ^ int(other, 16)
    fields = [entry.rpartition(":") for entry in header.removeprefix("# ").split()]
    result, shift = [], 0
    for name, _, width in reversed(fields):
        if difference >> shift & (1 << int(width)) - 1:
            result.append(name)
        shift += int(width)
    return result[::-1]


def longest_stall(asked: list[Asked], begin: int, end: int) -> int:
    """Longest time between `begin` and `end` in which a port had something under way and got no beat of an answer."""
    longest = 0
    ports: dict[tuple[int, bool], list[Asked]] = defaultdict(list)
    for one in asked:
        ports[one.initiator, one.request.write].append(one)
    for requests in ports.values():
        steps = []
        for one in requests:
            if one.cut or one.request.end < begin or one.request.cycle > end:
                continue
            steps.append((one.request.cycle, 1))
            steps += [(cycle, 0) for cycle in one.request.response_cycles[:-1]]
            steps.append((one.request.end, -1))
        steps.sort()
        under_way, since = 0, 0
        for cycle, change in steps:
            if under_way:
                longest = max(longest, min(cycle, end) - max(since, begin))
            if change != 1 or not under_way:
                since = cycle
            under_way += change
    return longest


def _streams(result: Result, ports: set[int], slices: set[int]) -> dict[tuple[int, int, bool, int], list[Asked]]:
    """Requests by port, context's AxUSER, direction and ID: what AXI keeps in order."""
    streams: dict[tuple[int, int, bool, int], list[Asked]] = defaultdict(list)
    for one in result.asked:
        if one.slice in slices and one.initiator in ports:
            request = one.request
            streams[one.initiator, request.user, request.write, request.id].append(one)
    return streams


def compare(manifest: dict[str, Any], quiet: Result, changed: Result) -> Comparison:
    """Judge a changed run against its quiet twin."""
    result = Comparison()
    transitions = [mark for _, _, mark in changed.trace.spans("transition")]
    apart = next((mark["cycle"] for mark in transitions if not _in_both(mark, quiet)), FOREVER)
    transitions = [mark for mark in transitions if mark["cycle"] >= apart]
    named = {number for mark in transitions for number in mark["slices"]}
    targets = {name for mark in transitions for name in mark["targets"]}
    result.named = sorted(named)
    ports, reached = _touched(manifest, (quiet, changed), named, targets)
    used = {one.initiator for one in quiet.asked if one.access is not None}
    everybody = {one.slice for one in quiet.asked if one.access is not None} - {NOBODY}

    for index in sorted(used - ports):
        name = manifest["initiators"][index]["name"]
        result.strict.append(name)
        difference = first_difference(name, quiet.trace.path, changed.trace.path)
        if difference:
            result.differences.append(difference)
    result.compared = min(quiet.trace.cycles, changed.trace.cycles)

    bystanders = everybody - named
    every_port = set(range(len(manifest["initiators"])))
    before, after = (_streams(run, every_port, bystanders) for run in (quiet, changed))
    for stream, requests in before.items():
        others = after.get(stream, [])
        for one, other in zip(requests, others, strict=False):
            result.requests += 1
            if one.request.address != other.request.address:
                break  # a different stimulus from here on, which only the scoreboard can judge
            if one.access is not None and (other.access is None or other.request.end == FOREVER):
                result.errors.append(f"the {other.request} of bystander {one.slice} failed")
            elif one.access is not None and one.request.end < FOREVER:
                result.added = max(result.added, other.request.latency - one.request.latency)
    result.sharing = sorted({one.slice for one in changed.asked if one.slice in bystanders and one.target in reached})
    # In one round every other port may go first with its longest burst, and the scrubber once; a request may find as
    # many in front of it as a port can have under way.
    lengths = (one.request.length + 1 for one in changed.asked if one.target in reached)
    rivals = max((len(manifest["targets"][target]["initiators"]) for target in reached), default=1)
    result.stall_bound = rivals * max(lengths, default=BURST_BEATS) + manifest["fabric"]["scrub_beats"]
    pieces = (len(whole.pieces) for whole in changed.wholes)
    result.growth_bound = max(pieces, default=1) * result.stall_bound
    result.bound = _in_front(manifest, changed) * result.stall_bound

    for mark in transitions:
        grower = mark.get("grows")
        if grower is None or mark["what"] not in ("grow", "move"):
            continue
        end = next(end for _, end, other in changed.trace.spans("transition") if other is mark)
        own = [[one for one in run.asked if one.slice == grower] for run in (quiet, changed)]
        stalls = tuple(longest_stall(asked, mark["cycle"], end) for asked in own)
        past = result.stalls.get(grower, (0, 0))
        result.stalls[grower] = max(past[0], stalls[0]), max(past[1], stalls[1])
        for one in own[1]:
            if mark["cycle"] <= one.request.cycle <= end and one.denied and not _gained(manifest, one, mark):
                result.growth_errors.append(f"the {one.request} of the growing slice {grower} was denied")
    return result


def _in_front(manifest: dict[str, Any], result: Result) -> int:
    """Grants after which the last beat of a request must have come, itself included.

    As many as a port can have under way; if bursts are split, also the pieces of the burst itself, and of one that
    the port has taken before it and not yet split.
    """
    outstanding: int = manifest["fabric"]["outstanding"]
    if manifest["fabric"]["isolation"] != "strict":
        return outstanding
    return outstanding + 2 * max((len(whole.pieces) for whole in result.wholes), default=1)


def _in_both(mark: dict[str, Any], quiet: Result) -> bool:
    """Whether the quiet twin has the same transition at the same time: bring-up."""
    others = quiet.trace.noted("transition_begin")
    return any((other["name"], other["cycle"]) == (mark["name"], mark["cycle"]) for other in others)


def _gained(manifest: dict[str, Any], one: Asked, mark: dict[str, Any]) -> bool:
    """Whether a request was for memory that is only just coming; trying early is no stall."""
    granule = manifest["fabric"]["granule"]
    for outcome in one.outcomes:
        for run in mark["gained"]:
            if outcome.kind not in ("key", "revoked") or manifest["targets"][outcome.target]["name"] != run["target"]:
                continue
            if run["first"] <= outcome.address // granule < run["first"] + run["count"]:
                return True
    return any(outcome.kind == "window" for outcome in one.outcomes)
