"""Figures for people, from the last run on a card: ``docs/figures.md``, the README's table, the card's picture."""

import json
import re
from pathlib import Path
from typing import Any

from hdl.errors import Refusal

from ..judge.events import parse_marks
from . import card as picture

README = Path("README.md")
FIGURES_PAGE = Path("docs/figures.md")
MARKERS = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)
IN_README = {"figures": "", "hitless_sharing": "bystanders that share a target: "}
"""Checks whose figures the README shows, and what stands before their names there."""


def _number(value: float) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:.3f}"


def _rows(verdict: dict[str, Any], prefix: str = "") -> list[str]:
    figures = verdict["figures"]
    return [f"| {prefix}{figure['name']} | {_number(figure['value'])} | {figure['unit']} |" for figure in figures]


def figures_page(verdicts: list[dict[str, Any]]) -> str:
    """All verdicts with their figures, in Markdown."""
    lines = ["# Figures", "", f"From `{verdicts[0]['command']}`; written by `make docs`, do not edit.", ""]
    for verdict in verdicts:
        lines += [
            f"## {verdict['check']}: {verdict['verdict']}"
            + (f" ({verdict['guarantee']})" if verdict["guarantee"] else ""),
            "",
        ]
        if verdict["figures"]:
            lines += ["| figure | value | unit |", "|---|---|---|", *_rows(verdict), ""]
    return "\n".join(lines).rstrip() + "\n"


def readme_table(verdicts: list[dict[str, Any]]) -> str:
    """The README's table."""
    named = {verdict["check"]: verdict for verdict in verdicts}
    rows = [row for check, prefix in IN_README.items() if check in named for row in _rows(named[check], prefix)]
    return "\n".join(
        [f"Command: `{verdicts[0]['command']}`", "", "| figure | value | unit |", "|---|---|---|", *rows, ""]
    )


def write_pages(build: Path) -> list[Path]:
    """Renew the pages from ``<build>/sim.json``; Refusal if there was no green run."""
    file = build / "sim.json"
    if not file.is_file():
        raise Refusal(f"{file}: there is none; run 'make sim' first")
    verdicts = json.loads(file.read_text(encoding="utf-8"))
    red = [verdict["check"] for verdict in verdicts if verdict["verdict"] != "pass"]
    if red:
        raise Refusal(f"{file}: {', '.join(red)} failed; figures are taken from a run without a failure")
    text = README.read_text(encoding="utf-8")
    README.write_text(MARKERS.sub(lambda found: found[1] + readme_table(verdicts) + found[2], text), encoding="utf-8")
    FIGURES_PAGE.write_text(figures_page(verdicts), encoding="utf-8")
    manifest = json.loads((build / "manifest.json").read_text(encoding="utf-8"))
    drawing = Path(f"docs/{manifest['card']}.svg")
    marks = parse_marks(build / "traces" / "hitless-changed" / "marks.jsonl")
    owners = next(mark["owners"] for mark in marks if mark["kind"] == "phase_begin" and mark.get("owners"))
    drawing.write_text(picture.draw(manifest, owners, f"the card {manifest['card']}") + "\n", encoding="utf-8")
    return [README, FIGURES_PAGE, drawing]
