# amaranth: UnusedElaboratable=no
"""G5: nobody waits for ever at an arbiter, and classes and turns are kept."""

import random

import pytest

from hdl.fabric.arbiter import Arbiter, RoundRobin
from hdl.plan.plan import PATIENCE

from .harness import simulate


def _grants(component, cycles, drive):
    """Index granted in each cycle (None: nobody); `drive(cycle)` gives (requests, classes)."""
    granted = []

    async def bench(ctx):
        ctx.set(component.enable, 1)
        for cycle in range(cycles):
            requests, classes = drive(cycle)
            ctx.set(component.request, requests)
            for n, level in enumerate(classes):
                ctx.set(getattr(component, f"class{n}"), level)
            await ctx.delay(1e-7)
            grant = ctx.get(component.grant)
            assert grant & ~requests == 0, "granted without a request"
            assert grant & (grant - 1) == 0, "granted two at once"
            granted.append(grant.bit_length() - 1 if grant else None)
            await ctx.tick()

    simulate(component, bench)
    return granted


def test_equal_classes_take_turns():
    assert _grants(Arbiter(3, 4), 6, lambda _: (0b111, (1, 1, 1))) == [0, 1, 2, 0, 1, 2]


def test_turn_is_kept_while_somebody_pauses():
    requests = [0b111, 0b101, 0b101, 0b111, 0b111]
    assert _grants(Arbiter(3, 1), 5, lambda cycle: (requests[cycle], (0, 0, 0))) == [0, 2, 0, 1, 2]


def test_higher_class_goes_first():
    # Classes are compared a cycle ahead.
    granted = _grants(Arbiter(3, 4), PATIENCE, lambda cycle: (0b111 if cycle else 0, (0, 3, 1)))
    assert granted == [None] + [1] * (PATIENCE - 1)


def test_lower_class_gets_every_grant_that_ignores_classes():
    granted = _grants(Arbiter(3, 4), 1 + 4 * (PATIENCE + 1), lambda cycle: (0b111 if cycle else 0, (0, 3, 0)))[1:]
    low = [n for n in granted if n != 1]
    assert low[:2] == [0, 2], "the two lower inputs share the grants that ignore classes"
    assert granted.count(1) >= 4 * PATIENCE - 1


@pytest.mark.parametrize(("inputs", "classes"), [(1, 1), (1, 4), (2, 2), (5, 4), (9, 8)])
def test_nobody_waits_longer_than_the_bound(inputs, classes):
    """The bound of the docstring, under random and persistent requests."""
    generator = random.Random(inputs * 31 + classes)
    pending = [0] * inputs
    levels = [generator.randrange(classes) for _ in range(inputs)]
    waits = [0] * inputs
    worst = 0

    def drive(cycle):
        for n in range(inputs):
            if not pending[n] and generator.random() < 0.9:
                pending[n], levels[n] = 1, generator.randrange(classes)
        return sum(bit << n for n, bit in enumerate(pending)), levels

    component = Arbiter(inputs, classes)

    async def bench(ctx):
        nonlocal worst
        ctx.set(component.enable, 1)
        for cycle in range(3000):
            requests, classes_now = drive(cycle)
            ctx.set(component.request, requests)
            for n, level in enumerate(classes_now):
                ctx.set(getattr(component, f"class{n}"), level)
            await ctx.delay(1e-7)
            winner = ctx.get(component.grant).bit_length() - 1
            for n in range(inputs):
                if n == winner:
                    pending[n], waits[n] = 0, 0
                elif pending[n]:
                    waits[n] += 1
                    worst = max(worst, waits[n])
            await ctx.tick()

    simulate(component, bench)
    assert worst < (PATIENCE + 2) * inputs
    if inputs > 1:
        assert worst > 0, "nobody ever waited: the test shows nothing"


def test_grant_that_is_not_taken_changes_nothing():
    component = RoundRobin(2)

    async def bench(ctx):
        for candidates in (0b10, 0b11, 0b11):  # who comes later does not change it
            ctx.set(component.candidates, candidates)
            assert ctx.get(component.grant) == 0b10
            await ctx.tick()
        ctx.set(component.accept, 1)
        await ctx.tick()
        assert ctx.get(component.grant) == 0b01
        await ctx.tick()
        assert ctx.get(component.grant) == 0b10

    simulate(component, bench)


def test_no_inputs_is_refused():
    with pytest.raises(ValueError, match=r"^An arbiter needs at least one input, not 0$"):
        Arbiter(0, 1)
