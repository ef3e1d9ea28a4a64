"""G6: a slice never has more outstanding than its contract says, over all its ports, and nobody else notices."""

import dataclasses
import random

import pytest
from amaranth.hdl import Elaboratable, Module

from hdl.control.outstanding import Outstanding
from hdl.fabric.ingress_strict import StrictIngress
from hdl.plan.plan import SEEN

from .harness import board, simulate

CONTEXTS = 4


def card(outstanding=8):
    """Four ports with a context each and strict isolation."""
    mini = board("mini")
    core = mini.initiators[1]
    contexts = [dataclasses.replace(mini.contexts[0], index=n, initiator=n, number=0) for n in range(CONTEXTS)]
    ports = [
        dataclasses.replace(core, index=n, name=f"core{n}", contexts=(contexts[n],), targets=(0,))
        for n in range(CONTEXTS)
    ]
    return dataclasses.replace(
        mini,
        initiators=tuple(ports),
        isolation="strict",
        slice_outstanding=True,
        outstanding=outstanding,
        id_width=4,
    )


class Ports(Elaboratable):
    """All planes of all ports, with what limits them."""

    def __init__(self, plan, owners, limits):
        self.plan, self.owners, self.limits = plan, owners, limits
        self.planes = [
            (kind, owners[port.index], StrictIngress(plan, port, write=kind == "write"))
            for port in plan.initiators
            for kind in ("read", "write")
        ]

    def elaborate(self, platform):
        m = Module()
        m.submodules.outstanding = outstanding = Outstanding(self.plan)
        for kind, owner, plane in self.planes:
            n = plane.initiator.index
            m.submodules[f"{kind}{n}"] = plane
            m.d.comb += [
                getattr(outstanding, f"{kind}{n}").eq(plane.events),
                getattr(outstanding, f"{kind}_budget{n}").eq(1),
                getattr(outstanding, f"owner_slice{n}").eq(owner),
                plane.eligible0.eq(getattr(outstanding, f"{kind}_eligible{n}")),
                plane.spaced0.eq(getattr(outstanding, f"spaced{n}")),
                plane.owned0.eq(1),
                plane.slice0.eq(owner),
                plane.o.ready.eq(1),
            ]
            if kind == "write":
                m.d.comb += [plane.w.valid.eq(1), plane.beat_ready[0].eq(1)]
        for number, limit in self.limits.items():
            m.d.comb += getattr(outstanding, f"limit{number}").eq(limit)
        return m


def run(plan, owners, limits, active, *, seed, cycles, delay):
    """Let the planes in `active` send as much as they may; returns what each slice had outstanding, and all sends."""
    ports = Ports(plan, owners, limits)
    sources = [random.Random(8 * seed + n) for n in range(len(ports.planes))]
    history, sends = [], []

    async def bench(ctx):
        for _, _, plane in ports.planes:
            ctx.set(plane.fill_entry, {"readable": 1, "writable": 1, "target": 1, "granule": 0})
            ctx.set(plane.fill_enable, 1)
        await ctx.tick()
        for _, _, plane in ports.planes:
            ctx.set(plane.fill_enable, 0)
        await ctx.tick().repeat(40)
        under_way = [[] for _ in ports.planes]
        wants = [0] * len(ports.planes)
        count = dict.fromkeys(range(plan.slices), 0)
        for cycle in range(cycles):
            for n, (_, _, plane) in enumerate(ports.planes):
                if wants[n] == 0:  # bursts and pauses
                    wants[n] = sources[n].choice((-20, -3, 1, 3, 40))
                wants[n] -= 1 if wants[n] > 0 else -1
                ctx.set(plane.address.valid, n in active and wants[n] >= 0)
                ctx.set(plane.address.payload, {"id": sources[n].randrange(16), "size": 2, "burst": 1})
                due = [entry for entry in under_way[n] if entry[0] <= cycle]
                answer = sources[n].choice(due) if due else None
                if answer:
                    under_way[n].remove(answer)
                    lane = {"valid": 1, "slot": answer[1], "answer": {"last": 1}}
                else:
                    lane = {}
                ctx.set(plane.lane0, lane)
            sent = []
            for n, (_, owner, plane) in enumerate(ports.planes):
                if ctx.get(plane.request_valid):
                    sent.append(n)
                    count[owner] += 1
                    under_way[n].append((cycle + 2 + sources[n].randrange(delay), ctx.get(plane.rest).slot))
                count[owner] -= ctx.get(plane.events).done
            history.append(dict(count))
            sends.append(sent)
            await ctx.tick()

    simulate(ports, bench)
    return history, sends


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("limit", "delay"), [(1, 30), (2, 30), (5, 30), (60, 200)])
def test_limit_over_all_ports(limit, delay, seed):
    """Six planes of a slice together never have more than limit + 5 outstanding, and always make use of it."""
    plan = card(16)
    history, sends = run(plan, [1, 1, 1, 2], {1: limit}, range(8), seed=seed, cycles=600, delay=delay)
    most = max(count[1] for count in history)
    assert limit <= most <= limit + 6 - 1
    assert max(count[2] for count in history) == 2 * 15, "a slice without a limit"
    assert {n for sent in sends for n in sent} == set(range(8)), "no plane is left out"


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("plane", [0, 1], ids=["reads", "writes"])
def test_one_plane_alone_is_exact(limit, plane):
    """What the other ports do not use is the one's, to the request and not beyond."""
    history, _ = run(card(), [1, 1, 1, 2], {1: limit}, {plane}, seed=1, cycles=600, delay=80)
    assert max(count[1] for count in history) == limit


def test_others_do_not_notice():
    """A slice on ports of its own sends in the same cycles whatever limit another slice has."""
    seen = []
    for limit in (0, 1, 3):
        _, sends = run(card(), [1, 1, 1, 2], {1: limit}, range(8), seed=4, cycles=400, delay=20)
        seen.append([[n for n in sent if n >= 6] for sent in sends])
    assert seen[0] == seen[1] == seen[2] and any(seen[0])


def test_far_from_the_limit_nobody_is_spaced():
    """Requests follow each other in each cycle while there is more to spare than all ports could send unseen."""
    plan = card(16)
    near = 2 * CONTEXTS * SEEN
    _, free = run(plan, [1, 1, 1, 2], {1: 0}, {0}, seed=2, cycles=200, delay=1)
    _, far = run(plan, [1, 1, 1, 2], {1: near + 16}, {0}, seed=2, cycles=200, delay=1)
    _, close = run(plan, [1, 1, 1, 2], {1: near}, {0}, seed=2, cycles=200, delay=1)
    assert free == far
    assert sum(map(len, close)) < sum(map(len, free))


def test_a_limit_that_changes_is_seen():
    """Counting goes on without a limit, so one that comes later holds for what is outstanding already."""
    plan = card()
    outstanding = Outstanding(plan)

    async def bench(ctx):
        for c in range(CONTEXTS):
            ctx.set(getattr(outstanding, f"read_budget{c}"), 1)
        for _ in range(3):
            ctx.set(outstanding.read0, {"sent": 1, "sent_owned": 1})
            ctx.set(outstanding.write1, {"sent": 1, "sent_owned": 0})
            await ctx.tick()
        ctx.set(outstanding.read0, {})
        ctx.set(outstanding.write1, {})
        seen = []
        for limit in (0, 4, 3, 0):
            ctx.set(outstanding.limit0, limit)
            await ctx.tick().repeat(SEEN)
            seen.append(ctx.get(outstanding.read_eligible1))
            assert not ctx.get(outstanding.write_eligible1), "without tokens"
        assert seen == [1, 1, 0, 1]
        ctx.set(outstanding.limit0, 3)
        ctx.set(outstanding.read0, {"done": 1, "done_owned": 1})
        await ctx.tick()
        ctx.set(outstanding.read0, {})
        await ctx.tick().repeat(SEEN - 2)
        assert ctx.get(outstanding.read_eligible1)

    simulate(outstanding, bench)
