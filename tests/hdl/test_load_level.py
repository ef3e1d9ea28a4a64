"""Load levels: how long requests wait for a target is told, at once when it gets worse, slowly when it gets better."""

import dataclasses
from random import Random

import pytest

from hdl.fabric.load_level import WINDOW_UNITS, LoadLevel, Waiting

from .harness import board, simulate

SLICES = 4


def _plan(unit):
    return dataclasses.replace(board("mini"), slices=SLICES, load_unit=unit)


def _expected(waited, unit):
    """Level of a wait, in words of the card description."""
    return (waited >= unit) + (waited >= 4 * unit) + (waited >= 16 * unit)


@pytest.mark.parametrize("unit", [2, 8])
def test_waits(unit):
    """Each grant is sampled a cycle later, with its slice and the level of its wait; all levels come."""
    waiting = Waiting(_plan(unit), 3)
    rng = Random(unit)
    levels = set()

    async def bench(ctx):
        waited, before, rate = [0] * 3, None, 1
        for _ in range(6000):
            # Long stretches without a grant, and some in which nobody asks.
            request = rng.choice((0, 7, 7, 7, 7, 7, 7, 7)) if rng.random() < 0.02 else ctx.get(waiting.request)
            asking = [n for n in range(3) if request >> n & 1]
            rate = rate if rng.random() < 0.99 else rng.choice((1, 1 / unit, 0.2 / unit, 0.02 / unit))
            grant = 1 << rng.choice(asking) if asking and rng.random() < rate else 0
            number = rng.randrange(SLICES)
            ctx.set(waiting.request, request)
            ctx.set(waiting.grant, grant)
            ctx.set(waiting.slice, number)
            sample = ctx.get(waiting.sample)
            assert sample.valid == (before is not None)
            if before is not None:
                assert (sample.slice, sample.level) == before
                levels.add(before[1])
            granted = next((n for n in range(3) if grant >> n & 1), None)
            before = None if granted is None else (number, _expected(waited[granted], unit))
            for n in range(3):
                waited[n] = waited[n] + 1 if n in asking and n != granted else 0
            await ctx.tick()

    simulate(waiting, bench)
    assert levels == {0, 1, 2, 3}


def test_levels():
    """A level is the highest of the present stretch, or what it was before less one."""
    unit = 2
    load = LoadLevel(_plan(unit))
    window = WINDOW_UNITS * unit
    rng = Random(1)
    fell = rose = 0

    async def bench(ctx):
        nonlocal fell, rose
        level, seen = [0] * SLICES, [0] * SLICES
        for cycle in range(12 * window):
            quiet = cycle // (3 * window) % 2
            now = [0] * SLICES
            for n in range(2):
                valid = rng.random() < (0.0 if quiet else 0.03)
                sample = {"valid": valid, "slice": rng.randrange(SLICES), "level": rng.randrange(4)}
                ctx.set(getattr(load, f"sample{n}"), sample)
                if valid:
                    now[sample["slice"]] = max(now[sample["slice"]], sample["level"])
            shown = [ctx.get(load.level) >> 2 * number & 3 for number in range(SLICES)]
            assert shown == level, f"in cycle {cycle}"
            ends = cycle % window == 1  # the count starts with 0 and is looked at a cycle later
            for number in range(SLICES):
                old = level[number]
                kept = max(max(old - 1, 0), seen[number]) if ends else old
                seen[number] = max(0 if ends else seen[number], now[number])
                level[number] = max(kept, now[number])
                fell += level[number] < old
                rose += level[number] > old
            await ctx.tick()

    simulate(load, bench)
    assert fell > 10
    assert rose > 10
