"""The report page: who owns what before and after, what happened in between, and the verdicts. One file, no network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..judge import Judgement
from ..judge.figures import curves
from ..judge.scoreboard import Result
from ..judge.verdicts import figure_text
from . import card, network, quality, svg, timeline
from .card import Owners
from .results import load

__all__ = ["write_report"]

TEMPLATE = "report.html.jinja"


@dataclass(frozen=True)
class Legend:
    """A slice as the page names it."""

    number: int
    name: str
    tenant: str
    colour: str
    holds: str


def _owners(result: Result) -> list[Owners]:
    return [mark["owners"] for mark in result.trace.noted("phase_begin") if mark.get("owners")]


def _main(judgement: Judgement) -> Result | None:
    """The run that the pictures show: the twin with the changes, else the one in which most changed."""
    results = list(judgement.results.values())
    for result in results:
        if result.trace.run["scenario"] == "hitless" and result.trace.run.get("variant") == "changed":
            return result
    return max(results, key=lambda result: len(result.trace.noted("transition_begin")), default=None)


def _quiet(judgement: Judgement, main: Result) -> Result | None:
    for result in judgement.results.values():
        run = result.trace.run
        same = run["scenario"] == main.trace.run["scenario"]
        if same and result is not main and run.get("variant") == "quiet":
            return result
    return None


def _holds(held: dict[str, Any], manifest: dict[str, Any]) -> str:
    """What a slice holds, in words."""
    granule = manifest["fabric"]["granule"]
    parts = (
        [f"{port} context {context}" for port, context in held["contexts"]]
        + list(held["cores"])
        + list(held["devices"])
    )
    memory: dict[str, int] = {}
    for run in held["memory"]:
        memory[run["target"]] = memory.get(run["target"], 0) + run["count"] * granule
    parts += [f"{size >> 10} KiB of {target}" for target, size in memory.items()]
    return ", ".join(parts)


def _names(owners: list[Owners]) -> dict[int, str]:
    """Names of each slice; a number that was released and used again has several."""
    found: dict[int, list[str]] = {}
    for held in owners:
        for number, slice_ in held.items():
            names = found.setdefault(int(number), [])
            if slice_["name"] not in names:
                names.append(slice_["name"])
    return {number: ", then ".join(names) for number, names in found.items()}


def _legend(before: Owners, after: Owners, names: dict[int, str], manifest: dict[str, Any]) -> list[Legend]:
    legend = []
    for number in sorted({*before, *after}, key=int):
        held = after.get(number) or before[number]
        gone = "" if number in after else " (released)"
        tenant = held.get("tenant") or ""
        legend.append(
            Legend(int(number), names[int(number)] + gone, tenant, svg.colour(int(number)), _holds(held, manifest))
        )
    return legend


def _changes(result: Result, begin: int) -> list[timeline.Change]:
    spans = [span for span in result.trace.spans("transition") if span[0] >= begin]
    return [
        timeline.Change(number, begin, end, mark["name"], tuple(mark["slices"]))
        for number, (begin, end, mark) in enumerate(spans, start=1)
    ]


def _seconds(judgement: Judgement) -> float:
    return sum(mark["seconds"] for result in judgement.results.values() for mark in result.trace.noted("wall"))


def _context(manifest: dict[str, Any], judgement: Judgement) -> dict[str, Any]:
    main = _main(judgement)
    context: dict[str, Any] = {
        "manifest": manifest,
        "verdicts": judgement.verdicts,
        "passed": judgement.passed,
        "failed": [verdict for verdict in judgement.verdicts if not verdict.passed],
        "figures": [
            figure for verdict in judgement.verdicts if verdict.check == "figures" for figure in verdict.figures
        ],
        "seconds": _seconds(judgement),
        "runs": [_run(result) for result in judgement.results.values()],
        "skipped": [mark for result in judgement.results.values() for mark in result.trace.noted("skipped")],
        "quality": quality.draw(judgement.measurements),
        "before": None,
        "network": None,
        "timeline": None,
        "changes": [],
        "legend": [],
    }
    if main is None:
        return context
    context["command"] = main.trace.run.get("command", "")
    context["seed"] = main.trace.run.get("seed", "")
    owners = _owners(main)
    names: dict[int, str] = {}
    start = 0
    if owners:
        names = _names(owners)
        start = next(mark["cycle"] for mark in main.trace.noted("phase_begin") if mark.get("owners"))
        context |= {
            "before": card.draw(manifest, owners[0], "the card before"),
            "after": card.draw(manifest, owners[-1], "the card after"),
            "legend": _legend(owners[0], owners[-1], names, manifest),
            "network": network.draw(manifest, owners[-1], main) if "network" in manifest else None,
            "changes": _changes(main, start),
        }
    quiet = _quiet(judgement, main)
    end = max(main.trace.cycles, quiet.trace.cycles if quiet else 0)
    width, found = curves(main, start, end)
    twin = curves(quiet, start, end)[1] if quiet else []
    if found:
        context["timeline"] = timeline.draw(start, width, found, twin, names, context["changes"])
        context["has_twin"] = bool(twin)
        context["names"] = names
    return context


def _run(result: Result) -> dict[str, Any]:
    """A line of the table of runs."""
    return {
        "name": result.trace.name,
        "cycles": result.trace.cycles,
        "requests": len(result.wholes),
        "denied": sum(one.denied for one in result.asked),
        "accesses": sum(len(accesses) for accesses in result.accesses),
        "rekeys": len(result.reference.rekeys),
        "handovers": len(result.reference.handovers),
        "findings": sum(result.findings.counts.values()),
    }


def _number(value: float | int) -> str:
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.3f}"


def write_report(
    manifest: dict[str, Any], judgement: Judgement, path: Path, variety: dict[str, Any] | None = None
) -> Path:
    """Write the page to `path`; returns it. `variety` is what :func:`sim.coverage.collect` has found."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "figure": figure_text, "slice_colour": svg.colour}
    results = {name: load(path.parent / f"{name}.json", manifest) for name in ("replay", "proofs")}
    found = {"variety": variety, **results}
    page = environment.get_template(TEMPLATE).render(_context(manifest, judgement) | found)
    part = path.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
    return path
