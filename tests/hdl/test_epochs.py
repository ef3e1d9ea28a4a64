"""G1, G4: a drain waits for exactly what had passed before it, and never for what comes after."""

import random

import pytest

from hdl.fabric.epochs import Epochs

from .harness import board, simulate


@pytest.mark.parametrize("seed", range(4))
def test_drain_under_traffic(seed):
    """Random traffic never pauses; each drain ends when, and only when, all older requests are answered."""
    epochs = Epochs(board("quad"), 2)
    generator = random.Random(seed)
    in_flight = {"read": [], "write": []}  # (cycle of passing, epoch)
    ended = [0, 0]

    async def bench(ctx):
        asked = [None, None]
        for cycle in range(3000):
            for client in range(2):
                if asked[client] is None and generator.random() < 0.05:
                    asked[client] = cycle
            ctx.set(epochs.drain, sum(1 << n for n in range(2) if asked[n] is not None))
            epoch = ctx.get(epochs.epoch)
            for plane, queue in in_flight.items():
                passing = generator.random() < 0.5 and len(queue) < 8
                # Answers in any order, now and then none for a while.
                answering = queue and (cycle // 64) % 3 != 1 and generator.random() < 0.6
                ctx.set(getattr(epochs, f"passed_{plane}"), int(passing))
                ctx.set(getattr(epochs, f"done_{plane}"), int(bool(answering)))
                if answering:
                    _, old = queue.pop(generator.randrange(len(queue)))
                    ctx.set(getattr(epochs, f"done_{plane}_epoch"), old)
                if passing:
                    queue.append((cycle, epoch))
            await ctx.delay(1e-7)
            drained = ctx.get(epochs.drained)
            for client in range(2):
                if drained >> client & 1:
                    assert asked[client] is not None
                    # What is answered in this very cycle may still be counted, so "older" means before this cycle.
                    older = [born for queue in in_flight.values() for born, _ in queue if born < asked[client]]
                    assert not older, (
                        f"cycle {cycle}: drained with requests of {older} in flight, asked at {asked[client]}"
                    )
                    asked[client] = None
                    ended[client] += 1
            await ctx.tick()

    simulate(epochs, bench)
    assert min(ended) > 10


def test_drain_does_not_wait_for_newer_requests():
    epochs = Epochs(board("quad"), 1)

    async def bench(ctx):
        ctx.set(epochs.passed_read, 1)
        await ctx.tick()
        ctx.set(epochs.drain, 1)
        older = 1
        for _ in range(20):  # requests go on and are never answered
            older += ctx.get(epochs.epoch) == 0
            await ctx.tick()
            assert ctx.get(epochs.drained) == 0
        ctx.set(epochs.passed_read, 0)
        ctx.set(epochs.done_read, 1)
        ctx.set(epochs.done_read_epoch, 0)
        for left in range(older, 0, -1):
            assert ctx.get(epochs.drained) == 0, f"{left} older requests are in flight"
            await ctx.tick()
        ctx.set(epochs.done_read, 0)
        assert ctx.get(epochs.drained) == 1

    simulate(epochs, bench)
