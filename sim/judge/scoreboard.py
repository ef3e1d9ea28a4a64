"""Checks every beat of a run against the reference model."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .bursts import DECERR, SLVERR
from .events import Trace
from .findings import Findings
from .reference import NOBODY, Outcome, Reference
from .transactions import FOREVER, Request, reads, writes

CHECKS = {
    "responses": "G3", "delivery": "G3", "memory": "G3", "isolation": "G1", "denials": "G1", "revocation": "G1",
    "residue": "G2", "faults": "G1", "counters": "G1", "commands": "G7", "lanes": "G1",
}  # fmt: skip
"""Checks of every run, and the guarantee that each one shows."""


@dataclass(eq=False)
class Asked:
    """A request of an initiator, and what became of it.

    Members
    -------
    outcomes : set
        All right answers.
    denied : bool
        It was answered like one of the denials among them.
    access : Request or None
        The access at a target that it became.
    """

    initiator: int
    request: Request
    outcomes: set[Outcome]
    denied: bool = False
    access: Request | None = None
    target: int = -1

    @property
    def cut(self) -> bool:
        """A reset of what is attached ended it."""
        return self.request.cut < FOREVER

    @property
    def slice(self) -> int:
        """The slice that it was made for, NOBODY if there was none or it is not known for sure."""
        if self.access is not None:
            return self.access.user
        slices = {outcome.slice for outcome in self.outcomes}
        return slices.pop() if len(slices) == 1 else NOBODY


@dataclass
class Result:
    """What the scoreboard knows after a run.

    Members
    -------
    asked : list of Asked
        Every request of every initiator.
    accesses : list of list of Request
        Every access at each target, the scrubber's too, in order of cycle.
    """

    trace: Trace
    reference: Reference
    findings: Findings
    asked: list[Asked] = field(default_factory=list)
    accesses: list[list[Request]] = field(default_factory=list)


def _judge_answer(asked: Asked, findings: Findings, open_until: int) -> None:
    """Was it answered as it had to be? A request that may have passed is left to the comparison with its target."""
    request = asked.request
    if asked.cut:
        return
    if request.end == FOREVER:
        findings.add("responses", open_until, f"no complete response to the {request}")
        return
    codes = set(request.responses)
    denials = {outcome.response for outcome in asked.outcomes if outcome.response is not None}
    passing = any(outcome.response is None for outcome in asked.outcomes)
    clean = request.write or not any(request.data)
    if len(codes) == 1 and codes <= denials and (clean or not passing):
        asked.denied = True
        if not clean:
            findings.add("denials", request.end, f"the denied {request} got data that is not zero")
    elif not passing:
        names = {SLVERR: "SLVERR", DECERR: "DECERR"}
        right = " or ".join(sorted(names[code] for code in denials if code is not None))
        findings.add("denials", request.end, f"the {request} was answered {sorted(codes)}; right is {right}")
        # It counts as a denial only if it was one, though of the wrong kind.
        asked.denied = bool(codes & {SLVERR, DECERR})


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
    if asked.cut:
        return
    if access.end == FOREVER or request.end < access.end:
        findings.add("responses", request.end, f"the {request} was answered before {target} had answered")
    elif request.responses != access.responses or request.data != access.data:
        what = "data" if request.responses == access.responses else "response"
        findings.add("responses", request.end, f"the {request} got another {what} than {target} gave")


class _Matcher:
    """Finds for each access at a target the request that it came from."""

    def __init__(self, asked: Iterable[Asked], targets: int) -> None:
        self.waiting: dict[tuple[int, int, bool], deque[tuple[Asked, Outcome]]] = defaultdict(deque)
        self.last: dict[tuple[int, int, bool, int], int] = defaultdict(lambda: -1)
        for one in asked:
            if one.denied:
                continue
            for outcome in one.outcomes:
                if outcome.response is None and outcome.target < targets:
                    self.waiting[outcome.target, one.initiator, one.request.write].append((one, outcome))

    def match(self, target: int, access: Request, findings: Findings) -> Asked | None:
        """The request, taken from the list; None if nobody asked for this access."""
        waiting = self.waiting[target, access.id, access.write]
        found = None
        for place, (asked, outcome) in enumerate(waiting):
            if asked.request.cycle > access.cycle:
                break
            if asked.access is None and _fits(asked.request, outcome, access):
                found = place
                break
        if found is None:
            return None
        asked = waiting[found][0]
        del waiting[found]
        while waiting and waiting[0][0].access is not None:
            waiting.popleft()
        request = asked.request
        stream = target, access.id, access.write, request.id
        if request.number < self.last[stream]:
            findings.add("delivery", access.cycle, f"the {request} reached its target after a later one of its ID")
        self.last[stream] = max(self.last[stream], request.number)
        return asked


def _fits(request: Request, outcome: Outcome, access: Request) -> bool:
    return (
        outcome.address == access.address
        and outcome.slice == access.user
        and (request.length, request.size, request.burst, request.lock, request.cache, request.prot)
        == (access.length, access.size, access.burst, access.lock, access.cache, access.prot)
    )


def collect(manifest: dict[str, Any], trace: Trace, findings: Findings) -> Result:
    """Put a run's handshakes together and judge every request's answer and delivery."""
    reference = Reference(manifest, trace, findings)
    result = Result(trace, reference, findings)
    for index, port in enumerate(manifest["initiators"]):
        for collected in (reads, writes):
            for request in collected(trace, port["name"], findings, "responses"):
                over = min(request.end, request.cut, trace.cycles)
                outcomes = reference.outcomes(index, request, request.cycle, over)
                result.asked.append(Asked(index, request, outcomes))
    result.asked.sort(key=lambda one: one.request.cycle)
    for one in result.asked:
        _judge_answer(one, findings, trace.cycles)

    scrubber = len(manifest["initiators"])
    matcher = _Matcher(result.asked, len(manifest["targets"]))
    for index, port in enumerate(manifest["targets"]):
        accesses = reads(trace, port["name"], findings, "delivery") + writes(trace, port["name"], findings, "delivery")
        accesses.sort(key=lambda access: access.cycle)
        result.accesses.append(accesses)
        for access in accesses:
            if access.id == scrubber and access.write:
                continue
            match = matcher.match(index, access, findings)
            if match is None:
                findings.add("isolation", access.cycle, f"nobody may have asked for the {access}, slice {access.user}")
                continue
            match.access, match.target = access, index
            _compare(match, access, port["name"], findings)
    for one in result.asked:
        if one.access is None and not one.denied and not one.cut and any(o.response is None for o in one.outcomes):
            refused = set(one.request.responses) & {SLVERR, DECERR}
            what = "was denied, though it is permitted" if refused else "never reached its target"
            findings.add("delivery", one.request.cycle, f"the {one.request} {what}")
    return result
