"""The generators that judge a card at volume must not be wrong themselves."""

import pytest

from hdl.traffic.plane import DEPTH, TrafficPlane
from hdl.traffic.settings import STATISTICS

from .harness import board, simulate


@pytest.mark.parametrize("write", [False, True])
def test_as_many_of_one_id_as_the_limit_allows(write):
    """A port may take all of them before it answers one; each answer then finds its request."""
    plane = TrafficPlane(board("mini"), write=write, seed=1)

    async def statistic(ctx, name):
        ctx.set(plane.statistic, STATISTICS.index(name))
        return ctx.get(plane.value)

    async def bench(ctx):
        ctx.set(plane.settings, {"run": 1, "limit": DEPTH, "bursts": 0b010})
        ctx.set(plane.measure, 1)
        ctx.set(plane.permitted, 1)
        ctx.set(plane.address.ready, 1)
        if write:
            ctx.set(plane.data.ready, 1)
        await ctx.tick().repeat(4 * DEPTH)
        assert await statistic(ctx, "issued") == DEPTH
        ctx.set(plane.settings, {"limit": DEPTH})
        ctx.set(plane.answer.payload, {"last": 1})
        ctx.set(plane.answer.valid, 1)
        await ctx.tick().repeat(DEPTH)
        ctx.set(plane.answer.valid, 0)
        await ctx.tick()
        assert (await statistic(ctx, "completed"), await statistic(ctx, "errors")) == (DEPTH, 0)
        ctx.set(plane.answer.valid, 1)
        await ctx.tick()
        assert await statistic(ctx, "errors") == 1, "an answer that nobody asked for is not noticed"

    simulate(plane, bench)
