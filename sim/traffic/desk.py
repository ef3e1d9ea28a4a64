"""The harness as the test bench sees it: the card's register port, and the generators' settings and statistics."""

from dataclasses import dataclass
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hdl.traffic.settings import BUCKETS, REGIONS, SETTINGS, STATISTICS
from ram import Card as CardDescription
from ram import Manager, SliceDefinition, execute

from ..bench.holding import regions
from ..bench.marks import CLOCK_PERIOD
from ..bench.ports import OKAY, silence
from ..bench.registers import Registers

RESET_CYCLES = 8
READ, WRITE = 0, 1
REPLAY = ("replay_store", "replay_start", "replay_loop")
NAMES = (*SETTINGS, *(f"base{n}" for n in range(REGIONS)))
IDLE: dict[str, int] = {
    "check": 1, "pattern": 1, "slot_mask": 63, "slot_bits": 6, "bursts": 0b010, "id_mask": 15, "limit": 32,
}  # fmt: skip
"""Settings that are not 0 in a plane that was told nothing."""


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
        silence()
        self.dut, self.manifest, self.description = dut, manifest, description
        self.registers = Registers(manifest)
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "control"), dut.clk, dut.rst)
        self.manager = Manager(description)

    # ------------------------------------------------------------ time

    async def cycles(self, number: int) -> None:
        """Let that many clock cycles pass."""
        await Timer(number * CLOCK_PERIOD, "ns")

    async def boot(self) -> None:
        """Reset, and wait until every granule has the key of nobody."""
        self.dut.rst.value = 1
        for name in ("write_setting", "target_write", "measure", "clear", *REPLAY):
            getattr(self.dut, name).value = 0
        Clock(self.dut.clk, CLOCK_PERIOD, unit="ns").start()
        await self.cycles(RESET_CYCLES)
        self.dut.rst.value = 0
        await self.cycles(1)
        for target in range(len(self.manifest["targets"])):
            address = self.registers.address("target", "STATUS", target)
            while self.registers.unpack("target", "STATUS", await self.read(address))["phase"]:
                await self.cycles(64)

    # ------------------------------------------------------------ the RAM's transport

    async def read(self, address: int) -> int:
        """Read a register."""
        answer = await self.control.read(address, 4)
        assert answer.resp == OKAY, f"register 0x{address:x} answered {answer.resp!r} to a read"
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """Write a register."""
        answer = await self.control.write(address, value.to_bytes(4, "little"))
        assert answer.resp == OKAY, f"register 0x{address:x} answered {answer.resp!r} to a write"

    async def apply(self, *definitions: SliceDefinition) -> None:
        """Bring slices into the state that is wished for."""
        answer = self.manager.apply(*definitions)
        assert answer.ok and answer.transition is not None, answer.reason
        await execute(answer.transition, self)
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
        for name in (*(name for name in NAMES if name != "run"), "run"):
            await self.set(port, plane, name, values[name])

    async def set(self, port: int, plane: int, name: str, value: int) -> None:
        """Change one setting."""
        self.dut.setting_port.value, self.dut.setting_plane.value = port, plane
        self.dut.setting.value, self.dut.setting_value.value = NAMES.index(name), value
        self.dut.write_setting.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.write_setting.value = 0
        await RisingEdge(self.dut.clk)

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
            for plane in (READ, WRITE):
                await self.set(port, plane, "run", 0)
        everybody = (1 << len(self.manifest["initiators"])) - 1
        for _ in range(1000):
            if int(self.dut.idle.value) == everybody:
                return
            await self.cycles(64)
        raise AssertionError(f"requests are never answered: idle are {int(self.dut.idle.value):b}")

    async def measure(self, cycles: int) -> dict[tuple[int, int], Statistics]:
        """Statistics of that many cycles, by port and plane."""
        self.dut.clear.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.clear.value, self.dut.measure.value = 0, 1
        await RisingEdge(self.dut.clk)
        await self.cycles(cycles - 1)
        await RisingEdge(self.dut.clk)
        self.dut.measure.value = 0
        return await self.statistics()

    async def statistics(self) -> dict[tuple[int, int], Statistics]:
        """All statistics as they are now."""
        result = {}
        for port in range(len(self.manifest["initiators"])):
            for plane in (READ, WRITE):
                values = []
                for number in range(len(STATISTICS) + BUCKETS):
                    self.dut.statistic_port.value, self.dut.statistic_plane.value = port, plane
                    self.dut.statistic.value = number
                    await RisingEdge(self.dut.clk)
                    await RisingEdge(self.dut.clk)
                    values.append(int(self.dut.value.value))
                named = dict(zip(STATISTICS, values, strict=False))
                result[port, plane] = Statistics(**named, histogram=tuple(values[len(STATISTICS) :]))
        return result


def everywhere(description: CardDescription, port: str, granules: int, **qos: Any) -> SliceDefinition:
    """A slice with one initiator port and some granules in each memory that the port reaches."""
    context = next(
        context for context in description.contexts if description.initiators[context.initiator].name == port
    )
    kind = {"host": "contexts", "core": "cores"}[description.kind(context.name)]
    initiator = description.initiators[context.initiator]
    memory = [
        {"name": f"in_{description.targets[target].name}", "size": granules * description.fabric.granule,
         "targets": [description.targets[target].name]}
        for target in initiator.targets if description.targets[target].kind == "memory"
    ]  # fmt: skip
    return SliceDefinition.model_validate({"slice": f"on_{port}", kind: [context.name], "memory": memory, "qos": qos})
