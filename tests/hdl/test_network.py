"""Networks: every flow has a path, as short as its topology allows, and no flows can wait for each other."""

from copy import deepcopy
from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl.card import find_card
from hdl.card.config import CardConfig
from hdl.errors import Misfit
from hdl.plan import plan_card
from hdl.plan.network import Channel, Flow, Network
from hdl.plan.network.deadlock import circle
from hdl.plan.network.placement import Placement
from hdl.plan.network.routing import grid, grid_links, up_and_down
from hdl.plan.network.switches import End, Switch, Way, switches
from hdl.plan.planner import elaborate

GRANULE = 4096
FABRIC = {
    "slices": 2, "keys": 4, "granule": GRANULE, "window": 16 * GRANULE, "clock": "100MHz", "isolation": "strict",
}  # fmt: skip


def card(topology: str, network: dict[str, Any] | None, *, initiators: int = 3, targets: int = 3) -> dict[str, Any]:
    """A description with so many ports, i0, i1, and so on, and t0, t1."""
    return {
        "card": "sample",
        "fabric": {**FABRIC, "topology": topology},
        "initiators": {f"i{n}": {"kind": "core"} for n in range(initiators)},
        "targets": {f"t{n}": {"kind": "memory", "size": GRANULE} for n in range(targets)},
        **({} if network is None else {"network": network}),
    }


def planned(description: dict[str, Any]) -> Network:
    network = elaborate(CardConfig.model_validate(description)).network
    assert network is not None
    return network


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """Descriptions with networks of all kinds; a port may reach a part of the targets, and have its router given."""
    topology = draw(st.sampled_from(["ring", "mesh", "torus", "custom"]))
    sizes = st.integers(1, 5)
    if topology == "ring":
        network: dict[str, Any] = {"routers": draw(st.integers(3, 9))}
        routers = [f"r{n}" for n in range(network["routers"])]
    elif topology == "custom":
        count = draw(st.integers(2, 8))
        routers = [f"a{n}" for n in range(count)]
        pairs = {(draw(st.integers(0, n - 1)), n) for n in range(1, count)}  # a tree, and more
        pairs |= set(draw(st.lists(st.sampled_from(list(combinations(range(count), 2))), max_size=5)))
        links: dict[str, list[str]] = {}
        for one, other in sorted(pairs):
            links.setdefault(routers[one], []).append(routers[other])
        network = {"links": links}
    else:
        columns, rows = draw(sizes), draw(sizes)
        network = {"columns": columns, "rows": rows + (columns * rows == 1)}
        routers = [f"x{x}y{y}" for y in range(network["rows"]) for x in range(columns)]
    description = card(topology, network, initiators=draw(st.integers(1, 6)), targets=draw(st.integers(1, 6)))
    ports = [*description["initiators"], *description["targets"]]
    for port in draw(st.lists(st.sampled_from(ports), unique=True)):
        network.setdefault("place", {})[port] = draw(st.sampled_from(routers))
    if draw(st.booleans()):
        reached = draw(st.lists(st.sampled_from(list(description["targets"])), unique=True, min_size=1))
        description["connectivity"] = {"i0": reached}
        if len(description["initiators"]) == 1:
            description["connectivity"] = {"i0": list(description["targets"])}
    return description


def joined(path: tuple[Channel, ...], source: int, sink: int) -> bool:
    """Whether channels lead from one router to another, each beginning where the one before it ends."""
    at = source
    for channel in path:
        if channel.source != at:
            return False
        at = channel.sink
    return at == sink


@settings(max_examples=150)
@given(description=networks())
def test_every_flow_has_its_path_and_none_can_block(description):
    network = planned(description)
    ways = description.get("connectivity", {})
    wanted = [
        (source, target)
        for source, name in enumerate(description["initiators"])
        for target, other in enumerate(description["targets"])
        if other in ways.get(name, [other])
    ]
    assert [(flow.initiator, flow.target) for flow in network.flows] == wanted
    for flow in network.flows:
        here, there = network.initiators[flow.initiator], network.targets[flow.target]
        assert joined(flow.request, here, there) and joined(flow.response, there, here)
        assert {(channel.source, channel.sink) for channel in (*flow.request, *flow.response)} <= set(network.links)
        assert all(channel.lane < network.virtual_channels for channel in (*flow.request, *flow.response))
    for name, router in description["network"].get("place", {}).items():
        at = dict(
            zip(
                [*description["initiators"], *description["targets"]],
                (*network.initiators, *network.targets),
                strict=True,
            )
        )
        assert network.routers[at[name]] == router
    assert not circle(network.flows)


@given(columns=st.integers(1, 7), rows=st.integers(1, 7), closed=st.booleans())
def test_a_path_in_a_grid_is_as_short_as_can_be(columns, rows, closed):
    route, links = grid(columns, rows=rows, closed=closed), set(grid_links(columns, rows, closed=closed))

    def apart(one: int, other: int, length: int) -> int:
        steps = abs(one - other)
        return min(steps, length - steps) if closed and length > 2 else steps

    for source in range(columns * rows):
        for sink in range(columns * rows):
            path = route(source, sink)
            assert joined(path, source, sink)
            assert {(channel.source, channel.sink) for channel in path} <= links
            along = apart(source % columns, sink % columns, columns)
            assert len(path) == along + apart(source // columns, sink // columns, rows)


def everybody(count: int, route) -> list[Flow]:
    """A flow from each router to each."""
    return [Flow(a, b, route(a, b), route(b, a), 1.0) for a in range(count) for b in range(count)]


@pytest.mark.parametrize("length", [5, 8])
def test_without_its_second_channel_a_ring_blocks(length):
    flows = everybody(length, grid(length, rows=1, closed=True))
    assert not circle(flows)
    one = [
        replace(flow, request=tuple(replace(channel, lane=0) for channel in flow.request), response=())
        for flow in flows
    ]
    found = [channel for _, channel in circle(one)]
    assert len(found) == length
    assert all(here.sink == after.source for here, after in zip(found, [*found[1:], found[0]], strict=True))


def test_shortest_ways_of_a_custom_ring_would_block_and_up_and_down_does_not():
    links = grid_links(5, 1, closed=True)
    assert not circle(everybody(5, up_and_down(5, links)))
    shortest = grid(5, rows=1, closed=True)

    def one_lane(source: int, sink: int) -> tuple[Channel, ...]:
        return tuple(replace(channel, lane=0) for channel in shortest(source, sink))

    assert circle(everybody(5, one_lane))


def test_a_half_way_round_is_shared_by_both_directions():
    route = grid(4, rows=1, closed=True)
    assert {route(source, (source + 2) % 4)[0].sink for source in (0, 1)} == {1, 0}


def test_a_second_channel_is_there_only_where_it_is_needed():
    """In a ring of four no flow goes on from the last of two links to the first of two others."""
    lanes = [
        planned(card("ring", {"routers": routers}, initiators=9, targets=9)).virtual_channels for routers in (4, 5)
    ]
    assert lanes == [1, 2]


@pytest.mark.parametrize("size", [(4, 4, False), (4, 2, False), (3, 4, True), (4, 4, True), (8, 1, True), (2, 5, True)])
def test_bisection_by_all_halves_and_by_shape(size):
    columns, rows, closed = size
    topology = "torus" if closed else "mesh"
    network = planned(card(topology, {"columns": columns, "rows": rows}))
    wraps = [1 + (closed and length > 2) for length in (columns, rows)]
    cuts = [
        across * wrap
        for length, across, wrap in ((columns, rows, wraps[0]), (rows, columns, wraps[1]))
        if length % 2 == 0
    ]
    assert network.bisection == min(cuts)


@pytest.mark.parametrize(("size", "links"), [((8, 4, False), 4), ((8, 8, True), 16), ((5, 5, False), None)])
def test_bisection_of_large_grids(size, links):
    columns, rows, closed = size
    assert planned(card("torus" if closed else "mesh", {"columns": columns, "rows": rows})).bisection == links


def test_ports_are_placed_where_their_flows_are_shortest():
    """Compared with every arrangement there is."""
    route = grid(3, rows=2, closed=False)
    distances = [[2 * len(route(a, b)) for b in range(6)] for a in range(6)]
    loads = {(0, 3): 1.0, (0, 4): 0.2, (1, 4): 0.7, (2, 5): 0.4, (2, 3): 0.9, (1, 3): 0.1}

    def cost(routers) -> float:
        return sum(load * distances[routers[one]][routers[other]] for (one, other), load in loads.items())

    found = Placement(distances, loads, {1: 0}, count=6, room=1)
    assert found.routers[1] == 0 and sorted(found.routers) == list(range(6))
    assert cost(found.routers) == pytest.approx(found.cost)
    assert found.cost == pytest.approx(min(cost(routers) for routers in permutations(range(6)) if routers[1] == 0))


def test_who_says_more_is_nearer():
    description = card("ring", {"routers": 6, "place": {"t0": "r0"}, "ports_per_router": 1}, initiators=5, targets=1)
    for number, load in enumerate((0.1, 0.1, 1.0, 0.1, 1.0)):
        description["initiators"][f"i{number}"]["expected_load"] = load
    network = planned(description)
    near = [number for number, router in enumerate(network.initiators) if router in (1, 5)]
    assert near == [2, 4]


def test_loads_of_links():
    """Two cores at one end of a line, each with half of its beats for either memory at the other end."""
    network = planned(card("mesh", {"columns": 3, "rows": 1, "place": {
        "i0": "x0y0", "i1": "x0y0", "t0": "x1y0", "t1": "x2y0"}}, initiators=2, targets=2))  # fmt: skip
    assert network.link_loads[0, 1] == pytest.approx(2) and network.link_loads[1, 2] == pytest.approx(1)
    assert [network.cycles(flow) for flow in network.flows] == [6, 8, 6, 8]


SQUARE = {"links": {"a": ["b"], "b": ["c"], "c": ["d"], "d": ["a"]}}
CORNERS = {"i0": "a", "i1": "b", "i2": "c", "i3": "d", "t0": "a", "t1": "b", "t2": "c", "t3": "d"}
ROUND = {"i0": {"t2": ["a", "b", "c"]}, "i1": {"t3": ["b", "c", "d"]}, "i2": {"t0": ["c", "d", "a"]}}


def test_given_routes():
    routes = {"i0": ROUND["i0"], "i1": ROUND["i1"]}
    network = planned(card("custom", {**SQUARE, "place": CORNERS, "routes": routes}, initiators=4, targets=4))
    flows = {(flow.initiator, flow.target): flow for flow in network.flows}
    assert flows[0, 2].request == (Channel(0, 1), Channel(1, 2))
    assert flows[0, 2].response == (Channel(2, 1), Channel(1, 0))


def test_given_routes_that_block_are_refused_with_the_circle():
    routes = {**ROUND, "i3": {"t1": ["d", "a", "b"]}}
    with pytest.raises(Misfit) as refused:
        planned(card("custom", {**SQUARE, "place": CORNERS, "routes": routes}, initiators=4, targets=4))
    text = str(refused.value)
    assert refused.value.location == ("network", "routes") and "in a circle" in text
    assert all(f"request {link}" in text for link in ("a to b", "b to c", "c to d", "d to a"))


MESH = {"columns": 2, "rows": 2}
WRONG: list[tuple[str, dict[str, Any] | None, tuple[str | int, ...], tuple[str, ...]]] = [
    ("crossbar", MESH, ("network",), ("one switch",)),
    ("mesh", None, ("network",), ("is missing", "columns and rows")),
    ("mesh", {"columns": 2}, ("network", "rows"), ("is missing",)),
    ("mesh", {"columns": 1, "rows": 1}, ("network",), ("1 x 1", "2 to 64")),
    ("torus", {"columns": 9, "rows": 8}, ("network",), ("9 x 8", "2 to 64")),
    ("ring", {"routers": 4, "rows": 2}, ("network", "rows"), ("a ring has routers", "leave it out")),
    ("mesh", MESH | {"routes": {}}, ("network", "routes"), ("of a mesh are known",)),
    ("mesh", MESH | {"place": {"i9": "x0y0"}}, ("network", "place", "i9"), ("not a port", "i0, i1")),
    ("mesh", MESH | {"place": {"i0": "r1"}}, ("network", "place", "i0"), ("'r1'", "x0y0, x1y0")),
    ("mesh", MESH | {"ports_per_router": 1}, ("network", "ports_per_router"), ("6 ports", "make it 2")),
    (
        "mesh",
        MESH | {"ports_per_router": 2, "place": dict.fromkeys(("i0", "i1", "i2"), "x1y0")},
        ("network", "place", "i0"),
        ("3 ports at 'x1y0'", "ports_per_router is 2"),
    ),
    ("custom", {"links": {"a": []}}, ("network", "links"), ("1 routers", "2 to 64")),
    ("custom", {"links": {"a": ["b"], "c": ["d"]}}, ("network", "links"), ("no path from 'a' to 'c'", "link them")),
    ("custom", {"links": {"a": ["b", "a"]}}, ("network", "links", "a", 1), ("'a' is linked with itself",)),
    ("custom", {"links": {"a": ["b"], "b": ["a"]}}, ("network", "links", "b", 0), ("linked twice", "once")),
]
ROUTES = [
    ({"t0": {}}, ("t0",), ("not an initiator",)),
    ({"i0": {"i1": ["a", "b"]}}, ("i0", "i1"), ("does not reach",)),
    ({"i0": {"t2": ["b", "c"]}}, ("i0", "t2"), ("begins at a and ends at c",)),
    ({"i0": {"t2": []}}, ("i0", "t2"), ("begins at a and ends at c",)),
    ({"i0": {"t2": ["a", "c"]}}, ("i0", "t2", 1), ("no link from 'a' to 'c'",)),
    ({"i0": {"t2": ["a", "e", "c"]}}, ("i0", "t2", 1), ("no link from 'a' to 'e'",)),
    ({"i0": {"t2": ["a", "b", "a", "b", "c"]}}, ("i0", "t2", 2), ("comes to 'a' twice",)),
]
WRONG += [
    ("custom", {**SQUARE, "place": {"i0": "a", "t2": "c"}, "routes": routes}, ("network", "routes", *where), says)
    for routes, where, says in ROUTES
]


@pytest.mark.parametrize(("topology", "network", "where", "says"), WRONG)
def test_what_is_wrong_is_told(topology, network, where, says):
    with pytest.raises(Misfit) as refused:
        elaborate(CardConfig.model_validate(card(topology, deepcopy(network))))
    assert refused.value.location == where
    assert all(words in str(refused.value) for words in says), refused.value


@pytest.mark.parametrize("change", [{"isolation": "basic"}, {"time_slots": 4}])
def test_what_a_network_cannot_have_is_refused(change):
    description = card("mesh", {"columns": 2, "rows": 2})
    if "isolation" in change:
        description["fabric"] |= change
        where, says = ("fabric", "isolation"), "a mesh needs `isolation: strict`"
    else:
        description["targets"]["t1"] |= change
        where, says = ("targets", "t1", "time_slots"), "the links of a mesh keep no slots"
    with pytest.raises(Misfit, match=says) as refused:
        elaborate(CardConfig.model_validate(description))
    assert refused.value.location == where


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("name", ["mesh16", "ring8"])
def test_every_flow_goes_from_switch_to_switch(name, answers):
    """From where it enters, each router on its path sends it on, on its virtual channel, to its port."""
    network = plan_card(find_card(name)).network
    assert network
    found = switches(network, answers=answers)
    for flow in network.flows:
        path, ends = flow.request, [flow.initiator, flow.target]
        starts = network.initiators
        if answers:
            path, ends, starts = flow.response, ends[::-1], network.targets
        at, came, lane = starts[ends[0]], End(port=ends[0]), 0
        for channel in path:
            way = _way(found[at], ends)
            assert (found[at].inlets[way.inlet], way.inlet_lane) == (came, lane)
            assert (found[at].outlets[way.outlet], way.outlet_lane) == (End(router=channel.sink), channel.lane)
            at, came, lane = channel.sink, End(router=at), channel.lane
        way = _way(found[at], ends)
        assert found[at].inlets[way.inlet] == came
        assert found[at].outlets[way.outlet] == End(port=ends[1], inlet=way.inlet)
    hops = sum(len(flow.response if answers else flow.request) + 1 for flow in network.flows)
    assert sum(len(switch.ways) for switch in found) == hops


def _way(switch: Switch, ends: list[int]) -> Way:
    [way] = [way for way in switch.ways if [way.source, way.sink] == ends]
    return way


def test_a_plan_is_the_same_every_time():
    path = find_card("mesh16")
    assert plan_card(path) == plan_card(path)
