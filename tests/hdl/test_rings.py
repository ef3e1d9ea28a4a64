"""The rings of the traffic harness against queues in Python, also after a reset in the middle."""

from collections import deque
from random import Random

from amaranth.hdl import ResetInserter, Signal
from amaranth.lib import data

from hdl.traffic.rings import Rings

from .harness import simulate

RINGS, DEPTH = 4, 4
BITS = 12


def test_every_ring_is_a_queue_and_a_reset_empties_them() -> None:
    rng = Random(1)
    reset = Signal()
    dut = Rings(data.StructLayout({"what": BITS}), RINGS, DEPTH)

    async def bench(ctx):
        queues = [deque() for _ in range(RINGS)]
        beats = [0] * RINGS
        seen = set()
        for _ in range(6000):
            at, push_at = rng.randrange(RINGS), rng.randrange(RINGS)
            push = rng.random() < 0.6 and len(queues[push_at]) < DEPTH
            what = rng.getrandbits(BITS)
            ctx.set(dut.at, at)
            assert ctx.get(dut.waiting) == sum(bool(queue) << ring for ring, queue in enumerate(queues))
            assert ctx.get(dut.known) == bool(queues[at])
            if queues[at]:
                assert (ctx.get(dut.head.what), ctx.get(dut.number)) == (queues[at][0], beats[at])
            beat = bool(queues[at]) and rng.random() < 0.8
            pop = beat and rng.random() < 0.5
            clear = rng.random() < 0.01
            for signal, value in (
                (dut.push, push), (dut.push_at, push_at), (dut.request.what, what), (dut.beat, beat), (dut.pop, pop),
                (reset, clear),
            ):  # fmt: skip
                ctx.set(signal, value)
            await ctx.tick()
            if clear:
                seen.add("reset of a ring in use" if any(queues) else "")
                queues, beats = [deque() for _ in range(RINGS)], [0] * RINGS
                continue
            seen.add("full" if any(len(queue) == DEPTH for queue in queues) else "")
            seen.add("emptied and filled" if push and pop and at == push_at and len(queues[at]) == 1 else "")
            if beat:
                beats[at] = 0 if pop else beats[at] + 1
            if pop:
                queues[at].popleft()
            if push:
                queues[push_at].append(what)
        assert seen >= {"reset of a ring in use", "full", "emptied and filled"}

    simulate(ResetInserter(reset)(dut), bench)
