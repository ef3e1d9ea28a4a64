"""From the `network` of a card description to a network: every check that it needs is here."""

from __future__ import annotations

from collections.abc import Sequence

from ...card.config import CardConfig, NetworkConfig
from ...errors import Misfit
from .deadlock import circle
from .graph import Channel, Flow, Network, Path
from .placement import Placement
from .routing import Route, Unreachable, grid, grid_links, up_and_down

MAX_ROUTERS = 64
WHERE = "network"
SHAPES = {"ring": ("routers",), "mesh": ("columns", "rows"), "torus": ("columns", "rows"), "custom": ("links",)}
"""What says how many routers there are, and which are linked."""


def plan_network(
    config: CardConfig, initiators: Sequence[str], targets: Sequence[str], reach: Sequence[Sequence[int]]
) -> Network | None:
    """The network of a card; None for a crossbar.

    Parameters
    ----------
    config : CardConfig
    initiators, targets : names
    reach : for each initiator the targets that it may ask

    Raises
    ------
    Misfit
        Names the value and what would be right.
    """
    topology, network = config.fabric.topology, config.network
    if topology == "crossbar":
        if network is not None:
            raise Misfit((WHERE,), "a crossbar has one switch; leave it out, or name another topology")
        return None
    if network is None:
        raise Misfit((WHERE,), f"is missing; for a {topology} it has {' and '.join(SHAPES[topology])}")
    _check_shape(topology, network)
    if config.fabric.isolation != "strict":
        says = (
            f"a {topology} needs `isolation: strict`, or flits wait in its routers; make it strict, or take a crossbar"
        )
        raise Misfit(("fabric", "isolation"), says)
    routers, links, columns = _routers(topology, network)
    route = _route(topology, network, routers, links)
    ports = [*initiators, *targets]
    shares = _loads(config, initiators, targets, reach)
    at = _places(network, routers, ports, route, shares)
    given = _given(network, routers, links, {(ports[a], ports[b]): (at[a], at[b]) for a, b in shares})
    flows = []
    for (source, port), load in shares.items():
        here, there = at[source], at[port]
        request, response = given.get((ports[source], ports[port])) or (route(here, there), route(there, here))
        flows.append(Flow(source, port - len(initiators), request, response, load))
    waits = circle(flows)
    if waits:
        shown = " > ".join(f"{kind} {routers[one.source]} to {routers[one.sink]}" for kind, one in waits)
        raise Misfit((WHERE, "routes"), f"flows could wait in a circle: {shown}; change a route of these")
    one_lane = [flow.in_one_lane() for flow in flows]
    if not circle(one_lane):
        flows = one_lane
    count = len(initiators)
    return Network(
        topology, tuple(routers), tuple(links), columns, tuple(at[:count]), tuple(at[count:]), tuple(flows),
        network.hop_cycles,
    )  # fmt: skip


def _check_shape(topology: str, network: NetworkConfig) -> None:
    wanted = SHAPES[topology]
    for name in ("routers", "columns", "rows", "links"):
        if name in wanted and getattr(network, name) is None:
            raise Misfit((WHERE, name), f"is missing; a {topology} has {' and '.join(wanted)}")
        if name not in wanted and getattr(network, name) is not None:
            raise Misfit((WHERE, name), f"a {topology} has {' and '.join(wanted)} instead; leave it out")
    if topology != "custom" and network.routes is not None:
        raise Misfit((WHERE, "routes"), f"the routes of a {topology} are known; leave them out, or make it custom")


def _routers(topology: str, network: NetworkConfig) -> tuple[list[str], list[tuple[int, int]], int]:
    """Names, links in both directions, and the length of a row."""
    if topology == "custom":
        return _custom(network)
    columns, rows = (network.routers or 0, 1) if topology == "ring" else (network.columns or 0, network.rows or 0)
    if not 2 <= columns * rows <= MAX_ROUTERS:
        raise Misfit((WHERE,), f"{columns} x {rows} routers; a network has 2 to {MAX_ROUTERS}")
    grid_names = [f"x{n % columns}y{n // columns}" for n in range(columns * rows)]
    names = [f"r{n}" for n in range(columns)] if topology == "ring" else grid_names
    return names, grid_links(columns, rows, closed=topology != "mesh"), columns


def _custom(network: NetworkConfig) -> tuple[list[str], list[tuple[int, int]], int]:
    listed = network.links or {}
    names = list(dict.fromkeys(name for source, sinks in listed.items() for name in (source, *sinks)))
    if not 2 <= len(names) <= MAX_ROUTERS:
        raise Misfit((WHERE, "links"), f"{len(names)} routers; a network has 2 to {MAX_ROUTERS}")
    links: set[tuple[int, int]] = set()
    for source, sinks in listed.items():
        for position, sink in enumerate(sinks):
            link = names.index(source), names.index(sink)
            location = (WHERE, "links", source, position)
            if source == sink:
                raise Misfit(location, f"{sink!r} is linked with itself; name another router")
            if link in links:
                raise Misfit(location, f"{source!r} and {sink!r} are linked twice; a link goes both ways, name it once")
            links |= {link, link[::-1]}
    return names, sorted(links), len(names)


def _route(topology: str, network: NetworkConfig, routers: list[str], links: list[tuple[int, int]]) -> Route:
    if topology == "custom":
        route = up_and_down(len(routers), links)
        for sink, name in enumerate(routers):
            try:
                route(0, sink)
            except Unreachable:
                raise Misfit((WHERE, "links"), f"no path from {routers[0]!r} to {name!r}; link them") from None
        return route
    if topology == "ring":
        return grid(len(routers), rows=1, closed=True)
    return grid(network.columns or 0, rows=network.rows or 0, closed=topology == "torus")


def _loads(
    config: CardConfig, initiators: Sequence[str], targets: Sequence[str], reach: Sequence[Sequence[int]]
) -> dict[tuple[int, int], float]:
    """Beats per cycle of each pair of ports: an initiator's are shared out among its targets as they are loaded."""
    expected = {name: initiator.expected_load for name, initiator in config.initiators.items()}
    expected |= {name: target.expected_load for name, target in config.targets.items()}
    loads = {}
    for source, row in enumerate(reach):
        shares = [expected.get(targets[target], 1.0) for target in row]
        for target, share in zip(row, shares, strict=True):
            own = expected.get(initiators[source], 1.0)
            loads[source, len(initiators) + target] = own * share / sum(shares)
    return loads


def _places(
    network: NetworkConfig, routers: list[str], ports: list[str], route: Route, loads: dict[tuple[int, int], float]
) -> list[int]:
    """The router of each port."""
    fixed: dict[int, int] = {}
    for name, router in (network.place or {}).items():
        if name not in ports:
            raise Misfit((WHERE, "place", name), f"{name!r} is not a port; ports are {', '.join(ports)}")
        if router not in routers:
            raise Misfit((WHERE, "place", name), f"{router!r} is not a router; routers are {', '.join(routers)}")
        fixed[ports.index(name)] = routers.index(router)
    least = -(-len(ports) // len(routers))
    if network.ports_per_router:
        _check_room(network.ports_per_router, least, fixed, routers, ports)
    distances = [[len(route(a, b)) + len(route(b, a)) for b in range(len(routers))] for a in range(len(routers))]
    return Placement(distances, loads, fixed, count=len(ports), room=network.ports_per_router or least).routers


def _check_room(room: int, least: int, fixed: dict[int, int], routers: list[str], ports: list[str]) -> None:
    if room < least:
        says = f"{len(ports)} ports do not fit on {len(routers)} routers; make it {least} or more"
        raise Misfit((WHERE, "ports_per_router"), says)
    for port, router in fixed.items():
        there = list(fixed.values()).count(router)
        if there > room:
            says = f"{there} ports at {routers[router]!r}, but ports_per_router is {room}; name other routers"
            raise Misfit((WHERE, "place", ports[port]), says)


def _given(
    network: NetworkConfig,
    routers: list[str],
    links: list[tuple[int, int]],
    pairs: dict[tuple[str, str], tuple[int, int]],
) -> dict[tuple[str, str], tuple[Path, Path]]:
    """Paths there and back of flows whose routers the description names; `pairs` has where each begins and ends."""
    found = {}
    for source, rows in (network.routes or {}).items():
        if source not in (name for name, _ in pairs):
            raise Misfit((WHERE, "routes", source), f"{source!r} is not an initiator; leave it out")
        for target, names in rows.items():
            where = (WHERE, "routes", source, target)
            if (source, target) not in pairs:
                raise Misfit(where, f"{source!r} does not reach {target!r}; leave it out, or connect them")
            begin, end = (routers[router] for router in pairs[source, target])
            if names[:1] + names[-1:] != [begin, end]:
                raise Misfit(where, f"a route from {source!r} to {target!r} begins at {begin} and ends at {end}")
            there = []
            for position, name in enumerate(names):
                if name in names[:position]:
                    raise Misfit((*where, position), f"the route comes to {name!r} twice; leave the round out")
                link = tuple(routers.index(one) if one in routers else -1 for one in names[position - 1 : position + 1])
                if position and link not in links:
                    raise Misfit(
                        (*where, position), f"no link from {names[position - 1]!r} to {name!r}; add it to links"
                    )
                there += [link] if position else []
            request = tuple(Channel(here, after) for here, after in there)
            found[source, target] = request, tuple(Channel(after, here) for here, after in reversed(there))
    return found
