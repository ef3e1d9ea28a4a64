"""The card on the bench: every port has a model, the register port is the RAM's transport."""

from collections.abc import Callable
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Lock, RisingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from .lanes import Lanes
from .marks import CLOCK_PERIOD, Marks
from .ports import OKAY, Initiator, Target, silence
from .registers import Registers

RESET_CYCLES = 8
PATIENCE = 50_000
"""Cycles after which a wait for the card is a failure: nothing on a card takes so long."""


class Stuck(AssertionError):
    """The card did not do in time what it had to do."""


async def cycles(number: int) -> None:
    """Let that many clock cycles pass."""
    await Timer(number * CLOCK_PERIOD, "ns")


class Card:
    """A card with models on all ports.

    Parameters
    ----------
    dut : cocotb handle
        The top module.
    manifest : dict
        Its manifest.
    seed : int
        Of everything random in this run.
    marks : Marks
        Where to note what happens.

    Members
    -------
    initiators, targets : list
        Models, in the manifest's order.
    registers : Registers
        Names to addresses.
    token : int
        Of the RAM that owns the card.
    sequence : Lock
        Held while registers are written that belong together.
    """

    def __init__(self, dut: Any, manifest: dict[str, Any], seed: int, marks: Marks) -> None:
        silence()
        self.dut, self.manifest, self.seed, self.mark = dut, manifest, seed, marks
        self.fabric: dict[str, Any] = manifest["fabric"]
        self.granule: int = self.fabric["granule"]
        chunk = self.fabric["chunk"]
        self.initiators = [Initiator(dut, port, index, chunk) for index, port in enumerate(manifest["initiators"])]
        self.targets = [
            Target(dut, port, index, Random(f"{seed}/{port['name']}")) for index, port in enumerate(manifest["targets"])
        ]
        self.registers = Registers(manifest)
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "control"), dut.clk, dut.rst)
        self.lanes = Lanes(dut, manifest["pcie"]) if manifest["pcie"]["lanes"] else None
        self.token, self._fence = 0, self.registers.address("identity", "FENCE")
        self.sequence = Lock()
        self._log = Lock()

    async def boot(self) -> None:
        """Start the clock and reset the card; its tables are still being swept afterwards."""
        self.dut.rst.value = 1
        Clock(self.dut.clk, CLOCK_PERIOD, unit="ns").start()
        await cycles(RESET_CYCLES)
        self.dut.rst.value = 0
        await cycles(1)

    async def closed(self) -> None:
        """Wait until the rekey engines have swept their tables after reset: every granule has the key of nobody."""
        for target in self.targets:
            await self.until(lambda fields: fields["phase"] == 0, "target", "STATUS", target.index)

    # ------------------------------------------------------------ the RAM's transport

    async def read(self, address: int) -> int:
        """Read a register; AssertionError if the card answers with an error."""
        answer = await self.control.read(address, 4)
        assert answer.resp == OKAY, f"register 0x{address:x} answered {answer.resp!r} to a read"
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """Write a register; AssertionError if the card answers with an error. Who takes the card over is remembered."""
        if address % (1 << self.fabric["register_bits"]) == self._fence:
            self.token = value
        answer = await self.control.write(address, value.to_bytes(4, "little"))
        assert answer.resp == OKAY, f"register 0x{address:x} answered {answer.resp!r} to a write"

    # ------------------------------------------------------------ registers by name

    async def get(self, block: str, register: str, member: int = 0) -> dict[str, int]:
        """All fields of a register."""
        return self.registers.unpack(block, register, await self.read(self.registers.address(block, register, member)))

    async def put(self, block: str, register: str, member: int = 0, **fields: int) -> None:
        """Write a register, as its owner; fields that are not named become 0."""
        address = self.registers.address(block, register, member) | self.token << self.fabric["register_bits"]
        await self.write(address, self.registers.pack(block, register, **fields))

    async def until(
        self, condition: Callable[[dict[str, int]], bool], block: str, register: str, member: int = 0
    ) -> dict[str, int]:
        """Read a register until its fields meet `condition`; Stuck if they never do."""
        waited = 0
        while not condition(fields := await self.get(block, register, member)):
            waited += 1
            if waited > PATIENCE // 10:
                raise Stuck(f"{block}.{register}[{member}] stays at {fields}")
            await cycles(4)
        return fields

    async def fill_window(
        self, context: int, first: int, count: int, target: int, granule: int, *, readable: int = 1, writable: int = 1
    ) -> None:
        """Let `count` window granules of a context point to consecutive granules of a target, right or wrong."""
        async with self.sequence:
            await self.until(lambda fields: not fields["busy"], "window", "STATUS")
            await self.put("window", "CONTEXT", index=context)
            await self.put("window", "FIRST", granule=first)
            await self.put("window", "COUNT", granules=count)
            await self.put("window", "FILL", granule=granule, target=target, readable=readable, writable=writable)
            await self.until(lambda fields: not fields["busy"], "window", "STATUS")

    # ------------------------------------------------------------ fault log, counters

    async def watch_faults(self) -> None:
        """Empty the fault log whenever it raises the interrupt; runs until it is cancelled."""
        await self.put("interrupt", "ENABLE", fault=1)
        while True:
            if not int(self.dut.interrupt.value):
                await RisingEdge(self.dut.interrupt)
            # Cleared first: an entry that comes from now on raises it again.
            await self.put("interrupt", "PENDING", fault=1)
            await self.drain_faults()

    async def drain_faults(self, *, quiet: bool = False) -> None:
        """Take and note every entry of the fault log; `quiet` says that no request is under way."""
        async with self._log:
            entries = []
            while (await self.get("fault", "LEVEL"))["entries"]:
                entry = await self.get("fault", "HEAD")
                low, high = await self.get("fault", "ADDRESS_LOW"), await self.get("fault", "ADDRESS_HIGH")
                await self.put("fault", "POP", pop=1)
                kind = self.manifest["enumerations"]["fault_kind"][entry["kind"]]
                entries.append(entry | {"kind": kind, "address": high["value"] << 32 | low["value"]})
            lost = await self.get("fault", "LOST")
            if entries or quiet:
                self.mark("faults", entries=entries, lost=lost["count"], quiet=quiet)

    async def note_counters(self, *, quiet: bool = False) -> None:
        """Note a snapshot of the counters of all slices; `quiet` says that no request is under way."""
        await self.put("counters", "SNAPSHOT", start=1)
        await self.until(lambda fields: not fields["busy"], "counters", "STATUS")
        block = self.manifest["registers"]["slice"]["registers"]
        names = [name for name in block if "value" in block[name]["fields"]]
        slices = {
            str(member): {name: (await self.get("slice", name, member))["value"] for name in names}
            for member in range(self.fabric["slices"])
        }
        self.mark("counters", slices=slices, quiet=quiet)

    def load_level(self, target: int, number: int) -> str:
        """How loaded a target says it is for a slice, on a card that has load levels."""
        levels = self.manifest["enumerations"]["load_level"]
        bits = (len(levels) - 1).bit_length()
        word = int(getattr(self.dut, f"{self.targets[target].name}_load").value)
        return str(levels[word >> bits * number & ((1 << bits) - 1)])

    async def settle(self) -> None:
        """Wait until no port has a transaction under way; Stuck if one never ends."""
        waited = 0
        while not all(port.master.idle() for port in self.initiators):
            waited += 16
            if waited > PATIENCE:
                hanging = [port.name for port in self.initiators if not port.master.idle()]
                raise Stuck(f"transactions never end on {', '.join(hanging)}")
            await cycles(16)
        await cycles(32)

    async def quiet(self) -> None:
        """With no traffic: wait until nothing is under way, then note fault log and counters, which are exact now."""
        await self.settle()
        await self.drain_faults(quiet=True)
        await self.note_counters(quiet=True)

    def start(self, routine: Any) -> Any:
        """Run a coroutine beside the scenario."""
        return cocotb.start_soon(routine)
