"""Writes docs/faults.md: every planted fault, and what must notice it. `make mutate` shows that it does."""

from collections.abc import Iterator
from pathlib import Path

from hdl.exports.markdown import table

from .formal.mutants import MUTANTS as IN_SOURCES
from .sim.mutants import MUTANTS as ON_TRIO
from .sim.mutants import STRICT_MUTANTS as ON_STRAIT

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"


def _lines() -> Iterator[str]:
    yield from (
        "# Planted faults",
        "",
        "`make mutate` plants each of these by itself, and is red if one is not noticed. Faults that Yosys plants in",
        "netlists are in [proofs](proofs.md#faults-in-netlists). Written by `build/venv/bin/python -m tests.faults`.",
        "",
        "## In the sources: a proof must fail",
        "Where they are is in `tests/formal/mutants.py`.",
        "",
    )
    rows = sorted((mutant.file, mutant.name, mutant.card, mutant.proof) for mutant in IN_SOURCES)
    yield from table(
        ("file below `hdl/`", "fault", "proof that fails", "card"),
        ((f"`{file}`", name, proof, card) for file, name, card, proof in rows),
    )
    yield from (
        "",
        "## In the Verilog: a check of the simulation must turn red",
        "They are in `tests/sim/mutants.py`, the cards in `tests/sim`.",
        "",
    )
    mutants = [(mutant, card) for card, of in (("trio", ON_TRIO), ("strait", ON_STRAIT)) for mutant in of]
    yield from table(
        ("module", "fault", "scenario", "check that turns red", "card"),
        (
            (f"`{mutant.module or card}`", mutant.name, ", ".join(mutant.scenarios), ", ".join(mutant.red), card)
            for mutant, card in mutants
        ),
    )


def page() -> str:
    """The page as Markdown."""
    return "\n".join(_lines()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
