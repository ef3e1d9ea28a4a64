"""Which way a flow goes: dimension order on grids, with date lines where they close; up and down elsewhere.

Sources: W. J. Dally and C. L. Seitz, Deadlock-Free Message Routing in Multiprocessor Interconnection Networks (1987),
for dimension order and the two virtual channels of a ring; M. D. Schroeder and others, Autonet (1991), for up and down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from .graph import Channel, Path

Route = Callable[[int, int], Path]
"""From router to router; empty from one to itself."""


class Unreachable(Exception):
    """No path leads from one router to another."""


def grid_links(columns: int, rows: int, *, closed: bool) -> list[tuple[int, int]]:
    """Links of a grid, both directions; a row or column of more than two routers may be `closed` to a ring."""
    links = []
    for router in range(columns * rows):
        column, row = router % columns, router // columns
        links += [(router, row * columns + to) for to in _beside(column, columns, closed=closed)]
        links += [(router, to * columns + column) for to in _beside(row, rows, closed=closed)]
    return sorted(links)


def _beside(at: int, length: int, *, closed: bool) -> set[int]:
    """The neighbours in a line, or in a ring."""
    if closed and length > 2:
        return {(at - 1) % length, (at + 1) % length}
    return {to for to in (at - 1, at + 1) if 0 <= to < length}


def grid(columns: int, *, rows: int, closed: bool) -> Route:
    """Dimension order: along the row first, then along the column.

    In a ring a flow goes the shorter way round; of two ways of the same length half of the routers take either. From
    the link on that closes the ring it uses the second virtual channel, so the channels of a ring are no ring.
    """

    def route(source: int, sink: int) -> Path:
        column, row = sink % columns, source // columns
        along = _line(source % columns, column, columns, closed=closed)
        across = _line(row, sink // columns, rows, closed=closed)
        return tuple(
            [Channel(row * columns + a, row * columns + b, lane) for a, b, lane in along]
            + [Channel(a * columns + column, b * columns + column, lane) for a, b, lane in across]
        )

    return route


def _line(at: int, to: int, length: int, *, closed: bool) -> list[tuple[int, int, int]]:
    """Steps along a line, or round a ring: from, to, and the virtual channel."""
    step = 1 if to > at else -1
    if closed and length > 2:
        ahead = (to - at) % length
        step = 1 if 2 * ahead < length or (2 * ahead == length and at % 2 == 0) else -1
    steps, lane = [], 0
    while at != to:
        after = (at + step) % length
        lane |= abs(after - at) > 1  # it closes the ring
        steps.append((at, after, lane))
        at = after
    return steps


def up_and_down(count: int, links: Iterable[tuple[int, int]]) -> Route:
    """The shortest of those paths that go up towards a root first, and then only down.

    The root is the router from which the farthest one is nearest. A link leads up if it leads nearer to the root, or,
    of two that are as near, to the one of lower number.

    Raises
    ------
    Unreachable
        By the route, if the network is in pieces.
    """
    beside: list[list[int]] = [[] for _ in range(count)]
    for source, sink in sorted(links):
        beside[source].append(sink)
    levels = [_levels(root, beside) for root in range(count)]
    level = min(levels, key=lambda found: (-len(found), max(found.values())))

    def up(source: int, sink: int) -> bool:
        return (level.get(sink, count), sink) < (level.get(source, count), source)

    def search(source: int) -> dict[int, Path]:
        found: dict[int, Path] = {}
        seen = {(source, False)}
        waiting: deque[tuple[int, bool, Path]] = deque([(source, False, ())])
        while waiting:
            router, down, path = waiting.popleft()
            found.setdefault(router, path)
            for sink in beside[router]:
                state = (sink, not up(router, sink))
                if state not in seen and not (down and up(router, sink)):
                    seen.add(state)
                    waiting.append((*state, (*path, Channel(router, sink))))
        return found

    paths = [search(source) for source in range(count)]

    def route(source: int, sink: int) -> Path:
        if sink not in paths[source]:
            raise Unreachable
        return paths[source][sink]

    return route


def _levels(root: int, beside: list[list[int]]) -> dict[int, int]:
    """Distance of all routers that can be reached from `root`."""
    found, waiting = {root: 0}, deque([root])
    while waiting:
        router = waiting.popleft()
        for sink in beside[router]:
            if sink not in found:
                found[sink] = found[router] + 1
                waiting.append(sink)
    return found
