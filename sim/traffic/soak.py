"""The cocotb test behind `make soak`: checked random traffic on all ports, while the RAM changes slices."""

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import cocotb

from ram import load_card

from .desk import READ, WRITE, Desk, Statistics, everywhere

GRANULES = 2
"""Of each slice in each target."""
STRETCH = 50_000
"""Cycles between two changes of what the generators do."""
SHAPES: dict[str, dict[str, int]] = {
    "single": {"length": 0, "slot_bits": 6},
    "short": {"length_mask": 7, "slot_bits": 7, "bursts": 0b111, "size_mask": 3, "offset_mask": 63},
    "narrow": {"length_mask": 15, "slot_bits": 7, "bursts": 0b110, "size_mask": 7, "partial": 1},
    "long": {"length_mask": 255, "slot_bits": 11, "slot_mask": 3},
}
"""Bursts of a stretch. A place holds the longest of its bursts from the largest offset on."""
PATTERNS = {"sequential": 0, "random": 1, "strided": 2, "hotspot": 3}


async def _stretch(desk: Desk, random: Random, contexts: list[tuple[int, int, str]]) -> str:
    """Give every port other traffic; returns what it is."""
    told = []
    for port, user, name in contexts:
        bases = {f"base{n}": base for n, base in enumerate(desk.bases(name))}
        regions = len(bases)
        for plane in (READ, WRITE):
            shape = random.choice(sorted(SHAPES))
            pattern = random.choice(sorted(PATTERNS))
            settings: dict[str, Any] = {
                **bases, **SHAPES[shape], "pattern": PATTERNS[pattern], "stride": random.randrange(1, 64, 2),
                "region_mask": (1 << (regions.bit_length() - 1)) - 1, "region_walk": random.randrange(2),
                "id_mask": random.choice((0, 3, 15)) & ((1 << desk.manifest["fabric"]["id_width"]) - 1),
                "pause_mask": random.choice((0, 0, 3, 31)), "limit": random.choice((1, 8, 32)),
                "reluctance": random.choice((0, 0, 64, 200)), "user": user,
            }  # fmt: skip
            # Reads ask for what was written, in the shape in which it was written.
            await desk.tell(port, plane, **settings, run=1)
            told.append(f"{shape}/{pattern}")
    for target in range(len(desk.manifest["targets"])):
        await desk.memory(target, scatter=0, pauses=random.choice((0, 0, 40, 160)))
    return ", ".join(told)


def _sum(total: dict[str, int], seen: dict[tuple[int, int], Statistics]) -> None:
    for (_, plane), one in seen.items():
        name = ("reads", "writes")[plane]
        total[name] = total.get(name, 0) + one.completed
        total["errors"] = total.get("errors", 0) + one.errors
        total["longest"] = max(total.get("longest", 0), one.latency_max)


@cocotb.test()
async def soak(dut: object) -> None:
    """Runs until `cycles` have passed."""
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    description = load_card(Path(settings["manifest"]))
    desk, random = Desk(dut, manifest, description), Random(settings["seed"])
    await desk.boot()
    ports = [port["name"] for port in manifest["initiators"] if port["kind"] in ("host", "core")]
    await desk.apply(*(everywhere(description, port, GRANULES) for port in ports))
    names = [port["name"] for port in manifest["initiators"]]
    contexts = [(names.index(port), 0, f"on_{port}") for port in ports]
    total: dict[str, int] = {"cycles": 0}
    started = time.monotonic()
    while total["cycles"] < settings["cycles"]:
        what = await _stretch(desk, random, contexts)
        seen = await desk.measure(STRETCH)
        await desk.stop()
        _sum(total, seen)
        total["cycles"] += STRETCH
        assert not total["errors"], f"wrong answers: {[one for one in seen.items() if one[1].errors]} with {what}"
    seconds = time.monotonic() - started
    result = total | {"transactions": total["reads"] + total["writes"], "cycles_per_second": total["cycles"] / seconds}
    Path(settings["result"]).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
