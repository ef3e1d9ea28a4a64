"""The card as a picture: ports, switch, memories as maps of granules, lanes; everything in its owner's colour."""

from math import ceil
from typing import Any

from . import svg

WIDTH = 640
LEFT, SWITCH, RIGHT = 150, 230, 330
"""Right edge of the initiators, left edge of the switch, left edge of the targets."""
COLUMNS, CELL = 64, 4.6
ROW = 40
CELLS = 1024
"""Granules drawn one by one; of a larger memory, a cell stands for several."""

Owners = dict[str, dict[str, Any]]
"""What each slice holds, by its number, as the bench notes it."""


def port_owner(owners: Owners, port: dict[str, Any], context: int, manifest: dict[str, Any]) -> int | None:
    """Slice of a context of a port."""
    for number, held in owners.items():
        if port["kind"] == "host":
            found = [port["name"], context] in [list(entry) for entry in held["contexts"]]
        elif port["kind"] == "core":
            found = port["name"] in held["cores"]
        else:
            device = port["device"]
            found = (port["name"] if device is None else manifest["pcie"]["devices"][device]["name"]) in held["devices"]
        if found:
            return int(number)
    return None


def _granules(owners: Owners, target: dict[str, Any]) -> list[list[int]]:
    """Slices that may use each granule of a target, the one that may write first."""
    held: list[list[int]] = [[] for _ in range(target["granules"])]
    for number, slice_ in owners.items():
        for run in slice_["memory"]:
            if run["target"] == target["name"]:
                for granule in range(run["first"], min(run["first"] + run["count"], target["granules"])):
                    place = 0 if "w" in run["rights"] else len(held[granule])
                    held[granule].insert(place, int(number))
    return held


def _initiators(manifest: dict[str, Any], owners: Owners, height: float) -> list[str]:
    ports = manifest["initiators"]
    step = height / len(ports)
    drawn = []
    for index, port in enumerate(ports):
        top = index * step + step / 2 - 15
        holders = [port_owner(owners, port, number, manifest) for number in range(len(port["contexts"]))]
        single = svg.colour(holders[0]) if len(holders) == 1 else svg.LINE
        drawn.append(svg.line(LEFT, top + 15, SWITCH, top + 15, stroke=single, stroke_width=2.2))
        stroke = single if holders[0] is not None else svg.LINE
        drawn.append(svg.rect(2, top, LEFT - 2, 30, rx=5, fill="#fff", stroke=stroke, stroke_width=1.4))
        drawn.append(svg.text(10, top + 19, port["name"], font_size=12, font_weight=600, fill=svg.INK))
        chip = 13
        for number, holder in enumerate(holders):
            x = LEFT - 8 - (len(holders) - number) * (chip + 2)
            name = owners[str(holder)]["name"] if holder is not None else "nobody"
            title = f"{port['name']}, context {number}: {name}" if len(holders) > 1 else f"{port['name']}: {name}"
            drawn.append(svg.rect(x, top + 8.5, chip, chip, title, rx=3, fill=svg.colour(holder)))
            if len(holders) > 1:
                ink = "#fff" if holder is not None else svg.MUTED
                drawn.append(svg.text(x + chip / 2, top + 18.5, number, font_size=9, fill=ink, text_anchor="middle"))
    return drawn


def _memory(owners: Owners, target: dict[str, Any], top: float) -> list[str]:
    """A map of granules, in rows."""
    held = _granules(owners, target)
    per_cell = ceil(len(held) / CELLS)
    drawn = []
    for cell in range(ceil(len(held) / per_cell)):
        part = held[cell * per_cell : (cell + 1) * per_cell]
        slices = next((slices for slices in part if slices), [])
        x, y = RIGHT + cell % COLUMNS * CELL, top + cell // COLUMNS * CELL * 2
        fill = svg.colour(slices[0] if slices else None)
        drawn.append(svg.rect(x, y, CELL - 0.7, 2 * CELL - 0.9, fill=fill))
        if len(slices) > 1:
            drawn.append(svg.rect(x, y + CELL, CELL - 0.7, CELL - 0.9, fill=svg.colour(slices[1])))
    return drawn


def _rows(target: dict[str, Any]) -> int:
    if target["kind"] != "memory":
        return 0
    per_cell = ceil(target["granules"] / CELLS)
    return ceil(ceil(target["granules"] / per_cell) / COLUMNS)


def _target_height(target: dict[str, Any]) -> float:
    return 26 + _rows(target) * CELL * 2 + 10 if target["kind"] == "memory" else ROW


def _targets(manifest: dict[str, Any], owners: Owners) -> list[str]:
    drawn, top = [], 0.0
    for target in manifest["targets"]:
        height = _target_height(target)
        middle = top + height / 2
        size = f"{target['size'] >> 10} KiB" if target["size"] < 1 << 20 else f"{target['size'] >> 20} MiB"
        drawn.append(svg.line(SWITCH + 44, middle, RIGHT - 10, middle, stroke=svg.LINE, stroke_width=2.2))
        if target["kind"] == "memory":
            label = f"{target['name']} · {size}, {target['granules']} granules"
            box = svg.rect(RIGHT - 10, top + 2, COLUMNS * CELL + 20, height - 6, rx=5, fill="#fff", stroke=svg.LINE)
            drawn.append(box)
            drawn.append(svg.text(RIGHT, top + 17, label, font_size=11, font_weight=600, fill=svg.INK))
            drawn += _memory(owners, target, top + 24)
        else:
            holder = next((slices[0] for slices in _granules(owners, target) if slices), None)
            if target["device"] is not None:
                device = manifest["pcie"]["devices"][target["device"]]["name"]
                holder = next((int(number) for number, held in owners.items() if device in held["devices"]), None)
            stroke = svg.colour(holder) if holder is not None else svg.LINE
            width = COLUMNS * CELL + 20
            box = svg.rect(RIGHT - 10, middle - 14, width, 28, rx=5, fill="#fff", stroke=stroke, stroke_width=1.4)
            drawn.append(box)
            label = f"{target['name']} · {size}"
            drawn.append(svg.text(RIGHT, middle + 4, label, font_size=11, font_weight=600, fill=svg.INK))
            x = RIGHT + COLUMNS * CELL - 11
            drawn.append(svg.rect(x, middle - 6.5, 13, 13, rx=3, fill=svg.colour(holder)))
        top += height
    return drawn


def _lanes(manifest: dict[str, Any], owners: Owners, top: float) -> list[str]:
    lanes = manifest["pcie"]["lanes"]
    holders: list[tuple[int, str] | None] = [None] * lanes
    for number, held in owners.items():
        for device, (first, width) in held["lanes"].items():
            for lane in range(first, min(first + width, lanes)):
                holders[lane] = int(number), device
    drawn = [svg.text(2, top + 20, "PCIe lanes", font_size=12, font_weight=600, fill=svg.INK)]
    step = min(30.0, (WIDTH - 100) / max(1, lanes))
    for lane, holder in enumerate(holders):
        x = 90 + lane * step
        title = f"lane {lane}: " + (f"{holder[1]}, {owners[str(holder[0])]['name']}" if holder else "nobody")
        drawn.append(svg.rect(x, top + 5, step - 4, 22, title, rx=4, fill=svg.colour(holder[0] if holder else None)))
        ink = "#fff" if holder else svg.MUTED
        middle = x + step / 2 - 2
        drawn.append(svg.text(middle, top + 20, lane, font_size=10, fill=ink, text_anchor="middle"))
    return drawn


def draw(manifest: dict[str, Any], owners: Owners, label: str) -> str:
    """The card with everything in its owner's colour."""
    height = max(sum(_target_height(target) for target in manifest["targets"]), ROW * len(manifest["initiators"]))
    body = _initiators(manifest, owners, height) + _targets(manifest, owners)
    middle = SWITCH + 22
    body.append(svg.rect(SWITCH, 2, 44, height - 6, rx=6, fill="#2b3644"))
    turn = f"rotate(-90 {middle} {height / 2:.0f})"
    name = f"{manifest['fabric']['topology']} · {manifest['fabric']['data_width']} bit"
    body.append(svg.text(middle + 4, height / 2, name, fill="#fff", font_size=12, text_anchor="middle", transform=turn))
    total = height
    if manifest["pcie"]["lanes"]:
        body += _lanes(manifest, owners, height + 6)
        total += 40
    return svg.picture(WIDTH, total, body, label)
