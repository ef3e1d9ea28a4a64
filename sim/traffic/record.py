"""``python -m sim.traffic.record [PROGRAM ...]``: records the traces anew. Needs valgrind and the programs themselves.

valgrind's tool lackey writes every instruction and every access of a program. They go through the caches of
:mod:`sim.traffic.cache`; what reaches the memory is kept, from a stated instruction on and up to a stated number.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from hdl.errors import Refusal

from .cache import PAGE_BYTES, Hierarchy
from .programs import PROGRAMS, Program
from .trace import SUFFIX, TRACES, Renumbering, Request, Trace, write_trace

REQUESTS = 4000
"""Of a trace."""
LACKEY = ("--tool=lackey", "--trace-mem=yes", "--basic-counts=no")
_FETCH, _STORE, _MODIFY = b"I ", b" S", b" M"


class Count:
    """Instructions executed so far."""

    def __init__(self) -> None:
        self.instructions = 0


def filtered(lines: Iterable[bytes], caches: Hierarchy, count: Count) -> Iterator[tuple[int, bool, int]]:
    """What reaches the memory of what lackey writes: line, whether it is a write-back, and the instruction's number.

    ``I`` is an instruction, ``L`` a load, ``S`` a store, ``M`` both at one address; then address in hexadecimal, comma,
    bytes. valgrind's own remarks begin with ``==``.
    """
    last = -1
    for text in lines:
        kind = text[:2]
        if kind == b"==":
            continue
        address_text, _, size_text = text[3:].partition(b",")
        address, size = int(address_text, 16), int(size_text)
        fetch = kind == _FETCH
        if fetch:
            count.instructions += 1
            # Straight code fetches from the line that it has just fetched from: nothing changes.
            line = address >> 6
            if line == last and (address + size - 1) >> 6 == line:
                continue
            last = (address + size - 1) >> 6
        for transfer in caches.access(address, size, write=kind in (_STORE, _MODIFY), fetch=fetch):
            yield transfer.line, transfer.write, count.instructions


def window(found: Iterable[tuple[int, bool, int]], skip: int, requests: int) -> tuple[Request, ...]:
    """The first requests after `skip` instructions, renumbered; the first one thinks 0."""
    renumber = Renumbering()
    kept: list[Request] = []
    before = None
    for line, write, instruction in found:
        if instruction <= skip:
            continue
        kept.append(Request(renumber(line), write, 0 if before is None else instruction - before))
        before = instruction
        if len(kept) == requests:
            break
    return tuple(kept)


def _output(command: tuple[str, ...]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise Refusal(f"{command[0]} is missing, whose memory accesses are to be recorded ({error})") from None


def record(program: Program, requests: int = REQUESTS) -> Trace:
    """Run a program below valgrind until there are enough requests.

    Raises
    ------
    Refusal
        valgrind or the program is missing, or it ended before.
    """
    if shutil.which("valgrind") is None:
        raise Refusal("valgrind is missing, which records traces: apt-get install valgrind")
    executable = _output(program.find) if program.find else program.name
    caches, count = Hierarchy(), Count()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program.write_input(folder)
        words = [word.format(input=program.file) for word in program.arguments]
        read, write = os.pipe()
        # A short environment, the same everywhere: it lies on the program's stack.
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        with subprocess.Popen(
            ["valgrind", *LACKEY, f"--log-fd={write}", executable, *words],
            cwd=folder, env=environment, pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            os.close(write)
            with os.fdopen(read, "rb", buffering=1 << 20) as log:
                kept = window(filtered(log, caches, count), program.skip, requests)
            process.kill()
    if len(kept) < requests:
        raise Refusal(f"{program.name}: {len(kept)} requests after {program.skip} instructions, fewer than {requests}")
    header = {
        "program": program.name,
        "version": _output(program.version),
        "input": program.input,
        "command": " ".join([Path(executable).name, *words]),
        "recorded with": f"{_output(('valgrind', '--version'))} {' '.join(LACKEY)}",
        "filter": caches.describe(),
        "numbering": f"pages of {PAGE_BYTES} bytes in the order in which they are first asked for",
        "skipped instructions": str(program.skip),
        "instructions": str(sum(request.think for request in kept)),
    }
    return Trace(header, kept)


def main(names: list[str]) -> int:
    """Record all programs, or those that are named."""
    known = {program.name: program for program in PROGRAMS}
    for name in names or known:
        if name not in known:
            raise Refusal(f"there is no program {name!r}; there are {', '.join(known)}")
        trace = record(known[name])
        path = TRACES / f"{name}{SUFFIX}"
        write_trace(trace, path)
        writes = sum(request.write for request in trace.requests)
        print(
            f"{path.name}: {len(trace.requests)} requests, {writes} of them write-backs, on {trace.pages} pages, in"
            f" {trace.header['instructions']} instructions; {path.stat().st_size} bytes",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refusal as refusal:
        print(f"hardslice: {refusal}", file=sys.stderr)
        sys.exit(2)
