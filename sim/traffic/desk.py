"""The harness as the test bench sees it: the card's register port, and the generators' settings and statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer, ValueChange

from hdl.traffic.register_master import Access
from hdl.traffic.settings import BUCKETS, BUSY, REGIONS, ROUTE, SETTINGS, STATISTICS
from ram import Card as CardDescription
from ram import ExecutionError, Manager, SliceDefinition, Transition, Wait, Write
from ram.operations import failure

from ..bench.holding import regions
from ..bench.marks import CLOCK_PERIOD
from ..bench.registers import Registers

RESET_CYCLES = 8
READ, WRITE = 0, 1
PLANES = (READ, WRITE)
REPLAY = ("replay_store", "replay_start", "replay_loop")
NAMES = (*SETTINGS, *(f"base{n}" for n in range(REGIONS)), *(f"user{n}" for n in range(REGIONS)))
IDLE: dict[str, int] = {
    "check": 1, "pattern": 1, "slot_mask": 63, "slot_bits": 6, "bursts": 0b010, "id_mask": 15, "limit": 32,
    "route": ROUTE,
}  # fmt: skip
"""Settings that are not 0 in a plane that was told nothing."""
PULSES = ("forget",)
"""Settings that act when they are written, whatever they were."""
COUNTERS = len(STATISTICS)
MOST_POLLS = (1 << 16) - 1


@dataclass(frozen=True)
class Statistics:
    """What a plane has counted while it was measured; latencies in cycles."""

    issued: int
    completed: int
    beats: int
    latency_sum: int
    latency_max: int
    errors: int
    first_error: int
    first_place: int
    last_error_id: int
    histogram: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean latency."""
        return self.latency_sum / self.completed if self.completed else 0.0


class Desk:
    """A card in its harness, with the RAM that runs it: one slice for each initiator, with memory in each target.

    Parameters
    ----------
    dut : cocotb handle
        The harness.
    manifest : dict
    description : ram.Card
        The same card.
    """

    def __init__(self, dut: Any, manifest: dict[str, Any], description: CardDescription) -> None:
        self.dut, self.manifest, self.description = dut, manifest, description
        self.registers = Registers(manifest)
        self.manager = Manager(description)
        self.told: dict[tuple[int, int], dict[str, int]] = {}
        self._order = 0

    # ------------------------------------------------------------ time

    async def cycles(self, number: int) -> None:
        """Let that many clock cycles pass."""
        await Timer(number * CLOCK_PERIOD, "ns")

    async def boot(self) -> None:
        """Switch on, and reset."""
        for name in ("write_setting", "target_write", "measure", "clear", "access_order", *REPLAY):
            getattr(self.dut, name).value = 0
        Clock(self.dut.clk, CLOCK_PERIOD, unit="ns").start()
        await self.reset()

    async def reset(self) -> None:
        """Reset, and wait until every granule has the key of nobody. No access is under way."""
        self.dut.rst.value = 1
        self.dut.access_order.value = self._order = 0
        await self.cycles(RESET_CYCLES)
        self.dut.rst.value = 0
        await self.cycles(1)
        for target in range(len(self.manifest["targets"])):
            mask = self.description.mask("target", "STATUS", "phase")
            await self.until(self.registers.address("target", "STATUS", target), mask, 0)

    # ------------------------------------------------------------ the RAM's transport

    async def access(self, kind: Access, address: int, value: int = 0, mask: int = 0, polls: int = 1) -> int | None:
        """One access by the master in the harness; None if it failed. The bench sleeps meanwhile."""
        dut = self.dut
        dut.access_kind.value, dut.access_address.value = kind, address
        dut.access_value.value, dut.access_mask.value, dut.access_polls.value = value, mask, polls
        self._order ^= 1
        dut.access_order.value = self._order
        await ValueChange(dut.access_done)
        await RisingEdge(dut.clk)
        return None if int(dut.access_failed.value) else int(dut.access_seen.value)

    async def read(self, address: int) -> int:
        """Read a register."""
        seen = await self.access(Access.READ, address)
        assert seen is not None, f"register 0x{address:x} answered a read with an error"
        return seen

    async def write(self, address: int, value: int) -> None:
        """Write a register."""
        assert await self.access(Access.WRITE, address, value) is not None, f"register 0x{address:x} refused a write"

    async def until(self, address: int, mask: int, expected: int, polls: int = MOST_POLLS) -> None:
        """Read a register until the bits under `mask` are `expected`."""
        seen = await self.access(Access.WAIT, address, expected, mask, min(polls, MOST_POLLS))
        assert seen is not None, f"register 0x{address:x} never was 0x{expected:x} under mask 0x{mask:x}"

    async def carry_out(self, transition: Transition) -> None:
        """What :func:`ram.execute` does, but waits are polled by the master; ExecutionError if one fails."""
        for index, operation in enumerate(transition.operations):
            if isinstance(operation, Write):
                await self.write(operation.address, operation.value)
                continue
            polls = min(operation.polls, MOST_POLLS) if isinstance(operation, Wait) else 1
            kind, dut = Access.WAIT, self.dut
            if await self.access(kind, operation.address, operation.expected, operation.mask, polls) is None:
                raise ExecutionError(operation, index, int(dut.access_seen.value), failure(transition, operation))

    async def apply(self, *definitions: SliceDefinition) -> None:
        """Bring slices into the state that is wished for."""
        answer = self.manager.apply(*definitions)
        assert answer.ok and answer.transition is not None, answer.reason
        await self.carry_out(answer.transition)
        self.manager.commit(answer)

    def bases(self, name: str) -> list[int]:
        """First window granules of a slice's memory, in order of target."""
        found = regions(self.description, self.manager.inventory.layout(self.description, name))
        return [region.base // self.description.fabric.granule for region in sorted(found, key=lambda one: one.target)]

    # ------------------------------------------------------------ generators and memories

    async def tell(self, port: int, plane: int, **settings: int) -> None:
        """Set up a plane; what is not named is as in `IDLE`. It starts when `run` is set."""
        values = dict.fromkeys(NAMES, 0) | IDLE | settings
        assert values.keys() <= set(NAMES), values.keys() - set(NAMES)
        run = values.pop("run")
        await self.set(port, plane, **values)
        await self.set(port, plane, run=run)

    async def set(self, port: int, plane: int, **settings: int) -> None:
        """Change some settings, one in each cycle; those that are so already are left out."""
        dut, told = self.dut, self.told.setdefault((port, plane), {})
        changed = {name: value for name, value in settings.items() if name in PULSES or told.get(name, 0) != value}
        for name, value in changed.items():
            dut.setting_port.value, dut.setting_plane.value = port, plane
            dut.setting.value, dut.setting_value.value = NAMES.index(name), value
            dut.write_setting.value = 1
            await RisingEdge(dut.clk)
        told |= changed
        if changed:
            dut.write_setting.value = 0

    async def ask(self, port: int, plane: int, *numbers: int) -> list[int]:
        """Some statistics of a plane."""
        dut, values = self.dut, []
        for number in numbers:
            dut.statistic_port.value, dut.statistic_plane.value, dut.statistic.value = port, plane, number
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)
            values.append(int(dut.value.value))
        return values

    async def busy_regions(self, port: int) -> int:
        """A bit for each region of a port in which something is under way; 0 where data is not checked."""
        return (await self.ask(port, READ, BUSY))[0]

    async def memory(self, target: int, *, scatter: int = 0, pauses: int = 0, dead: int = 0) -> None:
        """Set up a memory."""
        self.dut.target_port.value = target
        self.dut.target_scatter.value, self.dut.target_pauses.value, self.dut.target_dead.value = scatter, pauses, dead
        self.dut.target_write.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.target_write.value = 0
        await RisingEdge(self.dut.clk)

    async def stop(self) -> None:
        """No new requests; returns when all are answered."""
        for port in range(len(self.manifest["initiators"])):
            for plane in PLANES:
                await self.set(port, plane, run=0)
        everybody = (1 << len(self.manifest["initiators"])) - 1
        for _ in range(1000):
            if int(self.dut.idle.value) == everybody:
                return
            await self.cycles(64)
        raise AssertionError(f"requests are never answered: idle are {int(self.dut.idle.value):b}")

    async def begin(self) -> None:
        """Statistics count from now on, from 0."""
        self.dut.clear.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.clear.value, self.dut.measure.value = 0, 1
        await RisingEdge(self.dut.clk)

    async def measure(self, cycles: int) -> dict[tuple[int, int], Statistics]:
        """Statistics of that many cycles, by port and plane."""
        await self.begin()
        await self.cycles(cycles - 1)
        await RisingEdge(self.dut.clk)
        self.dut.measure.value = 0
        return await self.statistics()

    async def statistics(self) -> dict[tuple[int, int], Statistics]:
        """All statistics as they are now."""
        result = {}
        for port in range(len(self.manifest["initiators"])):
            for plane in PLANES:
                values = await self.ask(port, plane, *range(COUNTERS + BUCKETS))
                named = dict(zip(STATISTICS, values, strict=False))
                result[port, plane] = Statistics(**named, histogram=tuple(values[COUNTERS:]))
        return result


def everywhere(description: CardDescription, ports: Sequence[str], granules: int, **qos: Any) -> SliceDefinition:
    """A slice with hosts and cores that reach the same targets, and with some granules in each memory there."""
    held: dict[str, list[str]] = {"contexts": [], "cores": []}
    for port in ports:
        context = next(one for one in description.contexts if description.initiators[one.initiator].name == port)
        held[{"host": "contexts", "core": "cores"}[description.kind(context.name)]].append(context.name)
        initiator = description.initiators[context.initiator]
    memory = [
        {"name": f"in_{description.targets[target].name}", "size": granules * description.fabric.granule,
         "targets": [description.targets[target].name]}
        for target in initiator.targets if description.targets[target].kind == "memory"
    ]  # fmt: skip
    return SliceDefinition.model_validate({"slice": f"on_{ports[0]}", **held, "memory": memory, "qos": qos})
