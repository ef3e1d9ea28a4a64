"""Worst latencies: one slice asks for one thing at a time, while as many others as can do their worst to its target."""

from collections.abc import Iterator
from typing import Any

from ram.admission import longest_latency

from ..bench.card import cycles
from ..bench.load import Load
from .qos import SETTLE_CYCLES, contenders
from .setting import Setting

VICTIM = "victim"
MOST_RIVALS = 7
RIVALS_OUTSTANDING = 4
MEASURE_CYCLES = 1500
BEATS = 16
"""Of the requests that are measured."""
LONGEST, SHORTER = 256, 2
"""Of the others'."""


async def run(setting: Setting) -> None:
    """The others have the same class, a lower one, a higher one, or its pieces are single beats; reads, then writes."""
    card, fabric = setting.card, setting.description.fabric
    rivals = [f"rival{number}" for number in range(MOST_RIVALS)]
    wanted: list[Any] = []
    while rivals and not (wanted := contenders(setting, (VICTIM, *rivals))):
        rivals.pop()
    await setting.boot()
    await card.closed()
    if setting.description.network:
        setting.skip("worst latencies", "no bound is computed for the links of a network")
        return await card.quiet()
    if not wanted:
        setting.skip("worst latencies", "no memory is reached by two ports with a slice of their own each")
        return await card.quiet()
    for definition in wanted:
        await setting.create(definition)
    steps: dict[str, tuple[dict[str, int], int]] = {"others have the same class": ({}, 0)}
    if fabric.classes > 1:
        steps |= {"others have a lower class": ({"class": 1}, 0), "others have a higher class": ({}, 1)}
    if fabric.isolation == "strict":
        steps["its pieces are single beats"] = {"chunk": fabric.data_bytes}, 0
    for title, (own, other) in steps.items():
        await setting.contract(VICTIM, own)
        for name in rivals:
            await setting.contract(name, {"class": other})
        loads = list(_press(setting, rivals))
        await cycles(SETTLE_CYCLES)
        for write in (False, True):
            await _measure(setting, f"{title}, {'writes' if write else 'reads'}", write=write)
        for load in loads:
            await load.stop()
        await card.settle()
    await card.quiet()


def _press(setting: Setting, rivals: list[str]) -> Iterator[Load]:
    """The others send the longest bursts, and every second one of them shorter writes."""
    for number, name in enumerate(rivals):
        held = setting.holding(name)
        for write in (False, True):
            beats = SHORTER if write and number % 2 else LONGEST
            yield Load(*held.contexts[0], held.regions[0], beats=beats, write=write, outstanding=RIVALS_OUTSTANDING)


async def _measure(setting: Setting, title: str, *, write: bool) -> None:
    held = setting.holding(VICTIM)
    target = setting.card.targets[held.regions[0].target].name
    bound = longest_latency(setting.description, setting.inventory, VICTIM, target, BEATS)
    load = Load(*held.contexts[0], held.regions[0], beats=BEATS, write=write, outstanding=1)
    with setting.phase(title, what="latency", target=target, slice=held.number, bound=bound):
        await cycles(MEASURE_CYCLES)
    await load.stop()
