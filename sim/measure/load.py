"""Latency at rising load, as networks are compared: a card with its network, and with a crossbar in its place."""

import json
import re
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hdl.errors import Refusal
from hdl.files import build_folder, write_text
from hdl.generate import generate
from hdl.plan import Plan, plan_card
from hdl.plan.network import Network
from hdl.traffic.settings import REGIONS

from ..traffic.measure import WINDOW
from .harness import HARNESS, run_in_harness
from .load_picture import draw
from .tradeoff import varied

STEPS = 9
"""Loads of a curve, in eighths of what the links, ports and targets could carry."""
WIDTH = 120
"""Columns of the table."""
FULL = 256
"""The rate at which a request falls due in each cycle."""
_NETWORK = re.compile(r"^network *:.*\n(?:[ \t#].*\n|\n)*", re.MULTILINE)

Destinations = dict[int, list[int]]
"""For each host and core the targets of its requests, as many entries as a generator's route has, each as likely."""


def memories_of(plan: Plan) -> Destinations:
    """The memories that each host and core reaches."""
    return {
        port.index: [target for target in port.targets if plan.targets[target].kind == "memory"]
        for port in plan.initiators
        if port.kind in ("host", "core")
    }


def patterns(plan: Plan) -> dict[str, Destinations]:
    """Where requests go, by the pattern's name; those of grids are over routers, and mean the target next to there.

    Source: W. J. Dally and B. Towles, Principles and Practices of Interconnection Networks (2004), section 3.2.

    Raises
    ------
    Refusal
        A host or core reaches no memory, or more than a generator has regions; or there is neither.
    """
    reach = memories_of(plan)
    if not reach:
        raise Refusal(f"{plan.card}: it has no host and no core, which could make traffic")
    for port, row in reach.items():
        if not 1 <= len(row) <= REGIONS:
            name = plan.initiators[port].name
            raise Refusal(f"{plan.card}: {name!r} reaches {len(row)} memories; for this it is 1 to {REGIONS}")
    half = REGIONS // 2
    found = {
        "uniform": {port: [row[n % len(row)] for n in range(REGIONS)] for port, row in reach.items()},
        "hotspot": {port: [row[0]] * half + [row[n % len(row)] for n in range(half)] for port, row in reach.items()},
    }
    network = plan.network
    if network:
        for name, moved in _permutations(network).items():
            found[name] = {
                port: [_nearest(network, moved[network.initiators[port]], row)] * REGIONS for port, row in reach.items()
            }
    return found


def _permutations(network: Network) -> dict[str, list[int]]:
    """Where each router sends."""
    columns, count = network.columns, len(network.routers)
    at = [(n % columns, n // columns) for n in range(count)]
    found = {"bit-complement": [count - 1 - n for n in range(count)]}
    if network.topology != "custom":
        found["neighbour"] = [(x + 1) % columns + y * columns for x, y in at]
    if columns * columns == count:
        found["transpose"] = [y + x * columns for x, y in at]
    return found


def _nearest(network: Network, router: int, targets: list[int]) -> int:
    """The target with the fewest links from a router; the first of several."""
    far = {router: 0}
    queue = deque([router])
    while queue:
        here = queue.popleft()
        for source, sink in network.links:
            if source == here and sink not in far:
                far[sink] = far[here] + 1
                queue.append(sink)
    return min(targets, key=lambda target: far[network.targets[target]])


def bound(plan: Plan, destinations: Destinations, *, write: bool) -> tuple[float, str]:
    """Beats per cycle of each host and core that cannot be exceeded, and which port, target or link would be full."""
    loads: dict[str, float] = defaultdict(float, {"a port": 1.0})
    network = plan.network
    flows = {(flow.initiator, flow.target): flow for flow in network.flows} if network else {}
    for port, targets in destinations.items():
        for target in targets:
            loads[plan.targets[target].name] += 1 / len(targets)
            if network:
                flow = flows[port, target]
                for channel in flow.request if write else flow.response:
                    link = f"{network.routers[channel.source]} to {network.routers[channel.sink]}"
                    loads[link] += 1 / len(targets)
    name, most = max(loads.items(), key=lambda item: item[1])
    return 1 / most, name


def rates(most: float) -> list[int]:
    """Rates of a generator up to a little more than `most` beats per cycle."""
    wanted = (round(FULL * most * step / (STEPS - 1)) for step in range(1, STEPS + 1))
    return sorted({max(1, min(FULL - 1, rate)) for rate in wanted})


def measure(card: Path, folder: Path, wanted: dict[str, Destinations]) -> list[dict[str, Any]]:
    """All curves of one card, reads and writes; loads in beats per cycle and initiator, latencies in cycles."""
    plan = plan_card(card)
    generate(card, folder)
    (folder / HARNESS).unlink(missing_ok=True)
    curves: list[dict[str, Any]] = []
    told = []
    memories = memories_of(plan)
    for pattern, destinations in wanted.items():
        for write in (False, True):
            most, limit = bound(plan, destinations, write=write)
            curves.append({"topology": plan.topology, "pattern": pattern, "bound": most, "limited_by": limit})
            routes = [[memories[port].index(target) for target in targets] for port, targets in destinations.items()]
            told.append({"routes": routes, "plane": int(write), "rates": rates(most)})
    result = run_in_harness(plan, folder, "load", folder / "load", folder.parent, curves=told)
    for curve, found in zip(curves, result["curves"], strict=True):
        curve["plane"] = found["plane"]
        curve["points"] = [
            {
                "offered": point["rate"] / FULL,
                "accepted": sum(point["completed"]) / (WINDOW * len(memories)),
                "slowest": min(point["completed"]) / WINDOW,
                "mean": point["mean"],
                "longest": point["longest"],
            }
            for point in found["points"]
        ]
    return curves


def main(card: Path, *, placed: bool = True) -> int:
    """Measure single reads and writes at rising load; writes ``build/<card>/load.json`` and ``load.svg``.

    Parameters
    ----------
    card : Path
        The card description. One with a network is also measured as a crossbar with the same ports.
    placed : bool
        Does not matter here.

    Raises
    ------
    Refusal
        The card is wrong, a generator cannot make its traffic, or a tool is missing.
    """
    plan = plan_card(card)
    out = build_folder(plan.card).resolve()
    text = card.read_text(encoding="utf-8")
    texts = {plan.topology: text}
    if plan.network:
        texts["crossbar"] = _NETWORK.sub("", varied(text, {"topology": "crossbar"}))
    wanted = patterns(plan)
    curves: list[dict[str, Any]] = []
    for topology, described in texts.items():
        folder = out / f"load_{topology}"
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / "card.yaml"
        place.write_text(described, encoding="utf-8")
        curves += measure(place, folder, wanted)
    write_text(out / "load.json", json.dumps(curves, indent=2) + "\n")
    write_text(out / "load.svg", draw(curves) + "\n")
    table = Table(
        "pattern", "topology", "full first", "could carry", "all", "slowest", "latency from", "at half",
        caption="beats per cycle and initiator, the most of all loads: of all together, of the slowest; cycles",
    )  # fmt: skip
    for curve in sorted(curves, key=lambda one: (list(wanted).index(one["pattern"]), one["plane"])):
        points = curve["points"]
        half = min(points, key=lambda point: abs(point["offered"] - curve["bound"] / 2))
        table.add_row(
            f"{curve['pattern']}, {curve['plane']}s", curve["topology"], curve["limited_by"], f"{curve['bound']:.3f}",
            *(f"{max(point[name] for point in points):.3f}" for name in ("accepted", "slowest")),
            f"{points[0]['mean']:.1f}", f"{half['mean']:.1f}",
        )  # fmt: skip
    console = Console(soft_wrap=True, width=WIDTH)
    console.print(table)
    console.print(f"written to {out / 'load.json'} and load.svg", highlight=False)
    return 0
