"""cocotbext-axi models on every port of the card.

`AxiMaster.read` and `.write` split what AXI forbids and know no WRAP lanes, so bursts go straight to the channels of
the same `AxiMaster`; its own response side still checks IDs, RLAST and order.
"""

import logging
from random import Random
from typing import Any, NamedTuple

from cocotb.triggers import Event, Lock
from cocotbext.axi import AxiBus, AxiMaster, AxiRam
from cocotbext.axi.axi_master import AxiReadRespCmd, AxiWriteRespCmd
from cocotbext.axi.constants import AxiProt

from .burst import Burst

OKAY, EXOKAY, SLVERR, DECERR = range(4)
MOST_RANDOM = 64 << 20


def silence() -> None:
    """Stop the models from logging every transaction; most of the time would go there."""
    for name in ("cocotb", "gpi", "pygpi"):
        logging.getLogger(name).setLevel(logging.ERROR)


class Reply(NamedTuple):
    """How a burst ended; `data` is empty for a write."""

    response: int
    data: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the burst was let through."""
        return self.response in (OKAY, EXOKAY)


class Initiator:
    """What is attached to an initiator port: an AxiMaster that can also send what AXI forbids.

    Parameters
    ----------
    dut : cocotb handle
        The card.
    described : dict
        The port's entry in the manifest.
    index : int
        Its position there.
    chunk : int
        Beats into which the card may split a burst.

    Members
    -------
    read(burst), write(burst, data) : Reply | None
        None if the port's reset cut the burst off.
    """

    def __init__(self, dut: Any, described: dict[str, Any], index: int, chunk: int) -> None:
        self.name, self.kind, self.index, self.chunk = described["name"], described["kind"], index, chunk
        self.contexts = len(described["contexts"])
        self.targets: list[int] = described["targets"]
        self.device: int | None = described["device"]
        self.reset = dut.rst if self.kind == "host" else getattr(dut, f"{self.name}_reset")
        self.master = AxiMaster(AxiBus.from_prefix(dut, self.name), dut.clk, self.reset)
        self.width = self.master.write_if.byte_lanes
        self.ids = self.master.write_if.id_count
        self.targets_before: dict[bool, int] = {}  # of the last request in each direction, for coverage
        self._write_order = Lock()

    @property
    def size_max(self) -> int:
        """Largest legal AxSIZE."""
        return self.width.bit_length() - 1

    @property
    def in_reset(self) -> bool:
        """Whether the card holds what is attached in reset."""
        return bool(int(self.reset.value))

    async def released(self) -> None:
        """Wait until what is attached is no longer in reset."""
        while self.in_reset:
            await self.reset.value_change

    async def _room(self, channel: Any) -> bool:
        """Wait until a channel takes a beat; False if a reset came in between."""
        while channel.full() and not channel._reset_state:
            channel.dequeue_event.clear()
            await channel.dequeue_event.wait()
        return not channel._reset_state

    @staticmethod
    def request_beat(channel: Any, prefix: str, burst: Burst) -> Any:
        """The beat of an address channel that sends `burst`."""
        fields = {
            "id": burst.id, "addr": burst.address, "len": burst.beats - 1, "size": burst.size, "burst": burst.burst,
            "lock": burst.lock, "cache": burst.cache, "prot": burst.prot, "qos": burst.qos, "user": burst.user,
        }  # fmt: skip
        return channel._transaction_obj(**{prefix + name: value for name, value in fields.items()})

    def expect(self, model: Any, burst: Burst, command: type) -> Any:
        """Tell the model of a burst whose address it has just been given; the event comes with the answer."""
        event = Event()
        length = burst.beats << burst.size
        model.active_id[burst.id] += 1
        model.in_flight_operations += 1
        model._idle.clear()
        answer = command(burst.address, length, burst.size, burst.beats, AxiProt(0), [burst.beats], event)
        model.tag_context_manager.start_cmd(burst.id, answer)
        return event

    async def read(self, burst: Burst) -> Reply | None:
        """Send a read and wait for its last beat."""
        model = self.master.read_if
        if not await self._room(model.ar_channel):
            return None
        model.ar_channel.send_nowait(self.request_beat(model.ar_channel, "ar", burst))
        event = self.expect(model, burst, AxiReadRespCmd)
        await event.wait()
        return None if event.data is None else Reply(int(event.data.resp), event.data.data)

    async def write(self, burst: Burst, data: list[int], strobes: list[int] | None = None) -> Reply | None:
        """Send a write, one word per beat of `data`, and wait for its response.

        WSTRB is all that the burst allows, unless `strobes` says otherwise.
        """
        model = self.master.write_if
        channel = model.w_channel
        strobes = burst.strobes(self.width) if strobes is None else strobes
        async with self._write_order:
            if not await self._room(model.aw_channel):
                return None
            model.aw_channel.send_nowait(self.request_beat(model.aw_channel, "aw", burst))
            event = self.expect(model, burst, AxiWriteRespCmd)
            for beat, (word, strobe) in enumerate(zip(data, strobes, strict=True), start=1):
                if not await self._room(channel):
                    return None
                channel.send_nowait(channel._transaction_obj(wdata=word, wstrb=strobe, wlast=int(beat == burst.beats)))
        await event.wait()
        return None if event.data is None else Reply(int(event.data.resp))


class Target:
    """What is attached to a target port: a RAM as large as the target.

    Members
    -------
    model : AxiRam
        Random at power-up, so that whatever is read without having been written shows; a target of more than
        64 MiB starts with zeros, to spare the memory.
    """

    def __init__(self, dut: Any, described: dict[str, Any], index: int, rng: Random) -> None:
        self.name, self.kind, self.index = described["name"], described["kind"], index
        self.size: int = described["size"]
        self.granules: int = described["granules"]
        self.device: int | None = described["device"]
        memory = bytearray(rng.randbytes(self.size)) if self.size <= MOST_RANDOM else None
        # A target that is cut off is reset, as the card demands it.
        reset = getattr(dut, f"{self.name}_cut_off") if described["timeout"] else dut.rst
        self.timeout: int = described["timeout"]
        self.model = AxiRam(AxiBus.from_prefix(dut, self.name), dut.clk, reset, size=self.size, mem=memory)

    def dead(self, dead: bool) -> None:
        """Do nothing at all while `dead`."""
        self.hold(dead)
        for channel in (self.model.read_if.r_channel, self.model.write_if.b_channel):
            channel.pause = dead

    def hold(self, held: bool) -> None:
        """Take no requests and no data while `held`."""
        for channel in (self.model.read_if.ar_channel, self.model.write_if.aw_channel, self.model.write_if.w_channel):
            channel.pause = held
