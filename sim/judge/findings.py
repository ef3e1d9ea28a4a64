"""What a check has found, counted, with the first few in words."""

from collections import defaultdict

SHOWN = 5
"""Findings of a check that are kept in words; all are counted."""


class Findings:
    """Violations by check.

    Members
    -------
    counts : dict
        Number of violations of each check.
    texts : dict
        The first of them in words.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.texts: dict[str, list[str]] = defaultdict(list)

    def add(self, check: str, cycle: int, text: str) -> None:
        """Note a violation of `check` in `cycle`."""
        self.counts[check] += 1
        if len(self.texts[check]) < SHOWN:
            self.texts[check].append(f"cycle {cycle}: {text}")
