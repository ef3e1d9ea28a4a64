"""Checks every beat of a run against the reference model."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .answers import judge_answer, judge_merged
from .bursts import BOUNDARY, DECERR, SLVERR
from .events import Trace
from .findings import Findings
from .pieces import Asked, Whole, split
from .reference import Outcome, Reference
from .transactions import FOREVER, Request, reads, writes

CHECKS = {
    "responses": "G3", "delivery": "G3", "memory": "G3", "isolation": "G1", "denials": "G1", "revocation": "G1",
    "residue": "G2", "faults": "G1", "counters": "G1", "commands": "G7", "fence": "G7", "lanes": "G1",
    "protocol": "G3",
}  # fmt: skip
"""Checks of every run, and the guarantee that each one shows."""
CHANNEL_NAMES = ("AW", "W", "B", "AR", "R")


@dataclass
class Result:
    """What the scoreboard knows after a run.

    Members
    -------
    wholes : list of Whole
        Every request of every initiator.
    asked : list of Asked
        Their pieces, which are the requests themselves on a card that does not split.
    accesses : list of list of Request
        Every access at each target, the scrubber's too, in order of cycle.
    """

    trace: Trace
    reference: Reference
    findings: Findings
    wholes: list[Whole] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    accesses: list[list[Request]] = field(default_factory=list)


def _same_beats(asked: Asked, access: Request) -> bool:
    given, sent = asked.request.beats, access.beats
    if not asked.cut:
        return given == sent
    # What a core in reset leaves open is completed with beats that write nothing.
    return all(beat[1] == 0 or (n < len(given) and beat == given[n]) for n, beat in enumerate(sent))


def _compare(asked: Asked, access: Request, target: str, findings: Findings) -> None:
    request = asked.request
    if request.write and not _same_beats(asked, access):
        findings.add("delivery", access.cycle, f"{target} got other data or strobes than the {request} gave")
    if asked.cut or request.end == FOREVER:
        return
    if access.cut < FOREVER:
        # It was answered in the target's stead.
        if not asked.denied and not asked.merged:
            findings.add("responses", request.end, f"the {request} was answered, though {target} was cut off before it")
        return
    asked.denied = False
    if access.end == FOREVER or request.end < access.end:
        findings.add("responses", request.end, f"the {request} was answered before {target} had answered")
    elif not asked.merged and (request.responses != access.responses or request.data != access.data):
        what = "data" if request.responses == access.responses else "response"
        findings.add("responses", request.end, f"the {request} got another {what} than {target} gave")


def _agrees(asked: Asked, access: Request) -> bool:
    """Whether an access that looks like the request also carries the same data."""
    return _same_beats(asked, access) if access.write else asked.cut or asked.request.data == access.data


class _Matcher:
    """Finds for each access at a target the request or piece that it came from.

    An access bears its source: the index of the initiator, in the low `source_bits` of its ID. Which request it is,
    its address, shape and slice must tell; of several alike, the first with the same data whose turn it is in its ID,
    and that was not answered yet: a denied request must not be taken for one like it that comes later.
    """

    def __init__(self, asked: Iterable[Asked], targets: int, source_bits: int) -> None:
        self.mask = (1 << source_bits) - 1
        self.waiting: dict[tuple[int, int, bool], deque[tuple[Asked, Outcome]]] = defaultdict(deque)
        self.last: dict[tuple[int, int, bool, int], tuple[int, int]] = defaultdict(lambda: (-1, 0))
        for one in asked:
            if one.denied and not one.may_be_cut_off:
                continue
            for outcome in one.outcomes:
                if outcome.response is None and outcome.target < targets:
                    self.waiting[outcome.target, one.initiator, one.request.write].append((one, outcome))

    def match(self, target: int, access: Request, findings: Findings) -> Asked | None:
        """The request, taken from the list; None if nobody asked for this access."""
        source = access.id & self.mask
        waiting = self.waiting[target, source, access.write]
        best, found = (False, False, False), None
        earlier: set[int] = set()
        for place, (asked, outcome) in enumerate(waiting):
            if asked.request.cycle > access.cycle:
                break
            if asked.access is not None:
                continue
            if _fits(asked.request, outcome, access):
                is_open = access.cycle <= min(asked.request.end, asked.request.cut)
                rank = is_open, _agrees(asked, access), asked.request.id not in earlier
                if found is None or rank > best:
                    best, found = rank, place
                if all(rank):
                    break
            if not asked.refusals:
                earlier.add(asked.request.id)
        if found is None:
            return None
        asked = waiting[found][0]
        del waiting[found]
        while waiting and waiting[0][0].access is not None:
            waiting.popleft()
        request = asked.request
        stream = target, source, access.write, request.id
        place_in_stream = request.number, request.piece
        if place_in_stream < self.last[stream]:
            findings.add("delivery", access.cycle, f"the {request} reached its target after a later one of its ID")
        self.last[stream] = max(self.last[stream], place_in_stream)
        return asked


def _fits(request: Request, outcome: Outcome, access: Request) -> bool:
    return (
        outcome.address == access.address
        and outcome.slice == access.user
        and (request.length, request.size, request.burst, request.lock, request.cache, request.prot)
        == (access.length, access.size, access.burst, access.lock, access.cache, access.prot)
    )


def _check_slots(manifest: dict[str, Any], result: Result) -> None:
    """With ``isolation: strict`` no two requests of a port and direction are under way with the same target ID."""
    fabric, scrubber = manifest["fabric"], len(manifest["initiators"])
    if fabric["isolation"] != "strict":
        return
    until: dict[tuple[int, bool], int] = defaultdict(lambda: -1)
    everything = [access for accesses in result.accesses for access in accesses if access.id != scrubber]
    for access in sorted(everything, key=lambda access: access.cycle):
        place = access.id, access.write
        if access.cycle < until[place]:
            text = f"the {access} has the ID of one that is still under way"
            result.findings.add("delivery", access.cycle, text)
        until[place] = max(until[place], min(access.end, access.cut))


def _chunk(
    reference: Reference, index: int, request: Request, over: int, accesses: list[list[Request]]
) -> tuple[int, int]:
    """Beats of the pieces of a burst, and the most that they may have had.

    While its slice's chunk changes, what the targets got tells. If they got nothing of it, it may have been any chunk;
    where the largest one splits, so do all.
    """
    chunks = sorted(reference.chunks(index, request, request.cycle, over))
    if len(chunks) == 1:
        return chunks[0], chunks[0]
    mask = (1 << reference.fabric["source_bits"]) - 1
    got = {
        (access.address % BOUNDARY, access.length)
        for access in (access for at_target in accesses for access in at_target)
        if access.write == request.write and access.id & mask == index and request.cycle < access.cycle <= over
    }

    def seen(chunk: int) -> float:
        pieces = split(request, reference.fabric, chunk)
        return sum((piece.address % BOUNDARY, piece.length) in got for piece in pieces) / len(pieces)

    best = max(chunks, key=seen)
    return best, best if seen(best) else chunks[-1]


def collect(manifest: dict[str, Any], trace: Trace, findings: Findings) -> Result:
    """Put a run's handshakes together and judge every request's answer and delivery."""
    reference = Reference(manifest, trace, findings)
    result = Result(trace, reference, findings)
    for port in manifest["targets"]:
        accesses = reads(trace, port["name"], findings, "delivery") + writes(trace, port["name"], findings, "delivery")
        result.accesses.append(sorted(accesses, key=lambda access: access.cycle))
    for index, port in enumerate(manifest["initiators"]):
        for collected in (reads, writes):
            for request in collected(trace, port["name"], findings, "responses"):
                whole = Whole(index, request)
                result.wholes.append(whole)
                if request.end == request.cut == FOREVER:
                    findings.add("responses", trace.cycles, f"no complete response to the {request}")
                over = min(request.end, request.cut, trace.cycles)
                chunk, most = _chunk(reference, index, request, over, result.accesses)
                for piece in split(request, manifest["fabric"], chunk):
                    over = min(piece.end, piece.cut, trace.cycles)
                    outcomes = reference.outcomes(index, piece, piece.cycle, over, request)
                    certain = piece.piece * chunk % most == 0
                    whole.pieces.append(Asked(index, piece, request, outcomes, certain=certain))
    result.wholes.sort(key=lambda whole: whole.request.cycle)
    result.asked = [piece for whole in result.wholes for piece in whole.pieces]
    for one in result.asked:
        judge_answer(one, findings)

    scrubber = len(manifest["initiators"])
    matcher = _Matcher(result.asked, len(manifest["targets"]), manifest["fabric"]["source_bits"])
    for index, port in enumerate(manifest["targets"]):
        for access in result.accesses[index]:
            if access.id == scrubber and access.write:
                continue
            match = matcher.match(index, access, findings)
            if match is None:
                findings.add("isolation", access.cycle, f"nobody may have asked for the {access}, slice {access.user}")
                continue
            match.access, match.target = access, index
            _compare(match, access, port["name"], findings)
    _check_slots(manifest, result)
    for port in (*manifest["initiators"], *manifest["targets"], {"name": "control"}):
        for cycle, channel in trace.of(port["name"], "unstable"):
            text = f"{port['name']} takes back or changes what it offers on {CHANNEL_NAMES[channel]}"
            findings.add("protocol", cycle, text)
    for whole in result.wholes:
        judge_merged(whole, findings)
    for one in result.asked:
        if one.access is None and not one.denied and not one.cut and one.passing:
            refused = set(one.request.responses) & {SLVERR, DECERR}
            what = "was denied, though it is permitted" if refused else "never reached its target"
            findings.add("delivery", one.request.cycle, f"the {one.request} {what}")
    return result
