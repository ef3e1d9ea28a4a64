"""Can flows wait for each other in a circle? The graph of which channel waits for which tells.

Source: W. J. Dally and C. L. Seitz, Deadlock-Free Message Routing in Multiprocessor Interconnection Networks (1987).
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from .graph import Channel, Flow

Node = tuple[str, Channel]
"""A channel of the network of requests, or of that of answers."""


def dependencies(flows: Iterable[Flow]) -> dict[Node, set[Node]]:
    """For each channel those that a flow in it may wait for: the next on its path, and a target's answer.

    Nothing waits for an initiator: it has room for an answer before it asks.
    """
    waits: dict[Node, set[Node]] = {}
    for flow in flows:
        path = [("request", channel) for channel in flow.request] + [("answer", channel) for channel in flow.response]
        for number, here in enumerate(path):
            waits.setdefault(here, set()).update(path[number + 1 : number + 2])
    return waits


def circle(flows: Iterable[Flow]) -> list[Node]:
    """Channels each of which may wait for the next, and the last for the first; none if no flows can block."""
    try:
        TopologicalSorter(dependencies(flows)).prepare()
    except CycleError as error:
        return list(reversed(error.args[1][1:]))
    return []
