"""At which router is a port attached? Where the links that all flows pass, weighted by their load, are fewest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

STARTS = 8
"""Arrangements that are improved; the first one puts each port beside its busiest peers."""

LESS = 1e-9
"""What rounding may do to a sum is no gain."""


class Placement:
    """The router of each port, some of them given.

    Ports are moved, and exchanged in pairs, until nothing gets better by that; the best of `STARTS` arrangements
    counts. The same ports always get the same routers.

    Parameters
    ----------
    distances : links there and back, by routers
    loads : by pair of ports
    fixed : routers of ports that stay where they are
    count, room : int
        Ports, and how many there may be at a router; in all enough for those that are not fixed.

    Members
    -------
    routers : list of int
        By port.
    cost : float
        Sum over all flows of load times links there and back.
    """

    def __init__(
        self,
        distances: Sequence[Sequence[int]],
        loads: Mapping[tuple[int, int], float],
        fixed: Mapping[int, int],
        *,
        count: int,
        room: int,
    ) -> None:
        self._distances, self._loads, self._room = distances, sorted(loads.items()), room
        self._peers: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for (one, other), load in self._loads:
            self._peers[one].append((other, load))
            self._peers[other].append((one, load))
        self._free = [port for port in range(count) if port not in fixed]
        self.cost, self.routers = min(self._start(number, dict(fixed)) for number in range(STARTS))

    def _start(self, number: int, at: dict[int, int]) -> tuple[float, list[int]]:
        order = sorted(self._free, key=lambda port: -sum(load for _, load in self._peers[port]))
        if number:
            Random(number).shuffle(order)
        for port in order:
            at[port] = self._best(port, at)
        while self._improves(at):
            pass
        cost = sum(load * self._distances[at[one]][at[other]] for (one, other), load in self._loads)
        return cost, [at[port] for port in sorted(at)]

    def _cost(self, port: int, router: int, at: Mapping[int, int]) -> float:
        """What a port costs at a router, with those of its peers that have one."""
        return sum(load * self._distances[router][at[peer]] for peer, load in self._peers[port] if peer in at)

    def _best(self, port: int, at: Mapping[int, int]) -> int:
        """The router with room where it costs least; of equals the one with fewest ports."""
        used = [0] * len(self._distances)
        for router in at.values():
            used[router] += 1
        there_is_room = [router for router, ports in enumerate(used) if ports < self._room]
        return min(there_is_room, key=lambda router: (self._cost(port, router, at), used[router], router))

    def _improves(self, at: dict[int, int]) -> bool:
        """Move and exchange each port once; whether that was for the better."""
        better = False
        for port in self._free:
            here = at.pop(port)
            there = self._best(port, at)
            at[port] = there if self._cost(port, there, at) < self._cost(port, here, at) - LESS else here
            better |= at[port] != here
        for number, port in enumerate(self._free):
            for other in self._free[number + 1 :]:
                better |= self._exchanges(port, other, at)
        return better

    def _exchanges(self, port: int, other: int, at: dict[int, int]) -> bool:
        if at[port] == at[other]:
            return False
        before = self._cost(port, at[port], at) + self._cost(other, at[other], at)
        at[port], at[other] = at[other], at[port]
        if self._cost(port, at[port], at) + self._cost(other, at[other], at) < before - LESS:
            return True
        at[port], at[other] = at[other], at[port]
        return False
