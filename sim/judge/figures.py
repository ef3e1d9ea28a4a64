"""Figures of a run: latency, throughput, how long a change takes, and what the report draws."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from .reference import NOBODY
from .scoreboard import Result
from .transactions import FOREVER

Figure = dict[str, Any]
"""``name``, ``value``, ``unit``."""


def figure(name: str, value: float | int, unit: str) -> Figure:
    """One figure; fractions are rounded to four digits."""
    return {"name": name, "value": round(value, 4) if isinstance(value, float) else value, "unit": unit}


@dataclass(frozen=True)
class Curve:
    """A slice over time: for each bin of cycles the beats per cycle and the mean and longest latency (None if idle)."""

    slice: int
    beats: list[float]
    mean: list[float | None]
    longest: list[int | None]


def curves(result: Result, begin: int, end: int, bins: int = 200) -> tuple[int, list[Curve]]:
    """Cycles per bin, and a curve from cycle `begin` to `end` for each slice that did anything."""
    width = (end - begin) // bins + 1
    count = (end - begin) // width + 1
    beats: dict[int, list[int]] = defaultdict(lambda: [0] * count)
    latencies: dict[int, list[list[int]]] = defaultdict(lambda: [[] for _ in range(count)])
    for one in result.asked:
        if one.slice == NOBODY or one.access is None or one.request.end == FOREVER:
            continue
        request = one.request
        for cycle in request.beat_cycles if request.write else request.response_cycles:
            if cycle >= begin:
                beats[one.slice][(cycle - begin) // width] += 1
        # A split burst has one latency, that of the whole.
        if request.piece == 0 and begin <= one.whole.end < FOREVER:
            latencies[one.slice][(one.whole.end - begin) // width].append(one.whole.latency)
    drawn = []
    for number in sorted(beats):
        found = latencies[number]
        drawn.append(
            Curve(
                number,
                [value / width for value in beats[number]],
                [sum(values) / len(values) if values else None for values in found],
                [max(values) if values else None for values in found],
            )
        )
    return width, drawn


def zero_load(result: Result) -> list[Figure]:
    """Shortest way of a request to its target and of its response back, while nothing else moved."""
    phases = [span for span in result.trace.spans("phase") if (span[2].get("measure") or {}).get("what") == "zero_load"]
    figures = []
    for write, name in ((False, "read"), (True, "write")):
        pairs = [
            (one.request, one.access)
            for one in result.asked
            if one.access is not None
            and one.request.write == write
            and one.request.end < FOREVER
            and any(begin <= one.request.cycle < end for begin, end, _ in phases)
        ]
        if pairs:
            there = min(access.cycle - request.cycle for request, access in pairs)
            back = min(request.response_cycles[0] - access.response_cycles[0] for request, access in pairs)
            figures.append(figure(f"{name}: request latency at zero load", there, "cycles"))
            figures.append(figure(f"{name}: response latency at zero load", back, "cycles"))
    return figures


def other_paths(manifest: dict[str, Any], shown: list[Figure]) -> list[str]:
    """Where the way there and back is not as long as the manifest says; adapters, if there are any, make it longer."""
    fabric, wrong = manifest["fabric"], []
    as_fabric = {
        "initiators": {"data_width": fabric["data_width"], "id_width": fabric["id_width"]},
        "targets": {"data_width": fabric["data_width"], "id_width": fabric["target_id_width"]},
    }
    flows = manifest.get("network", {"flows": [{"cycles": 0}]})["flows"]
    said = sorted({fabric["path_cycles"] + flow["cycles"] for flow in flows})
    adapted = any(port | widths != port for side, widths in as_fabric.items() for port in manifest[side])
    for name in ("read", "write"):
        path = sum(each["value"] for each in shown if each["name"].startswith(f"{name}: re"))
        if path not in said and not adapted:
            told = " or ".join(map(str, said))
            wrong.append(f"a {name} takes {path} cycles there and back, the manifest says {told}")
    return wrong


def throughput(manifest: dict[str, Any], result: Result) -> list[Figure]:
    """Beats per cycle of each direction on ports that nothing hinders, in phases that measure it."""
    figures = []
    names = [port["name"] for port in manifest["initiators"]]
    for begin, end, mark in result.trace.spans("phase"):
        what = mark.get("measure") or {}
        if what.get("what") != "throughput":
            continue
        ports = what.get("ports") or [what["port"]]
        for write, name in ((False, "read"), (True, "write")):
            per_port = []
            for port in ports:
                beats = 0
                for one in result.asked:
                    if names[one.initiator] == port and one.request.write == write:
                        cycles = one.request.beat_cycles if write else one.request.response_cycles
                        beats += sum(begin <= cycle < end for cycle in cycles)
                per_port.append(beats / max(1, end - begin))
            figures.append(figure(f"{name}s of each port, {mark['name']}", min(per_port), "beats per cycle"))
    return figures


def changes(manifest: dict[str, Any], result: Result) -> list[Figure]:
    """For each change of memory: its duration, and when what was gained could first be used."""
    figures = []
    for begin, end, mark in result.trace.spans("transition"):
        writes = [event[0] for event in result.trace.of("control", "AW") if begin <= event[0] <= end]
        if not writes or mark["bytes"] is None or mark["what"] not in ("grow", "move"):
            continue
        scrub = "with scrub" if mark["scrub"] else "without scrub"
        size = f"{mark['bytes'] // 1024} KiB"
        title = f"{mark['what']} {size} {scrub}"
        figures.append(figure(f"{title}: first to last register access", end - writes[0], "cycles"))
        engines = [rekey for rekey in result.reference.rekeys if begin <= rekey.begin <= end]
        if engines:
            moved = max(rekey.end for rekey in engines) - min(rekey.begin for rekey in engines)
            figures.append(figure(f"rekey {size} {scrub}: command to end as read", moved, "cycles"))
        first = _first_access(manifest, result, mark, begin)
        if mark["what"] == "grow" and first is not None:
            figures.append(figure(f"{title}: first register write to first access", first - writes[0], "cycles"))
    return figures


def _first_access(manifest: dict[str, Any], result: Result, mark: dict[str, Any], begin: int) -> int | None:
    """When the growing slice first got an answer from what it gained."""
    granule = manifest["fabric"]["granule"]
    runs = {(run["target"], run["first"] + number) for run in mark["gained"] for number in range(run["count"])}
    names = [target["name"] for target in manifest["targets"]]
    ends = (
        one.request.end
        for one in result.asked
        if one.access is not None
        and not one.cut
        and one.access.cycle >= begin
        and one.slice == mark["grows"]
        and (names[one.target], one.access.address // granule) in runs
    )
    return min(ends, default=None)
