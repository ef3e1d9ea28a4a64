"""Cards on a bench whose traffic compares all data by itself, and every memory at the end.

The bus models have the widths and the protocol that the manifest says.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiLiteRam, AxiRam

from ram import Manager, SliceDefinition, execute, load_card
from sim.bench.burst import random_burst
from sim.bench.holding import regions
from sim.bench.marks import CLOCK_PERIOD
from sim.bench.ports import OKAY, Initiator, silence
from sim.bench.registers import Registers
from sim.bench.traffic import Region
from sim.judge.bursts import beat_addresses

GRANULE = 4096
EACH = 30
"""Transactions of each worker."""
MOST_BEATS = 48
LIMIT = 1000
"""Simulated microseconds after which a test that waits for an answer has failed; it needs one or two hundred."""


async def reset(dut: Any) -> None:
    """Start the clock and reset everything."""
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_PERIOD, unit="ns").start()
    await Timer(8 * CLOCK_PERIOD, "ns")
    dut.rst.value = 0
    await Timer(CLOCK_PERIOD, "ns")


class Bench:
    """A card with a model on every port, and the RAM that runs it.

    Parameters
    ----------
    dut : cocotb handle
        What has the card's ports.
    manifest : Path
    control : str
        Name of its register port.
    wired : set of str
        Ports that are connected to something else.
    """

    def __init__(self, dut: Any, manifest: Path, control: str = "control", wired: frozenset[str] = frozenset()) -> None:
        silence()
        self.dut, self.description = dut, load_card(manifest)
        self.manifest: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        self.manager = Manager(self.description)
        self.registers = Registers(self.manifest)
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, control), dut.clk, dut.rst)
        self.initiators: dict[str, Any] = {}
        self.targets: dict[str, Any] = {}
        for index, port in enumerate(self.manifest["initiators"]):
            if port["name"] in wired:
                continue
            if port["protocol"] == "axi4lite":
                model: Any = AxiLiteMaster(AxiLiteBus.from_prefix(dut, port["name"]), dut.clk, dut.rst)
                assert model.write_if.width == port["data_width"]
            else:
                model = Initiator(dut, port, index, self.manifest["fabric"]["chunk"])
                assert (8 * model.width, model.ids) == (port["data_width"], 1 << port["id_width"])
            self.initiators[port["name"]] = model
        for port in self.manifest["targets"]:
            if port["name"] in wired:
                continue
            lite = port["protocol"] == "axi4lite"
            bus = (AxiLiteBus if lite else AxiBus).from_prefix(dut, port["name"])
            model = (AxiLiteRam if lite else AxiRam)(bus, dut.clk, dut.rst, size=port["size"])
            assert model.read_if.width == port["data_width"]
            assert lite or len(bus.read.ar.arid) == port["id_width"]
            self.targets[port["name"]] = model

    async def read(self, address: int) -> int:
        """The RAM reads a register."""
        answer = await self.control.read(address, 4)
        assert answer.resp == OKAY
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """The RAM writes a register."""
        answer = await self.control.write(address, value.to_bytes(4, "little"))
        assert answer.resp == OKAY

    async def closed(self) -> None:
        """Wait until the card has closed all granules after reset."""
        for target in range(len(self.manifest["targets"])):
            address = self.registers.address("target", "STATUS", target)
            while self.registers.unpack("target", "STATUS", await self.read(address))["phase"]:
                await Timer(16 * CLOCK_PERIOD, "ns")

    async def apply(self, *definitions: SliceDefinition) -> None:
        """Let slices run."""
        answer = self.manager.apply(*definitions)
        assert answer.ok and answer.transition is not None, answer.reason
        await execute(answer.transition, self)
        self.manager.commit(answer)

    def regions(self, name: str) -> list[Region]:
        """The window of a slice."""
        return regions(self.description, self.manager.inventory.layout(self.description, name))


class Place:
    """A piece of the window that one worker has for itself, and what should stand there."""

    def __init__(self, base: int, length: int, model: Any, offset: int) -> None:
        self.base, self.length, self.model, self.offset = base, length, model, offset
        self.expected = bytearray(model.read(offset, length))

    def put(self, address: int, data: bytes) -> None:
        """What a write does."""
        start = address - self.base
        self.expected[start : start + len(data)] = data

    def get(self, begin: int, end: int) -> bytes:
        """What a read must bring."""
        return bytes(self.expected[begin - self.base : end - self.base])

    def check(self) -> None:
        """What stands in the target's memory must be what was written."""
        found = self.model.read(self.offset, self.length)
        assert found == self.expected, f"the memory differs below 0x{self.base:x}"


class Monitor:
    """Writes down the beats of read data of one port and ID, as they stand on the bus."""

    def __init__(self, dut: Any, name: str, identity: int) -> None:
        self.beats: list[int] = []
        self._pins = [getattr(dut, f"{name}_r{field}") for field in ("valid", "ready", "id", "data")]
        self._clock, self._id = dut.clk, identity
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        valid, ready, identity, data = self._pins
        while True:
            await RisingEdge(self._clock)
            if int(valid.value) and int(ready.value) and int(identity.value) == self._id:
                self.beats.append(int(data.value))

    def take(self) -> list[int]:
        """The beats since the last call."""
        beats, self.beats = self.beats, []
        return beats


async def axi_worker(
    port: Initiator, monitor: Monitor, rng: Random, place: Place, identity: int
) -> set[tuple[int, int]]:
    """Random bursts of all kinds under one ID; returns the types and sizes that it sent."""
    kinds = set()
    for _ in range(EACH):
        burst = random_burst(rng, place.base, place.length, port.size_max, id=identity)
        if burst.beats > MOST_BEATS:
            continue
        kinds.add((burst.burst, burst.size))
        beats = beat_addresses(burst.address, burst.beats - 1, burst.size, burst.burst)
        if rng.random() < 0.5:
            masks = burst.strobes(port.width)
            if rng.random() < 0.3:
                masks = [mask & rng.getrandbits(port.width) for mask in masks]
            words = [rng.getrandbits(8 * port.width) for _ in masks]
            reply = await port.write(burst, words, masks)
            assert reply is not None and reply.response == OKAY, f"{port.name}: {burst} got {reply}"
            for (begin, _), word, mask in zip(beats, words, masks, strict=True):
                for lane in range(port.width):
                    if mask >> lane & 1:
                        at = begin // port.width * port.width + lane
                        place.put(at, bytes([word >> 8 * lane & 255]))
        else:
            reply = await port.read(burst)
            assert reply is not None and reply.response == OKAY, f"{port.name}: {burst} got {reply}"
            for (begin, end), word in zip(beats, monitor.take(), strict=True):
                lane = begin % port.width
                brought = word.to_bytes(port.width, "little")[lane : lane + end - begin]
                assert brought == place.get(begin, end), f"{port.name}: {burst} brought {brought.hex()} at 0x{begin:x}"
    return kinds


async def lite_worker(port: AxiLiteMaster, rng: Random, place: Place) -> None:
    """Random accesses of AXI4-Lite, unaligned ones and ones of some bytes."""
    for _ in range(2 * EACH):
        at = place.base + rng.randrange(place.length - 16)
        length = rng.randint(1, 12)
        if rng.random() < 0.5:
            data = rng.randbytes(length)
            answer = await port.write(at, data)
            assert answer.resp == OKAY
            place.put(at, data)
        else:
            answer = await port.read(at, length)
            assert answer.resp == OKAY
            assert answer.data == place.get(at, at + length), f"tap: 0x{at:x} brought {answer.data.hex()}"
