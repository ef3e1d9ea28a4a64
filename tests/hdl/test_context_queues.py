"""G6 on a port with several contexts: who has no budget steps aside, with all that AXI's order asks for."""

import random
from collections import defaultdict, deque
from dataclasses import replace
from itertools import cycle

import pytest

from hdl.fabric import context_data
from hdl.fabric.context_queues import ContextQueues, places

from .harness import board, simulate

CONTEXTS = 4
STRANGER = 5
"""AxUSER of no context; it is never held back."""


def port(plan, contexts=CONTEXTS):
    host = plan.initiators[0]
    return replace(host, contexts=tuple(replace(host.contexts[0], number=n) for n in range(contexts)))


def card():
    """A card on which AxUSER has room for a number of no context."""
    plan = replace(board("quad"), data_width=32)
    more = replace(plan.initiators[1], contexts=tuple(replace(plan.contexts[0], number=n) for n in range(8)))
    return replace(plan, initiators=(port(plan), more))


class Bench:
    """An initiator in front of the queues and an ingress behind them, both at random.

    Members
    -------
    asked : dict
        By ID, requests that have been accepted and not left, as (number, context, beats).
    left : list of (cycle, context)
    """

    def __init__(self, dut, generator, *, write):
        self.dut, self.random, self.write = dut, generator, write
        self.asked = defaultdict(deque)
        self.left = []
        self.offer = None
        self.number = 0
        self.to_give = deque()  # words that the initiator still has to give
        self.due = deque()  # words that must come out next
        self.words = {}

    async def cycle(self, ctx, may_go, wanted, *, gives=1.0, takes=1.0):
        """`wanted` makes (context, id, beats) of a new request, or None."""
        dut = self.dut
        ctx.set(dut.may_go, may_go)
        if self.offer is None and (new := wanted()) is not None:
            self.offer = (self.number, *new)
            self.number += 1
        ctx.set(dut.i.valid, self.offer is not None)
        if self.offer:
            number, context, identity, beats = self.offer
            request = {"id": identity, "addr": number, "len": beats - 1, "user": context}
            ctx.set(dut.i.payload, {"request": request, "mark": {"owned": number & 1, "tenure": number >> 1 & 1}})
        ctx.set(dut.o.ready, self.random.random() < takes)
        if self.write:
            ctx.set(dut.w.valid, bool(self.to_give) and self.random.random() < gives)
            ctx.set(dut.w.payload, {"data": self.to_give[0] if self.to_give else 0, "strb": 15})
            ctx.set(dut.o_w.ready, self.random.random() < takes)  # by another queue than the requests
        if self.offer and ctx.get(dut.i.ready):
            self._accept()
        if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
            self._leave(ctx, may_go)
        if self.write:
            if ctx.get(dut.o_w.valid) and ctx.get(dut.o_w.ready):
                assert ctx.get(dut.o_w.payload).data == self.due.popleft(), "data of another request"
            if ctx.get(dut.w.valid) and ctx.get(dut.w.ready):
                self.to_give.popleft()
        await ctx.tick()

    def _accept(self):
        number, context, identity, beats = self.offer
        self.asked[identity].append((number, context, beats))
        self.words[number] = [number << 8 | beat for beat in range(beats)] if self.write else []
        self.to_give.extend(self.words[number])
        self.offer = None

    def _leave(self, ctx, may_go):
        leaving = ctx.get(self.dut.o.payload)
        number, context, beats = self.asked[leaving.request.id].popleft()
        assert (leaving.request.addr, leaving.request.user) == (number, context), "requests of an ID overtake"
        assert leaving.request.len == beats - 1
        assert leaving.mark.owned | leaving.mark.tenure << 1 == number % 4
        assert context == STRANGER or may_go >> context & 1, "it left without budget"
        self.left.append(context)
        self.due.extend(self.words.pop(number))

    @property
    def empty(self):
        return not (any(self.asked.values()) or self.offer or self.to_give or self.due)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("gives", "takes"), [(0.8, 0.8), (1.0, 0.4), (0.4, 1.0)])
def test_nothing_is_lost_and_no_id_overtakes_itself(write, shared, gives, takes):
    """Budgets come and go; contexts have IDs of their own or the same ones; data may be slow, or taken slowly."""
    plan = card()
    dut = ContextQueues(plan, plan.initiators[0], write=write)
    generator = random.Random(7)
    bench = Bench(dut, generator, write=write)

    def wanted():
        if generator.random() < 0.4:
            return None
        context = generator.choice((0, 1, 2, 3, STRANGER))
        identity = generator.randrange(4) if shared else 4 * (context % 4) + generator.randrange(3) + (context > 3)
        # The longest do not fit into a context's part of the memory.
        return context, identity, generator.choice((1,) * 12 + (2, 7, 7, 30, 140))

    async def run(ctx):
        may_go = 15
        for now in range(8000):
            if now % 20 == 0:
                may_go = 15 if now % 4000 > 1900 else generator.choice((15, 15, generator.randrange(16)))
            rest = now % 4000 > 2000
            await bench.cycle(ctx, may_go, (lambda: None) if rest else wanted, gives=gives, takes=takes)
            if now % 4000 == 3999:
                assert bench.empty, "something never came"

    simulate(dut, run)
    assert len(bench.left) > (100 if write else 300)


@pytest.mark.parametrize("write", [False, True])
def test_others_go_on_at_full_rate(write):
    """A context without budget has as much aside as it may; the others have a request in every cycle."""
    plan = card()
    dut = ContextQueues(plan, plan.initiators[0], write=write)
    bench = Bench(dut, random.Random(3), write=write)
    aside = min(places(CONTEXTS) - 1, context_data.beats(CONTEXTS) // 4)

    async def run(ctx):
        for _ in range(20):
            await bench.cycle(ctx, 15, lambda: (2, 2, 1))
        assert bench.left == [2] * 20, "a request waits though all may go"
        blocked = iter([(1, 1, 4)] * aside)
        for _ in range(5 * aside):
            await bench.cycle(ctx, 0b1101, lambda: next(blocked, None))
        before = len(bench.left)
        others = cycle([(0, 0, 1), (2, 2, 1)])
        for _ in range(300):
            await bench.cycle(ctx, 0b1101, lambda: next(others))
        assert len(bench.left) >= before + 295
        assert {0, 2} == set(bench.left[before:])
        for _ in range(20 + 5 * aside):
            await bench.cycle(ctx, 15, lambda: None)
        assert bench.empty
        await bench.cycle(ctx, 15, lambda: (0, 0, 1))
        assert bench.left[-1] == 0, "it waits though nobody stands aside any more"

    simulate(dut, run)


@pytest.mark.parametrize("write", [False, True])
def test_those_that_may_go_take_turns(write):
    """Of several contexts with many requests aside none waits for more than one request of each other."""
    plan = card()
    dut = ContextQueues(plan, plan.initiators[0], write=write)
    bench = Bench(dut, random.Random(5), write=write)

    async def run(ctx):
        queued = iter([(context, context, 1) for context in (3, 0, 1) for _ in range(8)])
        for _ in range(30):
            await bench.cycle(ctx, 0b0100, lambda: next(queued, None))
        assert not bench.left
        for _ in range(20):
            await bench.cycle(ctx, 0b1011, lambda: None)
        assert all(set(bench.left[n : n + 3]) == {0, 1, 3} for n in range(0, 15, 3)), bench.left

    simulate(dut, run)


@pytest.mark.parametrize("write", [False, True])
def test_a_full_queue_holds_up_the_port(write):
    """As many requests as a context may have aside are taken, and not one more; who stands is told."""
    plan = card()
    dut = ContextQueues(plan, plan.initiators[0], write=write)
    bench = Bench(dut, random.Random(5), write=write)

    async def run(ctx):
        for _ in range(3 * places(CONTEXTS)):
            await bench.cycle(ctx, 0b1011, lambda: (2, 2, 1))
        assert len(bench.asked[2]) == places(CONTEXTS)
        assert (ctx.get(dut.stands), ctx.get(dut.standing_context)) == (1, 2)
        for _ in range(3 * places(CONTEXTS)):
            await bench.cycle(ctx, 15, lambda: None)
        assert bench.empty and not ctx.get(dut.stands)

    simulate(dut, run)
