"""What each router of a network is attached to, and which way each flow takes through it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from .graph import Network


@dataclass(frozen=True, order=True)
class End:
    """Where a router is attached: to another `router`, or to a `port` of the card (of this kind, by its number).

    A port takes what comes over each way in by itself, and at once: to it there is a way out for each of them, `inlet`.
    """

    router: int = -1
    port: int = -1
    inlet: int = -1


@dataclass(frozen=True, order=True)
class Way:
    """A flow through a router: where it comes in and goes out, by position, and over which virtual channels.

    `source` and `sink` are the numbers of the ports between which it goes.
    """

    source: int
    sink: int
    inlet: int
    inlet_lane: int
    outlet: int
    outlet_lane: int


@dataclass(frozen=True)
class Switch:
    """A router of one network, requests or answers.

    Members
    -------
    inlets, outlets : tuple of End
    inlet_lanes, outlet_lanes : tuple of int
        Virtual channels of each.
    ways : tuple of Way
        Flows that pass; what none of them needs is not built.
    """

    inlets: tuple[End, ...]
    outlets: tuple[End, ...]
    inlet_lanes: tuple[int, ...]
    outlet_lanes: tuple[int, ...]
    ways: tuple[Way, ...]


def switches(network: Network, *, answers: bool) -> tuple[Switch, ...]:
    """The routers of the network for requests, or for `answers`; one without flows has no ends."""
    passes: list[dict[tuple[int, int], tuple[End, int, End, int]]] = [{} for _ in network.routers]
    for flow in network.flows:
        ends = (flow.initiator, flow.target)
        source, sink = reversed(ends) if answers else ends
        path = flow.response if answers else flow.request
        begin = (network.targets if answers else network.initiators)[source]
        at, inlet, lane = begin, End(port=source), 0
        for channel in path:
            passes[at][source, sink] = (inlet, lane, End(router=channel.sink), channel.lane)
            at, inlet, lane = channel.sink, End(router=channel.source), channel.lane
        passes[at][source, sink] = (inlet, lane, End(port=sink), 0)
    return tuple(_switch(each) for each in passes)


def _switch(passes: dict[tuple[int, int], tuple[End, int, End, int]]) -> Switch:
    inlets = sorted({inlet for inlet, *_ in passes.values()})
    lanes_in: dict[End, int] = defaultdict(int)
    lanes_out: dict[End, int] = defaultdict(int)
    found = []
    for (source, sink), (inlet, inlet_lane, outlet, outlet_lane) in passes.items():
        place = inlets.index(inlet)
        out = replace(outlet, inlet=place) if outlet.port >= 0 else outlet
        lanes_in[inlet] = max(lanes_in[inlet], inlet_lane + 1)
        lanes_out[out] = max(lanes_out[out], outlet_lane + 1)
        found.append((source, sink, place, inlet_lane, out, outlet_lane))
    outlets = sorted(lanes_out)
    ways = (
        Way(source, sink, inlet, inlet_lane, outlets.index(out), outlet_lane)
        for source, sink, inlet, inlet_lane, out, outlet_lane in found
    )
    return Switch(
        tuple(inlets),
        tuple(outlets),
        tuple(lanes_in[end] for end in inlets),
        tuple(lanes_out[end] for end in outlets),
        tuple(sorted(ways)),
    )
