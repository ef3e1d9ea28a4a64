"""Verdicts: what was checked, which guarantee it shows, and with which figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text

from .figures import Figure

TITLES = {
    "completed": "every scenario ran to its end",
    "closed": "after reset every access is refused, cores and devices are in reset",
    "isolation": "only permitted requests reach a target",
    "coverage": "every slice probed every granule of every target, read and write",
    "denials": "denied requests get the right code and zero data",
    "revocation": "nothing passes after its rights were revoked and drained",
    "residue": "no slice reads what another wrote; scrubs leave zeros",
    "responses": "each request: one complete response, right ID, in order, data as given",
    "delivery": "each permitted request: once at its target, unchanged",
    "protocol": "what the card offers on AXI stands until it is taken",
    "memory": "memory returns what was written",
    "faults": "fault log and lost count are exact",
    "counters": "counters are exact",
    "commands": "commands are taken or refused as documented",
    "fence": "registers are written by the card's present owner only",
    "lanes": "lanes go where they are steered, and nowhere else",
    "hitless_strict": "bystanders without a shared target: ports equal cycle by cycle",
    "hitless_sharing": "bystanders sharing a target: no error, no loss, bounded delay",
    "hitless_growth": "a growing slice does not stall",
    "hostile": "nobody notices an initiator that stalls or is rude, or a target that dies",
    "latency": "no request takes longer than the plan says, whatever others do",
    "time_slots": "a slice with time slots: ports equal cycle by cycle, whatever others do",
    "quality": "shares of a saturated target follow limits and classes",
    "figures": "measured figures",
}
"""Every check in the order of the table."""


@dataclass
class Verdict:
    """One line of the table, and one object of the JSON file.

    Members
    -------
    check, guarantee : str
        Name of the check; G1 to G7 of the design, or empty.
    verdict : str
        ``pass`` or ``fail``.
    figures : list of {name, value, unit}
    command : str
        What reproduces it.
    detail : list of str
        The first findings, in words.
    """

    check: str
    guarantee: str
    verdict: str
    figures: list[Figure] = field(default_factory=list)
    command: str = ""
    detail: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What was checked, in words."""
        return TITLES.get(self.check, self.check)

    @property
    def passed(self) -> bool:
        """Whether it is green."""
        return self.verdict == "pass"


def write_json(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write the verdicts; the file is replaced whole, so that nobody reads half of it."""
    text = json.dumps([asdict(verdict) for verdict in verdicts], indent=1)
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)


def figure_text(figure: Figure) -> str:
    """A figure as a person reads it."""
    value = figure["value"]
    number = f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.3f}"
    return f"{figure['name']} {number}{' ' + figure['unit'] if figure['unit'] else ''}"


def table(verdicts: Sequence[Verdict], title: str = "") -> Table:
    """The verdicts for a terminal."""
    drawn = Table(title=title or None, title_justify="left", show_lines=False, pad_edge=False)
    drawn.add_column("", no_wrap=True)
    drawn.add_column("check", no_wrap=True, style="bold")
    drawn.add_column("", no_wrap=True)
    drawn.add_column("what", ratio=2)
    drawn.add_column("figures", ratio=3)
    for verdict in verdicts:
        mark = "[green]pass[/]" if verdict.passed else "[bold red]FAIL[/]"
        between = "\n" if verdict.check in ("figures", "hostile", "latency", "quality") else ", "
        body = Text(between.join(figure_text(figure) for figure in verdict.figures))
        if verdict.detail:
            body = Text("\n".join(verdict.detail), style="red") + Text("\n") + body
        drawn.add_row(mark, verdict.check, verdict.guarantee, verdict.title, body)
    return drawn
