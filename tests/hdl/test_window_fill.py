"""A window fill writes the entries that its command names, and no others."""

import dataclasses
import random

import pytest

from hdl.control.window_fill import WindowFill

from .harness import board, simulate


def one_of_each():
    """A card with one initiator, one context, one target, and a window and a target of one granule."""
    mini = board("mini")
    initiator = dataclasses.replace(
        mini.initiators[1], index=0, contexts=(dataclasses.replace(mini.contexts[0]),), targets=(0,)
    )
    target = dataclasses.replace(mini.targets[0], size=4096, granules=1, keyed=1, initiators=(0,))
    return dataclasses.replace(mini, initiators=(initiator,), targets=(target,), slices=1, window_granules=1)


def partly_connected():
    """Two initiators that reach one target each."""
    mini = board("mini")
    host, core = mini.initiators
    return dataclasses.replace(
        mini, initiators=(dataclasses.replace(host, targets=(0,)), dataclasses.replace(core, targets=(1,)))
    )


def expected_writes(plan, command):
    """What a fill writes: (initiator, context number, window granule) and (readable, writable, target, granule)."""
    if command["context"] >= len(plan.contexts):
        return []
    context = plan.contexts[command["context"]]
    reach = plan.initiators[context.initiator].targets
    writes = []
    for step in range(command["count"]):
        if command["first"] + step >= plan.window_granules:
            break
        granule, target = command["granule"] + step, command["target"]
        entry = None
        if target in reach and granule < plan.targets[target].granules:
            entry = command["readable"], command["writable"], 1 << target, granule
        writes.append((context.initiator, context.number, command["first"] + step, entry))
    return writes


async def fill(ctx, engine, command, meddle=None):
    """Run one fill. Returns what it wrote in each cycle until `done`, and checks `busy`."""
    for name, value in command.items():
        ctx.set(getattr(engine, name), value)
    ctx.set(engine.start, 1)
    await ctx.tick()
    ctx.set(engine.start, 0)
    if meddle:
        meddle(ctx)
    cycles = []
    while not ctx.get(engine.done):
        assert ctx.get(engine.busy)
        enable = ctx.get(engine.write_enable)
        if enable:
            assert enable & (enable - 1) == 0, "more than one initiator"
            entry = ctx.get(engine.write_entry)
            value = entry.readable, entry.writable, entry.target, entry.granule
            where = enable.bit_length() - 1, ctx.get(engine.write_context), ctx.get(engine.write_granule)
            cycles.append((*where, None if value[:3] == (0, 0, 0) else value))
        else:
            cycles.append(None)
        await ctx.tick()
    assert not ctx.get(engine.busy) and not ctx.get(engine.write_enable)
    ctx.set(engine.start, 0)
    await ctx.tick()
    assert not ctx.get(engine.done), "done is one pulse"
    return cycles


def random_command(plan, generator):
    window, contexts = plan.window_granules, len(plan.contexts)
    target = generator.choice([*range(len(plan.targets)), generator.randrange(64)])
    granules = plan.targets[target].granules if target < len(plan.targets) else 1
    near = max(0, window - 4)
    return {
        "context": generator.randrange(1 << max(1, (contexts - 1).bit_length())),
        "first": generator.choice((0, generator.randrange(window), min(near, 65535), generator.randrange(1 << 16))),
        "count": generator.choice((0, 1, 2, 9, 30)),
        "granule": generator.choice((0, generator.randrange(granules), granules - 1, generator.randrange(1 << 20))),
        "target": target,
        "readable": generator.randrange(2),
        "writable": generator.randrange(2),
    }


@pytest.mark.parametrize(
    "plan",
    [board("mini"), board("quad"), one_of_each(), partly_connected()],
    ids=("mini", "quad", "smallest", "partly"),
)
def test_random_fills(plan):
    """Whatever the command: one entry per cycle, exactly the model's, from the second cycle after the start."""
    generator = random.Random(1)
    engine = WindowFill(plan)

    async def bench(ctx):
        for _ in range(250):
            command = random_command(plan, generator)
            expected = expected_writes(plan, command)
            assert await fill(ctx, engine, command) == [None, *expected], command

    simulate(engine, bench)


def test_whole_window():
    """A fill of the largest COUNT stops at the end of the window and does not begin again at its start."""
    plan = board("quad")
    engine = WindowFill(plan)
    command = {
        "context": 3,
        "first": 1,
        "count": (1 << 17) - 1,
        "granule": 0,
        "target": 2,
        "readable": 1,
        "writable": 0,
    }

    async def bench(ctx):
        cycles = await fill(ctx, engine, command)
        assert cycles == [None, *expected_writes(plan, command)]
        assert len(cycles) == plan.window_granules

    simulate(engine, bench)


def test_commands_while_busy_change_nothing():
    """A running fill takes no notice of its inputs, another start included."""
    plan = board("quad")
    engine = WindowFill(plan)
    command = {"context": 9, "first": 5, "count": 12, "granule": 7, "target": 1, "readable": 0, "writable": 1}

    def meddle(ctx):
        for name, value in {
            "context": 2,
            "first": 0,
            "count": 99,
            "granule": 1,
            "target": 3,
            "readable": 1,
            "writable": 0,
        }.items():
            ctx.set(getattr(engine, name), value)
        ctx.set(engine.start, 1)

    async def bench(ctx):
        assert await fill(ctx, engine, command, meddle) == [None, *expected_writes(plan, command)]

    simulate(engine, bench)
