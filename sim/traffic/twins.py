"""The cocotb test behind the differential hitless test: one of two runs that differ in nothing but the changes."""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import cocotb

from hdl.traffic.signature import WIDTH
from ram import Card, load_card

from ..bench.marks import now
from .changes import Changes, Scope, slices_for
from .desk import PLANES, Desk
from .world import World

WINDOW = 256
"""Cycles between two looks at the signatures: how exactly it is told where twins differ."""
BETWEEN = (100, 1500)
"""Cycles between two changes."""
AFTERWARDS = 1000
"""Cycles after the last one."""
TRIES = 1000
"""How often ports are dealt anew."""


@dataclass(frozen=True)
class Parties:
    """Who changes, who shares a memory with those, and who shares nothing with either; each a list of names.

    Members
    -------
    movers, neighbours, strangers : list of str
        Ports.
    contested, remote : list of str
        Memories: of the movers and their neighbours, and of the strangers.
    """

    movers: list[str]
    neighbours: list[str]
    strangers: list[str]
    contested: list[str]
    remote: list[str]


def parties(card: Card, rng: Random) -> Parties:
    """Deal ports and memories; the movers have at least three contexts, others a port, and all reach a memory."""
    memories = [target.name for target in card.targets if target.kind == "memory"]
    ports = {port.name: len(port.contexts) for port in card.initiators}
    assert len(memories) > 1 and len(ports) > 2, f"{card.card}: twins need two memories and three ports"
    rng.shuffle(memories)
    memories.sort(key=lambda name: -card.targets[card.target[name]].size)  # those who change need most
    contested = memories[: len(memories) // 2]
    remote = memories[len(contested) :]
    names = sorted(ports)

    def reach(names: list[str], among: list[str]) -> bool:
        near = [port.targets for port in card.initiators if port.name in names]
        return all(any(card.target[name] in targets for name in among) for targets in near)

    for _ in range(TRIES):
        rng.shuffle(names)
        apart, near = max(1, len(names) * 3 // 8), max(1, len(names) // 4)
        strangers, neighbours, movers = names[:apart], names[apart : apart + near], names[apart + near :]
        if (
            sum(ports[name] for name in movers) >= 3
            and reach(movers + neighbours, contested)
            and reach(strangers, remote)
        ):
            return Parties(movers, neighbours, strangers, contested, remote)
    raise AssertionError(f"{card.card}: ports that share nothing cannot be found for twins")


@cocotb.test()
async def twin(dut: object) -> None:
    """Runs until `changes` changes are made, or without any until `cycles` have passed; see :mod:`sim.soak`."""
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    card = load_card(Path(settings["manifest"]))
    rng = Random(settings["seed"])
    desk = Desk(dut, manifest, card)
    world = World(desk, settings["seed"])
    who = parties(card, rng)
    await desk.boot()

    def of(ports: list[str]) -> list[str]:
        indices = [index for index, port in enumerate(card.initiators) if port.name in ports]
        return [context.name for context in card.contexts if context.initiator in indices]

    number = min(3, card.fabric.slices - 2, len(of(who.movers)))
    movers = slices_for(card, "mover", of(who.movers), who.contested, number, rng)
    others = slices_for(card, "neighbour", of(who.neighbours), who.contested, 1)
    others += slices_for(card, "stranger", of(who.strangers), who.remote, 1)
    await desk.apply(*movers, *others)
    await desk.begin()
    await world.begin()
    await world.memories(rng)

    start = now()
    windows: list[str] = []
    sampling = cocotb.start_soon(_sample(dut, desk, windows))
    noted: list[dict[str, Any]] = []
    if settings["changes"]:
        scope = Scope([definition.slice for definition in movers], who.contested)
        changes = Changes(card, desk.manager, scope, rng)
        while len(noted) < settings["changes"]:
            await desk.cycles(rng.randint(*BETWEEN))
            drawn = changes.draw()
            if drawn is not None:
                kind, answer = drawn
                done = await world.change(answer, rude=rng.random() < 0.5)
                noted.append({"kind": kind, "title": answer.reason} | done)
        await desk.cycles(AFTERWARDS)
    else:
        await desk.cycles(settings["cycles"] - (now() - start))
    cycles = now() - start
    sampling.cancel()
    await world.check("the changes" if noted else "nothing")
    await desk.stop()
    await world.check("the end")
    seen = await desk.statistics()
    result = {
        "cycles": cycles,
        "start": start,
        "window": WINDOW,
        "windows": windows,
        "changes": noted,
        "parties": vars(who),
        "ports": {
            port.name: {
                plane: {
                    "issued": seen[index, number].issued,
                    "completed": seen[index, number].completed,
                    "latency": seen[index, number].latency_max,
                }
                for number, plane in zip(PLANES, ("reads", "writes"), strict=True)
            }
            for index, port in enumerate(card.initiators)
        },
        "signature bits": WIDTH,
        "outstanding": manifest["fabric"]["outstanding"],
    }
    Path(settings["result"]).write_text(json.dumps(result) + "\n", encoding="utf-8")


async def _sample(dut: Any, desk: Desk, windows: list[str]) -> None:
    """Note all signatures, as one number, in each window."""
    while True:
        await desk.cycles(WINDOW)
        windows.append(f"{int(dut.signatures.value):x}")
