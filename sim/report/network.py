"""A card's network as a picture: routers, what is attached to them, and links as wide as they were used in a run."""

from collections import Counter
from math import cos, pi, sin
from typing import Any

from ..judge.scoreboard import Result
from . import svg
from .card import Owners, port_owner

ROUTER = 15
"""Half of a router's side."""
CELL_WIDTH, CELL_HEIGHT = 190, 120
CHIP, LINE_HEIGHT = 8, 14
BESIDE = 130
"""Room for what is written beside a circle."""
NARROW, WIDE = 1.2, 12
"""Width of a link that carries nothing, and what a beat per cycle adds."""

LETTER = 6.4
"""Width of a letter of a name, about."""

Link = tuple[int, int]
Point = tuple[float, float]


def link_beats(manifest: dict[str, Any], result: Result) -> dict[Link, Counter[int]]:
    """Beats of data that went over each link in a run, by slice: of writes there, of reads back."""
    paths = {(flow["initiator"], flow["target"]): flow for flow in manifest["network"]["flows"]}
    beats: dict[Link, Counter[int]] = {}
    for asked in result.asked:
        access = asked.access
        if access is None:
            continue
        flow = paths[asked.initiator, asked.target]
        count = len(access.beats) if access.write else len(access.responses)
        for source, sink in flow["request" if access.write else "response"]:
            beats.setdefault((source, sink), Counter())[access.user] += count
    return beats


def draw(manifest: dict[str, Any], owners: Owners, result: Result) -> str:
    """Each link as two lines, one for each direction, in the colour of the slice that used it most."""
    network = manifest["network"]
    places, width, height = _places(network)
    beats = link_beats(manifest, result)
    body = []
    for source, sink in sorted((source, sink) for source, sink in map(tuple, network["links"])):
        used = beats.get((source, sink), Counter())
        body.append(_link(network, places, (source, sink), used, result.trace.cycles, owners))
    for number, (x, y) in enumerate(places):
        name = network["routers"][number]
        side = 2 * ROUTER
        body.append(svg.rect(x - ROUTER, y - ROUTER, side, side, rx=5, fill="#fff", stroke=svg.INK, stroke_width=1.4))
        body.append(svg.text(x, y + 4, name, font_size=10, font_weight=600, fill=svg.INK, text_anchor="middle"))
        body += _ports(manifest, owners, number, (x, y))
    return svg.picture(width, height, body, "the network, and how much its links were used")


def _places(network: dict[str, Any]) -> tuple[list[Point], float, float]:
    """Where each router stands, and the size of the picture: a grid in rows, others in a circle."""
    count, columns = len(network["routers"]), network["columns"]
    if columns < count:
        rows = count // columns
        grid = [(40 + n % columns * CELL_WIDTH, 36 + n // columns * CELL_HEIGHT) for n in range(count)]
        return [(float(x), float(y)) for x, y in grid], 40.0 + columns * CELL_WIDTH, 30.0 + rows * CELL_HEIGHT
    across, down = max(110, 26 * count), max(80, 19 * count)
    turns = [2 * pi * n / count - pi / 2 for n in range(count)]
    circle = [(BESIDE + across * (1 + cos(turn)), 60 + down * (1 + sin(turn))) for turn in turns]
    return circle, 2.0 * (BESIDE + across), 120.0 + 2 * down


def _link(
    network: dict[str, Any], places: list[Point], link: Link, used: Counter[int], cycles: int, owners: Owners
) -> str:
    """One direction of a link, beside the other one; bent where it closes a row or a column of a grid."""
    (x1, y1), (x2, y2) = places[link[0]], places[link[1]]
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    right_x, right_y = -(y2 - y1) / length, (x2 - x1) / length
    x1, x2 = x1 + 5 * right_x, x2 + 5 * right_x
    y1, y2 = y1 + 5 * right_y, y2 + 5 * right_y
    columns, count = network["columns"], len(places)
    closes = columns < count and abs(link[0] - link[1]) not in (1, columns)
    bend = 34 if closes else 0
    load = sum(used.values()) / max(1, cycles)
    most = used.most_common(1)
    hue = svg.colour(most[0][0]) if most else svg.LINE
    name = f"{network['routers'][link[0]]} to {network['routers'][link[1]]}"
    parts = [f"{owners[str(number)]['name'] if str(number) in owners else number} {n}" for number, n in used.items()]
    title = f"{name}: {load:.3f} beats per cycle" + (f"; beats of slices: {', '.join(parts)}" if parts else "")
    middle = f"{(x1 + x2) / 2 + bend * right_x:.1f} {(y1 + y2) / 2 + bend * right_y:.1f}"
    points = f"M{x1:.1f} {y1:.1f} Q{middle} {x2:.1f} {y2:.1f}"
    return svg.named(svg.path(points, fill="none", stroke=hue, stroke_width=f"{NARROW + WIDE * load:.1f}"), title)


def _corner(network: dict[str, Any], router: int, place: Point, wide: float, high: float) -> Point:
    """Upper left corner of what is written beside a router: below it in a grid, outside of a circle."""
    (x, y), off, count = place, ROUTER + 8, len(network["routers"])
    if network["columns"] < count:
        return x + off, y + ROUTER + 4
    turn = 2 * pi * router / count - pi / 2
    if abs(cos(turn)) < 0.3:
        return x - wide / 2, y - off - high if sin(turn) < 0 else y + off
    return x + off if cos(turn) > 0 else x - off - wide, y - high / 2


def _ports(manifest: dict[str, Any], owners: Owners, router: int, place: Point) -> list[str]:
    """What is attached to a router, a line each, with a mark for each slice that owns some of it."""
    network, drawn = manifest["network"], []
    rows: list[tuple[str, list[int | None]]] = []
    for port, at in zip(manifest["initiators"], network["initiators"], strict=True):
        if at == router:
            holders = [port_owner(owners, port, context, manifest) for context in range(len(port["contexts"]))]
            rows.append((port["name"], holders))
    for target, at in zip(manifest["targets"], network["targets"], strict=True):
        if at == router:
            having = (
                int(n) for n, held in owners.items() if any(r["target"] == target["name"] for r in held["memory"])
            )
            rows.append((target["name"], list(having)))
    wide = max((len(holders) * (CHIP + 2) + 3 + len(name) * LETTER for name, holders in rows), default=0)
    x, top = _corner(network, router, place, wide, len(rows) * LINE_HEIGHT)
    for number, (name, holders) in enumerate(rows):
        y = top + number * LINE_HEIGHT
        for mark, holder in enumerate(holders):
            owner = "nobody" if holder is None else owners[str(holder)]["name"]
            left = x + mark * (CHIP + 2)
            drawn.append(svg.rect(left, y, CHIP, CHIP, f"{name}: {owner}", rx=2, fill=svg.colour(holder)))
        words = x + len(holders) * (CHIP + 2) + 3
        drawn.append(svg.text(words, y + CHIP, name, font_size=11, fill=svg.INK))
    return drawn
