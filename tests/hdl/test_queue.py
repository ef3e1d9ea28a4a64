"""G3: a queue loses nothing, doubles nothing, keeps the order; its ring visits every place."""

import random
from collections import deque

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hdl.bus.queue import Queue, following

from .harness import simulate


@pytest.mark.parametrize(("depth", "seed"), [(2, 0), (4, 1), (16, 2), (64, 3)])
def test_random_traffic_against_a_python_queue(depth, seed):
    queue = Queue(16, depth)
    generator = random.Random(seed)
    model = deque()
    seen = {"full": 0, "empty": 0, "through": 0, "cleared": 0}

    async def bench(ctx):
        for serial in range(4000):
            busy = (serial // 256) % 2  # fills up in one stretch, runs dry in the next
            push, pop = generator.random() < (0.4, 0.9)[busy], generator.random() < (0.9, 0.4)[busy]
            clear = generator.random() < 0.002
            ctx.set(queue.i.valid, push)
            ctx.set(queue.i.payload, serial)
            ctx.set(queue.o.ready, pop)
            ctx.set(queue.clear, clear)
            ready = ctx.get(queue.i.ready)
            assert ready == (len(model) < depth)
            assert ctx.get(queue.o.valid) == bool(model)
            seen["full"] += not ready
            seen["empty"] += not model
            seen["through"] += push and ready and pop and bool(model)
            if model:
                assert ctx.get(queue.o.payload) == model[0]
                if pop:
                    model.popleft()
            if push and ready:
                model.append(serial)
            if clear:
                model.clear()
                seen["cleared"] += 1
            await ctx.tick()

    simulate(queue, bench)
    assert min(seen.values()) > 0, seen


class _Ring(wiring.Component):
    """`following`, seen from outside."""

    def __init__(self, bits: int, *, whole: bool) -> None:
        self.whole = whole
        super().__init__({"place": Out(bits, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = Signal.like(self.place, name="next_place")
        m.d.comb += place.eq(following(self.place, whole=self.whole))
        m.d.sync += self.place.eq(place)
        return m


@pytest.mark.parametrize(
    ("bits", "whole"), [(1, True), *((bits, whole) for bits in (2, 3, 4, 5, 6) for whole in (True, False))]
)
def test_ring_visits_every_place(bits, whole):
    ring = _Ring(bits, whole=whole)
    places = []

    async def bench(ctx):
        for _ in range(2 << bits):
            places.append(ctx.get(ring.place))
            await ctx.tick()

    simulate(ring, bench)
    period = (1 << bits) - (not whole)
    assert set(places[:period]) == set(range(int(not whole), 1 << bits))
    assert places[period] == places[0]
