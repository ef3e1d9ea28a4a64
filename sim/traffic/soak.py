"""The cocotb test behind `make soak`: checked random traffic on all ports, while the RAM changes slices."""

import json
import time
from collections import Counter
from pathlib import Path
from random import Random

import cocotb

from hdl.traffic.settings import STATISTICS
from ram import load_card

from ..bench.marks import now
from .changes import Changes, Scope, slices_for
from .desk import PLANES, Desk
from .world import World

MOST_SLICES = 6
BETWEEN = (200, 4000)
"""Cycles between two changes."""
RESHAPED = 0.25
"""How often a port gets other traffic between two changes."""
MEMORIES = 0.1
"""How often the memories get other habits."""


@cocotb.test()
async def soak(dut: object) -> None:
    """Runs until `cycles` have passed and `transactions` have been checked, and writes what it saw to `result`."""
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    card = load_card(Path(settings["manifest"]))
    rng = Random(settings["seed"])
    desk = Desk(dut, manifest, card)
    world = World(desk, settings["seed"])
    await desk.boot()
    memories = [target.name for target in card.targets if target.kind == "memory"]
    contexts = [context.name for context in card.contexts]
    number = min(MOST_SLICES, card.fabric.slices - 1, card.fabric.keys - 2, len(contexts))
    definitions = slices_for(card, "slice", contexts, memories, number, rng)
    await desk.apply(*definitions)
    scope = Scope([definition.slice for definition in definitions], memories)
    changes = Changes(card, desk.manager, scope, rng)
    await desk.begin()
    await world.begin()
    await world.memories(rng)

    kinds: Counter[str] = Counter()
    last, begun = "bring-up", now()
    wall, processor = time.perf_counter(), time.process_time()
    while True:
        await desk.cycles(rng.randint(*BETWEEN))
        await world.check(last)
        checked = await _transactions(desk)
        if now() - begun >= settings["cycles"] and checked >= settings["transactions"]:
            break
        if rng.random() < MEMORIES:
            await world.memories(rng)
        if rng.random() < RESHAPED:
            await world.shape(rng.choice(sorted(world.ports)))
        drawn = changes.draw()
        if drawn is None:
            continue
        kind, answer = drawn
        await world.change(answer, rude=rng.random() < 0.5)
        kinds[kind] += 1
        last = f"change {sum(kinds.values())}, {kind}: {answer.reason}"
    cycles, wall, processor = now() - begun, time.perf_counter() - wall, time.process_time() - processor
    await desk.stop()
    await world.check("the end")
    seen = await desk.statistics()
    idle = [card.initiators[port].name for (port, _), one in seen.items() if not one.completed]
    result = {
        "transactions": sum(one.completed for one in seen.values()),
        "reads": sum(one.completed for (_, plane), one in seen.items() if not plane),
        "beats": sum(one.beats for one in seen.values()),
        "errors": sum(one.errors for one in seen.values()),
        "longest latency": max(one.latency_max for one in seen.values()),
        "changes": sum(kinds.values()),
        "changes by kind": dict(sorted(kinds.items())),
        "cycles": cycles,
        "cycles per second": round(cycles / wall),
        "cycles per second of processor time": round(cycles / processor),
        "ports that never ran": idle,
        "transactions by port": {
            port.name: sum(seen[number, plane].completed for plane in PLANES)
            for number, port in enumerate(card.initiators)
        },
    }
    Path(settings["result"]).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


async def _transactions(desk: Desk) -> int:
    """How many have been answered so far."""
    number = STATISTICS.index("completed")
    ports = range(len(desk.description.initiators))
    return sum([(await desk.ask(port, plane, number))[0] for port in ports for plane in PLANES])
