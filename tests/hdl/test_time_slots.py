"""Time slots: what a slice sees in its own slots does not depend on anybody else, and everybody gets on."""

import random
from collections import deque
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from hdl.fabric.egress_strict import StrictEgress
from hdl.fabric.time_slots import TimeSlots, slot_members
from hdl.plan.plan import KEY_NOBODY, SLOT_CYCLES

from .harness import board, simulate

SOURCES = 3
TIMED, OTHER = 1, 2
"""Slices: source 0 belongs to the one that has slots, the others to the one that has none."""
KEY = 3
LATENCY = 6
SLOTS, OWN = 8, (1, 4)
CYCLES = 3000


class Port(wiring.Component):
    """One plane of a memory target with its table of slots."""

    def __init__(self, plan, *, write):
        self.plan, self.write = plan, write
        self.egress = StrictEgress(plan, plan.targets[0], write=write)
        super().__init__(slot_members(plan, plan.targets[0]))

    def elaborate(self, platform):
        m = Module()
        m.submodules.egress = self.egress
        m.submodules.slots = slots = TimeSlots(self.plan, self.plan.targets[0])
        for name in self.signature.members:
            m.d.comb += getattr(slots, name).eq(getattr(self, name))
        m.d.comb += self.egress.turn.eq(slots.turn)
        return m


def _port(write):
    plan = board("quad")
    target = replace(plan.targets[0], timeout=0, time_slots=SLOTS, initiators=tuple(range(SOURCES)))
    return Port(replace(plan, load_unit=None, targets=(target, *plan.targets[1:])), write=write)


class Source:
    """Sends pieces whose requests and lengths depend on its own random numbers and its own answers alone."""

    def __init__(self, port, n, number, *, likely, lengths, foreign=0.0):
        self.egress, self.n, self.number = port.egress, n, number
        self.write, self.random = port.write, random.Random(n)
        self.likely, self.lengths, self.foreign = likely, lengths, foreign
        self.free = deque(range(port.plan.outstanding))
        self.beats = 0
        self.seen = []  # (cycle, what came back)
        self.done = 0

    def step(self, ctx, cycle):
        """Drive what this source offers in a cycle, and look at what comes back."""
        egress, bit = self.egress, 1 << self.n
        lane = ctx.get(getattr(egress, f"lane{self.n}"))
        if lane.valid:
            self.seen.append((cycle, lane.slot, lane.denied, lane.answer.last))
            if self.write or lane.denied or lane.answer.last:
                self.free.append(lane.slot)
                self.done += 1
        room = not self.write or ctx.get(egress.beat_ready) & bit
        starts = not self.beats and room and bool(self.free) and self.random.random() < self.likely
        if starts:
            length = self.random.choice(self.lengths)
            granule = 7 if self.random.random() < self.foreign else self.n
            asking = {"granule": granule, "length": length, "slice": self.number}
            ctx.set(getattr(egress, f"asking{self.n}"), asking)
            ctx.set(getattr(egress, f"rest{self.n}"), {"slot": self.free.popleft(), "length": length})
            self.beats = length + 1
        sends = bool(self.beats and room)
        valid = ctx.get(egress.request_valid) & ~bit
        ctx.set(egress.request_valid, valid | bit * starts)
        if self.write:
            valid = ctx.get(egress.beat_valid) & ~bit
            ctx.set(egress.beat_valid, valid | bit * sends)
            ctx.set(getattr(egress, f"beat{self.n}"), {"last": self.beats == 1})
            self.beats -= sends
        else:
            self.beats = 0


class Memory:
    """Takes everything at once; its answers come `LATENCY` cycles later, one beat a cycle."""

    def __init__(self, port):
        self.egress, self.write = port.egress, port.write
        self.beats, self.requests, self.data = deque(), deque(), 0

    def end(self, ctx):
        """At the end of a cycle."""
        if ctx.get(self.egress.answer.valid) and ctx.get(self.egress.answer.ready):
            self.beats.popleft()

    def step(self, ctx, cycle):
        egress = self.egress
        ctx.set(egress.address.ready, 1)
        if ctx.get(egress.address.valid):
            self.requests.append((ctx.get(egress.identity), ctx.get(egress.address.payload).length))
        if self.write:
            ctx.set(egress.w.ready, 1)
            self.data += bool(ctx.get(egress.w.valid) and ctx.get(egress.w.payload).last)
        while self.requests and (not self.write or self.data):
            identity, length = self.requests.popleft()
            self.data -= self.write
            for beat in range(1 if self.write else length + 1):
                self.beats.append((cycle + LATENCY, {"id": identity, "answer": {"last": self.write or beat == length}}))
        shown = bool(self.beats) and self.beats[0][0] <= cycle
        ctx.set(egress.answer.valid, shown)
        if shown:
            ctx.set(egress.answer.payload, self.beats[0][1])


def _run(*, write, others, slots=OWN, scrubs=False, own=None):
    """What source 0 saw, and what the others had; `others` says how they push."""
    port = _port(write)
    egress = port.egress
    sources = [Source(port, 0, TIMED, **(own or {"likely": 0.6, "lengths": (0, 3, 7)}))]
    sources += [Source(port, n, OTHER, **others) for n in range(1, SOURCES)] if others else []
    memory = Memory(port)
    scrubbed = 0

    async def bench(ctx):
        nonlocal scrubbed
        for granule in range(8):
            ctx.set(egress.key_granule, granule)
            ctx.set(egress.key_value, KEY_NOBODY if granule == 7 else KEY)
            ctx.set(egress.key_write, 1)
            await ctx.tick()
        ctx.set(egress.key_write, 0)
        ctx.set(egress.rights_key, KEY)
        ctx.set(egress.rights_slices, 1 << TIMED | 1 << OTHER)
        ctx.set(egress.rights_write, 1)
        for index in slots:
            for name, value in {"write": 1, "index": index, "owned": 1, "slice": TIMED}.items():
                ctx.set(getattr(port, f"slot_{name}"), value)
            await ctx.tick()
        ctx.set(port.slot_write, 0)
        ctx.set(egress.rights_write, 0)
        ctx.set(port.timed, 1 << TIMED if slots else 0)
        await ctx.tick().repeat(100)
        left = 16
        for cycle in range(CYCLES):
            memory.step(ctx, cycle)
            for source in sources:
                source.step(ctx, cycle)
            if scrubs:
                ctx.set(egress.request_valid, ctx.get(egress.request_valid) & ~8 | 8 * (left == 16))
                ctx.set(egress.beat_valid, ctx.get(egress.beat_valid) & ~8 | 8 * (left != 16))
                ctx.set(egress.asking3, {"length": 15, "granule": 5})
                ctx.set(egress.rest3, {"length": 15})
                ctx.set(egress.beat3, {"last": ctx.get(egress.last3)})
                ctx.set(egress.last3, left == 1)
                ctx.set(egress.class1, 3)
                ctx.set(egress.class2, 3)
                moves = ctx.get(egress.request_ready if left == 16 else egress.beat_ready) >> SOURCES & 1
                scrubbed += moves and left == 1
                left = (left - moves) or 16
            memory.end(ctx)
            await ctx.tick()

    simulate(port, bench)
    return sources, scrubbed


HEAVY = {"likely": 1.0, "lengths": (15,)}
MIXED = {"likely": 0.7, "lengths": (0, 1, 7, 15), "foreign": 0.3}


@pytest.mark.parametrize("write", [False, True])
def test_nobody_changes_its_timing(write):
    """Cycle for cycle the same, whether the others are silent, saturate the target or are denied half of the time."""
    alone = _run(write=write, others=None)[0][0].seen
    assert len(alone) > 80
    for others in (HEAVY, MIXED):
        sources, _ = _run(write=write, others=others)
        assert sources[0].seen == alone
        assert all(source.done > 40 for source in sources[1:])


def test_without_slots_it_would_change():
    """The comparison sees the others where there are no slots."""
    assert _run(write=False, others=HEAVY, slots=())[0][0].seen != _run(write=False, others=None, slots=())[0][0].seen


@pytest.mark.parametrize("write", [False, True])
def test_shares(write):
    """Of a slot's cycles only those are lost in which a burst of 16 beats would not fit any more."""
    beats, used = (8, 3 / 4) if write else (16, 1)  # a virtual queue has no room for two writes of 16 beats
    push = {"likely": 1.0, "lengths": (beats - 1,)}
    sources, _ = _run(write=write, others=push, own=push)
    first, *rest = (beats * source.done / CYCLES for source in sources)
    assert first > 0.95 * used * len(OWN) / SLOTS
    assert sum(rest) > 0.95 * used * (SLOTS - len(OWN)) / SLOTS


def test_scrubber_gets_on():
    """In the lowest class, beside two ports of the highest that saturate the open slots."""
    _, scrubbed = _run(write=True, others={"likely": 1.0, "lengths": (7,)}, scrubs=True)
    rounds = CYCLES / (SLOTS * SLOT_CYCLES)
    assert scrubbed >= rounds / 2
