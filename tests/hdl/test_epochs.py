"""G1, G4: a drain waits for exactly what was granted before it, and never for what comes after."""

import random
from collections import deque

import pytest

from hdl.fabric.epochs import SETTLING, Epochs

from .harness import simulate

CHECKED = SETTLING - 1
"""Cycles after its grant from which on a request is in sight, at the latest."""


class _Target:
    """Places that each keep their order, as the fabric has them; only the oldest of each is looked at."""

    def __init__(self, generator, places=3):
        self.generator = generator
        self.hidden = deque()  # granted in one of the last cycles
        self.places = [deque() for _ in range(places)]

    def behind(self, epoch):
        return any(place and place[0][1] != epoch for place in self.places)

    def cycle(self, now, epoch, *, grant, answer):
        if answer:
            for place in self.places:
                if place and self.generator.random() < 0.6:
                    place.popleft()
        while self.hidden and now - self.hidden[0][0] >= CHECKED:
            self.generator.choice(self.places).append(self.hidden.popleft())
        if grant:
            self.hidden.append((now, epoch))

    def granted_before(self, cycle):
        return [born for place in (self.hidden, *self.places) for born, _ in place if born < cycle]


@pytest.mark.parametrize("seed", range(4))
def test_drain_under_traffic(seed):
    """Random traffic never pauses; each drain ends when, and only when, all older requests are answered."""
    epochs = Epochs(2)
    generator = random.Random(seed)
    target = _Target(generator)
    ended = [0, 0]

    async def bench(ctx):
        asked = [None, None]
        for cycle in range(4000):
            for client in range(2):
                if asked[client] is None and generator.random() < 0.05:
                    asked[client] = cycle
            ctx.set(epochs.drain, sum(1 << n for n in range(2) if asked[n] is not None))
            epoch = ctx.get(epochs.epoch)
            ctx.set(epochs.behind, target.behind(epoch))
            await ctx.delay(1e-7)
            drained = ctx.get(epochs.drained)
            for client in range(2):
                if drained >> client & 1:
                    older = target.granted_before(asked[client])
                    assert not older, f"cycle {cycle}: drained with {older} in flight, asked at {asked[client]}"
                    asked[client] = None
                    ended[client] += 1
            # Now and then no answers for a while.
            target.cycle(cycle, epoch, grant=generator.random() < 0.5, answer=(cycle // 64) % 3 != 1)
            await ctx.tick()

    simulate(epochs, bench)
    assert min(ended) > 10


def test_drain_does_not_wait_for_newer_requests():
    epochs = Epochs(1)

    async def bench(ctx):
        newest = 0  # the epoch of the only request in sight; requests go on and are never answered
        ctx.set(epochs.drain, 1)
        for cycle in range(100):
            ctx.set(epochs.behind, newest != ctx.get(epochs.epoch))
            if cycle == 20:
                newest = ctx.get(epochs.epoch)
            await ctx.delay(1e-7)
            if ctx.get(epochs.drained):
                assert cycle > 20, "drained with an older request in flight"
                return
            await ctx.tick()
        raise AssertionError("a drain that waits for newer requests")

    simulate(epochs, bench)
