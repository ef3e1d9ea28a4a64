"""Two synthetic runs with the same traffic; in one of them a slice grows."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from sim.judge import Judgement, judge_runs
from sim.judge.events import read_trace
from tests.sim.synthetic import Synthetic

SLICES = {0: ("host0", "bank0", 0), 1: ("core0", "bank0", 16), 2: ("host1", "bank0", 32), 3: ("core1", "bank3", 0)}
"""Port, memory and first granule of each slice. Slices 0 to 2 share a memory, slice 3 has one for itself."""
NAMES = ("alpha", "beta", "gamma", "delta")
GRANULES = 2
RUN, CHANGE = 4000, 1500
"""Cycles of traffic, and when it changes."""


def owners(beta: int) -> dict[str, dict]:
    """What the slices hold while the second one has `beta` granules."""
    held = {}
    for number, (port, target, first) in SLICES.items():
        count = beta if number == 1 else GRANULES
        memory = {"target": target, "first": first, "count": count, "key": number + 1, "rights": "rw", "window": 0}
        core = port.startswith("core")
        held[str(number)] = {
            "name": NAMES[number], "tenant": NAMES[number], "contexts": [] if core else [[port, 0]],
            "cores": [port] if core else [], "devices": [], "lanes": {}, "memory": [memory], "class": 0, "rate": None,
        }  # fmt: skip
    return held


def traffic(card: Synthetic, number: int, begin: int, end: int, seed: str) -> None:
    """A slice's random reads and writes."""
    port = SLICES[number][0]
    rng, now = Random(seed), begin
    while now < end:
        base = rng.randrange(GRANULES * 64) * 64
        write = rng.random() < 0.5
        # Writes of one beat: the synthetic card does not keep data bursts of different ports apart.
        data = [rng.getrandbits(64)] if write else rng.choice((1, 4, 8))
        now = card.access(port, write, base, data, at=now) + rng.randint(1, 20)


def run(variant: str, chunk: int | None = None) -> Synthetic:
    """One of the twins, to be changed at will."""
    return copy.deepcopy(_run(variant, chunk))


@cache
def _run(variant: str, chunk: int | None) -> Synthetic:
    card = Synthetic("hitless", variant, card="quad", chunk=chunk)
    card.scrub_beats = 1
    card.boot()
    for number, (port, target, first) in SLICES.items():
        card.grant(number + 1, 1 << number, 1 << number)
        card.map(port, 0, 0, target, first, 16)
        card.rekey(target, first, first + GRANULES - 1, number + 1)
        card.assign(port, 0, number)
    start = card.cycle
    card.mark("phase_begin", name="before", owners=owners(GRANULES), measure=None)
    for number in SLICES:
        traffic(card, number, start, start + RUN, f"traffic {number}")
    end = card.cycle
    if variant == "changed":
        card.cycle = start + CHANGE
        what = {
            "what": "grow",
            "slices": [1],
            "targets": ["bank0"],
            "grows": 1,
            "bytes": 2 * card.granule,
            "scrub": True,
        }
        gained = [{"target": "bank0", "first": 18, "count": 2}]
        card.mark("transition_begin", name="beta grows", gained=gained, **what)
        card.rekey("bank0", 18, 19, 2)
        card.mark("transition_end", name="beta grows", result="SUCCESS")
        card.mark("phase_begin", name="after", owners=owners(4), measure=None)
    card.cycle = max(card.cycle, end)
    card.finish()
    return card


def save(card: Synthetic, folder: Path) -> Path:
    """The trace with recordings of all initiator ports, as far as their events tell."""
    card.save(folder)
    for port in card.initiators:
        lines = ["# channel:8 first:64"]
        levels: dict[int, int] = {}
        for number, channel in enumerate(("AW", "W", "B", "AR", "R"), start=1):
            for event in card.events[port, channel]:
                levels[event[0]] = levels.get(event[0], 0) ^ (number << 64 | event[1])
                levels.setdefault(event[0] + 1, 0)
        lines += [f"{cycle} {levels[cycle]:018x}" for cycle in sorted(levels)]
        (folder / f"signals_{port}.txt").write_text("\n".join(lines) + "\n")
    return folder


def judge(tmp_path: Path, change: Callable[[Synthetic], None] | None = None, chunk: int | None = None) -> Judgement:
    """Judge the twins; `change` plants something in the changed one."""
    quiet, changed = run("quiet", chunk), run("changed", chunk)
    if change:
        change(changed)
    traces = [read_trace(save(card, tmp_path / f"hitless-{card.marks[0]['variant']}")) for card in (quiet, changed)]
    return judge_runs(quiet.manifest, traces, "pytest")


def changing(card: Synthetic) -> int:
    """Cycle of the change."""
    return next(mark["cycle"] for mark in card.marks if mark["kind"] == "transition_begin")
