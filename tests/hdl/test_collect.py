"""G3, G5: answers come in any order; each leaves once, whole, in the order of its ID, and waits for no other ID."""

import random
from collections import defaultdict, deque
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.fabric import layouts
from hdl.fabric.collect import Collect, answer_layout, info_layout
from hdl.fabric.ingress_strict import CHAINED, CLEARED, FREED, PICKED
from hdl.fabric.slots import Slots

from .harness import board, simulate

OKAY, SLVERR, DECERR = 0, 2, 3
TARGETS = 3


def small():
    """The example card's plan with few slots, so that they run out."""
    plan = board("quad")
    return replace(plan, outstanding=8, targets=plan.targets[:TARGETS], id_width=2)


class WayBack(wiring.Component):
    """Slots and collection, connected as in an ingress."""

    def __init__(self, plan, *, write):
        self.plan, self.write = plan, write
        super().__init__(
            {
                "enter": In(1),
                "room": Out(1),
                "slot": Out(plan.slot_bits),
                "info": In(info_layout(plan)),
                "denied": In(1),
                "denied_slot": In(plan.slot_bits),
                **{f"lane{t}": In(layouts.lane(plan, write=write)) for t in range(TARGETS)},
                "o": Out(stream.Signature(answer_layout(plan, write=write))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.slots = slots = Slots(self.plan)
        m.submodules.collect = collect = Collect(self.plan, write=self.write)
        m.d.comb += [
            slots.enter.eq(self.enter),
            slots.id.eq(self.info.id),
            self.room.eq(slots.room),
            self.slot.eq(slots.slot),
            self.idle.eq(slots.idle),
            collect.info.eq(self.info),
            collect.info_slot.eq(slots.slot),
            collect.info_write.eq(self.enter),
            collect.denied.eq(self.denied),
            collect.denied_slot.eq(self.denied_slot),
            *(getattr(slots, name).eq(getattr(collect, name)) for name in (*PICKED, *FREED)),
            *(getattr(collect, name).eq(getattr(slots, name)) for name in (*CHAINED, *CLEARED)),
            *(getattr(collect, f"lane{t}").eq(getattr(self, f"lane{t}")) for t in range(TARGETS)),
        ]
        wiring.connect(m, wiring.flipped(self.o), collect.o)
        return m


class Model:
    """Makes requests in bursts of pieces, answers them at random, and knows what must be delivered."""

    def __init__(self, seed, *, write):
        self.random, self.write = random.Random(seed), write
        self.burst = None  # pieces of the ID's burst that are still to come
        self.expected = defaultdict(deque)  # by ID: beats that must come, in order
        self.lanes = [{} for _ in range(TARGETS)]  # by slot: beats that the target still gives
        self.serial = 0
        self.merged = {}

    def piece(self):
        """The next request: its info, and whether the ingress denies it."""
        if self.burst is None:
            self.burst = {"id": self.random.randrange(4), "left": self.random.choice((1, 1, 2, 4)), "first": 1}
        self.burst["left"] -= 1
        target = self.random.randrange(TARGETS + 1)
        info = {
            "id": self.burst["id"],
            "length": self.random.choice((0, 0, 1, 7, 15)),
            "first": self.burst["first"],
            "final": int(self.burst["left"] == 0),
            "lane": (1 << target) if target < TARGETS else 0,
        }
        self.burst["first"] = 0
        if info["final"]:
            self.burst = None
        return info, target

    def ask(self, info, target, slot):
        """Note what must become of a request that has its slot."""
        refused = target < TARGETS and self.random.random() < 0.2
        code = DECERR if target == TARGETS else SLVERR if refused else self.random.choice((OKAY, OKAY, SLVERR))
        beats = 1 if self.write else info["length"] + 1
        data = [0 if target == TARGETS or refused else self.serial * 32 + n + 1 for n in range(beats)]
        self.serial += 1
        if self.write:
            worst = code if info["first"] else max(code, self.merged[info["id"]])
            self.merged[info["id"]] = worst
            if info["final"]:
                self.expected[info["id"]].append((worst, None, 1))
        else:
            for n, word in enumerate(data):
                last = int(n == info["length"] and info["final"])
                self.expected[info["id"]].append((code, word, last))
        if refused:
            self.lanes[target][slot] = [None]
        elif target < TARGETS:
            self.lanes[target][slot] = [(code, word, int(n == beats - 1)) for n, word in enumerate(data)]

    def answer(self, target, likely):
        """A beat of one of the target's answers, or nothing."""
        waiting = self.lanes[target]
        if not waiting or self.random.random() >= likely:
            return {}
        slot = self.random.choice(list(waiting))
        beat = waiting[slot].pop(0)
        if not waiting[slot]:
            del waiting[slot]
        noise = {"response": 1, "last": 0} | ({} if self.write else {"data": 0xDEAD})
        if beat is None:  # what the target's port carries beside a denial means nothing
            return {"valid": 1, "denied": 1, "slot": slot, "answer": noise}
        code, word, last = beat
        answer = {"response": code, "last": last} | ({} if self.write else {"data": word})
        return {"valid": 1, "denied": 0, "slot": slot, "answer": answer}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(("likely", "takes"), [(0.9, 0.9), (0.3, 1.0), (1.0, 0.3)])
def test_random_answers(write, likely, takes):
    plan = small()
    dut = WayBack(plan, write=write)
    model = Model(1, write=write)
    delivered = 0

    async def bench(ctx):
        nonlocal delivered
        offer, denials = None, deque()
        for cycle in range(4000):
            busy = cycle < 3500
            for t in range(TARGETS):
                ctx.set(getattr(dut, f"lane{t}"), model.answer(t, likely))
            denies = denials and (not write or model.random.random() < likely)  # a write when its data is there
            ctx.set(dut.denied, bool(denies))
            ctx.set(dut.denied_slot, denials.popleft() if denies else 0)
            enters = bool(ctx.get(dut.room) and (busy or model.burst)) and model.random.random() < 0.9
            if enters:
                info, target = model.piece()
                ctx.set(dut.info, info)
                model.ask(info, target, ctx.get(dut.slot))
                if target == TARGETS:
                    denials.append(ctx.get(dut.slot))
            ctx.set(dut.enter, bool(enters))
            ready = model.random.random() < takes
            ctx.set(dut.o.ready, ready)
            payload, valid = ctx.get(dut.o.payload), ctx.get(dut.o.valid)
            shown = (payload.id, payload.answer.response, payload.answer.last) + (
                () if write else (payload.answer.data,)
            )
            assert offer is None or (valid and shown == offer), "an offer was taken back"
            offer = shown if valid and not ready else None
            if not valid:
                assert not any(shown[:1] + shown[3:]), "something is left on the wires"
            if valid and ready:
                code, word, last = model.expected[payload.id].popleft()
                assert (payload.answer.response, payload.answer.last) == (code, last)
                assert write or payload.answer.data == word
                delivered += 1
            await ctx.tick()
        assert ctx.get(dut.idle)

    simulate(dut, bench)
    assert not any(model.expected.values()), "something never came"
    assert delivered > (300 if write else 700)


@pytest.mark.parametrize("write", [False, True])
def test_an_id_does_not_wait_for_another(write):
    """An ID whose first answer never comes keeps its slots, and no more."""
    plan = small()
    dut = WayBack(plan, write=write)

    async def ask(ctx, identity, target):
        while not ctx.get(dut.room):
            await ctx.tick()
        ctx.set(dut.enter, 1)
        ctx.set(dut.info, {"id": identity, "first": 1, "final": 1, "lane": 1 << target})
        slot = ctx.get(dut.slot)
        await ctx.tick()
        ctx.set(dut.enter, 0)
        return slot

    async def answer(ctx, target, slot):
        ctx.set(getattr(dut, f"lane{target}"), {"valid": 1, "slot": slot, "answer": {"last": 1}})
        await ctx.tick()
        ctx.set(getattr(dut, f"lane{target}"), {})

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        await ask(ctx, 1, 0)  # never answered
        behind = await ask(ctx, 1, 1)
        await answer(ctx, 1, behind)
        for n in range(20):
            slot = await ask(ctx, 2, n % TARGETS)
            await answer(ctx, n % TARGETS, slot)
            for _ in range(3):
                if ctx.get(dut.o.valid):
                    break
                await ctx.tick()
            assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload.id) == 2
            await ctx.tick()
        assert not ctx.get(dut.idle)

    simulate(dut, bench)


def test_one_id_is_delivered_at_full_rate():
    """Answers of one ID from several targets, one a cycle, leave one a cycle."""
    plan = small()
    dut = WayBack(plan, write=False)
    taken = []

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        slots, sent = deque(), 0
        for cycle in range(200):
            for t in range(TARGETS):
                ctx.set(getattr(dut, f"lane{t}"), {})
            enters = ctx.get(dut.room)
            ctx.set(dut.enter, enters)
            if enters:
                ctx.set(dut.info, {"id": 1, "first": 1, "final": 1, "lane": 1 << sent % TARGETS})
                slots.append((ctx.get(dut.slot), sent % TARGETS))
                sent += 1
            if len(slots) > 2:
                slot, target = slots.popleft()
                beat = {"valid": 1, "slot": slot, "answer": {"last": 1}}
                ctx.set(getattr(dut, f"lane{target}"), beat)
            if cycle >= 100:
                taken.append(ctx.get(dut.o.valid))
            await ctx.tick()

    simulate(dut, bench)
    assert all(taken)
