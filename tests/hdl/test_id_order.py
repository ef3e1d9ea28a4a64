"""G3: within an ID answers are delivered in order, whichever destination answers first; nobody waits for ever."""

import random
from collections import deque
from dataclasses import replace

import pytest

from hdl.fabric.id_order import IdOrder

from .harness import board, simulate


class _Ingress:
    """An ingress around the order: requests from a list, destinations that answer in order at random times."""

    def __init__(self, order, requests, generator):
        self.order, self.requests, self.generator = order, deque(requests), generator
        self.asking = None
        self.given = [{} for _ in range(order.destinations)]  # what each has not answered, by number of the request
        self.waiting = [deque() for _ in range(order.destinations)]
        self.outstanding = []
        self.delivered = []
        self.seen = {"walked": 0, "held": 0}
        self.number = 0

    async def cycle(self, ctx):
        order, generator = self.order, self.generator
        blocked = self.blocked
        if self.asking:
            number, (id_, single, where) = self.asking
            ctx.set(order.id, id_)
            ctx.set(order.single, single)
            ctx.set(order.destination, 1 << where)
        ctx.set(order.valid, bool(self.asking))
        await ctx.delay(1e-7)
        sent = False
        if self.asking:
            allowed = (ctx.get(order.free) or ctx.get(order.previous) >> where & 1) and not blocked
            self.seen["held"] += not allowed
            sent = bool(allowed) and generator.random() < 0.8
            if sent:
                walks = ctx.get(order.walks)
                self.seen["walked"] += walks
                self.waiting[where].append((number, id_, ctx.get(order.sequence), walks))
        ctx.set(order.sent, sent)
        enter = bool(self.requests) and (not self.asking or sent) and ctx.get(order.room)
        ctx.set(order.enter, enter)
        if enter:
            ctx.set(order.enter_id, self.requests[0][0])
            ctx.set(order.enter_single, self.requests[0][1])
        await self._deliver(ctx)
        self.blocked = ctx.get(order.blocked_next)
        if sent:
            self.asking = None
        if enter:
            self.asking = (self.number, self.requests.popleft())
            self.outstanding.append((self.number, self.asking[1][0]))
            self.number += 1
        await ctx.tick()

    blocked = 0

    async def _deliver(self, ctx):
        order, generator = self.order, self.generator
        for n, queue in enumerate(self.waiting):
            if queue:
                ctx.set(getattr(order, f"head{n}_id"), queue[0][1])
                ctx.set(getattr(order, f"head{n}_sequence"), queue[0][2])
        await ctx.delay(1e-7)
        ready = [
            n
            for n, queue in enumerate(self.waiting)
            if queue and (not queue[0][3] or ctx.get(getattr(order, f"in_order{n}")))
        ]
        done = bool(ready) and generator.random() < 0.7
        ctx.set(order.done, done)
        if done:
            number, id_, _, _ = self.waiting[generator.choice(ready)].popleft()
            ctx.set(order.done_id, id_)
            older = [n for n, other in self.outstanding if other == id_ and n < number]
            assert not older, f"request {number} of ID {id_} is answered before {older}"
            self.outstanding.remove((number, id_))


@pytest.mark.parametrize("ordering", ["reorder", "stall"])
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("singles", [1.0, 0.7])
def test_random_requests(ordering, write, singles):
    plan = replace(board("quad"), ordering=ordering)
    order = IdOrder(plan, write=write)
    generator = random.Random(5)
    requests = [
        (generator.choice((1, 1, 2, 9)), int(generator.random() < singles), generator.randrange(order.destinations))
        for _ in range(1500)
    ]
    ingress = _Ingress(order, requests, generator)

    async def bench(ctx):
        while ingress.requests or ingress.outstanding:
            await ingress.cycle(ctx)
        ctx.set(order.done, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(order.idle)

    simulate(order, bench)
    assert bool(ingress.seen["walked"]) == (ordering == "reorder"), ingress.seen
    # Writes that walk hold nobody back.
    assert bool(ingress.seen["held"]) == (ordering == "stall" or (not write and singles < 1)), ingress.seen
