"""Generates a card, measures it, and writes ``bench.json``."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.files import build_folder
from hdl.generate import data_plane_verilog, generate
from hdl.plan import plan_card

from .cycles import cycles
from .ecp5 import area, clock, middle

MODES = ("basic", "strict")
"""A card that does not state its isolation is measured in both."""
_STATED = re.compile(r"^ +isolation *:", re.MULTILINE)
_FABRIC = re.compile(r"^fabric *:", re.MULTILINE)


def variants(text: str, isolation: str) -> dict[str, str]:
    """Card descriptions to measure, by kind of isolation; `text` is one whose isolation is `isolation`."""
    if _STATED.search(text):
        return {isolation: text}
    return {mode: _FABRIC.sub(rf"\g<0>\n  isolation: {mode}", text, count=1) for mode in MODES}


def measure(card: Path, folder: Path, *, placed: bool) -> dict[str, float]:
    """All figures of one card; without `placed` those that need no place and route."""
    plan = plan_card(card)
    generate(card, folder)
    whole, plane = folder / f"{plan.card}.v", folder / "data_plane.v"
    plane.write_text(data_plane_verilog(plan), encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        counting = pool.submit(cycles, plan, folder)
        needed = area(plane, "data_plane", folder)
        whole_needed = area(whole, plan.card, folder)
        result: dict[str, float] = {
            "lut4": needed.lut4, "ff": needed.ff, "bram": needed.bram, "carry": needed.carry, "ram": needed.ram,
            "whole_lut4": whole_needed.lut4, "whole_ff": whole_needed.ff, "whole_bram": whole_needed.bram,
            "whole_carry": whole_needed.carry, "whole_ram": whole_needed.ram,
        }  # fmt: skip
        result |= counting.result()
    if placed:
        frequencies = clock(whole, plan.card, folder)
        result |= {"fmax_mhz": middle(frequencies), "fmax_mhz_worst": min(frequencies)}
        result["read_ns"] = 1000 * result["read_cycles"] / result["fmax_mhz"]
    return result


def main(card: Path, *, placed: bool = True) -> int:
    """Measure a card; prints the figures and writes ``build/<card>/bench.json``, anew after each kind of isolation.

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
    plan = plan_card(card)
    out = build_folder(plan.card).resolve()
    figures: dict[str, float] = {}
    for mode, text in variants(card.read_text(encoding="utf-8"), plan.isolation).items():
        folder = out / f"bench_{mode}"
        folder.mkdir(parents=True, exist_ok=True)
        described = folder / "card.yaml"
        described.write_text(text, encoding="utf-8")
        figures |= {f"{mode}_{name}": value for name, value in measure(described, folder, placed=placed).items()}
        (out / "bench.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:g}")
    console.print(table)
    console.print(f"{time.monotonic() - started:.0f} s, written to {out / 'bench.json'}", highlight=False)
    return 0
