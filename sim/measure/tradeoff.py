"""What each property of a card costs: area and clock of the data plane of variations of one card."""

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.files import build_folder
from hdl.generate import data_plane_verilog
from hdl.plan import plan_card

from .ecp5 import SEEDS, area, clock, shares

VARIATIONS: dict[str, dict[str, object]] = {
    "as it is": {},
    "ordering: stall": {"ordering": "stall"},
    "classes: 1": {"classes": 1},
    "outstanding: 8": {"outstanding": 8},
    "id_width: 2": {"id_width": 2},
    "keys: 8, slices: 8": {"keys": 8, "slices": 8},
    "data_width: 32": {"data_width": 32},
    "isolation: strict": {"isolation": "strict"},
    "all of these": {
        "ordering": "stall", "classes": 1, "outstanding": 8, "id_width": 2, "keys": 8, "slices": 8, "data_width": 32,
    },
}  # fmt: skip
"""Changes of the card's fabric, by what they are called in the table."""


def varied(text: str, changes: dict[str, object]) -> str:
    """A card description with other values in its fabric."""
    for name, value in changes.items():
        text = re.sub(rf"^  {name} *:.*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^fabric *:", rf"\g<0>\n  {name}: {value}", text, count=1, flags=re.MULTILINE)
    return text


def _generate(text: str, folder: Path) -> Path:
    """The data plane of a card description, as Verilog."""
    folder.mkdir(parents=True, exist_ok=True)
    described, plane = folder / "card.yaml", folder / "data_plane.v"
    described.write_text(text, encoding="utf-8")
    plane.write_text(data_plane_verilog(plan_card(described)), encoding="utf-8")
    return plane


def _measure(plane: Path, *, placed: bool) -> dict[str, float]:
    """Its area, and its clock with one seed."""
    result: dict[str, float] = asdict(area(plane, "data_plane", plane.parent))
    if placed:
        result["fmax_mhz"] = clock(plane, "data_plane", plane.parent, SEEDS[:1])[0]
    return result


def main(card: Path, *, placed: bool = True) -> int:
    """Measure every variation, and what each block of the card as it is needs.

    Prints two tables and writes ``build/<card>/tradeoff.json``, anew after each variation, and ``shares.json``.

    Parameters
    ----------
    card : Path
        The card description.
    placed : bool
        Whether to place and route, which takes most of the time.

    Raises
    ------
    Refusal
        The card is wrong, or a tool is missing.
    """
    console = Console(soft_wrap=True)
    started = time.monotonic()
    text = card.read_text(encoding="utf-8")
    out = build_folder(plan_card(card).card).resolve()
    result: dict[str, dict[str, float]] = {}
    planes = [
        _generate(varied(text, changes), out / f"tradeoff_{number}")
        for number, changes in enumerate(VARIATIONS.values())
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = pool.submit(shares, planes[0], "data_plane", planes[0].parent)
        measured = [pool.submit(_measure, plane, placed=placed) for plane in planes]
        for title, one in zip(VARIATIONS, measured, strict=True):
            result[title] = one.result()
            (out / "tradeoff.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            elapsed = time.monotonic() - started
            console.print(f"{elapsed:5.0f} s  {title}: {result[title]}", highlight=False, markup=False)
    table = Table("variation", *next(iter(result.values())))
    for title, figures in result.items():
        table.add_row(title, *(f"{value:g}" for value in figures.values()))
    console.print(table)
    (out / "shares.json").write_text(json.dumps(blocks.result(), indent=2) + "\n", encoding="utf-8")
    table = Table("block", "LUT4 of all instances")
    for block, lut4 in blocks.result().items():
        table.add_row(block, str(lut4))
    console.print(table)
    return 0
