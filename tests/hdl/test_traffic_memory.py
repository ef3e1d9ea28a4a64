"""The memory of the traffic harness: whole IDs come back, data is right, and order is kept where it is promised."""

from dataclasses import replace
from itertools import groupby

import pytest

from hdl.traffic.memory import TrafficMemory

from .harness import board, simulate

BEATS = 4
WRITES = 6


def strict():
    """A card whose target IDs have slots."""
    return replace(board("mini"), isolation="strict")


def _name(plan, source, slot):
    return source | slot << plan.source_bits


async def _write(ctx, port, requests):
    """Give all writes, one beat after the other; returns the IDs of the responses."""
    ctx.set(port.bready, 1)
    answered = []

    async def step():
        _, _, valid, identity = await ctx.tick().sample(port.bvalid, port.bid)
        if valid:
            answered.append(identity)

    for identity, address in requests:
        ctx.set(port.awid, identity)
        ctx.set(port.awaddr, address)
        ctx.set(port.awvalid, 1)
        for beat in range(BEATS):
            ctx.set(port.wdata, address + beat)
            ctx.set(port.wstrb, 15)
            ctx.set(port.wvalid, 1)
            await step()
            ctx.set(port.awvalid, 0)
        ctx.set(port.wvalid, 0)
    for _ in range(4):
        await step()
    return answered


async def _read(ctx, port, requests):
    """Give all reads at once; returns ID, data and RLAST of each beat."""
    ctx.set(port.rready, 1)
    beats = []
    requests = list(requests)
    for _ in range(400):
        ctx.set(port.arvalid, bool(requests))
        if requests:
            ctx.set(port.arid, requests[0][0])
            ctx.set(port.araddr, requests[0][1])
        _, _, taken, valid, *beat = await ctx.tick().sample(
            port.arvalid & port.arready, port.rvalid, port.rid, port.rdata, port.rlast
        )
        if taken:
            requests.pop(0)
        if valid:
            beats.append(tuple(beat))
    return beats


def _run(plan, requests, *, scatter):
    memory = TrafficMemory(plan, plan.targets[0].address_bits, 1024)
    found = []

    async def bench(ctx):
        port = memory.port
        for prefix in ("aw", "ar"):
            ctx.set(getattr(port, f"{prefix}len"), BEATS - 1)
            ctx.set(getattr(port, f"{prefix}size"), 2)
            ctx.set(getattr(port, f"{prefix}burst"), 1)
        ctx.set(memory.seed, 3)
        ctx.set(memory.scatter, scatter)
        found.append(await _write(ctx, port, requests))
        found.append(await _read(ctx, port, requests))

    simulate(memory, bench)
    answered, beats = found
    assert answered == [identity for identity, _ in requests]
    by_id = {}
    for identity, word, last in beats:
        by_id.setdefault(identity, []).append((word, last))
    expected = {}
    for identity, address in requests:
        words = [(address + beat, int(beat == BEATS - 1)) for beat in range(BEATS)]
        expected.setdefault(identity, []).extend(words)
    assert by_id == expected
    return [identity for identity, _ in groupby(identity for identity, _, _ in beats)]


def test_in_order():
    """Without `scatter` the answers come as the requests did, each with source and slot."""
    plan = strict()
    requests = [(_name(plan, n % 2, n // 2), 0x100 * n) for n in range(WRITES)]
    assert _run(plan, requests, scatter=False) == [identity for identity, _ in requests]


def test_slots_of_one_source_overtake():
    """With `scatter` beats of different slots of one source are interleaved; those of one ID keep their order."""
    plan = strict()
    requests = [(_name(plan, 1, n % 4), 0x100 * n) for n in range(8)]
    turns = _run(plan, requests, scatter=True)
    assert len(turns) > len(requests)


@pytest.mark.parametrize("scatter", [False, True])
def test_without_slots(scatter):
    """Where the ID is the source alone, its requests are answered in order."""
    plan = board("mini")
    requests = [(n % 2, 0x100 * n) for n in range(WRITES)]
    turns = _run(plan, requests, scatter=scatter)
    assert scatter or turns == [identity for identity, _ in requests]
