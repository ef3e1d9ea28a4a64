"""Time slots: the same run with and without others at the target, compared cycle by cycle."""

from typing import Any

from .figures import Figure, figure
from .hitless import first_difference
from .quality import beats_between
from .scoreboard import Result


def compare_slots(manifest: dict[str, Any], alone: Result, beside: Result) -> tuple[list[str], list[Figure]] | None:
    """What is wrong with the slice that has slots, and figures; None if the card cannot have such a slice."""
    spans = [span for span in beside.trace.spans("phase") if (span[2].get("measure") or {}).get("what") == "time_slots"]
    if not spans:
        return None
    begin, end, mark = spans[0]
    measure = mark["measure"]
    names = [target["name"] for target in manifest["targets"]]
    beats = beats_between(beside, names.index(measure["target"]), begin, end)
    own = beats.pop(measure["slice"], 0)
    others = sum(beats.values())
    wrong = []
    if not (own and others):
        wrong.append(f"nothing to compare: {own} beats of its own, {others} of others")
    ports = sorted({one.initiator for one in beside.asked if one.slice == measure["slice"]})
    for port in ports:
        difference = first_difference(manifest["initiators"][port]["name"], alone.trace.path, beside.trace.path)
        if difference:
            wrong.append(difference)
    shown = [
        figure("ports compared", len(ports), ""),
        figure("beats of the slice", own, ""),
        figure("beats of others, same target", others, ""),
        figure("cycles", end - begin, "cycles"),
    ]
    return wrong, shown
