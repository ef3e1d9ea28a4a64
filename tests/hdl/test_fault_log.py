# amaranth: UnusedElaboratable=no
"""Every denial is in the fault log or in its count of lost ones, and nobody is asked to wait."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from hdl.control.fault_log import FaultLog, Origin, origins
from hdl.fabric import layouts

from .harness import board, simulate


def numbered(plan, number, origin):
    """A fault whose fields all depend on `number`, so that two cannot be mixed up; the log knows what `origin` says."""
    limits = {
        "initiator": 1 << plan.source_bits,
        "target": len(plan.targets),
        "context": 1 << plan.user_bits,
        "slice": plan.slices,
    }
    values = {}
    for name, field in layouts.fault(plan):
        values[name] = (number * 0x9E3779B97F4A7C15 >> 13) % limits.get(name, 1 << field.width)
    values |= {"address": number, "kind": 1 + number % 5, "write": int(origin.write), origin.place: origin.index}
    if origin.place == "initiator":
        values["target"] = 0
    return values


def forged(plan, fault, origin, random):
    """The same fault with nonsense where the log knows better."""
    known = {origin.place, "write"} | ({"target"} if origin.place == "initiator" else set())
    layout = layouts.fault(plan)
    return fault | {name: random.randrange(1 << layout[name].width) for name in known}


class Traffic:
    """Drives every source at random, pops at random, and keeps what was denied and what was read."""

    def __init__(self, plan, log, seed):
        self.plan, self.log, self.random = plan, log, random.Random(seed)
        self.denied: dict[int, dict[str, int]] = {}
        self.read: list[dict[str, int]] = []

    async def cycles(self, ctx, cycles, density, popping):
        """`density`: likelihood of a denial at a source; `popping`: likelihood of a pop; both for each cycle."""
        for _ in range(cycles):
            for n, origin in enumerate(self.log.sources):
                source = getattr(self.log, f"source{n}")
                valid = self.random.random() < density
                number = len(self.denied) + 1 if valid else self.random.randrange(1000)
                fault = numbered(self.plan, number, origin)
                ctx.set(source.valid, valid)
                ctx.set(source.fault, forged(self.plan, fault, origin, self.random))
                if valid:
                    self.denied[number] = fault
            pop = self.random.random() < popping
            ctx.set(self.log.pop, pop)
            assert ctx.get(self.log.pending) == (ctx.get(self.log.level) != 0)
            if pop and ctx.get(self.log.pending):
                self.take(ctx)
            await ctx.tick()
        ctx.set(self.log.pop, 0)

    def take(self, ctx):
        entry = ctx.get(self.log.head)
        self.read.append({name: entry[name] for name, _ in layouts.fault(self.plan)})

    async def settle(self, ctx):
        """Let everything that is on its way arrive."""
        await self.cycles(ctx, len(self.log.sources) + 6, 0, 0)

    async def empty(self, ctx):
        while ctx.get(self.log.pending):
            self.take(ctx)
            ctx.set(self.log.pop, 1)
            await ctx.tick()
        ctx.set(self.log.pop, 0)


@pytest.mark.parametrize(("name", "sources"), [("mini", 8), ("quad", 24), ("mini", 1), ("mini", 2)])
def test_logged_and_lost_are_all(name, sources):
    """Under any load, what was logged plus what was lost is exactly what was denied; entries are intact and unique."""
    plan = board(name)
    log = FaultLog(plan, origins(plan)[-sources:])
    assert len(log.sources) == sources
    traffic = Traffic(plan, log, seed=sources)

    async def bench(ctx):
        for density, popping in ((0.02, 0.5), (1, 0.3), (0.3, 1), (0, 1), (1, 0), (0.05, 0.2), (0.5, 0.5)):
            await traffic.cycles(ctx, 60, density, popping)
            await traffic.settle(ctx)
            logged = len(traffic.read) + ctx.get(log.level)
            assert logged + ctx.get(log.lost) == len(traffic.denied)
        await traffic.empty(ctx)

    simulate(log, bench)
    numbers = [entry["address"] for entry in traffic.read]
    assert len(set(numbers)) == len(numbers), "logged twice"
    assert all(entry == traffic.denied[entry["address"]] for entry in traffic.read), "mixed up"


def test_nothing_is_lost_while_there_is_room():
    """One source may deny in every second cycle, and all sources once together: the log takes them all, in order."""
    plan = board("quad")
    log = FaultLog(plan, origins(plan))
    fifth = log.sources[5]
    at_once = min(plan.fault_log, len(log.sources))

    async def bench(ctx):
        for number in range(1, plan.fault_log + 1):
            ctx.set(log.source5.valid, 1)
            ctx.set(log.source5.fault, numbered(plan, number, fifth))
            await ctx.tick()
            ctx.set(log.source5.valid, 0)
            await ctx.tick()
        await ctx.tick().repeat(4)
        assert (ctx.get(log.level), ctx.get(log.lost)) == (plan.fault_log, 0)
        ctx.set(log.pop, 1)
        for number in range(1, plan.fault_log + 1):
            assert ctx.get(log.head).address == number
            await ctx.tick()
        assert (ctx.get(log.level), ctx.get(log.pending), ctx.get(log.head).kind) == (0, 0, 0)
        await ctx.tick().repeat(3)
        assert ctx.get(log.level) == 0, "a pop of an empty log does nothing"

        ctx.set(log.pop, 0)
        for n in range(at_once):
            ctx.set(getattr(log, f"source{n}").valid, 1)
        await ctx.tick()
        for n in range(at_once):
            ctx.set(getattr(log, f"source{n}").valid, 0)
        await ctx.tick().repeat(at_once + 4)
        assert (ctx.get(log.level), ctx.get(log.lost)) == (at_once, 0)

    simulate(log, bench)


def test_no_source_is_shut_out():
    """However many denials the others make, none of them gets more than two turns in the log before a source's own."""
    plan = board("mini")
    log = FaultLog(plan, [Origin("target", n, write=False) for n in range(2)] * 3)
    seen = []

    async def bench(ctx):
        for n in range(6):
            ctx.set(getattr(log, f"source{n}").valid, 1)
            ctx.set(getattr(log, f"source{n}").fault.address, n)
        ctx.set(log.pop, 1)
        for _ in range(40):
            if ctx.get(log.pending):
                seen.append(ctx.get(log.head).address)
            await ctx.tick()

    simulate(log, bench)
    for source in range(6):
        turns = [n for n, number in enumerate(seen) if number == source]
        assert len(turns) > 3
        for before, after in pairwise([-1, *turns]):
            assert max(Counter(seen[before + 1 : after]).values(), default=0) <= 2, seen


def test_full_log_keeps_the_oldest():
    """A full log counts what comes; the entries that it has stay as they are."""
    plan = board("mini")
    origin = Origin("target", 0, write=True)
    log = FaultLog(plan, [origin])

    async def bench(ctx):
        for number in range(1, 100):
            ctx.set(log.source0.valid, 1)
            ctx.set(log.source0.fault, numbered(plan, number, origin))
            await ctx.tick()
            ctx.set(log.source0.valid, 0)
            await ctx.tick()
        await ctx.tick().repeat(5)
        assert (ctx.get(log.level), ctx.get(log.lost)) == (plan.fault_log, 99 - plan.fault_log)
        ctx.set(log.pop, 1)
        for number in range(1, plan.fault_log + 1):
            assert ctx.get(log.head).address == number
            await ctx.tick()

    simulate(log, bench)


def test_a_log_without_sources_is_an_error():
    with pytest.raises(ValueError, match=r"^A fault log needs at least one source$"):
        FaultLog(board("mini"), [])
