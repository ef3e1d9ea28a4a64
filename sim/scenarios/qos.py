"""Quality of service: two slices saturate one bank; shares follow limits and classes."""

from typing import Any

from ram import SliceDefinition

from ..bench.card import cycles
from ..bench.holding import Holding
from ..bench.load import Load
from .setting import Setting

SETTLE_CYCLES = 300
MEASURE_CYCLES = 2000
SLICES = ("left", "right")
NEIGHBOURS = ("near", "far")
"""Slices on one port."""


def contenders(setting: Setting, names: tuple[str, ...] = SLICES, *, slotted: bool = False) -> list[SliceDefinition]:
    """Slices on one memory, on ports that share nothing else; none if the card has too few such ports.

    `slotted` asks for a memory with time slots.
    """
    card = setting.description
    for index, target in enumerate(card.targets):
        if target.kind != "memory" or (slotted and not target.time_slots):
            continue
        ports: dict[int, str] = {}
        for context in card.contexts:
            if index in card.initiators[context.initiator].targets and card.kind(context.name) in ("host", "core"):
                ports.setdefault(context.initiator, context.name)
        count = len(names)
        granules = min(4, target.granules // count)
        if len(ports) < count or card.fabric.keys < count + 1 or card.fabric.slices < count or not granules:
            continue
        return [
            SliceDefinition.model_validate({
                "slice": name,
                "contexts": [port] if card.kind(port) == "host" else [],
                "cores": [port] if card.kind(port) == "core" else [],
                "memory": [{"name": "main", "size": granules * card.fabric.granule, "targets": [target.name]}],
            })
            for name, port in zip(names, ports.values(), strict=False)
        ]  # fmt: skip
    return []


def neighbours(setting: Setting) -> list[SliceDefinition]:
    """Two slices on contexts of one port, with memory in one target; none if the card has no such port."""
    card = setting.description
    for initiator in card.initiators:
        memories = [card.targets[target] for target in initiator.targets if card.targets[target].kind == "memory"]
        if len(initiator.contexts) < len(NEIGHBOURS) or not memories:
            continue
        granules = min(4, memories[0].granules // len(NEIGHBOURS))
        return [
            SliceDefinition.model_validate({
                "slice": name,
                "contexts": [card.contexts[context].name],
                "memory": [{"name": "main", "size": granules * card.fabric.granule, "targets": [memories[0].name]}],
            })
            for name, context in zip(NEIGHBOURS, initiator.contexts, strict=False)
        ]  # fmt: skip
    return []


async def run(setting: Setting) -> None:
    """Equal contracts, a limit on one, on both, on one's reads or writes alone, two classes; then two on one port."""
    card, fabric = setting.card, setting.description.fabric
    wanted = contenders(setting)
    await setting.boot()
    await card.closed()
    if not wanted:
        setting.skip("two slices saturate one bank", "no memory is reached by two ports with a slice of their own each")
        return await card.quiet()
    for definition in wanted:
        await setting.create(definition)
    left, right = SLICES

    def limit(share: float) -> int:
        return int(share * fabric.data_bytes * fabric.clock)

    highest = fabric.classes - 1
    burst = shallow(setting)
    steps: list[tuple[str, dict[str, dict[str, Any]]]] = [
        ("equal contracts", {}),
        (f"{left} is limited to a quarter", {left: {"limit": limit(0.25), "burst": burst}}),
        (
            "both are limited",
            {left: {"limit": limit(0.25), "burst": burst}, right: {"limit": limit(0.5), "burst": burst}},
        ),
    ]
    if fabric.budgets == "separate":
        steps += [
            (f"reads of {left} are limited to a quarter", {left: {"read_limit": limit(0.25), "burst": burst}}),
            (f"writes of {left} are limited to a quarter", {left: {"write_limit": limit(0.25), "burst": burst}}),
        ]
    if fabric.slice_outstanding:
        steps.append((f"{left} may have one request under way", {left: {"outstanding": 1}}))
    if highest:
        steps.append((f"{right} has the highest class", {right: {"class": highest}}))
    else:
        setting.skip("two classes", "the card has one class")
    for title, contracts in steps:
        for name in SLICES:
            await setting.contract(name, contracts.get(name, {}))
        for write in (False, True):
            await _saturate(setting, f"{title}, {'writes' if write else 'reads'}", write=write)
    await _share_a_port(setting, limit(1 / 16))
    await card.quiet()


def shallow(setting: Setting) -> int:
    """Bytes of a bucket that is soon empty, but holds two rounds of half a target's bandwidth, see `ram.budgets`."""
    fabric = setting.description.fabric
    return max(16, fabric.budget_period) * fabric.data_bytes


async def _share_a_port(setting: Setting, limit: int) -> None:
    """Two contexts of one port: that one of them has no budget is not noticed by the other."""
    for name in SLICES:
        await setting.change(setting.manager.release(name), "release", f"{name} is released")
    wanted = neighbours(setting)
    if not wanted:
        return setting.skip("two slices share a port", "no port with several contexts reaches a memory")
    for definition in wanted:
        await setting.create(definition)
    left, right = NEIGHBOURS
    await setting.contract(left, {"limit": limit, "burst": shallow(setting)})
    for write in (False, True):
        title = f"{left} is limited on a port that it shares with {right}, {'writes' if write else 'reads'}"
        await _saturate(setting, title, NEIGHBOURS, write=write)


async def _saturate(setting: Setting, title: str, names: tuple[str, ...] = SLICES, *, write: bool) -> None:
    fabric = setting.card.fabric
    holdings: list[Holding] = [setting.holding(name) for name in names]
    loads = [Load(*holding.contexts[0], holding.regions[0], write=write, outstanding=6) for holding in holdings]
    await cycles(SETTLE_CYCLES)
    target = setting.card.targets[holdings[0].regions[0].target].name
    with setting.phase(title, what="qos", target=target, slices=[holding.number for holding in holdings], write=write):
        await cycles(MEASURE_CYCLES)
        if fabric["load_unit"]:
            _check_levels(setting, holdings)
    for load in loads:
        await load.stop()
    await setting.card.settle()


def _check_levels(setting: Setting, holdings: list[Holding]) -> None:
    """A target tells those who saturate it that it is loaded, and nobody else; AssertionError otherwise.

    It is saturated if at least two ports ask for it and one of them without a limit.
    """
    card, busy = setting.card, holdings[0].regions[0].target
    contracts = [setting.manager.definition(held.name).qos for held in holdings]
    limits = [{qos.limit, qos.read_limit, qos.write_limit} - {None} for qos in contracts]
    ports = {port.index for held in holdings for port, _ in held.contexts}
    saturated = len(ports) > 1 and not all(limits)
    level = {
        (target.index, number): card.load_level(target.index, number)
        for target in card.targets
        for number in range(card.fabric["slices"])
    }
    loaded = {place for place, found in level.items() if found != "light"}
    allowed = {(busy, held.number) for held in holdings}
    fine = loaded <= allowed and (loaded or not saturated)
    assert fine, f"loaded are (target, slice) {sorted(loaded)}, not {sorted(allowed)}"
