"""G1, G5, G6 at the ingress: closed without an owner, held by the budget, and a hand-over that always drains."""

from dataclasses import replace

import pytest

from hdl.fabric.ingress_read import IngressRead
from hdl.fabric.ingress_strict import StrictIngress
from hdl.fabric.ingress_write import IngressWrite

from .harness import board, simulate

DECERR = 3


async def _fill(ctx, ingress):
    """Window granule 0 of all contexts leads to granule 0 of target 0; the sweep after reset is awaited."""
    ctx.set(ingress.fill_entry, {"readable": 1, "writable": 1, "target": 1, "granule": 0})
    ctx.set(ingress.fill_enable, 1)
    for context in range(len(ingress.initiator.contexts)):
        ctx.set(ingress.fill_context, context)
        await ctx.tick()
    ctx.set(ingress.fill_enable, 0)
    await ctx.tick().repeat(1 << ingress.plan.id_width)


async def _address(ctx, stream, length=0):
    ctx.set(stream.payload, {"id": 1, "len": length, "size": 2, "burst": 1})
    ctx.set(stream.valid, 1)
    await ctx.tick()
    ctx.set(stream.valid, 0)


async def _answer(ctx, ingress):
    """Target 0 answers with one last beat; what the port shows of it."""
    ctx.set(ingress.return0.valid, 1)
    if not ingress.write:
        ctx.set(ingress.return0.whole, 1)
        ctx.set(ingress.return0.last, 1)
    while not ctx.get(ingress.return0.show):
        await ctx.tick()
    ctx.set(ingress.return0.beat, {"id": 1, "answer": {"last": 1}})
    while not ctx.get(ingress.return0.take):
        await ctx.tick()
    shown = ctx.get(ingress.o.valid)
    await ctx.tick()
    ctx.set(ingress.return0.valid, 0)
    ctx.set(ingress.return0.beat, {})
    return shown


def test_without_an_owner_every_beat_is_an_error_of_zeros():
    plan = board("mini")
    ingress = IngressRead(plan, plan.initiators[0])

    async def bench(ctx):
        await _fill(ctx, ingress)
        ctx.set(ingress.eligible0, 1)
        ctx.set(ingress.o.ready, 1)
        await _address(ctx, ingress.address, length=3)
        beats = []
        while len(beats) < 4:
            assert ctx.get(ingress.request_valid) == 0
            if ctx.get(ingress.o.valid):
                beat = ctx.get(ingress.o.payload)
                beats.append((beat.id, beat.answer.response, beat.answer.data, beat.answer.last))
            await ctx.tick()
        assert beats == [(1, DECERR, 0, int(n == 3)) for n in range(4)]
        assert ctx.get(ingress.o.valid) == 0, "one beat too many"

    simulate(ingress, bench)


def test_no_budget_holds_a_request_and_a_hand_over_lets_it_drain():
    plan = board("mini")
    port = plan.initiators[0]
    ingress = IngressRead(plan, replace(port, contexts=port.contexts[:1]))

    async def bench(ctx):
        await _fill(ctx, ingress)
        ctx.set(ingress.owned0, 1)
        await _address(ctx, ingress.address)
        for _ in range(20):
            await ctx.tick()
            assert ctx.get(ingress.request_valid) == 0, "let through without tokens"
        assert ctx.get(ingress.drained) & 1 == 0
        ctx.set(ingress.owned0, 0)
        await ctx.tick()
        assert ctx.get(ingress.request_valid) == 1, "a hand-over waits for ever for a slice without tokens"
        ctx.set(ingress.request_ready, 1)
        await ctx.tick()
        ctx.set(ingress.request_ready, 0)
        ctx.set(ingress.o.ready, 1)
        assert await _answer(ctx, ingress)
        await ctx.tick().repeat(3)
        assert ctx.get(ingress.drained) & 1

    simulate(ingress, bench)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_what_a_context_sent_before_a_hand_over_is_denied(strict, again):
    """It is not taken for its new owner's, however long it stood at the port behind another context's requests."""
    plan = replace(board("mini"), isolation="strict" if strict else "basic", outstanding=4 if strict else 16)
    ingress = StrictIngress(plan, plan.initiators[0], write=False) if strict else IngressRead(plan, plan.initiators[0])
    in_front = 6
    denied = 0

    async def hand_over(ctx, slice_):
        ctx.set(ingress.owned0, 0)
        await ctx.tick().repeat(plan.reset_cycles)
        drained = ctx.get(ingress.drained) & 1
        if drained:
            ctx.set(ingress.slice0, slice_)
            ctx.set(ingress.owned0, 1)
            await ctx.tick()
        return drained

    async def bench(ctx):
        nonlocal denied
        await _fill(ctx, ingress)
        for n in (0, 1):
            ctx.set(getattr(ingress, f"owned{n}"), 1)
            ctx.set(getattr(ingress, f"eligible{n}"), 1)
        await ctx.tick()
        accepted = 0
        ctx.set(ingress.address.valid, 1)
        while ctx.get(ingress.address.ready):  # the target takes nothing, or answers nothing
            user = int(accepted < in_front)
            ctx.set(ingress.address.payload, {"id": user, "size": 2, "burst": 1, "user": user})
            accepted += 1
            await ctx.tick()
        ctx.set(ingress.address.valid, 0)
        assert accepted > in_front
        assert await hand_over(ctx, 1), "a hand-over waits for another context's target"
        if again:
            assert not await hand_over(ctx, 2), "a request may be taken for that of the owner after the next"
        ctx.set(ingress.o.ready, 1)
        for cycle in range(100):
            if strict:
                ctx.set(ingress.lane0, {"valid": 1, "slot": 1 + cycle % 3, "answer": {"last": 1}} if cycle < 60 else {})
            else:
                ctx.set(ingress.request_ready, ctx.get(ingress.request_valid))
            sent = ctx.get(ingress.request_valid)
            assert not sent or ctx.get(ingress.asking).slice == 0, "sent for the new owner"
            fault = ctx.get(ingress.fault)
            denied += ctx.get(ingress.fault_valid) and not fault.owned and fault.context == 0
            await ctx.tick()
        assert denied == accepted - in_front
        assert await hand_over(ctx, 2)

    simulate(ingress, bench)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_a_context_without_budget_holds_up_nobody_else(strict, write):
    """Another context of its port goes on; when it loses its owner its requests are denied, and it has drained."""
    plan = replace(board("mini"), isolation="strict" if strict else "basic", outstanding=32)
    port = plan.initiators[0]
    kind = StrictIngress(plan, port, write=write) if strict else (IngressWrite if write else IngressRead)(plan, port)
    ingress, sent, denied, stood = kind, [], 0, 0

    async def offer(ctx, user):
        ctx.set(ingress.address.payload, {"id": user, "size": 2, "burst": 1, "user": user})
        ctx.set(ingress.address.valid, 1)
        while not ctx.get(ingress.address.ready):
            await step(ctx)
        await step(ctx)
        ctx.set(ingress.address.valid, 0)

    async def step(ctx):
        nonlocal denied, stood
        asks = ctx.get(ingress.request_valid)
        if not strict:
            ctx.set(ingress.request_ready, asks)
        sent.extend([ctx.get(ingress.asking).slice] if asks else [])
        denied += ctx.get(ingress.fault_valid)
        stood += ctx.get(ingress.events).stalled and ctx.get(ingress.events).stalled_context
        await ctx.tick()

    async def bench(ctx):
        await _fill(ctx, ingress)
        ctx.set(ingress.owned0, 1)
        ctx.set(ingress.owned1, 1)
        ctx.set(ingress.slice1, 1)
        ctx.set(ingress.eligible0, 1)
        await ctx.tick().repeat(40)
        if write:
            ctx.set(ingress.w.valid, 1)
            ctx.set(ingress.beat_ready, -1)
        for _ in range(8):
            await offer(ctx, 1)
            await offer(ctx, 0)
        for _ in range(20):
            await step(ctx)
        assert sent == [0] * 8, "held up, or sent without budget"
        assert stood > 20, "nobody counts that a request stands"
        ctx.set(ingress.owned1, 0)
        for _ in range(60):
            await step(ctx)
        assert sent == [0] * 8
        assert denied == 8 if strict or not write else denied > 0
        ctx.set(ingress.owned1, 1)
        ctx.set(ingress.eligible1, 1)
        await offer(ctx, 1)
        for _ in range(10):
            await step(ctx)
        assert sent == [0] * 8 + [1]

    simulate(ingress, bench)


def test_an_isolated_port_ends_its_burst_without_touching_memory():
    plan = board("mini")
    core = next(port for port in plan.initiators if port.kind == "core")
    ingress = IngressWrite(plan, core)

    async def bench(ctx):
        await _fill(ctx, ingress)
        ctx.set(ingress.owned0, 1)
        ctx.set(ingress.eligible0, 1)
        ctx.set(ingress.w.payload, {"data": 0x1234, "strb": 0xF})
        ctx.set(ingress.w.valid, 1)
        await _address(ctx, ingress.address, length=7)
        beats = []
        begun = taken = False
        while not beats or not beats[-1][1]:
            if taken:  # in the cycle before
                beats.append((ctx.get(ingress.beat.strobe), ctx.get(ingress.beat.last)))
            asks = ctx.get(ingress.request_valid)
            taken = asks or (begun and ctx.get(ingress.beat_valid))
            ctx.set(ingress.request_ready, asks)
            ctx.set(ingress.beat_ready, begun)  # the target keeps to its choice
            begun |= bool(asks)
            if len(beats) == 3:
                ctx.set(ingress.isolate, 1)  # the core is in reset and gives no more data
                ctx.set(ingress.w.valid, 0)
                ctx.set(ingress.owned0, 0)
            await ctx.tick()
        assert beats == [(0xF, 0)] * 3 + [(0, 0)] * 4 + [(0, 1)]
        assert not await _answer(ctx, ingress), "the response is the old slice's"
        while not ctx.get(ingress.drained):
            assert ctx.get(ingress.o.valid) == 0
            await ctx.tick()

    simulate(ingress, bench)
