"""The cocotb test behind `make bench`: cycles and throughput of a card, written to the file that `+run=` names."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import cocotb

from ram import load_card

from .desk import READ, WRITE, Desk, Statistics, everywhere

WARM_UP = 1000
WINDOW = 4000
LONG_WINDOW = 40_000
GRANULES = 2
"""Of each slice in each target: 8 KiB."""
SINGLE, SIXTEEN, LONG = 0, 15, 255
"""AxLEN."""
PLACES = {SINGLE: {"slot_bits": 6, "slot_mask": 63}, SIXTEEN: {"slot_bits": 7, "slot_mask": 63},
          LONG: {"slot_bits": 11, "slot_mask": 3}}  # fmt: skip


class Bench:
    """Experiments, one after the other, on one card that is set up once."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        initiators = enumerate(desk.manifest["initiators"])
        self.ports = {n: port for n, port in initiators if port["kind"] in ("host", "core")}
        self.count = len(self.ports)
        self.slices: dict[int, str] = {}
        self.result: dict[str, float] = {}
        self.errors = 0

    async def set_up(self, classes: dict[int, int] | None = None) -> None:
        """A slice for each port, or, if the card has too few, for ports with the same targets; `classes` by port."""
        description = self.desk.description
        fabric, groups = description.fabric, [[port] for port in self.ports]
        while len(groups) > min(fabric.slices, fabric.keys - 1):
            groups.sort(key=len)
            fewest, other = next(
                (a, b) for a, b in combinations(groups, 2)
                if self.ports[a[0]]["targets"] == self.ports[b[0]]["targets"]
            )  # fmt: skip
            fewest += other
            groups.remove(other)
        definitions = []
        for group in sorted(groups):
            names = [self.ports[port]["name"] for port in group]
            definitions.append(everywhere(description, names, GRANULES, **{"class": (classes or {}).get(group[0], 0)}))
            self.slices |= dict.fromkeys(group, definitions[-1].slice)
        await self.desk.apply(*definitions)

    async def tell(self, port: int, plane: int, length: int, **settings: int) -> None:
        """Start a plane."""
        bases = {f"base{n}": base for n, base in enumerate(self.desk.bases(self.slices[port]))}
        # Data is checked elsewhere, with places that are used by one request at a time.
        await self.desk.tell(port, plane, **bases, **PLACES[length], check=0, length=length, run=1, **settings)

    async def window(self, cycles: int = WINDOW) -> dict[tuple[int, int], Statistics]:
        """Measure after a warm-up, and end all traffic."""
        await self.desk.cycles(WARM_UP)
        seen = await self.desk.measure(cycles)
        await self.desk.stop()
        self.errors += sum(one.errors for one in seen.values())
        return seen

    async def all_ports(self, name: str, length: int, planes: tuple[int, ...] = (READ, WRITE), **settings: int) -> None:
        """Everybody at once, reads and writes apart; notes beats per cycle and port."""
        for plane in planes:
            for port in self.ports:
                first = settings.get("region_first", 0)
                own = settings | ({"region_first": port % self.count} if first < 0 else {})
                await self.tell(port, plane, length, **own)
            seen = await self.window()
            rate = sum(seen[port, plane].beats for port in self.ports) / (WINDOW * self.count)
            self.result[f"{name}_{'rw'[plane]}"] = rate

    async def zero_load(self) -> None:
        """Cycles that the fabric adds to a single request; the target itself takes one."""
        for plane, name in ((READ, "read_cycles"), (WRITE, "write_cycles")):
            await self.tell(0, plane, SINGLE, limit=1, pause_mask=7)
            seen = (await self.window())[0, plane]
            assert seen.latency_sum == seen.latency_max * seen.completed, "latencies at no load differ"
            self.result[name] = seen.latency_max - 1

    async def victim(self, name: str, length: int) -> None:
        """Single reads of a higher class against streams of everybody else at the same target."""
        await self.tell(0, READ, SINGLE, limit=1, pause_mask=15)
        for port in list(self.ports)[1:]:
            await self.tell(port, READ, length)
        seen = (await self.window(LONG_WINDOW))[0, READ]
        self.result[f"{name}_mean"], self.result[f"{name}_max"] = seen.mean, seen.latency_max


@cocotb.test()
async def measure(dut: object) -> None:
    """All experiments."""
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    desk = Desk(dut, manifest, load_card(Path(settings["manifest"])))
    bench = Bench(desk)
    walking: dict[str, Any] = {"region_walk": 1, "region_mask": bench.count - 1, "id_mask": 0}
    spread: dict[str, Any] = {"region_mask": bench.count - 1}
    await desk.boot()
    await bench.set_up({0: 1})
    await bench.zero_load()
    await bench.all_ports("own1", SINGLE, region_first=-1, id_mask=0)
    await bench.all_ports("own16", SIXTEEN, region_first=-1)
    await bench.all_ports("own256", LONG, region_first=-1)
    await bench.all_ports("walk1", SINGLE, **walking)
    await bench.all_ports("random1", SINGLE, **spread)
    await bench.all_ports("random16", SIXTEEN, **spread)
    await bench.all_ports("shared1", SINGLE)
    await bench.all_ports("shared16", SIXTEEN)
    await bench.victim("victim16", SIXTEEN)
    await bench.victim("victim256", LONG)
    assert not bench.errors, f"{bench.errors} wrong answers"
    Path(settings["result"]).write_text(json.dumps(bench.result, indent=2) + "\n", encoding="utf-8")
