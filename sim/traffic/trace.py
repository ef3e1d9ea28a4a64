"""A recorded trace: how it is stored, and how it is made to fit the memory of a slice.

The file is text, compressed with gzip. Lines that begin with ``#`` are the header, ``# name: value``. Every other line
is a request, ``r 1f3 57``: ``r`` for a line fill or ``w`` for a write-back, the line's number in hexadecimal, and how
many instructions the program executed since the request before it. Lines are 64 bytes. Their pages are numbered in the
order in which the program first asked for them, so that neighbours inside a page stay neighbours, and nothing else of
the addresses is kept.
"""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

from hdl.errors import Refusal

from .cache import LINE_BYTES, PAGE_BYTES

LINES_PER_PAGE = PAGE_BYTES // LINE_BYTES
TRACES = Path(__file__).with_name("traces")
"""Where the traces that ship lie."""
SUFFIX = ".trace.gz"
NAMES = ("sort", "sqlite3", "gzip", "cc1")
"""The traces that ship, in the order in which tenants get them."""
FIELDS = ("program", "version", "input", "command", "filter", "numbering", "skipped instructions", "instructions")
"""What every header says."""
_REQUEST = re.compile(r"([rw]) ([0-9a-f]+) ([0-9]+)")
_HEADER = re.compile(r"# ([a-z ]+): (.+)")


@dataclass(frozen=True)
class Request:
    """A line fill or a write-back; `think` is how many instructions were executed since the one before it."""

    line: int
    write: bool
    think: int


@dataclass(frozen=True)
class Trace:
    """What a program asked of the memory behind its caches.

    Members
    -------
    header : dict
        What was recorded, and how; see `FIELDS`.
    requests : tuple of Request
        In the order of the program.
    """

    header: dict[str, str]
    requests: tuple[Request, ...]

    @property
    def pages(self) -> int:
        """Pages that it touches."""
        return len({request.line // LINES_PER_PAGE for request in self.requests})

    def pauses(self, pace: int) -> list[int]:
        """Cycles of thinking before each request if `pace` instructions take one; what is left over is carried on."""
        pauses, executed = [], 0
        for request in self.requests:
            pauses.append((executed % pace + request.think) // pace)
            executed += request.think
        return pauses

    def first(self, count: int) -> "Trace":
        """Its first `count` requests."""
        return Trace(self.header, self.requests[:count])

    def folded(self, pages: int) -> "Trace":
        """The same on `pages` pages: page p becomes p modulo `pages`, so that several pages share a place."""
        lines = pages * LINES_PER_PAGE
        # A page's number is the upper part of a line's, so one modulo does it.
        folded = (Request(one.line % lines, one.write, one.think) for one in self.requests)
        return Trace(self.header, tuple(folded))


class Renumbering:
    """Numbers pages in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}

    def __call__(self, line: int) -> int:
        """The line's new number."""
        page, place = divmod(line, LINES_PER_PAGE)
        return self._pages.setdefault(page, len(self._pages)) * LINES_PER_PAGE + place


def write_trace(trace: Trace, path: Path) -> None:
    """Store a trace; the same trace gives the same bytes."""
    lines = [f"# {name}: {value}" for name, value in trace.header.items()]
    lines += [f"{'rw'[one.write]} {one.line:x} {one.think}" for one in trace.requests]
    # No name and no time of day in gzip's own header.
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def read_trace(path: Path) -> Trace:
    """Read a stored trace.

    Raises
    ------
    Refusal
        The file cannot be read, or a line of it is none of a trace.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, ValueError) as error:
        raise Refusal(f"{path}: cannot be read as a trace ({error}); 'make traces' records one") from None
    header: dict[str, str] = {}
    requests = []
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _REQUEST.fullmatch(line):
            requests.append(Request(int(found[2], 16), found[1] == "w", int(found[3])))
        elif found := _HEADER.fullmatch(line):
            header[found[1]] = found[2]
        else:
            raise Refusal(f"{path}:{number}: {line!r} is neither '# name: value' nor a request such as 'r 1f3 57'")
    if missing := [name for name in FIELDS if name not in header]:
        raise Refusal(f"{path}: the header does not say {', '.join(missing)}; 'make traces' records a trace that does")
    if not requests:
        raise Refusal(f"{path}: there is no request in it")
    return Trace(header, tuple(requests))


def stored(name: str) -> Trace:
    """A trace that ships."""
    return read_trace(TRACES / f"{name}{SUFFIX}")


def main() -> None:
    """Print what the shipped traces hold, as rows of the table in ``docs/traffic.md``."""
    for name in NAMES:
        trace = stored(name)
        writes = sum(request.write for request in trace.requests)
        print(f"| {name} | {len(trace.requests)} | {writes} | {trace.pages} | {trace.header['instructions']} |")


if __name__ == "__main__":
    main()
