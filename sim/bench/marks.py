"""What the scenario did and when, for the judge: one JSON object per line."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from cocotb.utils import get_sim_time

CLOCK_PERIOD = 10
"""Nanoseconds of simulated time per cycle, whatever the card's clock is: the judge counts cycles."""


def now() -> int:
    """Rising clock edges so far; the first one comes at time 0."""
    return int(get_sim_time("ns")) // CLOCK_PERIOD + 1


class Marks:
    """Writes a marks file.

    Parameters
    ----------
    path : Path
        File to write; what stood there is lost.

    Members
    -------
    latest : int
        Cycle of the latest mark.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self.latest = 0

    def __enter__(self) -> "Marks":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __call__(self, kind: str, **fields: Any) -> None:
        """Note that this happened now."""
        self.latest = now()
        self._file.write(json.dumps({"cycle": self.latest, "kind": kind, **fields}) + "\n")
        self._file.flush()
