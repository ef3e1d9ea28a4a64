"""The judge: takes what recorder and bench left behind, and says whether the guarantees held.

It works on files alone and knows the card by its manifest and the architecture's rules by itself; it shares no code
with the RTL, the RAM or the bench models.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import figures
from .counts import check_counters, check_faults
from .events import Trace, TraceError, read_trace
from .figures import Figure, figure
from .findings import SHOWN, Findings
from .hitless import Comparison, compare
from .lanes import check_lanes
from .latency import longest_waits
from .quality import Measurement, measure
from .reference import AT_TARGET, NOBODY
from .scoreboard import CHECKS, Result, collect
from .targets import check_targets
from .time_slots import compare_slots
from .verdicts import TITLES, Verdict, write_json

__all__ = ["Judgement", "Verdict", "judge", "judge_run", "judge_runs"]


@dataclass
class Judgement:
    """Everything that a judge has found out: the verdicts, and what the report draws."""

    verdicts: list[Verdict]
    results: dict[str, Result] = field(default_factory=dict)
    comparison: Comparison | None = None
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every verdict is green."""
        return all(verdict.passed for verdict in self.verdicts)


def judge_run(manifest: dict[str, Any], trace: Trace) -> Result:
    """Check one run by itself."""
    recorded = trace.run.get("hash")
    if recorded != manifest["hash"]:
        raise TraceError(f"{trace.path}: recorded on another card (manifest {recorded}); run the simulation again")
    findings = Findings()
    result = collect(manifest, trace, findings)
    check_targets(manifest, result)
    check_faults(manifest, result)
    check_counters(manifest, result)
    check_lanes(manifest, trace, result.reference, findings)
    return result


class _Builder:
    """Collects verdicts over all runs."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.verdicts: list[Verdict] = []

    def add(self, check: str, guarantee: str, wrong: list[str], shown: list[Figure], count: int | None = None) -> None:
        """A verdict that is red if there is anything in `wrong`."""
        number = len(wrong) if count is None else count
        detail = wrong[:SHOWN] + ([f"... and {number - SHOWN} more"] if number > SHOWN else [])
        verdict = Verdict(check, guarantee, "fail" if wrong else "pass", shown, self.command, detail)
        self.verdicts.append(verdict)


def _closed(manifest: dict[str, Any], result: Result) -> tuple[list[str], list[Figure]]:
    """Before anything is given to anybody, every port has tried and was refused."""
    trace = result.trace
    begin = min([*(handover.begin for handover in result.reference.handovers), trace.cycles])
    wrong = []
    tried = 0
    for index, port in enumerate(manifest["initiators"]):
        early = [one for one in result.asked if one.initiator == index and one.request.cycle < begin]
        resets = trace.of(port["name"], "reset")
        if resets and resets[0][1]:
            continue
        if port["kind"] != "host":
            wrong.append(f"{port['name']} is not in reset after reset")
        kinds = {one.request.write for one in early}
        if kinds != {False, True}:
            wrong.append(f"{port['name']} has not tried both a read and a write")
        wrong += [f"the {one.request} was not refused" for one in early if not one.denied]
        tried += len(early)
    return wrong, [figure("refused before anybody owned anything", tried, "requests")]


def _coverage(manifest: dict[str, Any], result: Result) -> tuple[list[str], list[Figure]]:
    """Which (slice, target, granule, direction) was tried, of all that can be."""
    granule = manifest["fabric"]["granule"]
    tried: set[tuple[int, int, int, bool]] = set()
    reach: dict[int, set[int]] = {}
    for one in result.asked:
        if one.slice == NOBODY:
            continue
        reach.setdefault(one.slice, set()).update(manifest["initiators"][one.initiator]["targets"])
        for outcome in one.outcomes:
            if outcome.kind in ("", *AT_TARGET):
                tried.add((one.slice, outcome.target, outcome.address // granule, one.request.write))
    wrong, possible = [], 0
    for number, targets in sorted(reach.items()):
        for target in sorted(targets):
            described = manifest["targets"][target]
            for write in (False, True):
                possible += described["granules"]
                missing = [g for g in range(described["granules"]) if (number, target, g, write) not in tried]
                if missing:
                    what = "write" if write else "read"
                    where = f"{len(missing)} granules of {described['name']}, first {missing[0]}"
                    wrong.append(f"slice {number} never tried to {what} {where}")
    return wrong, [figure("slices x granules x directions tried", len(tried), ""), figure("of", possible, "")]


STRICT = "a strict bystander"
"""What the bench says that it skips where there is none."""


def _hitless(builder: _Builder, found: Comparison, skipped: set[str]) -> None:
    wrong = list(found.differences)
    if not found.strict:
        wrong.append("no bystander is without a shared target: nothing to compare")
    shown = [figure("ports compared", len(found.strict), ""), figure("cycles", found.compared, "cycles")]
    # A small card may have no room for such a bystander; the bench says so, and the report shows it.
    if found.strict or STRICT not in skipped:
        builder.add("hitless_strict", "G4", wrong, shown)
    wrong = list(found.errors)
    if found.added > found.bound:
        wrong.append(f"a request took {found.added} cycles longer than in the quiet run; the bound is {found.bound}")
    shown = [
        figure("slices", len(found.sharing), ""),
        figure("requests compared", found.requests, ""),
        figure("largest added latency", found.added, "cycles"),
        figure("bound", found.bound, "cycles"),
    ]
    builder.add("hitless_sharing", "G4", wrong, shown)
    wrong, shown = list(found.growth_errors), []
    for number, (before, after) in sorted(found.stalls.items()):
        shown.append(figure(f"slice {number}: longest stall, unchanged", before, "cycles"))
        shown.append(figure(f"slice {number}: longest stall, growing", after, "cycles"))
        if after > max(before, found.growth_bound):
            wrong.append(f"slice {number} stalled for {after} cycles while it grew, {before} otherwise")
    shown.append(figure("bound", found.growth_bound, "cycles"))
    if not found.stalls:
        wrong.append("no slice grew")
    builder.add("hitless_growth", "G4", wrong, shown)


def judge_runs(
    manifest: dict[str, Any], traces: Sequence[Trace], command: str, broken: Sequence[str] = ()
) -> Judgement:
    """Check runs, each by itself and twins against each other; `broken` says what is wrong with others."""
    builder = _Builder(command)
    judgement = Judgement(builder.verdicts, {trace.name: judge_run(manifest, trace) for trace in traces})
    results = judgement.results
    wrong = [*broken, *(f"{trace.name} did not end" for trace in traces if not trace.noted("end"))]
    builder.add("completed", "", wrong, [figure("runs", len(traces), "")])
    for check, guarantee in CHECKS.items():
        if check == "lanes" and not manifest["pcie"]["lanes"]:
            continue
        texts = [f"{name}, {text}" for name, result in results.items() for text in result.findings.texts[check]]
        count = sum(result.findings.counts[check] for result in results.values())
        builder.add(check, guarantee, texts, _about(check, results), count)
    by_scenario: dict[str, dict[str | None, Result]] = {}
    for result in results.values():
        run = result.trace.run
        by_scenario.setdefault(run["scenario"], {})[run.get("variant")] = result
    for result in by_scenario.get("bring_up", {}).values():
        builder.add("closed", "G1", *_closed(manifest, result))
    for result in by_scenario.get("isolation", {}).values():
        builder.add("coverage", "G1", *_coverage(manifest, result))
    twins = by_scenario.get("hitless", {})
    if {"quiet", "changed"} <= twins.keys():
        judgement.comparison = compare(manifest, twins["quiet"], twins["changed"])
        skipped = {mark["step"] for mark in twins["changed"].trace.noted("skipped")}
        skipped |= {STRICT} if "network" in manifest else set()  # links are shared, too
        _hitless(builder, judgement.comparison, skipped)
    waited = [found for result in results.values() for found in longest_waits(manifest, result)]
    if waited:
        shown = [figure(f"{found.name}: {what}", value, "cycles") for found in waited for what, value in found.shown()]
        builder.add("latency", "G5", [text for found in waited for text in found.wrong()], shown)
    twins = by_scenario.get("time_slots", {})
    if {"alone", "beside"} <= twins.keys():
        found = compare_slots(manifest, twins["alone"], twins["beside"])
        if found is not None:
            builder.add("time_slots", "G4", *found)
    measured = [found for result in results.values() for found in measure(manifest, result)]
    judgement.measurements = measured
    if measured:
        shown = [
            figure(f"{found.name}: slice {share.slice}", share.share, "beats per cycle")
            for found in measured
            for share in found.shares
        ]
        builder.add("quality", "G6", [f"{found.name}: {text}" for found in measured for text in found.wrong], shown)
    stalls = [found for result in results.values() for found in measure(manifest, result, "hostile")]
    if stalls:
        builder.add("hostile", "G5", *_hostile(stalls))
    builder.add("figures", "", *_figures(manifest, results))
    order = list(TITLES)
    builder.verdicts.sort(key=lambda verdict: order.index(verdict.check))
    return judgement


def _hostile(stalls: list[Measurement]) -> tuple[list[str], list[Figure]]:
    """Bystanders get as much of their target while another port stalls as they do otherwise."""
    shown = []
    for found in stalls:
        total = sum(share.share for share in found.shares)
        shown += [
            figure(f"{found.name}: both bystanders", total, "beats per cycle"),
            figure(f"{found.name}: longest latency", found.longest, "cycles"),
        ]
    return [f"{found.name}: {text}" for found in stalls for text in found.wrong], shown


def _about(check: str, results: dict[str, Result]) -> list[Figure]:
    """What a check of every run has looked at."""
    asked = [one for result in results.values() for one in result.asked]
    match check:
        case "responses":
            wholes = [whole for result in results.values() for whole in result.wholes]
            beats = sum(len(whole.request.responses) for whole in wholes)
            return [figure("requests", len(wholes), ""), figure("response beats", beats, "")]
        case "delivery" | "isolation":
            return [figure("accesses at targets", sum(len(a) for r in results.values() for a in r.accesses), "")]
        case "denials" | "faults":
            return [figure("denied", sum(one.denied for one in asked), "requests")]
        case "fence":
            return [figure("writes refused", sum(result.reference.refused for result in results.values()), "")]
        case "revocation" | "commands":
            rekeys = sum(len(result.reference.rekeys) for result in results.values())
            handovers = sum(len(result.reference.handovers) for result in results.values())
            return [figure("rekeys", rekeys, ""), figure("hand-overs", handovers, "")]
    return []


def _figures(manifest: dict[str, Any], results: dict[str, Result]) -> tuple[list[str], list[Figure]]:
    wrong: list[str] = []
    shown: list[Figure] = []
    for result in results.values():
        measures = {(mark.get("measure") or {}).get("what") for _, _, mark in result.trace.spans("phase")}
        if "zero_load" in measures:
            shown += figures.zero_load(result)
            wrong += figures.other_paths(manifest, shown)
        if "throughput" in measures:
            shown += figures.throughput(manifest, result)
        if "zero_load" in measures:
            shown += figures.changes(manifest, result)
    walls = [mark for result in results.values() for mark in result.trace.noted("wall")]
    if walls:
        rate = sum(mark["cycles"] for mark in walls) / max(1e-3, sum(mark["seconds"] for mark in walls))
        shown.append(figure("simulated cycles per second", round(rate), "1/s"))
    return wrong, shown


def judge(manifest: dict[str, Any], traces: Path, out: Path, command: str) -> Judgement:
    """Judge every run below `traces` and write the verdicts to ``<out>/sim.json``.

    A run whose trace cannot be read is red in the check ``completed``.

    Raises
    ------
    TraceError
        A trace is of another card, or none can be read; one line.
    """
    folders = sorted(path for path in traces.iterdir() if path.is_dir()) if traces.is_dir() else []
    read: list[Trace] = []
    broken: list[TraceError] = []
    # Millions of small objects, none of them in a cycle: looking for cycles would take a third of the time.
    gc.disable()
    try:
        for folder in folders:
            try:
                read.append(read_trace(folder))
            except TraceError as error:
                broken.append(error)
        if not read:
            raise broken[0] if broken else TraceError(f"{traces}: there is no trace; run the simulation first")
        judgement = judge_runs(manifest, read, command, [str(error) for error in broken])
    finally:
        gc.enable()
    write_json(judgement.verdicts, out / "sim.json")
    return judgement
