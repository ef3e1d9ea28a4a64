"""cocotb test of the card `odd`: random traffic on all ports at once, through adapters on every side."""

from pathlib import Path
from random import Random
from typing import Any

import cocotb

from ram import SliceDefinition
from sim.bench.burst import FIXED, INCR, WRAP, Burst
from sim.bench.ports import Initiator

from .compared import GRANULE, LIMIT, Bench, Monitor, Place, axi_worker, lite_worker, reset

PERIPHERAL_USER = "tap"
"""Who has the peripheral for itself."""


def slices() -> tuple[SliceDefinition, SliceDefinition]:
    """One with everything, one with the other context of the shared port."""
    memories = [{"name": name, "size": "24KiB", "targets": [name]} for name in ("few", "wide", "thin")]
    everything = {
        "slice": "all", "contexts": ["slim.0", "broad.0", "plain.0", "tap.0"], "cores": ["core"], "memory": memories,
        "peripherals": ["uart"],
    }  # fmt: skip
    other = {"slice": "other", "contexts": ["slim.1"], "memory": [{"name": "own", "size": "4KiB", "targets": ["few"]}]}
    return SliceDefinition.model_validate(everything), SliceDefinition.model_validate(other)


@cocotb.test(timeout_time=LIMIT, timeout_unit="us")
async def traffic(dut: Any) -> None:
    """Everybody writes and reads in a corner of every target, all at once; the other slice sees none of it."""
    bench = Bench(dut, Path(str(cocotb.plusargs["manifest"])))
    seed = int(str(cocotb.plusargs["seed"]))
    rng = Random(seed)
    await reset(dut)
    await bench.closed()
    await bench.apply(*slices())
    found = bench.regions("all")
    names = [target["name"] for target in bench.manifest["targets"]]
    share = len(bench.initiators)
    places: list[Place] = []
    workers: list[Any] = []
    for number, (name, port) in enumerate(bench.initiators.items()):
        for identity, region in enumerate(found):
            offset, place_base = region.granule * GRANULE, region.base
            if region.length >= share * GRANULE:
                offset, place_base = offset + number * GRANULE, place_base + number * GRANULE
            elif name != PERIPHERAL_USER:
                continue
            place = Place(place_base, GRANULE, bench.targets[names[region.target]], offset)
            places.append(place)
            own = Random(rng.getrandbits(64))
            if isinstance(port, Initiator):
                workers.append(axi_worker(port, Monitor(dut, name, identity), own, place, identity))
            else:
                workers.append(lite_worker(port, own, place))
    kinds: set[tuple[int, int]] = set()
    for task in [cocotb.start_soon(worker) for worker in workers]:
        kinds |= await task or set()
    assert {kind for kind, _ in kinds} == {FIXED, INCR, WRAP}
    for place in places:
        place.check()
    assert len(places) == share * 3 + 1
    await strangers(bench)


async def strangers(bench: Bench) -> None:
    """The other slice gets errors and zeros, not what the first one wrote: adapters are no way round the check."""
    port = bench.initiators["slim"]
    window = bench.manifest["fabric"]["window_granules"] * GRANULE
    for base in range(GRANULE, window, GRANULE):
        reply = await port.read(Burst(base, 4, 2, id=1, user=1))
        assert reply is not None and not reply.ok and not any(reply.data)
