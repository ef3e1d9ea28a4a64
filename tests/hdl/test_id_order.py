"""G3: within an ID answers are delivered in order, whichever destination answers first; nobody waits for ever."""

import random
from collections import deque
from dataclasses import replace

import pytest

from hdl.fabric.id_order import IdOrder

from .harness import board, simulate

RING = 3


class _Ingress:
    """An ingress around the order: requests from a list, destinations that answer in order at random times."""

    def __init__(self, order, requests, generator):
        self.order, self.requests, self.generator = order, deque(requests), generator
        self.ring = deque()  # numbers of requests, with what the order knows of them
        self.waiting = [deque() for _ in range(order.destinations)]  # what each has not answered
        self.outstanding = []
        self.seen = {"walked": 0, "held": 0}
        self.number = 0
        self.blocked = 0

    async def cycle(self, ctx):
        order, generator = self.order, self.generator
        valid = bool(self.ring)
        ctx.set(order.valid, valid)
        if valid:
            ctx.set(order.head, self.ring[0][1])
        enter = len(self.ring) < RING and bool(self.requests) and generator.random() < 0.8 and ctx.get(order.room)
        ctx.set(order.enter, enter)
        if enter:
            id_, single, where = self.requests.popleft()
            ctx.set(order.enter_id, id_)
            ctx.set(order.enter_destination, 1 << where)
            await ctx.delay(1e-7)
            known = {"sequence": ctx.get(order.sequence), "previous": ctx.get(order.previous)}
            self.ring.append((self.number, {"id": id_, "single": single, "destination": 1 << where, **known}))
            self.outstanding.append((self.number, id_))
            self.number += 1
        if len(self.ring) > valid:
            ctx.set(order.coming, self.ring[valid][1])
        await ctx.delay(1e-7)
        sent = False
        if valid:
            number, head = self.ring[0]
            may_go = ctx.get(order.free) or head["previous"] & head["destination"]
            allowed = bool(may_go) and not self.blocked
            self.seen["held"] += not allowed
            sent = allowed and generator.random() < 0.8
        ctx.set(order.sent, sent)
        ctx.set(order.moves, sent or not valid)
        await self._deliver(ctx)
        self.blocked = ctx.get(order.blocked_next)
        if sent:
            walks = ctx.get(order.walks)
            self.seen["walked"] += walks
            self._check_room(walks, head["single"])
            self.waiting[head["destination"].bit_length() - 1].append(
                (number, head["id"], head["sequence"], walks, head["single"])
            )
            self.ring.popleft()
        await ctx.tick()

    def _check_room(self, walks, single):
        """What walks may have to wait for others, so there must be room for it: one beat each, and nothing longer."""
        away = [entry for queue in self.waiting for entry in queue]
        if not self.order.write:
            assert single or not walks
            assert not (walks and any(not other_single for *_, other_single in away))
            assert single or not any(other_walks for *_, other_walks, _ in away)

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
            number, id_, *_ = self.waiting[generator.choice(ready)].popleft()
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
