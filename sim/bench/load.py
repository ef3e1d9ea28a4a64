"""A steady load: bursts of one length, back to back, to measure with."""

from itertools import count
from typing import Any

import cocotb

from .burst import BOUNDARY, Burst
from .ports import Initiator
from .traffic import Region


class Load:
    """Keeps a port busy until it is stopped.

    Parameters
    ----------
    port, context : Initiator, int
        Who asks.
    region : Region
        Where; one 4 KiB page after another.
    beats : int
        Of each burst; they fill 4 KiB or a power-of-two part of it.
    write : bool
        Writes instead of reads.
    outstanding : int
        Bursts under way at once; each has an ID of its own as far as there are enough.

    Members
    -------
    done : int
        Bursts that were answered.
    """

    def __init__(
        self,
        port: Initiator,
        context: int,
        region: Region,
        *,
        beats: int = 16,
        write: bool = False,
        outstanding: int = 4,
    ) -> None:
        self.running = True
        self.done = 0
        step = min(beats * port.width, BOUNDARY)
        burst_beats = step // port.width
        addresses = (region.base + number * step % region.length for number in count())

        async def worker(identity: int) -> None:
            while self.running:
                burst = Burst(next(addresses), burst_beats, port.size_max, id=identity, user=context)
                if write:
                    await port.write(burst, [burst.address + beat for beat in range(burst_beats)])
                else:
                    await port.read(burst)
                self.done += 1

        # Contexts of one port must not use each other's IDs: an ID's answers come in order.
        own = port.ids // port.contexts
        self._tasks: list[Any] = [
            cocotb.start_soon(worker((context * own + number % max(1, own)) % port.ids))
            for number in range(outstanding)
        ]

    async def stop(self) -> None:
        """Let what is under way end."""
        self.running = False
        for task in self._tasks:
            await task
