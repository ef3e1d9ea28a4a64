"""Area and clock of a network's routers, each by itself."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.errors import Refusal
from hdl.files import build_folder
from hdl.generate import router_verilog
from hdl.plan import plan_card

from .ecp5 import area, clock, middle
from .tradeoff import varied

VARIATIONS: dict[str, dict[str, object]] = {"as it is": {}, "data_width: 64": {"data_width": 64}}
"""Changes of the card's fabric, by what they are called in the table."""


def main(card: Path, *, placed: bool = True) -> int:
    """Measure the largest router of each of a card's networks; writes ``build/<card>/routers.json``.

    Parameters
    ----------
    card : Path
        The card description.
    placed : bool
        Whether to place and route, for the clock: the median of three seeds, between shift registers.

    Raises
    ------
    Refusal
        The card is wrong, has no network, or a tool is missing.
    """
    plan = plan_card(card)
    if not plan.network:
        raise Refusal(f"{card}: a crossbar has no routers; measure it without --routers")
    out = build_folder(plan.card).resolve()
    found: dict[str, dict[str, float]] = {}
    for name, changes in VARIATIONS.items():
        folder = out / "routers" / name.replace(": ", "_").replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        described = folder / "card.yaml"
        described.write_text(varied(card.read_text(encoding="utf-8"), changes), encoding="utf-8")
        for which, text in router_verilog(plan_card(described)).items():
            place = folder / which.replace(" ", "_")
            place.mkdir(exist_ok=True)
            verilog = place / "router.v"
            verilog.write_text(text, encoding="utf-8")
            figures: dict[str, float] = asdict(area(verilog, "router", place))
            if placed:
                figures["fmax_mhz"] = middle(clock(verilog, "router", place))
            found[f"{name}, {which}"] = figures
            (out / "routers.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    table = Table("router", *next(iter(found.values())))
    for row, figures in found.items():
        table.add_row(row, *(f"{value:g}" for value in figures.values()))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"written to {out / 'routers.json'}", highlight=False)
    return 0
