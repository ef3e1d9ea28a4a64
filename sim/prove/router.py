"""P2 at a router: each flit leaves once, as it came, the way of its flow, after those before it."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Mux, Signal, Value
from amaranth.lib import data

from hdl.network.link import flit_layout
from hdl.network.router import DEPTH, Router
from hdl.plan.network.switches import Switch, Way
from hdl.plan.plan import Plan

from .harness import Harness
from .ring import position
from .white_box import WhiteBox

PAYLOAD = data.StructLayout({"bits": 2})
"""Of the flits; a router does not look at it."""
WAYS = "a flit leaves the way of its flow"
ROOM = "a flit leaves only where there is room"


def router(plan: Plan, switch: Switch, *, answers: bool) -> Harness:
    """A router at its real ways; of each virtual channel that comes in a flit is followed, any one."""
    assert plan.network
    ports = [len(plan.initiators), len(plan.targets)]
    classes = 1 if answers else plan.classes
    hop_cycles = plan.network.hop_cycles
    sources, sinks = reversed(ports) if answers else ports
    flit = flit_layout(sources, sinks, 0 if answers else plan.class_bits, PAYLOAD)
    h = Harness()
    box = h.place(Router(switch, flit, classes=classes, hop_cycles=hop_cycles))
    channels: dict[tuple[int, int], list[Way]] = {}
    for way in switch.ways:
        channels.setdefault((way.inlet, way.inlet_lane), []).append(way)
    takes: list[list[Value]] = [[] for _ in switch.outlets]
    for (inlet, lane), ways in channels.items():
        for outlet, gone in _channel(h, box, inlet, lane, ways).items():
            takes[outlet].append(gone)
    _outlets(h, box, takes)
    return h


def _channel(h: Harness, box: WhiteBox, inlet: int, lane: int, ways: Sequence[Way]) -> dict[int, Value]:
    """A virtual channel that comes in; returns which way out takes its oldest flit."""
    m, late = h.m, box.component.hop_cycles == 2
    name = f"{inlet}_{lane}"
    link, queue = getattr(box, f"inlet{inlet}"), box.parts[f"queue{name}"]
    valid, ready = link.valid[lane], link.ready[lane]
    from_port = box.component.switch.inlets[inlet].port >= 0
    flows = [_is(link.flit, way) for way in ways]
    h.assume(~valid | Cat(flows).any(), WAYS, environment="an initiator or a target enters flits of its own flows")
    push, pop, stored = (queue.signal(each) for each in ("push", "pop", "stored"))
    inside = Signal(range(DEPTH + 1), name=f"inside{name}")
    m.d.sync += inside.eq(inside + push - pop)
    write_at, read_at = queue.signal("write_at"), queue.signal("read_at")
    held = Mux(stored, (position(write_at, DEPTH) - position(read_at, DEPTH) - 1)[: len(write_at)] + 1, 0)
    h.invariant("what is held", held == inside)
    h.invariant("an empty queue", (write_at == read_at) | stored)
    h.invariant("a full queue", queue.signal("full") == (inside == DEPTH))
    if late:
        room, before = box.signal(f"room{name}"), Signal(name=f"room_before{name}")
        m.d.sync += before.eq(room)
        if not from_port:
            h.assume(~valid | before, ROOM)
        h.invariant("its level", box.signal(f"level{name}") == inside)
        most = Mux(room, DEPTH - 3, Mux(before, DEPTH - 2, DEPTH - 1))
        h.invariant("what is under way has room", inside <= most)
    elif not from_port:
        h.assume(~valid | ready, ROOM)
    comes = valid & ready if from_port else valid
    h.claim("what comes is taken", push, when=comes, rule=f"way in {name}")

    # One that came, any.
    chosen, tracked = h.any(1, f"chosen{name}"), Signal(name=f"tracked{name}")
    ahead = Signal(range(DEPTH), name=f"ahead{name}")
    flit, place = Signal(link.flit.shape(), name=f"flit{name}"), Signal(len(write_at), name=f"place{name}")
    with m.If(tracked):
        m.d.sync += ahead.eq(ahead - pop)
        with m.If(pop & (ahead == 0)):
            m.d.sync += tracked.eq(0)
    with m.Elif(push & chosen):
        m.d.sync += [tracked.eq(1), flit.eq(link.flit), ahead.eq(inside - pop), place.eq(write_at)]
    leaves = tracked & (ahead == 0) & pop
    h.invariant("it is inside", ~tracked | (ahead < inside))
    at = (position(read_at, DEPTH) + ahead)[: len(place)]
    h.invariant("its place", ~tracked | (position(place, DEPTH) == at))
    entry = queue.word(m, "entries", place)
    h.invariant("it stands there", ~tracked | (entry.flit == flit))
    outs = sorted({(way.outlet, way.outlet_lane) for way in ways})
    goes = [Cat(_is(flit, way) for way in ways if (way.outlet, way.outlet_lane) == out).any() for out in outs]
    h.invariant("it is a flit of a flow", ~tracked | Cat(goes).any())
    h.invariant("its way is known", ~tracked | (entry.out == Cat(goes)))
    for out, mine in zip(outs, goes, strict=True):
        gone, shown = leaves & mine, flit
        if late:
            gone, shown = Signal(name=f"gone{name}_{out[0]}_{out[1]}"), Signal.like(flit, name=f"shown{name}_{out[0]}")
            m.d.sync += [gone.eq(leaves & mine), shown.eq(flit)]
        outlet = getattr(box, f"outlet{out[0]}")
        there = (outlet.valid == 1 << out[1]) & (outlet.flit == shown)
        h.claim(WAYS, there, when=gone)
    takes = {outlet: box.signal(f"gone{name}_{outlet}") for outlet in sorted({outlet for outlet, _ in outs})}
    wanted = [Cat(goes[n] for n, out in enumerate(outs) if out[0] == outlet).any() for outlet in takes]
    h.claim("one way out takes it, and no other", Cat(takes.values()) == Cat(wanted), when=leaves)
    h.claim("what leaves was there", inside != 0, when=pop)
    return takes


def _outlets(h: Harness, box: WhiteBox, takes: Sequence[Sequence[Value]]) -> None:
    """A flit leaves when one is taken from a queue for this way out, and where there is room."""
    m, late = h.m, box.component.hop_cycles == 2
    for n, gone in enumerate(takes):
        link = getattr(box, f"outlet{n}")
        taken, ready = Cat(gone), link.ready
        h.claim("one flit at a time is taken", (taken & (taken - 1)) == 0, when=taken.any())
        if late:
            ready = Signal(len(link.ready), name=f"ready_before{n}")
            taken = Signal(len(gone), name=f"taken_before{n}")
            m.d.sync += [ready.eq(link.ready), taken.eq(Cat(gone))]
        h.claim(ROOM, (link.valid & ~ready) == 0, when=link.valid.any())
        h.claim("none comes from nowhere", taken.any(), when=link.valid.any(), rule=f"way out {n}")


def _is(flit: data.View, way: Way) -> Value:
    return (flit.source == way.source) & (flit.sink == way.sink)
