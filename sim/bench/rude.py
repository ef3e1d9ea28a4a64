"""An initiator that does not keep the protocol, in one of several ways."""

from random import Random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi.axi_master import AxiReadRespCmd, AxiWriteRespCmd

from .burst import BOUNDARY, Burst
from .ports import Initiator
from .traffic import Region

WILD_LAST, DROPS, EARLY_DATA = "sets WLAST at random", "takes offers back and changes them", "gives data before it asks"
KEEPS = "keeps the protocol"
"""The same traffic, to compare with."""
WAYS = (KEEPS, WILD_LAST, DROPS, EARLY_DATA)
LONGEST = 16


class Rude:
    """Drives the request channels of a port by itself; the port's models take the answers, and are idle otherwise.

    Every AxLEN stands for itself: how many beats of data a request gets in the end is what it says.

    Parameters
    ----------
    port, context : Initiator, int
    region : Region
        Where it reads and writes.
    rng : Random
    way : str
        One of `WAYS`.
    """

    def __init__(self, port: Initiator, context: int, region: Region, rng: Random, way: str) -> None:
        self.port, self.context, self.region, self.rng, self.way = port, context, region, rng, way
        reads, writes = port.master.read_if, port.master.write_if
        self.channels: dict[str, Any] = {"ar": reads.ar_channel, "aw": writes.aw_channel, "w": writes.w_channel}
        self.offers: dict[str, Any] = dict.fromkeys(self.channels)
        self.owed = 0  # beats of data that the card may still ask for; negative if it has more than that
        self.stopping = False
        self._task = cocotb.start_soon(self._run())

    async def stop(self) -> None:
        """Give what is owed, or ask for what was given too early; the models go on when all is answered."""
        self.stopping = True
        await self._task

    async def _run(self) -> None:
        clock = RisingEdge(self.channels["w"].clock)
        while not self.stopping or self.owed or any(self.offers.values()):
            await clock
            for name, channel in self.channels.items():
                bus = channel.bus
                taken = self.offers[name] is not None and bool(int(getattr(bus, f"{name}ready").value))
                if taken:
                    self._taken(name, self.offers[name])
                withdrawn = self.way == DROPS and self.rng.random() < 0.5
                if taken or withdrawn or self.offers[name] is None:
                    self.offers[name] = self._next(name)
                    if self.offers[name] is not None:
                        bus.drive(self._beat(channel, name, self.offers[name]))
                    getattr(bus, f"{name}valid").value = int(self.offers[name] is not None)

    def _taken(self, name: str, offer: Any) -> None:
        """The model learns of a request that the card has taken."""
        if name == "w":
            self.owed -= 1
        elif name == "ar":
            self.port.expect(self.port.master.read_if, offer, AxiReadRespCmd)
        else:
            self.owed += offer.beats
            self.port.expect(self.port.master.write_if, offer, AxiWriteRespCmd)

    def _next(self, name: str) -> Any:
        """What is offered next on a channel, or None."""
        rng, pending = self.rng, self.offers["aw"].beats if self.offers["aw"] else 0
        if name == "w":
            early = self.way == EARLY_DATA and not self.stopping
            return rng.getrandbits(8 * self.port.width) if early or self.owed > 0 else None
        if self.stopping:
            # A request that is on offer, or the data on offer, will change what is owed.
            short = -self.owed - pending + (self.offers["w"] is not None)
            return self._burst(min(short, LONGEST)) if name == "aw" and short > 0 else None
        if rng.random() < (0.95 if name == "aw" and self.way == EARLY_DATA else 0.5):
            return None
        return self._burst(rng.randint(1, LONGEST))

    def _burst(self, beats: int) -> Burst:
        port, rng = self.port, self.rng
        page = self.region.base + BOUNDARY * rng.randrange(self.region.length // BOUNDARY)
        start = rng.randrange(BOUNDARY // port.width - LONGEST + 1) * port.width
        return Burst(page + start, beats, port.size_max, id=rng.randrange(port.ids), user=self.context)

    def _beat(self, channel: Any, name: str, offer: Any) -> Any:
        """The beat of a channel that makes an offer."""
        if name != "w":
            return self.port.request_beat(channel, name, offer)
        last = self.rng.getrandbits(1) if self.way == WILD_LAST else int(self.owed == 1)
        return channel._transaction_obj(wdata=offer, wstrb=(1 << self.port.width) - 1, wlast=last)
