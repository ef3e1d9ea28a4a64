"""Twins compared: what the changes of one have done to those that they do not name."""

from dataclasses import dataclass, field
from typing import Any

from ram import Card

BURST_BEATS = 256
"""Longest burst of AXI4."""


@dataclass
class Outcome:
    """What a pair of twins has shown.

    Members
    -------
    changes : int
        Changes made in one of them.
    compared : int
        Cycles over which strangers' ports were compared, all together.
    leaks : list of str
        Strangers that differ.
    lost : list of str
        Bystanders that were not answered.
    added : int
        Most cycles by which a neighbour's longest latency grew.
    bound : int
        Most that it may.
    effect : dict
        By kind of change: cycles from the first register access to the last, each of them.
    """

    changes: int = 0
    compared: int = 0
    leaks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    added: int = 0
    bound: int = 0
    effect: dict[str, list[int]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the changes were hitless."""
        return not self.leaks and not self.lost and self.added <= self.bound


def _during(changed: dict[str, Any], cycle: int) -> str:
    """The change that was under way in a cycle, or came last before it."""
    past = [(number, change) for number, change in enumerate(changed["changes"], 1) if change["begin"] <= cycle]
    return f"change {past[-1][0]}, {past[-1][1]['title']}" if past else "no change at all"


def compare(card: Card, changed: dict[str, Any], quiet: dict[str, Any]) -> Outcome:
    """Judge the results of :mod:`sim.traffic.twins` with and without changes."""
    result = Outcome(changes=len(changed["changes"]))
    who, bits, window = changed["parties"], changed["signature bits"], changed["window"]
    assert who == quiet["parties"] and changed["start"] == quiet["start"], "the twins began differently"
    windows = list(zip(changed["windows"], quiet["windows"], strict=False))
    assert len(windows) * window > changed["cycles"] - 2 * window, "the quiet twin ended early"
    for port in who["strangers"]:
        index = next(number for number, one in enumerate(card.initiators) if one.name == port)
        result.compared += len(windows) * window
        for number, (left, right) in enumerate(windows, 1):
            if (int(left, 16) ^ int(right, 16)) >> index * bits & (1 << bits) - 1:
                end = changed["start"] + number * window
                result.leaks.append(f"{port} differs in cycles {end - window} to {end}: {_during(changed, end)}")
                break
    rivals = len(card.initiators)
    stall = rivals * BURST_BEATS + card.fabric.scrub_beats
    for port in who["strangers"] + who["neighbours"]:
        for plane, one in changed["ports"][port].items():
            if one["issued"] != one["completed"]:
                result.lost.append(f"{port}: {one['issued'] - one['completed']} {plane} were never answered")
            if port in who["neighbours"]:
                result.added = max(result.added, one["latency"] - quiet["ports"][port][plane]["latency"])
    result.bound = changed["outstanding"] * stall
    for change in changed["changes"]:
        result.effect.setdefault(change["kind"], []).append(change["end"] - change["begin"])
    return result
