# amaranth: UnusedElaboratable=no
"""Routers: every flit leaves where it should, once, in order, as soon as it can; and who enters has room at the end."""

import random
from collections import Counter, defaultdict

import pytest
from amaranth.lib import data

from hdl.card.config import CardConfig
from hdl.network.answer_entry import AnswerEntry
from hdl.network.link import flit_layout
from hdl.network.network import Routers
from hdl.network.request_entry import RequestEntry
from hdl.network.router import Router
from hdl.plan.network.switches import End, Switch, Way
from hdl.plan.planner import elaborate

from .harness import simulate
from .test_network import card

PAYLOAD = data.StructLayout({"number": 16})
CLASSES = 4
NETWORKS = {
    "mesh": ("mesh", {"columns": 3, "rows": 2}),
    "ring": (
        "ring",
        {"routers": 8, "place": {f"i{n}": f"r{n}" for n in range(6)} | {f"t{n}": f"r{2 * n}" for n in range(4)}},
    ),
    "torus": ("torus", {"columns": 3, "rows": 3}),
    "custom": ("custom", {"links": {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["e"]}}),
}


def plan_of(name, hop_cycles=1, initiators=6, targets=4):
    topology, network = NETWORKS[name]
    description = card(topology, network | {"hop_cycles": hop_cycles}, initiators=initiators, targets=targets)
    return elaborate(CardConfig.model_validate(description))


def routers_of(name, hop_cycles=1, answers=False):
    network = plan_of(name, hop_cycles).network
    ports = len(network.initiators), len(network.targets)
    flit = flit_layout(*(reversed(ports) if answers else ports), (CLASSES - 1).bit_length(), PAYLOAD)
    return network, Routers(network, flit, answers=answers, classes=CLASSES)


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("hop_cycles", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_flit_arrives_once_and_in_order(name, hop_cycles, answers):
    network, routers = routers_of(name, hop_cycles, answers)
    assert network.virtual_channels == 1 + (name == "ring")
    rng = random.Random(1)
    sinks = defaultdict(list)
    for flow in network.flows:
        source, sink = (flow.target, flow.initiator) if answers else (flow.initiator, flow.target)
        sinks[source].append(sink)
    exits = sorted(set(routers.exits.values()))
    sent: Counter[tuple[int, int]] = Counter()
    arrived: Counter[tuple[int, int]] = Counter()

    async def bench(ctx):
        offers: dict[int, dict] = {}
        cycle = 0
        while cycle < 300 or sent != arrived:
            for source, some in sinks.items():
                link = getattr(routers, f"entry{source}")
                if cycle < 300 and source not in offers and rng.random() < 0.7:
                    sink = rng.choice(some)
                    number = {"number": sent[source, sink]}
                    offers[source] = {"source": source, "sink": sink, "class": rng.randrange(4), "payload": number}
                    sent[source, sink] += 1
                    ctx.set(link.flit, offers[source])
                ctx.set(link.valid, source in offers)
            for name in exits:  # who gets flits after two cycles always has room for them
                ctx.set(getattr(routers, name).ready, hop_cycles == 2 or rng.random() < 0.8)
            for source in list(offers):
                if ctx.get(getattr(routers, f"entry{source}").ready):
                    del offers[source]
            for name in exits:
                link = getattr(routers, name)
                if ctx.get(link.valid) and ctx.get(link.ready):
                    flit = ctx.get(link.flit)
                    assert routers.exits[flit.source, flit.sink] == name
                    sink = flit.sink
                    assert flit.payload.number == arrived[flit.source, sink], "one was lost, doubled or overtaken"
                    arrived[flit.source, sink] += 1
            await ctx.tick()
            cycle += 1
            assert cycle < 5000, "some never arrive"

    simulate(routers, bench)
    assert sum(arrived.values()) > 500


@pytest.mark.parametrize("hop_cycles", [1, 2])
def test_a_router_takes_as_long_as_it_should_and_a_flit_per_cycle(hop_cycles):
    """Of each flow alone: the first comes after `hop_cycles` for each router, the others in the cycles after."""
    network, routers = routers_of("mesh", hop_cycles)

    async def bench(ctx):
        await ctx.tick()  # in the first cycle after a reset there may be no room
        for name in routers.exits.values():
            ctx.set(getattr(routers, name).ready, 1)
        for flow in network.flows:
            entry, out = (
                getattr(routers, f"entry{flow.initiator}"),
                getattr(routers, routers.exits[flow.initiator, flow.target]),
            )
            came = []
            for cycle in range(40):
                number = {"number": cycle}
                ctx.set(entry.flit, {"source": flow.initiator, "sink": flow.target, "class": 0, "payload": number})
                ctx.set(entry.valid, cycle < 20)
                assert ctx.get(entry.ready)
                if ctx.get(out.valid):
                    came.append((cycle, ctx.get(out.flit.payload.number)))
                await ctx.tick()
            takes = hop_cycles * (len(flow.request) + 1)
            assert came == [(takes + n, n) for n in range(20)]

    simulate(routers, bench)


def test_a_higher_class_goes_first_and_nobody_waits_for_ever():
    ways = (Way(0, 0, 0, 0, 0, 0), Way(1, 0, 1, 0, 0, 0))
    switch = Switch((End(port=0), End(port=1)), (End(port=0),), (1, 1), (1,), ways)
    router = Router(switch, flit_layout(2, 1, 2, PAYLOAD), classes=CLASSES)
    went = []

    async def bench(ctx):
        ctx.set(router.outlet0.ready, 1)
        for n, level in enumerate((1, 3)):
            link = getattr(router, f"inlet{n}")
            ctx.set(link.flit, {"source": n, "sink": 0, "class": level, "payload": {"number": 0}})
            ctx.set(link.valid, 1)
        for _ in range(200):
            await ctx.tick()
            if ctx.get(router.outlet0.valid):
                went.append(ctx.get(router.outlet0.flit.source))

    simulate(router, bench)
    assert len(went) > 190
    assert 0.85 < went.count(1) / len(went) < 1


def test_a_write_enters_when_its_target_has_room():
    """Writes of 16 beats to a target that does not answer: four are let in, another target's go on."""
    plan = plan_of("mesh")
    entry = RequestEntry(plan, write=True)
    went: list[tuple[int, bool]] = []

    async def bench(ctx):
        ctx.set(entry.o.ready, 1)

        async def write(sink, slot, beats=16):
            ctx.set(entry.asking.length, beats - 1)
            ctx.set(entry.rest.slot, slot)
            for beat in range(beats):
                ctx.set(entry.request_valid, (beat == 0) << sink)
                ctx.set(entry.beat_valid, 1 << sink)
                ctx.set(entry.beat.last, beat == beats - 1)
                while not ctx.get(entry.beat_ready) >> sink & 1:
                    await step(ctx)
                    ctx.set(entry.request_valid, 0)
                await step(ctx)
            ctx.set(entry.request_valid, 0)
            ctx.set(entry.beat_valid, 0)

        async def step(ctx):
            if ctx.get(entry.o.valid):
                went.append((ctx.get(entry.o.flit.sink), bool(ctx.get(entry.o.flit.payload.first))))
            await ctx.tick()

        for slot in range(5):
            await write(1, slot)
        for _ in range(20):
            await step(ctx)
        assert Counter(went) == {(1, True): 4, (1, False): 60}, "64 beats have room"
        ctx.set(entry.answer_valid, 1 << 1)
        ctx.set(entry.answer_slot1, 0)
        await step(ctx)
        ctx.set(entry.answer_valid, 0)
        for _ in range(30):
            await step(ctx)
        assert Counter(went) == {(1, True): 5, (1, False): 75}
        await write(0, 5)
        for _ in range(5):
            await step(ctx)
        assert Counter(went)[0, True] == 1 and Counter(went)[0, False] == 15

    simulate(entry, bench)


def test_answers_wait_while_a_link_is_busy_and_none_is_lost():
    """The egress is held in time: a target stops at once, a gate denies what it has granted, 16 requests at most."""
    plan = plan_of("mesh")
    entry = AnswerEntry(plan, plan.targets[0], write=False)
    rng = random.Random(2)
    put: list[tuple[int, int]] = []
    got: list[tuple[int, int]] = []

    async def bench(ctx):
        granted = 0
        held = [0, 0, 0]  # what a gate sees of it, three cycles on
        for cycle in range(3000):
            hold = ctx.get(entry.hold)
            granted += granted < 16 and not held[0]
            held = [*held[1:], hold]
            denies = granted > 0 and rng.random() < 0.9
            granted -= denies
            ctx.set(entry.o.ready, cycle // 100 % 2 and rng.random() < 0.9)
            source = rng.randrange(len(plan.initiators)) if denies or (not hold and rng.random() < 0.5) else None
            for n in range(len(plan.initiators)):
                ctx.set(getattr(entry, f"lane{n}").valid, n == source)
                ctx.set(getattr(entry, f"lane{n}").slot, cycle % 16)
            if source is not None:
                put.append((source, cycle % 16))
            if ctx.get(entry.o.valid) and ctx.get(entry.o.ready):
                got.append((ctx.get(entry.o.flit.sink), ctx.get(entry.o.flit.payload.slot)))
            await ctx.tick()
        ctx.set(entry.o.ready, 1)
        for n in range(len(plan.initiators)):
            ctx.set(getattr(entry, f"lane{n}").valid, 0)
        while ctx.get(entry.o.valid):
            got.append((ctx.get(entry.o.flit.sink), ctx.get(entry.o.flit.payload.slot)))
            await ctx.tick()

    simulate(entry, bench)
    assert got == put and len(put) > 1000
