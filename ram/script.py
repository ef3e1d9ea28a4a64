"""Transitions as scripts that need no RAM: JSON lines, POSIX shell, C and Tcl.

Every script carries out the same operations as `ram.transport.execute`: it stops at the first comparison that fails,
says why on the error output, and ends with exit code 1. Since each transition begins by comparing identity and
GENERATION, a script for another card or another state stops before it has written anything.
"""

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Literal, get_args

from .operations import Operation, Transition, Wait, Write, failure, operation_to_dict

Format = Literal["jsonl", "sh", "c", "tcl"]
FORMATS: tuple[str, ...] = get_args(Format)


def to_script(transitions: Sequence[Transition], format: Format) -> str:
    """The text of a script that carries out `transitions` one after another."""
    writers = {"jsonl": to_jsonl, "sh": to_shell, "c": to_c, "tcl": to_tcl}
    return writers[format](transitions)


def _printable(text: str) -> str:
    """One line of ASCII, whatever the text is; it does not end with a backslash, which would carry a comment on."""
    line = " ".join(text.split()).encode("ascii", "backslashreplace").decode()
    return line + " " if line.endswith("\\") else line


def _head(transitions: Sequence[Transition], comment: str) -> str:
    lines = ["Do not edit: written by hardslice."]
    for transition in transitions:
        lines.append(f"{transition.title}: card {transition.card}, generation {transition.generation}")
        lines.append(f"manifest {transition.hash}")
    return "".join(f"{comment} {_printable(line)}\n" for line in lines)


def _why(transition: Transition, operation: Operation) -> str:
    """What a script says when the operation fails."""
    if isinstance(operation, Write):
        return ""
    return f"{failure(transition, operation)}; {operation.register}"


def _lines(transitions: Sequence[Transition], line: Callable[[Operation, str], str], comment: str) -> str:
    text = ""
    for transition in transitions:
        text += f"\n{comment} {_printable(transition.title)}\n"
        text += "".join(line(operation, _printable(_why(transition, operation))) for operation in transition.operations)
    return text


def to_jsonl(transitions: Sequence[Transition]) -> str:
    """One object per line: for each transition a head with title, card, hash and generation, then its operations."""
    result = []
    for transition in transitions:
        head = {name: getattr(transition, name) for name in ("title", "card", "hash", "generation")}
        result += [head, *(operation_to_dict(operation) for operation in transition.operations)]
    return "".join(json.dumps(entry) + "\n" for entry in result)


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _shell_line(operation: Operation, why: str) -> str:
    quoted = "'" + why.replace("'", "'\\''") + "'"
    note = f"# {_printable(f'{operation.register}: {operation.reason}')}\n"
    if isinstance(operation, Write):
        return f"{note}write {operation.address:#x} {operation.value:#x}\n"
    polls = operation.polls if isinstance(operation, Wait) else 1
    return f"{note}expect {operation.address:#x} {operation.mask:#x} {operation.expected:#x} {polls} {quoted}\n"


def to_shell(transitions: Sequence[Transition]) -> str:
    """A POSIX shell script.

    HARDSLICE_BASE is the physical address of the register space. HARDSLICE_READ is a command that is called with an
    address and ``32`` and prints the value, HARDSLICE_WRITE one that is called with an address, ``32`` and a value;
    both are ``busybox devmem`` if not given.
    """
    body = _lines(transitions, _shell_line, "#")
    return f"#!/bin/sh\n{_head(transitions, '#')}{_template('script.sh')}{body}"


def _c_text(text: str) -> str:
    # A question mark is escaped, since two of them may begin a trigraph.
    for old, new in (("\\", "\\\\"), ('"', '\\"'), ("?", "\\?")):
        text = text.replace(old, new)
    return f'"{text}"'


def _c_comment(text: str) -> str:
    return _printable(text).replace("*/", "* /").replace("/*", "/ *")


def _c_line(operation: Operation, why: str) -> str:
    note = f"    /* {_c_comment(f'{operation.register}: {operation.reason}')} */\n"
    if isinstance(operation, Write):
        return f"{note}    {{{operation.address:#x}, 0, {operation.value:#x}, 0, 0}},\n"
    polls = operation.polls if isinstance(operation, Wait) else 1
    numbers = f"{operation.address:#x}, {operation.mask:#x}, {operation.expected:#x}, {polls}u"
    return f"{note}    {{{numbers}, {_c_text(why)}}},\n"


def to_c(transitions: Sequence[Transition]) -> str:
    """A C99 file: ``int hardslice_run(void)``, which needs ``hardslice_read`` and ``hardslice_write``.

    With HARDSLICE_MAIN defined it is a program instead, which maps a file such as /dev/uio0 and works on that.
    """
    head, tail = _template("script.c").split("/* OPERATIONS */\n")
    comment = "".join(f"/* {_c_comment(line)} */\n" for line in _head(transitions, "").splitlines())
    body = "".join(
        _c_line(operation, _printable(_why(transition, operation)))
        for transition in transitions
        for operation in transition.operations
    )
    return f"{comment}{head}{body}{tail}"


def _tcl_line(operation: Operation, why: str) -> str:
    note = f"# {_printable(f'{operation.register}: {operation.reason}')}\n"
    if isinstance(operation, Write):
        return f"{note}hardslice_write {operation.address:#x} {operation.value:#x}\n"
    polls = operation.polls if isinstance(operation, Wait) else 1
    numbers = f"{operation.address:#x} {operation.mask:#x} {operation.expected:#x} {polls}"
    return f'{note}hardslice_expect {numbers} "{_tcl_text(why)}"\n'


def _tcl_text(text: str) -> str:
    """Escaped for double quotes."""
    text = _printable(text)
    for sign in '\\"$[]{}':
        text = text.replace(sign, "\\" + sign)
    return text


def to_tcl(transitions: Sequence[Transition]) -> str:
    """A Tcl script for a debugger with a JTAG to AXI bridge, for instance.

    Two procedures must exist: ``hardslice_read address`` returns a value, ``hardslice_write address value``.
    """
    body = _lines(transitions, _tcl_line, "#")
    return f"{_head(transitions, '#')}{_template('script.tcl')}{body}"
