"""What `hardslice check` prints of a network."""

from rich.table import Table

from .plan import Plan
from .plan.network import Flow, Network
from .plan.network.deadlock import dependencies
from .plan.plan import PATH_CYCLES


def network_tables(plan: Plan, network: Network) -> tuple[Table, ...]:
    """Its size and figures; what is attached where; and what every flow takes when nobody is in the way."""
    return _figures(plan, network), _routers(plan, network), _cycles(plan, network)


def _figures(plan: Plan, network: Network) -> Table:
    table = Table("figure", "value", title="Network")
    grid = f" in {len(network.routers) // network.columns} rows" if network.topology in ("mesh", "torus") else ""
    hops = [flow.hops for flow in network.flows]
    weight = sum(flow.load for flow in network.flows)
    mean = sum(flow.hops * flow.load for flow in network.flows) / weight
    bytes_per_second = (network.bisection or 0) * plan.data_bytes * plan.clock
    busiest, load = max(network.link_loads.items(), key=lambda found: (found[1], found[0]))
    waits = dependencies(network.flows)
    rows = {
        "routers": f"{len(network.routers)}{grid}",
        "links in each direction": str(len(network.links) // 2),
        "virtual channels": str(network.virtual_channels),
        "cycles from router to router": str(network.hop_cycles),
        "flows": str(len(network.flows)),
        "links there and back": f"{min(hops)} to {max(hops)}, {mean:.2f} by expected load",
        "bisection": "not known"
        if network.bisection is None
        else f"{network.bisection} links, {bytes_per_second / 1e9:g} GB/s in each direction",
        "busiest link": f"{network.routers[busiest[0]]} to {network.routers[busiest[1]]}, {load:.2f} beats per cycle "
        "if all ports say what is expected of them",
        "deadlock": f"none: of {len(waits)} channels each may wait for some of the others, in no circle",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _routers(plan: Plan, network: Network) -> Table:
    table = Table("router", "ports", "linked with", title="Routers")
    at = dict(zip(plan.port_names, (*network.initiators, *network.targets), strict=True))
    for number, router in enumerate(network.routers):
        ports = [name for name, there in at.items() if there == number]
        linked = [network.routers[sink] for source, sink in network.links if source == number]
        table.add_row(router, ", ".join(ports), ", ".join(linked))
    return table


def _cycles(plan: Plan, network: Network) -> Table:
    names = [target.name for target in plan.targets]
    table = Table("", *names, title="Cycles that the fabric adds to a read or write for which nobody waits")
    flows: dict[tuple[int, int], Flow] = {(flow.initiator, flow.target): flow for flow in network.flows}
    for port in plan.initiators:
        row = [flows.get((port.index, target.index)) for target in plan.targets]
        table.add_row(
            port.name, *(str(PATH_CYCLES[plan.isolation] + network.cycles(flow)) if flow else "" for flow in row)
        )
    return table
