"""The cocotb test behind `make replay`: recorded programs as tenants, alone, together, and while the card changes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from hdl.traffic.replay import pack_entry
from ram import load_card

from ..bench.marks import CLOCK_PERIOD
from .cache import LINE_BYTES
from .desk import READ, WRITE, Desk, Statistics
from .replay_plan import Layout, Neighbours, programs
from .trace import LINES_PER_PAGE, Trace

SETTLE = 4
"""Cycles after which the harness shows what it was told."""
LOOK = 64
"""Cycles between two looks at who has ended."""
WRITE_LIMIT = 8
"""Write-backs that a tenant's write buffer holds."""


@dataclass(frozen=True)
class Tenant:
    """A program on a port: index of the port, name of the slice, and the trace as it is replayed."""

    port: int
    slice: str
    trace: Trace


@dataclass
class Outcome:
    """What became of the programs in one experiment: cycles by name of the program, and statistics of its planes."""

    cycles: dict[str, int]
    statistics: dict[str, tuple[Statistics, Statistics]]


class Changes:
    """The RAM changes the neighbours, one transition after another, for as long as the tenants run.

    Members
    -------
    cycles : list of int
        What each took, from the first to the last register access.
    """

    def __init__(self, desk: Desk, neighbours: Neighbours) -> None:
        self.desk, self.neighbours = desk, neighbours
        self.cycles: list[int] = []

    async def __call__(self, going: Callable[[], bool]) -> None:
        """Change until `going` says that nobody runs any more."""
        while going():
            begun = get_sim_time("ns")
            await self.desk.apply(*self.neighbours.following())
            self.cycles.append(round((get_sim_time("ns") - begun) / CLOCK_PERIOD))


class Stage:
    """Tenants on a card that is set up once; every experiment starts with nothing outstanding."""

    def __init__(self, desk: Desk, layout: Layout, traces: dict[str, Trace], pace: int, limit: int) -> None:
        self.desk, self.layout, self.pace, self.limit = desk, layout, pace, limit
        ports = [port["name"] for port in desk.manifest["initiators"]]
        self.tenants = {
            name: Tenant(ports.index(port), f"runs_{name}", traces[name].folded(layout.pages))
            for name, port in layout.ports.items()
        }

    async def set_up(self) -> None:
        """Slices, programs, and known data in every line that a program can ask for."""
        await self.desk.apply(*self.layout.tenants(), *self.layout.neighbours.definitions())
        for tenant in self.tenants.values():
            for plane in (READ, WRITE):
                await self.tell(tenant, plane)
        for page in range(self.layout.pages):
            await self._fill(page)
        for tenant in self.tenants.values():
            await self._store(tenant)
            for plane in (READ, WRITE):
                await self.desk.set(tenant.port, plane, replay=1)

    async def tell(self, tenant: Tenant, plane: int) -> None:
        """A place is a line, a region a page."""
        desk = self.desk
        windows = sorted(desk.manager.inventory.layout(desk.description, tenant.slice))
        beat = desk.manifest["fabric"]["data_width"] // 8
        limit = self.limit if plane == READ else WRITE_LIMIT
        await desk.tell(
            tenant.port, plane, **{f"base{n}": window for n, window in enumerate(windows)}, pattern=0,
            slot_mask=LINES_PER_PAGE - 1, slot_bits=(LINE_BYTES - 1).bit_length(), length=LINE_BYTES // beat - 1,
            id_walk=1, id_mask=(1 << desk.manifest["fabric"]["id_width"]) - 1, limit=limit,
        )  # fmt: skip

    async def _fill(self, page: int) -> None:
        """Write every line of a page, all tenants at once."""
        for tenant in self.tenants.values():
            await self.desk.set(tenant.port, WRITE, region_first=page)
        before = await self._written()
        for tenant in self.tenants.values():
            await self.desk.set(tenant.port, WRITE, run=1)
        self.desk.dut.measure.value = 1
        while any(now - then < LINES_PER_PAGE for now, then in zip(await self._written(), before, strict=True)):
            await self.desk.cycles(LOOK)
        await self.desk.stop()
        self.desk.dut.measure.value = 0

    async def _written(self) -> list[int]:
        seen = await self.desk.statistics()
        return [seen[tenant.port, WRITE].issued for tenant in self.tenants.values()]

    async def _store(self, tenant: Tenant) -> None:
        """The program into the generator; `pace` instructions are a cycle."""
        dut, requests, pauses = self.desk.dut, tenant.trace.requests, tenant.trace.pauses(self.pace)
        dut.replay_port.value = tenant.port
        dut.replay_store.value = 1
        for at, request in enumerate(requests):
            last = at == len(requests) - 1
            dut.replay_at.value = at
            dut.replay_entry.value = pack_entry(request.line, write=request.write, last=last, think=pauses[at])
            await RisingEdge(dut.clk)
        dut.replay_store.value = 0
        await RisingEdge(dut.clk)

    async def run(self, names: list[str], *, loop: bool, changes: Changes | None = None) -> Outcome:
        """Run programs until each has ended once; with `loop` those that end earlier begin again meanwhile."""
        desk, dut = self.desk, self.desk.dut
        await desk.begin()
        tenants = [self.tenants[name] for name in names]
        for tenant in tenants:
            for plane in (READ, WRITE):
                await desk.set(tenant.port, plane, run=1)
        everybody = sum(1 << tenant.port for tenant in tenants)
        dut.replay_loop.value, dut.replay_start.value = int(loop), everybody
        await RisingEdge(dut.clk)
        dut.replay_start.value = 0
        await desk.cycles(SETTLE)  # what ended the last time has been forgotten by then

        def going() -> bool:
            return int(dut.replay_ended.value) & everybody != everybody

        task = cocotb.start_soon(changes(going)) if changes else None
        while going():
            await desk.cycles(LOOK)
        if task:
            await task
        dut.replay_loop.value = 0
        await desk.stop()
        dut.measure.value = 0
        cycles = {}
        for name in names:
            dut.replay_port.value = self.tenants[name].port
            await desk.cycles(SETTLE)
            cycles[name] = int(dut.replay_cycles.value)
        seen = await desk.statistics()
        return Outcome(
            cycles, {name: (seen[tenant.port, READ], seen[tenant.port, WRITE]) for name, tenant in self.tenants.items()}
        )


def _line(name: str, stage: Stage, outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """A tenant's part of the result."""
    tenant = stage.tenants[name]
    requests = tenant.trace.requests
    cycles = {experiment: outcome.cycles[name] for experiment, outcome in outcomes.items()}
    reads = {experiment: outcome.statistics[name][READ] for experiment, outcome in outcomes.items()}
    return {
        "program": name,
        "port": stage.layout.ports[name],
        "requests": len(requests),
        "writes": sum(request.write for request in requests),
        # What it would take if the memory answered at once.
        "without_stalls": sum(tenant.trace.pauses(stage.pace)) + len(requests),
        "cycles": cycles,
        "slowdown": {
            "shared / alone": cycles["shared"] / cycles["alone"],
            "reconfiguration / alone": cycles["reconfiguration"] / cycles["alone"],
            "reconfiguration / shared": cycles["reconfiguration"] / cycles["shared"],
        },
        "mean_read_latency": {experiment: one.mean for experiment, one in reads.items()},
        "longest_read_latency": {experiment: one.latency_max for experiment, one in reads.items()},
    }


async def _experiments(stage: Stage, changes: Changes) -> tuple[dict[str, Outcome], int, int]:
    """Alone, together, together while the card changes; and how many answers were checked, and how many were wrong."""
    names = list(stage.tenants)
    alone = Outcome({}, {})
    checked = wrong = 0

    def note(outcome: Outcome) -> None:
        nonlocal checked, wrong
        for planes in outcome.statistics.values():
            checked += sum(one.completed for one in planes)
            wrong += sum(one.errors for one in planes)

    for name in names:
        one = await stage.run([name], loop=False)
        note(one)
        alone.cycles[name], alone.statistics[name] = one.cycles[name], one.statistics[name]
    shared = await stage.run(names, loop=True)
    note(shared)
    changing = await stage.run(names, loop=True, changes=changes)
    note(changing)
    return {"alone": alone, "shared": shared, "reconfiguration": changing}, checked, wrong


@cocotb.test()
async def replay(dut: object) -> None:
    """Experiments as the file behind `+run=` says; writes its result, wrong answers included."""
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    description = load_card(Path(settings["manifest"]))
    desk = Desk(dut, manifest, description)
    layout = Layout.of(description, settings["bank"])
    stage = Stage(desk, layout, programs(layout, settings["requests"]), settings["pace"], settings["limit"])
    changes = Changes(desk, layout.neighbours)
    await desk.boot()
    await stage.set_up()
    outcomes, checked, wrong = await _experiments(stage, changes)
    result = {
        "tenants": [_line(name, stage, outcomes) for name in stage.tenants],
        "layout": {"bank": layout.bank, "pages": layout.pages, "moved_bytes": layout.neighbours.bytes},
        "changes": {
            "count": len(changes.cycles),
            "mean_cycles": sum(changes.cycles) / len(changes.cycles),
            "longest_cycles": max(changes.cycles),
        },
        "checked": checked,
        "wrong": wrong,
    }
    assert changes.cycles, "the programs ended before the card was changed"
    Path(settings["result"]).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
