"""Lanes: what a controller receives and sends is on the lanes that were steered to it, and nowhere else."""

from bisect import bisect_right
from typing import Any

from ..bench.lanes import LANE_BITS
from .events import Event, Trace
from .findings import Findings
from .reference import Reference

STABLE = 8
"""Cycles after which a level has certainly passed the lane switch."""


def _level(events: list[Event], cycle: int) -> int:
    """What a signal showed in a cycle; 0 before the first event."""
    place = bisect_right(events, cycle, key=lambda event: event[0]) - 1
    return events[place][1] if place >= 0 else 0


def check_lanes(manifest: dict[str, Any], trace: Trace, reference: Reference, findings: Findings) -> int:
    """Compare both sides of the lane switch wherever nothing changes; returns how often that was possible."""
    lanes = manifest["pcie"]["lanes"]
    if not lanes:
        return 0
    devices = manifest["pcie"]["devices"]
    card_rx, card_tx = trace.of("-", "lane_rx"), trace.of("-", "lane_tx")
    names = [device["name"] for device in devices]
    sides = {name: (trace.of(name, "lane_rx"), trace.of(name, "lane_tx")) for name in names}
    bits = LANE_BITS
    moved = {0} | {event[0] for events in (card_rx, *(tx for _, tx in sides.values())) for event in events}
    for device in range(len(devices)):
        moved |= {*reference.steering[device].first[1:], *reference.steering[device].last[1:]}
    changes = sorted(moved)
    compared = 0
    for begin, after in zip(changes, [*changes[1:], trace.cycles], strict=True):
        cycle = after - 1
        if cycle - begin < STABLE:
            continue
        steering = [reference.steering[device].possible(begin + 1, cycle) for device in range(len(devices))]
        if any(len(values) > 1 for values in steering):
            continue
        compared += 1
        expected_tx = 0
        for device, [(first, width)] in zip(devices, steering, strict=True):
            mask = (1 << width * bits) - 1
            rx, tx = sides[device["name"]]
            right = _level(card_rx, cycle) >> first * bits & mask
            if _level(rx, cycle) != right:
                text = f"{device['name']} receives {_level(rx, cycle):x} from its lanes; right is {right:x}"
                findings.add("lanes", cycle, text)
            expected_tx |= (_level(tx, cycle) & mask) << first * bits
        if _level(card_tx, cycle) != expected_tx:
            findings.add("lanes", cycle, f"the card sends {_level(card_tx, cycle):x}; right is {expected_tx:x}")
    return compared
