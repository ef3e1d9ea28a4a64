"""Where register operations go: a card, a simulated card, or a file."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from .errors import Refusal
from .files import write_atomically
from .operations import Compare, Operation, Transition, Wait, Write, failure


class Transport(Protocol):
    """32-bit register access; addresses in bytes. AccessError if the card says that it refuses one."""

    async def read(self, address: int) -> int:
        """The register's value."""
        ...

    async def write(self, address: int, value: int) -> None:
        """Write the register."""
        ...


class AccessError(Exception):
    """The card answered an access with an error: it has no such register, or another owner."""

    def __init__(self, address: int, kind: str) -> None:
        super().__init__(f"the card refused to {kind} {address:#x}")


class ExecutionError(Exception):
    """A transition stopped; the card is in the state after the operations before `index`.

    Members
    -------
    operation : Operation
        The operation that failed.
    index : int
        Its position in the transition.
    seen : int
        What the register held; 0 if it is unknown.
    """

    def __init__(self, operation: Operation, index: int, seen: int, meaning: str) -> None:
        self.operation, self.index, self.seen = operation, index, seen
        if isinstance(operation, Write):
            super().__init__(f"{meaning}; operation {index}: {operation.register} is to be {operation.value:#x}")
            return
        tried = f" in {operation.polls} polls" if isinstance(operation, Wait) else ""
        super().__init__(
            f"{meaning}; operation {index}: {operation.register} at {operation.address:#x} should be "
            f"{operation.expected:#x} under mask {operation.mask:#x}, is {seen & operation.mask:#x}{tried}"
        )


async def execute(
    transition: Transition,
    transport: Transport,
    *,
    on_operation: Callable[[Operation, int], None] | None = None,
    polls: int | None = None,
) -> None:
    """Carry out operations in order.

    Parameters
    ----------
    transition : Transition
    transport : Transport
        A `FileTransport` is given whole operations, since a file has nothing to read.
    on_operation : callable, optional
        Called with each operation and its index when it is complete.
    polls : int, optional
        Most polls of one wait, if that is less than the operation allows.

    Raises
    ------
    ExecutionError
        A register was not as expected, or the card refused an access.
    """
    for index, operation in enumerate(transition.operations):
        try:
            await _carry_out(transition, transport, operation, index, polls)
        except AccessError as error:
            raise ExecutionError(operation, index, 0, str(error)) from None
        if on_operation is not None:
            on_operation(operation, index)


async def _carry_out(
    transition: Transition, transport: Transport, operation: Operation, index: int, polls: int | None
) -> None:
    if isinstance(transport, FileTransport):
        transport.record(operation)
    elif isinstance(operation, Write):
        await transport.write(operation.address, operation.value)
    else:
        most = 1 if isinstance(operation, Compare) else min(operation.polls, polls or operation.polls)
        for _ in range(most):
            seen = await transport.read(operation.address)
            if seen & operation.mask == operation.expected:
                return
        raise ExecutionError(operation, index, seen, failure(transition, operation))


class FileTransport:
    """Collects operations and appends them to a file of transitions, one JSON object per line.

    Of transitions for the same generation the last one counts: writing a transition again, after an interruption,
    replaces it and what followed it.

    Parameters
    ----------
    path : Path
        Created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.operations: list[Operation] = []

    def record(self, operation: Operation) -> None:
        """Take an operation."""
        self.operations.append(operation)

    async def read(self, address: int) -> int:
        """A file has no registers."""
        raise io.UnsupportedOperation("a file has nothing to read; it records whole operations")

    async def write(self, address: int, value: int) -> None:
        """Take a write that is not part of a transition."""
        self.record(Write(address, value, f"{address:#x}", "written by hand"))

    def save(self, transition: Transition) -> None:
        """Put what was recorded into the file, as the operations of `transition`."""
        earlier: list[Transition] = []
        for past in load_transitions(self.path) if self.path.exists() else []:
            if past.hash != transition.hash:
                raise Refusal(
                    f"{self.path}: holds operations for the card '{past.card}' (hash {past.hash[:16]}...), not for "
                    f"'{transition.card}'; name another file with --operations"
                )
            if past.generation == transition.generation:
                break
            earlier.append(past)
        done = Transition(
            transition.title, transition.card, transition.hash, transition.generation, tuple(self.operations)
        )
        lines = [json.dumps(entry.to_dict()) for entry in (*earlier, done)]
        write_atomically(self.path, "".join(line + "\n" for line in lines))
        self.operations = []


def load_transitions(path: Path) -> list[Transition]:
    """Transitions of a file that a `FileTransport` wrote; Refusal if it is something else."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Refusal(f"{path}: cannot be read ({reason}); give a file written with --operations") from None
    result = []
    for number, line in enumerate(lines, 1):
        try:
            result.append(Transition.from_dict(json.loads(line)))
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise Refusal(f"{path}:{number}: {reason}; give a file written with --operations") from None
    return result
