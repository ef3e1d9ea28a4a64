"""What the card says of itself, the fault log and the counters, against what the scoreboard counted."""

from collections import Counter, defaultdict
from typing import Any

from .control import SETTLE
from .pieces import Asked
from .reference import AT_TARGET, NOBODY
from .scoreboard import Result
from .transactions import FOREVER

LATENCY_SLACK = 8
"""Cycles by which the card's longest latency may differ from that at the port: it is taken one stage further in."""
WORD = 1 << 32
LONGEST = 0xFFFF


def _log_entries(asked: Asked, manifest: dict[str, Any]) -> set[tuple[int | str, ...]]:
    """How a denial of the request may stand in the log."""
    request = asked.request
    contexts = manifest["initiators"][asked.initiator]["contexts"]
    user = request.user if len(contexts) > 1 else 0
    codes = asked.codes
    entries: set[tuple[int | str, ...]] = set()
    for outcome in asked.outcomes:
        if outcome.response is None or (asked.denied and outcome.response not in codes):
            continue
        owned = int(outcome.slice != NOBODY)
        known = outcome.slice if owned else -1
        place = outcome.target, user, known, owned, outcome.address
        entries.add((outcome.kind, int(request.write), asked.initiator, *place))
    return entries


def _as_logged(entry: dict[str, Any]) -> tuple[int | str, ...]:
    """An entry of the log in the same form; the slice of a request without one says nothing."""
    target = entry["target"] if entry["kind"] in AT_TARGET else 0
    known = entry["slice"] if entry["owned"] else -1
    place = target, entry["context"], known, entry["owned"], entry["address"]
    return (entry["kind"], entry["write"], entry["initiator"], *place)


def check_faults(manifest: dict[str, Any], result: Result) -> None:
    """Every denial is in the log or counted as lost, and nothing else is in it."""
    findings, trace = result.findings, result.trace
    marks = trace.noted("faults")
    if not any(mark.get("quiet") for mark in marks):
        findings.add("faults", trace.cycles, "the bench never read the fault log while nothing was under way")
        return
    # What a target was given before it was cut off is answered in its stead, and not logged.
    denied = [one for one in result.asked if one.denied and one.access is None]
    open_ = [one for one in result.asked if one.cut and one.access is None]
    # Requests whose log entry is certain are matched first, so that the others get what is left.
    places: dict[tuple[int | str, ...], int] = Counter()
    loose: list[set[tuple[int | str, ...]]] = []
    for one in denied + open_:
        entries = _log_entries(one, manifest)
        if len(entries) == 1 and not one.cut:
            places[next(iter(entries))] += 1
        else:
            loose.append(entries)
    logged = 0
    for mark in marks:
        for entry in mark["entries"]:
            logged += 1
            form = _as_logged(entry)
            if places.get(form, 0):
                places[form] -= 1
                continue
            match = next((entries for entries in loose if form in entries), None)
            if match is None:
                findings.add("faults", mark["cycle"], f"the fault log has an entry that no denial explains: {entry}")
            else:
                loose.remove(match)
        if mark.get("quiet"):
            most = sum(one.request.end <= mark["cycle"] for one in denied)
            # Nor is what stood in front of a target, one request in each direction, when that was cut off.
            least = most - 2 * sum(cycle <= mark["cycle"] for cycle in result.reference.cuts)
            least -= sum(one.request.end <= mark["cycle"] and not one.certain for one in denied)
            most += sum(one.request.cut <= mark["cycle"] for one in open_)
            total = logged + mark["lost"]
            if not least <= total <= most:
                right = least if least == most else f"{least} to {most}"
                text = f"{logged} faults logged and {mark['lost']} lost, but {right} denials seen"
                findings.add("faults", mark["cycle"], text)


def _expected(
    manifest: dict[str, Any], result: Result, begin: int, until: int
) -> dict[tuple[int, str], tuple[int, int]]:
    """Least and most that each counter of a slice may show; what a reset cut off may be counted or not.

    The longest latency is that since the snapshot before, which was taken in cycle `begin`.
    """
    settle = 4 * manifest["fabric"]["budget_period"] + 2 * SETTLE
    contracts = result.reference.contracts.items()
    limited = any(any(held.values) for (_, name), held in contracts if name in ("limited", "write_limited"))
    low: dict[tuple[int, str], int] = defaultdict(int)
    high: dict[tuple[int, str], int] = defaultdict(int)

    def count(slices: set[int], name: str, value: int, certain: bool) -> None:
        for owner in slices - {NOBODY}:
            high[owner, name] += value
            if certain and len(slices) == 1:
                low[owner, name] += value

    for one in result.asked:
        request = one.request
        if request.cycle > until:
            continue
        what = "WRITE" if request.write else "READ"
        codes = one.codes
        if one.access is not None:
            slices, passed, surely, denied = {one.access.user}, True, True, one.access.cut < FOREVER
        else:
            right = [o for o in one.outcomes if not one.denied or o.response in codes]
            slices = {outcome.slice for outcome in right}
            through = [outcome.kind in ("", *AT_TARGET) for outcome in right]
            # Nobody sees the response to a piece of a write, so it may be unknown how far the piece came.
            passed, surely = any(through), all(through) and not one.cut
            denied = one.denied or one.cut
        if passed:
            count(slices, f"{what}_REQUESTS", 1, surely and one.certain)
            count(slices, f"{what}_BEATS", request.length + 1, surely)
        if denied:
            count(slices, "DENIALS", 1, one.certain and not one.cut)
        for owner in slices - {NOBODY}:
            place = owner, "LONGEST_LATENCY"
            if one.whole.end == FOREVER:
                high[place] = LONGEST
            elif begin - settle <= one.whole.end:
                high[place] = max(high[place], min(one.whole.latency + LATENCY_SLACK, LONGEST))
                # A piece's own time begins when the card splits it off, and that of a request that stood aside since
                # a context of its port had no budget when it could go: nobody sees either.
                aside = limited and len(manifest["initiators"][one.initiator]["contexts"]) > 1
                if begin + settle <= request.end and len(slices) == 1 and not one.split and not aside:
                    low[place] = max(low[place], min(request.latency, LONGEST) - LATENCY_SLACK)
    return {place: (max(0, low[place]), high[place]) for place in set(low) | set(high)}


COUNTERS = ("READ_BEATS", "WRITE_BEATS", "READ_REQUESTS", "WRITE_REQUESTS", "DENIALS", "LONGEST_LATENCY")


def check_counters(manifest: dict[str, Any], result: Result) -> None:
    """The counters of each slice are what the scoreboard counted."""
    findings, trace = result.findings, result.trace
    marks = [mark for mark in trace.noted("counters") if mark.get("quiet")]
    if not marks:
        findings.add("counters", trace.cycles, "the bench never read the counters while nothing was under way")
    for mark in marks:
        earlier = [cycle for cycle in result.reference.snapshots if cycle < mark["cycle"]]
        expected = _expected(manifest, result, earlier[-2] if len(earlier) > 1 else 0, mark["cycle"])
        for number, values in mark["slices"].items():
            for name in COUNTERS:
                low, high = expected.get((int(number), name), (0, 0))
                value = values[name]
                if not (low <= value <= high or low % WORD <= value <= high % WORD):
                    right = str(low) if low == high else f"{low} to {high}"
                    text = f"{name} of slice {number} is {value}; {right} were counted"
                    findings.add("counters", mark["cycle"], text)
