"""G5: a target that dies is cut off, everybody who waits for it is answered, and it can be attached again."""

import random
from collections import Counter, deque
from dataclasses import replace

import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.fabric.cutoff import Cutoff
from hdl.fabric.egress_strict import StrictEgress
from hdl.fabric.owed import Owed

from .harness import board, simulate

TIMEOUT = 256
SOURCES = 2


class Port(wiring.Component):
    """One plane of a target port with what cuts it off; the other plane is still."""

    def __init__(self, plan, *, write):
        self.plan, self.write = plan, write
        self.egress = StrictEgress(plan, plan.targets[0], write=write)
        super().__init__({"attach": In(1), "cut": Out(1), "settled": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.egress = egress = self.egress
        m.submodules.cutoff = cutoff = Cutoff(self.plan.targets[0])
        m.d.comb += [
            egress.cut.eq(cutoff.cut),
            cutoff.overdue.eq(Cat(egress.overdue)),
            cutoff.swept.eq(Cat(egress.swept, 1)),
            cutoff.attach.eq(self.attach),
            self.cut.eq(cutoff.cut),
            self.settled.eq(cutoff.settled),
        ]
        return m


class Initiators:
    """Send single requests with a slot each, and know how often each slot was answered."""

    def __init__(self, port, generator):
        self.egress, self.plan, self.random, self.write = port.egress, port.plan, generator, port.write
        self.free = [deque(range(1, port.plan.outstanding)) for _ in range(SOURCES)]
        self.since = {}  # (source, slot): cycle
        self.left = {}  # beats that the target has yet to give of a read
        self.answers = Counter()
        self.oldest = 0

    def send(self, ctx, cycle, likely):
        for n in range(SOURCES):
            goes = bool(self.free[n]) and self.random.random() < likely
            ready = not self.write or ctx.get(self.egress.beat_ready) >> n & 1
            valid = ctx.get(self.egress.request_valid) & ~(1 << n)
            ctx.set(self.egress.request_valid, valid | (goes and ready) << n)
            if self.write:
                ctx.set(self.egress.beat_valid, valid | (goes and ready) << n)
                ctx.set(getattr(self.egress, f"beat{n}"), {"last": 1})
            if goes and ready:
                slot = self.free[n].popleft()
                length = 0 if self.write else self.random.choice((0, 0, 3))
                ctx.set(getattr(self.egress, f"asking{n}"), {"length": length, "slice": 1})
                ctx.set(getattr(self.egress, f"rest{n}"), {"slot": slot, "length": length})
                self.since[n, slot] = cycle

    def receive(self, ctx, cycle):
        for n in range(SOURCES):
            lane = ctx.get(getattr(self.egress, f"lane{n}"))
            if not lane.valid:
                continue
            assert (n, lane.slot) in self.since, "an answer that nobody waits for"
            if lane.denied or lane.answer.last:
                self.oldest = max(self.oldest, cycle - self.since.pop((n, lane.slot)))
                self.answers["refused" if lane.denied else "answered"] += 1
                self.free[n].append(lane.slot)


class Target:
    """Answers in any order, as long as it lives; `loses` some requests for ever."""

    def __init__(self, port, generator):
        self.egress, self.random, self.write = port.egress, generator, port.write
        self.waiting, self.addresses, self.data, self.offer = [], deque(), 0, None

    def step(self, ctx, *, alive, loses):
        egress = self.egress
        if self.offer and ctx.get(egress.answer.ready):
            self.offer = None
        takes = alive and self.random.random() < 0.8
        ctx.set(egress.address.ready, takes)
        if self.write:
            ctx.set(egress.w.ready, alive)
            self.data += bool(alive and ctx.get(egress.w.valid))
        if takes and ctx.get(egress.address.valid) and self.random.random() >= loses:
            self.addresses.append([ctx.get(egress.identity), ctx.get(egress.address.payload).length])
        elif takes and ctx.get(egress.address.valid):
            self.data -= 1
        while self.addresses and (not self.write or self.data > 0):
            self.data -= self.write
            self.waiting.append(self.addresses.popleft())

    def answer(self, ctx, *, alive):
        egress = self.egress
        if self.offer is None and alive and self.waiting and self.random.random() < 0.7:
            piece = self.random.choice(self.waiting)
            self.offer = {"id": piece[0], "answer": {"last": piece[1] == 0}}
            piece[1] -= 1
            if piece[1] < 0:
                self.waiting.remove(piece)
        ctx.set(egress.answer.valid, self.offer is not None)
        if self.offer:
            ctx.set(egress.answer.payload, self.offer)

    def reset(self):
        self.waiting, self.addresses, self.data, self.offer = [], deque(), 0, None


def _plan():
    plan = board("quad")
    target = replace(plan.targets[0], timeout=TIMEOUT, initiators=tuple(range(SOURCES)), kind="registers", keyed=1)
    return replace(plan, outstanding=8, initiators=plan.initiators[:4], targets=(target, *plan.targets[1:]))


def _port(write):
    return Port(_plan(), write=write)


async def _open(ctx, egress):
    """The target's key is 1, and slice 1 may."""
    ctx.set(egress.key_value, 1)
    ctx.set(egress.key_write, 1)
    ctx.set(egress.rights_key, 1)
    ctx.set(egress.rights_slices, 2)
    ctx.set(egress.rights_write, 1)
    await ctx.tick()
    ctx.set(egress.key_write, 0)
    ctx.set(egress.rights_write, 0)
    await ctx.tick().repeat(1 << egress.plan.target_id_bits)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("dies", ["altogether", "for one request"])
def test_everybody_is_answered_and_the_target_comes_back(write, dies):
    port = _port(write)
    generator = random.Random(5)
    initiators, target = Initiators(port, generator), Target(port, generator)
    cuts = []

    async def bench(ctx):
        await _open(ctx, port.egress)
        died = None
        attached = 0
        for cycle in range(6000):
            if died is None and cycle - attached > 500 and cycle < 5000:
                died = cycle
            alive = died is None or dies != "altogether"
            loses = 1.0 if died is not None and dies != "altogether" and not target.lost else 0
            initiators.send(ctx, cycle, 0.3 if cycle < 5200 else 0)
            target.answer(ctx, alive=alive)
            initiators.receive(ctx, cycle)
            before = len(target.waiting) + len(target.addresses)
            target.step(ctx, alive=alive, loses=loses)
            target.lost |= bool(loses) and len(target.waiting) + len(target.addresses) < before
            if ctx.get(port.cut):
                assert not ctx.get(port.egress.address.valid), "a target that is cut off sees a request"
                if not cuts or cuts[-1] < (died or 0):
                    cuts.append(cycle)
                    assert cycle - died <= 2 * TIMEOUT + 20
                if ctx.get(port.settled) and cycle - cuts[-1] > 400:
                    target.reset()
                    ctx.set(port.egress.answer.valid, 0)
                    ctx.set(port.attach, 1)
                    died, attached, target.lost = None, cycle, False
            else:
                ctx.set(port.attach, 0)
            await ctx.tick()

    target.lost = False
    simulate(port, bench)
    assert not initiators.since, "somebody still waits"
    assert len(cuts) >= 3
    assert initiators.answers["refused"] > 20 and initiators.answers["answered"] > 200
    assert initiators.oldest <= 2 * TIMEOUT + 200


def test_a_target_that_answers_in_time_is_left_alone():
    """It may take up to the limit for each request."""
    port = _port(False)
    egress = port.egress

    async def bench(ctx):
        await _open(ctx, egress)
        ctx.set(egress.address.ready, 1)
        for n in range(20):
            ctx.set(egress.asking0, {"slice": 1})
            ctx.set(egress.rest0, {"slot": 1 + n % 7})
            ctx.set(egress.request_valid, 1)
            await ctx.tick()
            ctx.set(egress.request_valid, 0)
            while not ctx.get(egress.address.valid):
                await ctx.tick()
            identity = ctx.get(egress.identity)
            await ctx.tick().repeat(TIMEOUT - 2)
            assert not ctx.get(port.cut), "cut off though it was in time"
            ctx.set(egress.answer.payload, {"id": identity, "answer": {"last": 1}})
            ctx.set(egress.answer.valid, 1)
            assert ctx.get(egress.lane0).valid
            await ctx.tick()
            assert not ctx.get(egress.lane0).valid, "an answer to nothing is delivered"
            assert ctx.get(egress.answer.ready), "an answer to nothing is not taken away"
            ctx.set(egress.answer.valid, 0)

    simulate(port, bench)


def test_a_lost_request_is_found_while_the_target_answers_all_others_at_once():
    """A request and an answer in every cycle leave no cycle in between."""
    plan = _plan()
    target = plan.targets[0]
    owed = Owed(plan, target)
    lost, others = 5, range(8, 8 + 4)

    async def bench(ctx):
        while not ctx.get(owed.ready):
            await ctx.tick()
        ctx.set(owed.offers, 1)
        ctx.set(owed.leaves, 1)
        ctx.set(owed.identity, lost)
        await ctx.tick()
        before = None
        for cycle in range(2 * target.timeout):
            ctx.set(owed.identity, others[cycle % len(others)])
            ctx.set(owed.answered, before is not None)
            ctx.set(owed.answer_id, before or 0)
            assert before is None or ctx.get(owed.owes), "what was asked is not owed"
            before = others[cycle % len(others)]
            if ctx.get(owed.overdue):
                assert cycle >= target.timeout - 1, "overdue too early"
                return
            await ctx.tick()
        raise AssertionError("nobody notices that a request is lost")

    simulate(owed, bench)
