"""A network that is planned: routers, links, and the path of each flow; and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

BISECTED = 16
"""Routers up to which every division into halves is looked at."""


@dataclass(frozen=True, order=True)
class Channel:
    """A virtual channel, the `lane`, of a link from one router to another."""

    source: int
    sink: int
    lane: int = 0


Path = tuple[Channel, ...]


@dataclass(frozen=True)
class Flow:
    """What an initiator asks a target, and its answers.

    Members
    -------
    initiator, target : int
    request, response : Path
        Empty if both are at the same router.
    load : float
        Beats per cycle that are expected in each direction.
    """

    initiator: int
    target: int
    request: Path
    response: Path
    load: float

    @property
    def hops(self) -> int:
        """Links that a request and its answer pass."""
        return len(self.request) + len(self.response)

    def in_one_lane(self) -> Flow:
        """The same over the first virtual channel of each link."""
        request, response = (tuple(replace(one, lane=0) for one in path) for path in (self.request, self.response))
        return replace(self, request=request, response=response)


@dataclass(frozen=True)
class Network:
    """Routers, links and flows. Requests and answers, reads and writes have links of their own, all alike.

    Members
    -------
    topology : str
    routers : tuple of str
        Names.
    links : tuple of (int, int)
        From one router to another; each has one in the other direction.
    columns : int
        Routers in a row, where the network is a grid; router `n` is in column ``n % columns``.
    initiators, targets : tuple of int
        The router of each.
    flows : tuple of Flow
        Those that the connectivity of the card allows; no others have paths.
    hop_cycles : int
        Cycles from router to router, if nobody is in the way.
    """

    topology: str
    routers: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    columns: int
    initiators: tuple[int, ...]
    targets: tuple[int, ...]
    flows: tuple[Flow, ...]
    hop_cycles: int

    @property
    def virtual_channels(self) -> int:
        """Virtual channels of each link."""
        return 1 + max((channel.lane for flow in self.flows for channel in (*flow.request, *flow.response)), default=0)

    def cycles(self, flow: Flow) -> int:
        """What the network adds to a request and its answer when nobody is in the way: two entries, and the routers."""
        return 2 + self.hop_cycles * (flow.hops + 2)

    @cached_property
    def link_loads(self) -> dict[tuple[int, int], float]:
        """Beats per cycle that are expected on a link: data of writes, or of reads, whichever is more."""
        writes: Counter[tuple[int, int]] = Counter()
        reads: Counter[tuple[int, int]] = Counter()
        for flow in self.flows:
            for path, loads in ((flow.request, writes), (flow.response, reads)):
                for channel in path:
                    loads[channel.source, channel.sink] += flow.load  # type: ignore[assignment]
        return {link: max(writes[link], reads[link]) for link in self.links}

    @cached_property
    def bisection(self) -> int | None:
        """The fewest links from one half of the routers to the other, in each direction; None if not known.

        W. J. Dally and B. Towles, Principles and Practices of Interconnection Networks, section 3.3.
        """
        count = len(self.routers)
        if count <= BISECTED:
            return min(self._cut(half) for half in combinations(range(count), count // 2)) if count > 1 else 0
        rows = count // self.columns
        lengths = {"mesh": (self.columns, rows), "torus": (self.columns, rows), "ring": (count, 1)}.get(self.topology)
        if lengths is None or (lengths[0] % 2 and lengths[1] % 2):
            return None
        wraps = 1 + (self.topology != "mesh")
        a, b = lengths
        return min(across * wraps for along, across in ((a, b), (b, a)) if along % 2 == 0)

    def _cut(self, half: Iterable[int]) -> int:
        inside = set(half)
        return sum(source in inside and sink not in inside for source, sink in self.links)
