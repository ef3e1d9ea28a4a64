"""The generators that judge a card at volume must not be wrong themselves."""

import pytest

from hdl.traffic.plane import DEPTH, TrafficPlane
from hdl.traffic.settings import STATISTICS

from .harness import board, simulate


@pytest.mark.parametrize("write", [False, True])
def test_as_many_of_one_id_as_the_limit_allows(write):
    """A port may take all of them before it answers one; each answer then finds its request."""
    plane = TrafficPlane(board("mini"), write=write)

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


def test_requests_fall_due_whether_earlier_ones_were_made_or_not():
    """At a rate of a quarter; what is due while the port takes nothing is made later and timed from when it was due."""
    plane = TrafficPlane(board("mini"), write=False)
    cycles, stalled = 4000, 100

    async def bench(ctx):
        async def statistics():
            found = {}
            for number, name in enumerate(STATISTICS):
                ctx.set(plane.statistic, number)
                found[name] = ctx.get(plane.value)
            return found

        ctx.set(plane.settings, {"run": 1, "limit": DEPTH, "bursts": 0b010, "rate": 64})
        ctx.set(plane.measure, 1)
        ctx.set(plane.permitted, 1)
        ctx.set(plane.address.ready, 1)
        ctx.set(plane.answer.payload, {"last": 1})
        asked = 0
        for cycle in range(cycles + stalled):  # an answer two cycles after each request; then nothing is taken
            ctx.set(plane.address.ready, cycle < cycles)
            takes, offered, _ = ctx.get(plane.address.ready), ctx.get(plane.address.valid), await ctx.tick()
            asked = asked << 1 | (takes & offered)
            ctx.set(plane.answer.valid, asked >> 1 & 1)
        before = await statistics()
        assert before["completed"] == pytest.approx(cycles / 4, rel=0.1)
        assert before["latency_max"] < 20 and not before["errors"], "they do not wait for each other for long"
        ctx.set(plane.address.ready, 1)
        for _ in range(40):
            takes, offered, _ = 1, ctx.get(plane.address.valid), await ctx.tick()
            asked = asked << 1 | (takes & offered)
            ctx.set(plane.answer.valid, asked >> 1 & 1)
        after = await statistics()
        made = after["completed"] - before["completed"]
        mean = (after["latency_sum"] - before["latency_sum"]) / made
        assert made > stalled / 8 and mean > stalled / 3, "the wait before a request was made counts"
        assert abs(after["latency_max"] - stalled) < 10

    simulate(plane, bench)
