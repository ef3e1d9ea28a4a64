"""The AXI ports of the top module, and what stands between them and the data plane."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..axi_ports import flat, inner_members, inner_signature
from ..plan.plan import Initiator, Plan, Target
from .chain import Chain, initiator_chain, outer_signature, target_chain


def edge_members(plan: Plan) -> dict[str, wiring.Member]:
    """All AXI4 and AXI4-Lite ports of a card, as what is attached sees them."""
    members: dict[str, wiring.Member] = {}
    for port in plan.ports:
        if plan.differs(port):
            signature = outer_signature(plan.edge(port), inner_signature(plan, port))
            members |= flat(port.name, signature, manager=isinstance(port, Target))
        else:
            members |= inner_members(plan, port)
    return members


def adapters(plan: Plan, port: Initiator | Target) -> Chain:
    """What stands between a port that differs and the data plane."""
    edge, inner = plan.edge(port), inner_signature(plan, port)
    return target_chain(edge, inner) if isinstance(port, Target) else initiator_chain(edge, inner, plan.outstanding)


def connect_edges(
    m: Module, plan: Plan, top: wiring.Component, plane: wiring.Component, isolate: Sequence[Value]
) -> dict[int, Value]:
    """Between the ports of the top and those of the data plane; adapters only where they differ.

    `isolate` tells for each initiator that it is in reset. What the adapters of its port remember is then forgotten, as
    the ingress forgets it: requests that have not entered are dropped, answers go nowhere.

    Returns
    -------
    dict of Value
        For initiators, by index, that are not reset in a hand-over: contexts of which an adapter has taken a request
        whose last part has not gone to the data plane. They are not drained.
    """
    held: dict[int, Value] = {}
    for port in plan.ports:
        if not plan.differs(port):
            for name, member in inner_members(plan, port).items():
                outside, inside = getattr(top, name), getattr(plane, name)
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        elif isinstance(port, Target):
            chain = m.submodules[f"edge_{port.name}"] = adapters(plan, port)
            _connect_outside(m, plan, port, top, chain.down)
            _connect_inside(m, plan, port, plane, chain.up)
        else:
            chain = adapters(plan, port)
            placed = ResetInserter(isolate[port.index])(chain) if port.has_reset else chain
            m.submodules[f"edge_{port.name}"] = placed
            _connect_outside(m, plan, port, top, chain.up)
            _connect_inside(m, plan, port, plane, chain.down)
            if not port.has_reset:
                held[port.index] = _held(port, chain)
    return held


def _connect_outside(m: Module, plan: Plan, port: Initiator | Target, top: wiring.Component, end) -> None:
    signature = outer_signature(plan.edge(port), inner_signature(plan, port))
    for name, member in flat(port.name, signature, manager=isinstance(port, Target)).items():
        outside, inside = getattr(top, name), getattr(end, name.removeprefix(f"{port.name}_"))
        m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)


def _connect_inside(m: Module, plan: Plan, port: Initiator | Target, plane: wiring.Component, end) -> None:
    """By way of wires with names, for whoever wants to watch the data plane's side."""
    for name, member in inner_members(plan, port).items():
        field = name.removeprefix(f"{port.name}_")
        wire = Signal(member.shape, name=inside_name(port.name, field))
        inside, outside = getattr(plane, name), getattr(end, field)
        source, sink = (outside, inside) if member.flow == In else (inside, outside)
        m.d.comb += [wire.eq(source), sink.eq(wire)]


def inside_name(port: str, field: str) -> str:
    """Name of the wire in the top module that carries an AXI4 signal between a port's adapters and the data plane."""
    return f"{port}_inside_{field}"


def _held(port: Initiator, chain: Chain) -> Value:
    """A bit for each context; a port with one context does not look at AxUSER."""
    several = len(port.contexts) > 1
    return Cat(
        (chain.ar_held & ((chain.ar_user == n) if several else 1))
        | (chain.aw_held & ((chain.aw_user == n) if several else 1))
        for n in range(len(port.contexts))
    )
