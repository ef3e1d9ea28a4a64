"""cocotb test of two cards in series: requests go both ways through both of them, all at once."""

from pathlib import Path
from random import Random
from typing import Any

import cocotb

from ram import SliceDefinition
from sim.bench.burst import FIXED, INCR, WRAP

from .compared import GRANULE, LIMIT, Bench, Monitor, Place, axi_worker, reset

WIRED = frozenset({"inbound", "outbound"})
"""Ports of each card that lead to the other one."""


def _slice(name: str, *memory: tuple[str, str, int], **ports: list[str]) -> SliceDefinition:
    """A slice with two granules of each target, or how many it says, at these places of its window."""
    entries = [
        {"name": target, "size": size, "targets": [target], "address": granule * GRANULE}
        for target, size, granule in memory
    ]
    return SliceDefinition.model_validate({"slice": name, "memory": entries, **ports})


@cocotb.test(timeout_time=LIMIT, timeout_unit="us")
async def traffic(dut: Any) -> None:
    """Both cards' initiators write and read what is near and what is far; everything arrives, nobody waits for ever."""
    paths = {name: Path(str(cocotb.plusargs[name])) for name in ("near", "far")}
    near, far = (Bench(dut, path, f"{name}_control", WIRED) for name, path in paths.items())
    rng = Random(int(str(cocotb.plusargs["seed"])))
    await reset(dut)
    await near.closed()
    await far.closed()
    # Whoever owns what a card offers to the other one comes first: the other's scrubber writes there.
    guests = [f"inbound.{number}" for number in range(4)]
    await near.apply(_slice("guests", ("own", "8KiB", 0), contexts=guests))
    await far.apply(_slice("guests", ("bank", "16KiB", 0), contexts=guests))
    await near.apply(
        _slice("first", ("own", "8KiB", 0), ("outbound", "8KiB", 2), contexts=["host0.0"]),
        _slice("second", ("own", "8KiB", 0), ("outbound", "8KiB", 2), cores=["core0"]),
    )
    await far.apply(_slice("third", ("bank", "8KiB", 0), ("outbound", "8KiB", 2), cores=["core1"]))

    places: list[Place] = []
    workers = []
    users = ((near, far, "first", "host0"), (near, far, "second", "core0"), (far, near, "third", "core1"))
    for here, there, name, port in users:
        granules = [
            (region.base + offset, region.target, region.granule + offset // GRANULE)
            for region in here.regions(name)
            for offset in range(0, region.length, GRANULE)
        ]
        for identity, (base, target, granule) in enumerate(granules):
            card = here
            if here.manifest["targets"][target]["name"] in WIRED:
                # What stands in the request on the way is an address in the other card's window.
                card = there
                behind = next(r for r in there.regions("guests") if r.base <= granule * GRANULE < r.base + r.length)
                target, granule = behind.target, behind.granule + granule - behind.base // GRANULE
            memory = card.targets[card.manifest["targets"][target]["name"]]
            place = Place(base, GRANULE, memory, granule * GRANULE)
            places.append(place)
            monitor = Monitor(dut, port, identity)
            workers.append(axi_worker(here.initiators[port], monitor, Random(rng.getrandbits(64)), place, identity))
    assert len(places) == 12
    kinds: set[tuple[int, int]] = set()
    for task in [cocotb.start_soon(worker) for worker in workers]:
        kinds |= await task
    assert {kind for kind, _ in kinds} == {FIXED, INCR, WRAP}
    for place in places:
        place.check()
