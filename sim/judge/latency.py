"""Worst latencies: measured beside others that do their worst, against the bound that the bench names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .quality import beats_between
from .scoreboard import Result


@dataclass
class Longest:
    """The requests of a slice in one phase: how many, the longest latency, the bound; beats of others at the target."""

    name: str
    requests: int
    longest: int
    bound: int
    others: int

    def shown(self) -> list[tuple[str, int]]:
        """What is printed."""
        return [("longest latency", self.longest), ("bound", self.bound)]

    def wrong(self) -> Iterator[str]:
        """What is wrong about it."""
        if self.longest > self.bound:
            yield f"{self.name}: a request took {self.longest} cycles; the bound is {self.bound}"
        if not (self.requests and self.others):
            yield f"{self.name}: nothing to measure: {self.requests} requests, {self.others} beats of others"


def longest_waits(manifest: dict[str, Any], result: Result) -> Iterator[Longest]:
    """Every phase of a run that measures latencies."""
    names = [target["name"] for target in manifest["targets"]]
    for begin, end, mark in result.trace.spans("phase"):
        what = mark.get("measure") or {}
        if what.get("what") != "latency":
            continue
        own = [
            whole.request.latency
            for whole in result.wholes
            if begin <= whole.request.cycle < end and {piece.slice for piece in whole.pieces} == {what["slice"]}
        ]
        beats = beats_between(result, names.index(what["target"]), begin, end)
        others = sum(beats.values()) - beats.get(what["slice"], 0)
        yield Longest(mark["name"], len(own), max(own, default=0), what["bound"], others)
