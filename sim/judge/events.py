"""Reads what a run left behind: the recorder's events and the bench's marks. Knows no rules."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdl.errors import Refusal

Event = tuple[int, ...]
"""The cycle, then the channel's fields in the order of :data:`sim.recorder.CHANNELS`."""


class TraceError(Refusal):
    """A trace that cannot be judged. ``str()`` is one line: which file, what is wrong."""


@dataclass
class Trace:
    """Everything recorded of one run.

    Members
    -------
    name : str
        Name of the run, which is that of its folder.
    events : dict
        Events by (port, channel or signal), each list in order of cycle.
    marks : list of dict
        What the bench noted, in order of cycle.
    cycles : int
        Number of the last cycle in which anything happened.
    """

    name: str
    path: Path
    events: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    marks: list[dict[str, Any]] = field(default_factory=list)
    cycles: int = 0

    def of(self, port: str, channel: str) -> list[Event]:
        """Events of one channel or signal of a port."""
        return self.events.get((port, channel), [])

    def noted(self, kind: str) -> list[dict[str, Any]]:
        """All marks of a kind."""
        return [mark for mark in self.marks if mark["kind"] == kind]

    @property
    def run(self) -> dict[str, Any]:
        """The mark that names scenario, variant and seed."""
        return self.noted("run")[0]

    def spans(self, kind: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Begin, end and first mark of every ``<kind>_begin`` to ``<kind>_end``; the run ends what is open."""
        for position, mark in enumerate(self.marks):
            if mark["kind"] == f"{kind}_begin":
                ends = (
                    later["cycle"]
                    for later in self.marks[position + 1 :]
                    if later["kind"] == f"{kind}_end" and later["name"] == mark["name"]
                )
                yield mark["cycle"], next(ends, self.cycles), mark


def parse_events(path: Path) -> dict[tuple[str, str], list[Event]]:
    """Events of a file by (port, channel); TraceError if a line is no event."""
    events: dict[tuple[str, str], list[Event]] = defaultdict(list)
    read = 0
    try:
        with path.open(encoding="ascii") as file:
            for read, line in enumerate(file, start=1):  # noqa: B007 (the handler below says where it stopped)
                cycle, port, channel, *values = line.split()
                events[port, channel].append((int(cycle), *[int(value, 16) for value in values]))
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}; run the simulation first") from None
    except ValueError:
        raise TraceError(f"{path}:{read}: not an event; the simulation was cut off, run it again") from None
    return dict(events)


def parse_marks(path: Path) -> list[dict[str, Any]]:
    """Marks of a file in order of cycle; TraceError if a line is no mark."""
    marks = []
    read = 0
    try:
        for read, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):  # noqa: B007
            mark = json.loads(line)
            if not {"cycle", "kind"} <= mark.keys():
                raise ValueError
            marks.append(mark)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}; run the simulation first") from None
    except (ValueError, AttributeError):
        raise TraceError(f"{path}:{read}: not a mark; the simulation was cut off, run it again") from None
    if not marks or marks[0]["kind"] != "run":
        raise TraceError(f"{path}:1: the first mark does not name the run; run the simulation again")
    return sorted(marks, key=lambda mark: mark["cycle"])


def read_trace(path: Path) -> Trace:
    """The trace in a folder; TraceError if it is not complete enough to be judged."""
    trace = Trace(path.name, path, parse_events(path / "events.txt"), parse_marks(path / "marks.jsonl"))
    last = [events[-1][0] for events in trace.events.values()]
    trace.cycles = max([*last, trace.marks[-1]["cycle"]], default=0)
    return trace
