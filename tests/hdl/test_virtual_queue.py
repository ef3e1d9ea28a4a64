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
    inside, waiting = deque(), deque()  # requests that went in; those of them that have beats to come
    whole = deque()  # requests with all their data
    seen = 0

    async def bench(ctx):
        nonlocal seen
        taking = late = None
        for serial in range(3000):
            # In: requests, and their beats in the same cycle or later.
            enters = len(inside) < plan.outstanding - 1 and generator.random() < feeds
            if enters:
                length = generator.choice((0, chunk - 1, 15))
                ctx.set(queue.i_asking, {"granule": serial % 256, "length": length})
                ctx.set(queue.i_rest, {"offset": serial, "length": length})
                inside.append(serial)
                waiting.append([serial, 0, length])
            ctx.set(queue.i_valid, enters)
            gives = bool(waiting) and ctx.get(queue.i_beat_ready) and generator.random() < feeds
            ctx.set(queue.i_beat_valid, gives)
            completes = None
            if gives:
                number, beat, length = waiting[0]
                ctx.set(queue.i_beat, {"data": number << 8 | beat, "last": beat == length})
                waiting[0][1] += 1
                if beat == length:
                    completes = (number, length)
                    waiting.popleft()
            # Out: as the gate does, without a pause once it has begun.
            if late:
                beat = ctx.get(queue.o_beat)
                assert (beat.data, beat.last) == late[1:]
                assert late[0] in (None, ctx.get(queue.o_rest).offset)
                late = None
            shown = ctx.get(queue.o_valid)
            assert not shown or whole, "a write is shown before its data is there"
            assert shown or not whole, "a whole write is not shown"
            begins = taking is None and shown and generator.random() < 0.7
            ctx.set(queue.o_ready, begins)
            ctx.set(queue.o_beat_ready, taking is not None)
            if begins:
                address, length = whole.popleft()
                inside.popleft()
                assert ctx.get(queue.o_asking).granule == address % 256
                taking = [address, 0, length]
            if taking:
                assert ctx.get(queue.o_beat_valid), "the data is not there"
                assert ctx.get(queue.o_last) == (taking[1] == taking[2])
                late = (taking[0] if begins else None, taking[0] << 8 | taking[1], taking[1] == taking[2])
                seen += 1
                taking = None if taking[1] == taking[2] else [taking[0], taking[1] + 1, taking[2]]
            if completes:
                whole.append(completes)
            await ctx.tick()

    simulate(queue, bench)
    assert seen > 700
