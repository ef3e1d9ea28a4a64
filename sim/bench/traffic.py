"""Random traffic of a slice, confined to its window.

Every worker has its own random numbers and waits only for its own answers. So the n-th transaction of a worker is
the same in two runs with the same seed, and what one port does never depends on when another was served.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import Event, Timer

from .burst import even_burst, random_burst
from .coverage import sample
from .marks import CLOCK_PERIOD
from .ports import Initiator

STEADY, BYSTANDER, NAMED = "steady", "bystander", "named"
"""What happens around a slice: nothing changes, others change, it changes itself."""
TURN_CYCLES = 8
"""How often :meth:`Traffic.turn` looks."""


@dataclass(frozen=True)
class Region:
    """Bytes ``[base, base + length)`` of a slice's window, which lead to granules of `target` from `granule` on."""

    base: int
    length: int
    target: int
    granule: int
    readable: bool = True
    writable: bool = True


@dataclass
class Pace:
    """How hard a worker pushes: it thinks with probability `idle`, up to `longest` cycles, between transactions."""

    idle: float = 0.5
    longest: int = 40


@dataclass
class Tally:
    """What became of a slice's transactions."""

    done: int = 0
    refused: int = 0
    cut: int = 0


class Worker:
    """One ID of one context of one port; at most one transaction under way.

    Members
    -------
    following : Traffic or None
        The slice that it serves after its port's next reset.
    """

    def __init__(self, port: Initiator, context: int, identity: int, traffic: "Traffic") -> None:
        self.port, self.context, self.id = port, context, identity
        self.rng = Random(f"{traffic.seed}/{port.name}/{context}/{identity}")
        self.traffic = traffic
        self.following: Traffic | None = None
        self.turns = 0
        self.busy = False

    async def run(self) -> None:
        """Transactions one after another until the slice's traffic stops."""
        rng = self.rng
        while not self.traffic.stopping:
            if self.port.in_reset:
                await self.port.released()
                self.traffic, self.following = self.following or self.traffic, None
                continue
            pace = self.traffic.pace
            if rng.random() < pace.idle:
                await Timer(rng.randint(1, pace.longest) * CLOCK_PERIOD, "ns")
                if self.port.in_reset:
                    continue
            reachable = [region for region in self.traffic.regions if region.target in self.port.targets]
            if reachable:
                self.busy = True
                await self._transaction(self._trespass() or rng.choice(reachable))
                self.busy = False
                self.turns += 1
            else:
                await self.traffic.changed.wait()

    def _trespass(self) -> Region | None:
        """Two times of three a place that is not its own, if it has such places."""
        others = self.traffic.trespasses.get((self.port.index, self.context))
        return self.rng.choice([*others, None]) if others else None

    async def _transaction(self, region: Region) -> None:
        rng, port, tally, phase = self.rng, self.port, self.traffic.tally, self.traffic.phase
        write = region.writable and (not region.readable or rng.random() < 0.5)
        draw = even_burst if self.traffic.trespasses else random_burst
        burst = draw(rng, region.base, region.length, port.size_max, id=self.id, user=self.context)
        if write:
            masks = burst.strobes(port.width)
            if rng.random() < 0.2:
                masks = [mask & rng.getrandbits(port.width) for mask in masks]
            reply = await port.write(burst, [rng.getrandbits(8 * port.width) for _ in masks], masks)
        else:
            reply = await port.read(burst)
        if reply is not None:
            phase = self.traffic.phase if phase == STEADY else phase
            sample(port, burst, reply, write=write, target=region.target, phase=phase, chunk=port.chunk)
        if reply is None:
            tally.cut += 1
        elif reply.ok:
            tally.done += 1
        else:
            tally.refused += 1


class Traffic:
    """All workers of a slice.

    Parameters
    ----------
    regions : list of Region
        Where it reads and writes.
    contexts : list of (Initiator, int)
        Its ports and their AxUSER.
    seed : int
        Of the run.
    workers : int
        IDs that each context uses at once.
    pace : Pace
        How hard it pushes.

    Members
    -------
    tally : Tally
        What became of its transactions so far.
    phase : str
        `STEADY`, `BYSTANDER` or `NAMED`.
    trespasses : dict
        By port and AxUSER: places beyond its own where it tries its luck as well, with bursts of every shape.
    stopping : bool
        No worker begins another transaction.
    """

    def __init__(
        self, regions: list[Region], contexts: list[tuple[Initiator, int]], seed: int, *, workers: int = 3,
        pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self.regions, self.seed, self.pace = regions, seed, pace or Pace()
        self.tally = Tally()
        self.phase = STEADY
        self.trespasses: dict[tuple[int, int], list[Region]] = {}
        self.stopping = False
        self.changed = Event()
        self._workers: list[tuple[Worker, Any]] = []
        for port, context in contexts:
            # Contexts of one port use different IDs, if there are enough, so that they do not wait for each other.
            for identity in dict.fromkeys((context * workers + number) % port.ids for number in range(workers)):
                worker = Worker(port, context, identity, self)
                self._workers.append((worker, cocotb.start_soon(worker.run())))

    def use(self, regions: list[Region]) -> None:
        """Replace the regions; what is under way ends where it began."""
        self.regions = regions
        self.changed.set()
        self.changed.clear()

    async def turn(self) -> None:
        """Wait until all that is under way now has ended; new transactions go on."""
        waiting = [(worker, worker.turns) for worker, _ in self._workers if worker.busy]
        while any(worker.busy and worker.turns == turns for worker, turns in waiting):
            await Timer(TURN_CYCLES * CLOCK_PERIOD, "ns")

    def hand_over(self, port: Initiator, following: "Traffic") -> None:
        """From its next reset on, what is attached to a port works for another slice."""
        moving = [entry for entry in self._workers if entry[0].port is port]
        for worker, _ in moving:
            worker.following = following
        following._workers += moving
        self._workers = [entry for entry in self._workers if entry[0].port is not port]

    async def stop(self) -> Tally:
        """Let what is under way end, and say what became of everything."""
        self.stopping = True
        self.changed.set()
        for worker, task in self._workers:
            if worker.port.in_reset:
                task.cancel()
            else:
                await task
        return self.tally
