"""G5: a write is shown to the gate when all its data is there; nothing is lost on the way."""

import random
from collections import deque
from dataclasses import replace

import pytest

from hdl.fabric.virtual_queue import VirtualQueue

from .harness import board, simulate


@pytest.mark.parametrize("chunk", [1, 8, 16])
@pytest.mark.parametrize("feeds", [0.4, 1.0])
def test_writes(chunk, feeds):
    plan = replace(board("quad"), chunk=chunk)
    queue = VirtualQueue(plan, write=True)
    generator = random.Random(chunk)
    whole, inside = deque(), deque()  # requests with all their data; all that went in
    seen = 0

    async def bench(ctx):
        nonlocal seen
        giving = taking = None
        for serial in range(3000):
            # In: the request with its first beat, then the others.
            if giving is None and len(inside) < plan.outstanding - 1 and generator.random() < feeds:
                giving = [serial, 0, generator.choice((0, chunk - 1, 15))]
            offers = giving is not None and generator.random() < feeds
            if offers:
                ctx.set(queue.i_request, {"address": giving[0], "length": giving[2]})
                ctx.set(queue.i_beat, {"data": giving[0] << 8 | giving[1], "last": giving[1] == giving[2]})
            ctx.set(queue.i_valid, offers and giving[1] == 0)
            ctx.set(queue.i_beat_valid, offers and giving[1] != 0)
            # Out: as the gate does, without a pause once it has begun.
            shown = ctx.get(queue.o_valid)
            assert not shown or whole, "a write is shown before its data is there"
            begins = taking is None and shown and generator.random() < 0.7
            ctx.set(queue.o_ready, begins)
            ctx.set(queue.o_beat_ready, taking is not None)
            if begins:
                address, length = whole.popleft()
                inside.popleft()
                assert ctx.get(queue.o_request).address == address
                taking = [address, 0, length]
            if taking:
                beat = ctx.get(queue.o_beat)
                assert ctx.get(queue.o_beat_valid), "the data is not there"
                assert (beat.data, beat.last) == (taking[0] << 8 | taking[1], taking[1] == taking[2])
                seen += 1
                taking = None if taking[1] == taking[2] else [taking[0], taking[1] + 1, taking[2]]
            if offers and ctx.get(queue.i_ready if giving[1] == 0 else queue.i_beat_ready):
                if giving[1] == 0:
                    inside.append(giving[0])
                if giving[1] == giving[2]:
                    whole.append((giving[0], giving[2]))
                giving = None if giving[1] == giving[2] else [giving[0], giving[1] + 1, giving[2]]
            await ctx.tick()

    simulate(queue, bench)
    assert seen > 700


def test_beats_of_another_target_stay_out():
    """The ingress shows its beats to all targets; only the one that has the request takes them."""
    queue = VirtualQueue(board("quad"), write=True)

    async def bench(ctx):
        ctx.set(queue.i_beat_valid, 1)
        ctx.set(queue.i_beat, {"data": 1, "last": 1})
        assert not ctx.get(queue.i_beat_ready)
        for _ in range(4):
            await ctx.tick()
            assert not ctx.get(queue.o_beat_valid) and not ctx.get(queue.o_valid)

    simulate(queue, bench)
