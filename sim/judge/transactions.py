"""From handshakes to transactions: which data and which responses belong to which request."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from .events import Trace
from .findings import Findings

FOREVER = 1 << 62


@dataclass(slots=True, eq=False)
class Request:
    """A transaction at one port.

    Members
    -------
    beats : list of (data, strobe)
        Of a write, as far as given; `beat_cycles` has their cycles.
    responses, data : list
        xRESP of each beat (one for a write) and data of a read; `response_cycles` has their cycles.
    end : int
        Cycle of the last response, or FOREVER.
    cut : int
        Cycle of the reset that ended it, or, at a target, in which that was cut off; else FOREVER.
    piece : int
        Its place in the burst of which it is a piece; `number` is that of the burst.
    """

    port: str
    write: bool
    number: int
    cycle: int
    id: int
    address: int
    length: int
    size: int
    burst: int
    lock: int
    cache: int
    prot: int
    user: int
    beats: list[tuple[int, int]] = field(default_factory=list)
    beat_cycles: list[int] = field(default_factory=list)
    responses: list[int] = field(default_factory=list)
    response_cycles: list[int] = field(default_factory=list)
    data: list[int] = field(default_factory=list)
    end: int = FOREVER
    cut: int = FOREVER
    piece: int = 0

    @property
    def latency(self) -> int:
        """Cycles from acceptance to the last response."""
        return self.end - self.cycle

    def __str__(self) -> str:
        what = "write" if self.write else "read"
        where = f"port {self.port}, cycle {self.cycle}"
        return f"{what} of {self.length + 1} beats at 0x{self.address:x} with ID {self.id} ({where})"


def _steps(trace: Trace, port: str, channels: dict[str, int]) -> list[tuple[int, int, Any]]:
    """Events of some channels of a port in order of cycle, and of `channels`' numbers within a cycle."""
    merged = [(event[0], order, event) for name, order in channels.items() for event in trace.of(port, name)]
    merged.sort(key=lambda step: step[:2])
    return merged


def reads(trace: Trace, port: str, findings: Findings, check: str) -> list[Request]:
    """All reads of a port with their responses."""
    result: list[Request] = []
    waiting: dict[int, deque[Request]] = defaultdict(deque)
    in_reset = False
    for cycle, order, event in _steps(trace, port, {"reset": 0, "cut_off": 0, "R": 1, "AR": 2}):
        if order == 0:
            in_reset = bool(event[1])
            _cut(waiting, cycle)
        elif order == 2:
            request = Request(port, False, len(result), *event)
            result.append(request)
            waiting[request.id].append(request)
        elif not in_reset:
            _, identity, data, response, last = event
            if not waiting[identity]:
                findings.add(check, cycle, f"{port} got read data with ID {identity}, which it did not ask for")
                continue
            request = waiting[identity][0]
            request.data.append(data)
            request.responses.append(response)
            request.response_cycles.append(cycle)
            complete = len(request.data) == request.length + 1
            if bool(last) != complete:
                findings.add(check, cycle, f"beat {len(request.data)} of a {request} has RLAST = {last}")
            if last or complete:
                request.end = cycle
                waiting[identity].popleft()
    return result


def writes(trace: Trace, port: str, findings: Findings, check: str) -> list[Request]:
    """All writes of a port with their data and responses. Data belongs to addresses in order of both.

    How many beats a write has is what AxLEN says. Where the bench says that the port is rude, WLAST may be anywhere.
    """
    rude = [(begin, end) for begin, end, mark in trace.spans("rude") if mark["name"] == port]
    result: list[Request] = []
    waiting: dict[int, deque[Request]] = defaultdict(deque)
    filling: deque[Request] = deque()
    early: deque[tuple[int, int, int, int]] = deque()
    in_reset = False

    def fill() -> None:
        while filling and early:
            request, (cycle, data, strobe, last) = filling[0], early.popleft()
            request.beats.append((data, strobe))
            request.beat_cycles.append(cycle)
            complete = len(request.beats) == request.length + 1
            if bool(last) != complete and not any(begin <= cycle <= end for begin, end in rude):
                findings.add(check, cycle, f"beat {len(request.beats)} of a {request} has WLAST = {last}")
            if complete:
                filling.popleft()

    for cycle, order, event in _steps(trace, port, {"reset": 0, "cut_off": 0, "B": 1, "AW": 2, "W": 3}):
        if order == 0:
            in_reset = bool(event[1])
            _cut(waiting, cycle)
            filling.clear()
            early.clear()
        elif order == 2:
            request = Request(port, True, len(result), *event)
            result.append(request)
            waiting[request.id].append(request)
            filling.append(request)
            fill()
        elif order == 3:
            early.append(event)
            fill()
        elif not in_reset:
            _, identity, response = event
            if not waiting[identity]:
                findings.add(check, cycle, f"{port} got a write response with ID {identity}, which it did not ask for")
                continue
            request = waiting[identity].popleft()
            if len(request.beats) != request.length + 1:
                findings.add(check, cycle, f"the response to a {request} came before its last beat")
            request.responses.append(response)
            request.response_cycles.append(cycle)
            request.end = cycle
    return result


def _cut(waiting: dict[int, deque[Request]], cycle: int) -> None:
    for queue in waiting.values():
        for request in queue:
            request.cut = cycle
        queue.clear()
