"""`hardslice replay`: recorded programs as tenants of a card; what sharing and live reconfiguration cost them."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hdl.card import find_card, known_cards
from hdl.files import build_folder
from hdl.generate import generate
from hdl.plan import plan_card

from ..cocotb_run import SimulationError
from .harness import HARNESS, run_in_harness

RESULT = "replay.json"
DEFAULTS: dict[str, Any] = {"requests": 4000, "pace": 8, "limit": 1, "bank": None}
EXPERIMENTS = ("alone", "shared", "reconfiguration")
RATIOS = ("shared / alone", "reconfiguration / alone", "reconfiguration / shared")
LOG_COLUMNS = 150
"""Width of the table where nobody's terminal gives one."""


def run(card: Path, out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Replay on a card; the files of the run go below `out`.

    Raises
    ------
    Refusal
        The card is wrong, or a tool is missing.
    SimulationError
        The simulation did not come to its end, for instance because the card is too small.
    """
    folder = out / "replay"
    if generate(card, folder):
        (folder / HARNESS).unlink(missing_ok=True)  # it comes from the same sources
    plan = plan_card(card)
    result = run_in_harness(plan, folder, "replay", folder, out, **settings)
    described = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {"card": plan.card, "manifest": described["hash"], **settings, **result}


def table(result: dict[str, Any]) -> Table:
    """The result for the terminal."""
    shown = Table("program", "port")
    for title in ("requests", *EXPERIMENTS, *RATIOS):
        shown.add_column(title, justify="right")
    for tenant in result["tenants"]:
        shown.add_row(
            tenant["program"], tenant["port"], str(tenant["requests"]),
            *(str(tenant["cycles"][name]) for name in EXPERIMENTS),
            *(f"{tenant['slowdown'][name]:.3f}" for name in RATIOS),
        )  # fmt: skip
    return shown


def _command(card: Path, name: str, options: dict[str, Any]) -> str:
    """What repeats the run."""
    shown = name if name in known_cards() and find_card(name).samefile(card) else str(card)
    extra = [f"--{option} {value}" for option, value in options.items() if value != DEFAULTS[option]]
    return " ".join(["hardslice replay", shown, *extra]) if extra else f"make replay CARD={shown}"


def main(card: Path, **options: Any) -> int:
    """Replay on a card; prints a table and writes ``build/<card>/replay.json``.

    Parameters
    ----------
    card : Path
        The card description.
    options
        Those of `DEFAULTS` that are different: how many `requests` of each trace; `pace`, the instructions that a
        program executes in a cycle of the fabric while it does not wait; `limit`, the reads that it may have
        outstanding before it waits; `bank`, the memory that all use, the card's first one unless it is named.

    Returns
    -------
    int
        0 if every answer was right, otherwise 1.

    Raises
    ------
    Refusal
        The card is wrong, or a tool is missing.
    """
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console = Console(soft_wrap=True, width=LOG_COLUMNS)
    started = time.monotonic()
    name = plan_card(card).card
    out = build_folder(name).resolve()
    file = out / RESULT
    file.unlink(missing_ok=True)
    settings = DEFAULTS | options
    try:
        result = {"command": _command(card, name, settings), **run(card, out, settings)}
    except SimulationError as error:
        print(f"hardslice: replay failed: {error}", file=sys.stderr)
        return 1
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(table(result))
    changes, layout = result["changes"], result["layout"]
    console.print(
        f"In cycles. All use {layout['bank']}, where the RAM made {changes['count']} changes of other slices, of"
        f" {layout['moved_bytes'] >> 10} KiB each. {result['checked']} answers checked, {result['wrong']} wrong.",
        highlight=False,
    )
    console.print(f"{time.monotonic() - started:.0f} s, written to {file}", highlight=False)
    return 1 if result["wrong"] else 0
