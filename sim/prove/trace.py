"""What a counterexample shows: the values of the named signals, cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vcd.reader import TokenKind, tokenize


def read(path: Path, names: Iterable[str]) -> dict[str, list[int]]:
    """Values per cycle of signals of the outermost module, from a VCD of yosys-smtbmc.

    A cycle begins where ``smt_step`` changes; a name that the trace does not have is left out.
    """
    wanted = {*names, "smt_step"}
    by_id: dict[str, list[str]] = {}
    depth = 0
    now: dict[str, int] = {}
    rows: list[dict[str, int]] = []
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                depth += 1
            elif token.kind is TokenKind.UPSCOPE:
                depth -= 1
            elif token.kind is TokenKind.VAR and token.var.reference in wanted and depth <= 1:
                by_id.setdefault(token.var.id_code, []).append(token.var.reference)
            elif token.kind is TokenKind.CHANGE_TIME:
                rows.append(dict(now))
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change: Any = token.data
                for name in by_id.get(change.id_code, ()):
                    now[name] = int(change.value, 2) if isinstance(change.value, str) else int(change.value)
    rows.append(dict(now))
    # The last row of each step has all that changed in it.
    steps = {row["smt_step"]: row for row in rows if "smt_step" in row}
    ordered = [steps[step] for step in sorted(steps)]
    return {name: [row.get(name, 0) for row in ordered] for name in sorted(wanted - {"smt_step"}) if name in now}


def table(values: dict[str, list[int]]) -> str:
    """As text: a line for each signal in hexadecimal, a column for each cycle; the claim fails in the last."""
    if not values:
        return ""
    cycles = range(max(len(row) for row in values.values()))
    lines = {"cycle": [str(cycle) for cycle in cycles]}
    lines |= {name: [f"{value:x}" for value in row] for name, row in values.items()}
    width = max(map(len, lines))
    wide = max(len(cell) for row in lines.values() for cell in row)
    return "\n".join(f"{name:<{width}}  " + " ".join(f"{cell:>{wide}}" for cell in row) for name, row in lines.items())
