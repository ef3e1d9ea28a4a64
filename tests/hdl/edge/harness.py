"""Runs an adapter between a random manager and a memory."""

from dataclasses import replace
from random import Random

from sim.bench.burst import Burst, random_burst
from tests.hdl.harness import simulate

from .models import OKAY, SLVERR, Manager, Memory, apply

PAGE = 4096
PAGES = 4
"""Pages of the memory: reads go to the first half, writes to the second."""


def random_bursts(rng: Random, number: int, width: int, ids: int, *, base: int, most=64, lock=0.0) -> list[Burst]:
    """Random legal bursts of at most `most` beats on a bus of `width` bytes."""
    bursts: list[Burst] = []
    while len(bursts) < number:
        fields = {"id": rng.randrange(ids), "user": rng.randrange(4), "lock": int(rng.random() < lock)}
        burst = random_burst(rng, base, PAGES // 2 * PAGE, width.bit_length() - 1, **fields)
        if burst.beats <= most:
            bursts.append(burst)
    return bursts


class Run:
    """What became of a run; `cycles` is how long it took from the first request to the last answer."""

    def __init__(self) -> None:
        self.cycles = 0
        self.manager: Manager
        self.memory: Memory

    @property
    def seen(self) -> list[tuple[str, Burst]]:
        """What the memory was asked for."""
        return self.memory.seen


def play(dut, seed, reads, writes, *, pace=(0.7, 0.7), outstanding=16, judged=None, watch=None, **behaviour) -> Run:
    """Send everything through `dut` (its `up` and `down`), and compare answers and memory.

    `pace` is the share of cycles in which the manager and the memory do something on a channel; `watch` is called
    with each beat of R; `behaviour` is the memory's.
    """
    run = Run()
    rng = Random(seed)
    contents = bytearray(rng.randbytes(PAGES * PAGE))
    expected = bytearray(contents)

    async def bench(ctx):
        run.manager = manager = Manager(
            ctx,
            dut.up,
            rng,
            reads,
            writes,
            expected,
            pace=pace[0],
            outstanding=outstanding,
            judged=judged,
            watch=watch,
        )
        run.memory = memory = Memory(ctx, dut.down, rng, contents, pace=pace[1], **behaviour)
        allowed = list(manager.writes)
        while not manager.finished:
            memory.drive()
            manager.drive()
            memory.look()
            manager.look()
            run.cycles += 1
            await ctx.tick()
        for asked in allowed:
            if judged is None or (judged(asked.burst) or OKAY) < SLVERR:
                apply(expected, asked, manager.width)
        assert contents == expected, f"the memory differs from 0x{_differs(contents, expected):x} on"

    simulate(dut, bench)
    return run


def _differs(left: bytes, right: bytes) -> int:
    return next(place for place, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)


def bare(burst: Burst) -> Burst:
    """A burst without what makes it a certain one's: to compare what passed with what was sent."""
    return replace(burst, id=0)
