"""G3, G4: a context changes slice only after everything of it is answered, and nobody else's changes."""

from hdl.control.handover import Handover
from hdl.control.token_buckets import SETTLING
from hdl.plan.blocks import HANDOVER_PHASES

from .harness import board, simulate

IDLE = HANDOVER_PHASES.index("idle")


async def _until_idle(ctx, engine, limit=500):
    trail = []
    for _ in range(limit):
        phase = HANDOVER_PHASES[ctx.get(engine.phase)]
        if not trail or trail[-1] != phase:
            trail.append(phase)
        if phase == "idle" and len(trail) > 1:
            return trail
        await ctx.tick()
    raise AssertionError(f"never ended: {trail}")


async def _command(ctx, engine, **fields):
    for name, value in fields.items():
        ctx.set(getattr(engine, name), value)
    ctx.set(engine.command, 1)
    await ctx.tick()
    ctx.set(engine.command, 0)


def _owners(ctx, engine, contexts):
    return [(ctx.get(getattr(engine, f"owned{n}")), ctx.get(getattr(engine, f"slice{n}"))) for n in range(contexts)]


def test_host_context_waits_for_its_drain_and_leaves_the_others_alone():
    plan = board("quad")
    engine = Handover(plan, plan.initiators[0])

    async def bench(ctx):
        assert _owners(ctx, engine, 4) == [(0, 0)] * 4, "closed after reset"
        ctx.set(engine.drained, 0b1111)
        await _command(ctx, engine, context=2, slice=5, assign=1)
        await _until_idle(ctx, engine)
        assert _owners(ctx, engine, 4) == [(0, 0), (0, 0), (1, 5), (0, 0)]
        ctx.set(engine.drained, 0b1011)  # context 2 has something on its way
        await _command(ctx, engine, context=2, slice=3, assign=1)
        for _ in range(200):
            await ctx.tick()
            assert ctx.get(engine.isolate) == 0, "a host port goes on for the other contexts"
            assert _owners(ctx, engine, 4)[2] in ((1, 5), (0, 5)), "assigned before the drain"
        assert HANDOVER_PHASES[ctx.get(engine.phase)] == "drain"
        assert _owners(ctx, engine, 4)[2] == (0, 5), "denied while it changes hands"
        assert ctx.get(engine.charged2) == 1, "what it had sent is still charged to its old slice"
        ctx.set(engine.drained, 0b1111)
        told = 0
        while _owners(ctx, engine, 4)[2] != (1, 3):
            told += _owners(ctx, engine, 4)[2] == (0, 3)
            assert not (told and ctx.get(engine.charged2)), "the new slice is charged for what the old one did"
            await ctx.tick()
        assert told > plan.meter_period + SETTLING, "owned before the meter has told what its contract is"
        await _until_idle(ctx, engine)
        assert _owners(ctx, engine, 4)[2] == (1, 3)

    simulate(engine, bench)


def test_core_is_reset_between_slices():
    plan = board("quad")
    core = next(port for port in plan.initiators if port.kind == "core")
    engine = Handover(plan, core)

    async def bench(ctx):
        assert (ctx.get(engine.reset), ctx.get(engine.hold)) == (1, 1), "closed after reset"
        ctx.set(engine.drained, 1)
        await _command(ctx, engine, slice=1, assign=1)
        assert "reset" in await _until_idle(ctx, engine)
        await ctx.tick()
        assert (ctx.get(engine.reset), ctx.get(engine.hold), ctx.get(engine.isolate)) == (0, 0, 0)
        await _command(ctx, engine, slice=2, assign=1)
        low = 0
        while ctx.get(engine.phase) != IDLE:
            low = low + 1 if ctx.get(engine.reset) else 0
            if _owners(ctx, engine, 1)[0] == (1, 2):
                assert low > plan.reset_cycles, "the new slice came before the reset had lasted"
            await ctx.tick()
        assert _owners(ctx, engine, 1) == [(1, 2)]
        await _command(ctx, engine, slice=0, assign=0)
        await _until_idle(ctx, engine)
        assert _owners(ctx, engine, 1)[0][0] == 0
        assert ctx.get(engine.reset) == 1, "a core of nobody stays in reset"

    simulate(engine, bench)


def test_device_registers_are_drained_before_the_reset_and_granted_after_it():
    plan = board("quad")
    dma = next(port for port in plan.initiators if port.device is not None)
    engine = Handover(plan, dma)

    async def bench(ctx):
        ctx.set(engine.drained, 1)
        ctx.set(engine.rekey_held, 0)
        await _command(ctx, engine, slice=1, assign=1, key=7)
        for _ in range(50):
            assert ctx.get(engine.rekey) == 1
            assert ctx.get(engine.rekey_key) == 7
            assert ctx.get(engine.isolate) == 0, "isolated before the registers were drained"
            await ctx.tick()
        ctx.set(engine.rekey_held, 1)
        while not ctx.get(engine.rekey_grant):
            await ctx.tick()
        assert ctx.get(engine.reset) == 1, "released before its registers have their new key"
        assert _owners(ctx, engine, 1) == [(1, 1)]
        ctx.set(engine.rekey_finished, 1)
        await ctx.tick()
        ctx.set(engine.rekey_finished, 0)
        await _until_idle(ctx, engine)
        assert ctx.get(engine.reset) == 0
        await _command(ctx, engine, slice=1, assign=0, key=7)
        await ctx.tick()
        assert ctx.get(engine.rekey_key) == 0, "the registers of a device of nobody have the key of nobody"

    simulate(engine, bench)


def test_refusals_change_nothing():
    plan = board("mini")
    engine = Handover(plan, plan.initiators[0])
    few = board("wide")
    wide = Handover(few, few.initiators[2])

    async def bench(ctx):
        ctx.set(engine.drained, 0)
        await _command(ctx, engine, context=0, slice=1, assign=1)
        assert ctx.get(engine.refused) == 0
        await _command(ctx, engine, context=1, slice=2, assign=1)
        assert ctx.get(engine.refused) == 1, "a second command while busy"
        ctx.set(engine.drained, 0b11)
        await _until_idle(ctx, engine)
        assert _owners(ctx, engine, 2) == [(1, 1), (0, 0)]
        await _command(ctx, engine, context=1, slice=2, assign=1)
        assert ctx.get(engine.refused) == 0, "cleared by the next good command"

    async def out_of_range(ctx):
        await _command(ctx, wide, context=5, slice=1, assign=1)
        assert ctx.get(wide.refused) == 1, "a context that the port does not have"
        assert ctx.get(wide.phase) == IDLE

    simulate(engine, bench)
    simulate(wide, out_of_range)
