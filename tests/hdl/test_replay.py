"""A replayed program keeps its order and its pauses, waits as it says, and all that it reads is checked."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.plan import plan_card
from hdl.traffic.generator import TrafficGenerator
from hdl.traffic.memory import TrafficMemory
from hdl.traffic.replay import THINK_BITS, Replay, entry_layout, pack_entry
from hdl.traffic.settings import SLOTS, settings_layout

from .harness import BOARDS, simulate

TRIO = BOARDS.parent / "tests" / "sim" / "trio" / "card.yaml"
PLACES = 16
"""Of a program; the upper half lies beyond 512 bytes, where offsets of beats have been wrong."""


def program(seed, length=60):
    """Random entries: (place, write, think)."""
    generator = random.Random(seed)
    return [
        (generator.randrange(PLACES), generator.random() < 0.4, generator.choice((0, 0, 1, 3, 9)))
        for _ in range(length)
    ]


def entries(made):
    return [
        pack_entry(place, write=write, last=at == len(made) - 1, think=think)
        for at, (place, write, think) in enumerate(made)
    ]


def test_an_entry_is_packed_as_the_layout_says_and_nothing_is_cut_off():
    packed = pack_entry(5, write=True, last=False, think=77)
    seen = entry_layout().from_bits(packed)
    assert (seen.place, seen.write, seen.last, seen.think) == (5, 1, 0, 77)
    with pytest.raises(ValueError, match=f"think must fit into {THINK_BITS} bits, not {1 << THINK_BITS}"):
        pack_entry(0, write=False, last=False, think=1 << THINK_BITS)
    with pytest.raises(ValueError, match="place must fit into 9 bits, not -1"):
        pack_entry(-1, write=False, last=False, think=0)


async def store(ctx, unit, made, prefix=""):
    for at, entry in enumerate(entries(made)):
        ctx.set(getattr(unit, f"{prefix}store"), 1)
        ctx.set(getattr(unit, f"{prefix}at"), at)
        ctx.set(getattr(unit, f"{prefix}entry"), entry_layout().from_bits(entry))
        await ctx.tick()
    ctx.set(getattr(unit, f"{prefix}store"), 0)


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_program_runs_in_order_and_thinks_only_while_it_may_run(limit, seed):
    """Against a model of one line: the program's time goes on while fewer than `limit` reads are outstanding."""
    replay, made, generator = Replay(), program(seed), random.Random(seed)
    stood = 0

    async def bench(ctx):
        nonlocal stood
        await store(ctx, replay, made)
        ctx.set(replay.limit, limit)
        ctx.set(replay.start, 1)
        await ctx.tick()
        ctx.set(replay.start, 0)
        reads, writes, thought, cycle, at = [], [], 0, 0, 0
        while at < len(made) or reads or writes:
            place, write, think = made[at] if at < len(made) else (0, False, 0)
            runs = at < len(made) and len(reads) < limit
            ready = runs and thought == think
            stood += at < len(made) and not runs
            assert (ctx.get(replay.read), ctx.get(replay.write)) == (ready and not write, ready and write), cycle
            assert not ready or ctx.get(replay.place) == place
            taken = ready and generator.random() < 0.7
            ctx.set(replay.made, taken)
            for queue, ends in ((reads, replay.read_ends), (writes, replay.write_ends)):
                ended = bool(queue) and queue[0] <= cycle
                ctx.set(ends, ended)
                if ended:
                    queue.pop(0)
            thought = 0 if taken else thought + (runs and not ready)
            if taken:
                (writes if write else reads).append(cycle + generator.randint(1, 24))
                at += 1
            await ctx.tick()
            cycle += 1
        for signal in (replay.made, replay.read_ends, replay.write_ends):
            ctx.set(signal, 0)
        assert not ctx.get(replay.ended) and ctx.get(replay.running)
        await ctx.tick()
        assert ctx.get(replay.ended) and not ctx.get(replay.running)
        assert ctx.get(replay.cycles) == cycle + 1

    simulate(replay, bench)
    assert stood > 20


def test_a_looping_program_begins_again_when_all_is_answered_and_the_first_time_counts():
    replay = Replay()
    made = [(1, False, 2), (2, True, 0)]

    async def bench(ctx):
        await store(ctx, replay, made)
        ctx.set(replay.limit, 4)
        ctx.set(replay.loop, 1)
        ctx.set(replay.start, 1)
        await ctx.tick()
        ctx.set(replay.start, 0)
        cycles, order = [], []
        for _ in range(40):
            kind = (ctx.get(replay.read), ctx.get(replay.write))
            ctx.set(replay.made, any(kind))
            # Everything is answered in the cycle after it was made.
            ctx.set(replay.read_ends, bool(order) and order[-1] == "r")
            ctx.set(replay.write_ends, bool(order) and order[-1] == "w")
            order.append("r" if kind[0] else "w" if kind[1] else ".")
            cycles.append(ctx.get(replay.cycles))
            if len(order) == 20:
                ctx.set(replay.loop, 0)
            await ctx.tick()
        passes = "".join(order).rstrip(".")
        assert passes == "..rw" + "....rw" * ((len(passes) - 4) // 6), passes
        assert 3 <= passes.count("w") <= 4, "it went on although it was told to stop, or never began again"
        assert ctx.get(replay.cycles) == cycles[-1] == 6, "later passes count"

    simulate(replay, bench)


class Pair(wiring.Component):
    """A generator on a memory, without a card between them; `spoil` turns over a bit of what is read."""

    def __init__(self, plan):
        self.plan = plan
        self.generator = TrafficGenerator(plan)
        self.memory = TrafficMemory(plan, plan.targets[0].address_bits, 1 << 13)
        super().__init__({"spoil": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.generator, m.submodules.memory = self.generator, self.memory
        m.d.comb += [self.generator.number.eq(1), self.memory.seed.eq(2)]
        above, below = self.generator.port, self.memory.port
        for name, member in above.signature.members.items():
            m.d.comb += (
                getattr(below, name).eq(getattr(above, name))
                if member.flow == Out
                else getattr(above, name).eq(getattr(below, name))
            )
        m.d.comb += above.rdata.eq(below.rdata ^ self.spoil)
        return m


async def tell(ctx, generator, plane, **settings):
    names = [name for name, _ in settings_layout(generator.plan)]
    for name, value in settings.items():
        ctx.set(generator.setting_plane, plane)
        ctx.set(generator.setting, names.index(name))
        ctx.set(generator.setting_value, value)
        ctx.set(generator.write_setting, 1)
        await ctx.tick()
    ctx.set(generator.write_setting, 0)


async def statistic(ctx, generator, plane, number):
    ctx.set(generator.statistic_plane, plane)
    ctx.set(generator.statistic, number)
    await ctx.tick()
    return ctx.get(generator.value)


async def fill(ctx, generator):
    """Set up both planes, and write every line that a program can ask for."""
    beats = 64 // generator.plan.data_bytes
    for plane in (0, 1):
        await tell(
            ctx, generator, plane, check=1, slot_mask=PLACES - 1, slot_bits=6, length=beats - 1, bursts=2,
            id_walk=1, id_mask=3, limit=4, base0=3, base1=4, replay=0,
        )  # fmt: skip
    ctx.set(generator.measure, 1)
    ctx.set(generator.clear, 1)
    await ctx.tick()
    ctx.set(generator.clear, 0)
    await tell(ctx, generator, 1, run=1)
    while await statistic(ctx, generator, 1, 1) < 2 * PLACES:
        await ctx.tick()
    await tell(ctx, generator, 1, run=0)
    while not ctx.get(generator.idle):
        await ctx.tick()


async def start(ctx, generator):
    """Begin the program, with statistics from 0."""
    for plane in (0, 1):
        await tell(ctx, generator, plane, replay=1, run=1)
    ctx.set(generator.clear, 1)
    await ctx.tick()
    ctx.set(generator.clear, 0)
    ctx.set(generator.replay_start, 1)
    await ctx.tick()
    ctx.set(generator.replay_start, 0)


@pytest.mark.parametrize("spoil", [0, 1])
def test_what_a_replayed_program_reads_is_checked(spoil):
    """Lines are written, a program runs over them, and a bit that turns over on the way is an error in each beat."""
    plan = plan_card(TRIO)
    pair, made = Pair(plan), program(7)
    generator = pair.generator
    beats = 64 // plan.data_bytes

    async def bench(ctx):
        await fill(ctx, generator)
        await store(ctx, generator, made, "replay_")
        ctx.set(pair.spoil, spoil)
        await start(ctx, generator)
        while not ctx.get(generator.replay_ended):
            await ctx.tick()
        writes = sum(write for _, write, _ in made)
        for plane, count in ((0, len(made) - writes), (1, writes)):
            issued, completed = [await statistic(ctx, generator, plane, number) for number in (0, 1)]
            assert (issued, completed) == (count, count)
        assert await statistic(ctx, generator, 1, 5) == 0
        assert await statistic(ctx, generator, 0, 5) == spoil * beats * (len(made) - writes)

    assert PLACES <= SLOTS
    simulate(pair, bench)


def test_a_reset_ends_a_program_and_the_next_start_is_one_from_the_beginning():
    """What the port owed is forgotten with it; nothing is made before the next start, whatever else is switched on."""
    plan = plan_card(TRIO)
    pair = Pair(plan)
    generator = pair.generator
    made = [(place, False, 0) for place in range(PLACES)] * 2  # no writes: the memory is not left within a burst

    async def bench(ctx):
        await fill(ctx, generator)
        await store(ctx, generator, made, "replay_")
        await start(ctx, generator)
        while await statistic(ctx, generator, 0, 0) < 7:
            await ctx.tick()
        assert not ctx.get(generator.idle), "nothing is under way: the reset has nothing to forget"
        ctx.set(generator.reset, 1)
        for _ in range(100):  # until the memory has given what it owed
            await ctx.tick()
        ctx.set(generator.reset, 0)
        await ctx.tick()
        assert not ctx.get(generator.replay_cycles)

        await fill(ctx, generator)
        for plane in (0, 1):
            await tell(ctx, generator, plane, replay=1, run=1)
        ctx.set(generator.clear, 1)
        await ctx.tick()
        ctx.set(generator.clear, 0)
        for _ in range(100):
            await ctx.tick()
        assert await statistic(ctx, generator, 0, 0) == 0, "the program went on after the reset"

        await start(ctx, generator)
        for _ in range(3000):
            await ctx.tick()
        assert ctx.get(generator.replay_ended)
        assert [await statistic(ctx, generator, 0, number) for number in (0, 1, 5)] == [len(made), len(made), 0]

    simulate(pair, bench)
