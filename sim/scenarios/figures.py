"""What a card is measured by: latency, beats per cycle, and how long a change takes."""

from random import Random
from typing import Any

import cocotb

from ram import ResourceType, SliceDefinition

from ..bench.burst import Burst
from ..bench.card import cycles
from ..bench.holding import Holding
from ..bench.load import Load
from ..bench.probe import rekey, words
from .setting import Setting

SINGLES = 32
"""Single requests whose latency is measured."""
MEASURE_CYCLES = 600
MOVED = 64 << 10
"""Bytes whose move is timed."""
BURST_BEATS = 64


def spread(setting: Setting) -> list[SliceDefinition]:
    """A slice for each memory that has a port of its own: they can all run at full speed at once."""
    card = setting.description
    usable = [context for context in card.contexts if card.kind(context.name) in ("host", "core")]
    free = {context.initiator: context for context in reversed(usable)}
    result: list[SliceDefinition] = []
    for index, target in enumerate(card.targets):
        port = next((port for port in sorted(free) if index in card.initiators[port].targets), None)
        if target.kind != "memory" or port is None or len(result) == min(card.fabric.keys - 1, card.fabric.slices):
            continue
        context = free.pop(port)
        kind = "contexts" if card.kind(context.name) == "host" else "cores"
        granules = min(max(1, MOVED // card.fabric.granule), target.granules // 2, card.fabric.window_granules // 2)
        size = granules * card.fabric.granule
        memory = [{"name": "main", "size": size, "targets": [target.name]}]
        result.append(
            SliceDefinition.model_validate({"slice": f"on_{target.name}", kind: [context.name], "memory": memory})
        )
    return result


async def run(setting: Setting) -> None:
    """Latency, throughput, growth, and a move of 64 KiB."""
    card = setting.card
    await setting.boot()
    await card.closed()
    for definition in spread(setting):
        await setting.create(definition)
    holdings = setting.holdings
    first = holdings[0]
    await _zero_load(setting, first)
    await _throughput(setting, holdings[:1], port=first.contexts[0][0].name)
    await _throughput(setting, holdings, ports=[holding.contexts[0][0].name for holding in holdings])
    await _growth(setting, first)
    await _moves(setting, holdings)
    await card.quiet()


async def _zero_load(setting: Setting, holding: Holding) -> None:
    port, context = holding.contexts[0]
    region, rng = holding.regions[0], Random(f"{setting.card.seed}/zero_load")
    with setting.phase("single requests", what="zero_load"):
        for number in range(SINGLES):
            address = region.base + rng.randrange(region.length // port.width) * port.width
            burst = Burst(address, 1, port.size_max, user=context)
            await (port.read(burst) if number % 2 else port.write(burst, words(rng, burst, port)))
            await cycles(8)


async def _throughput(setting: Setting, holdings: list[Holding], **what: Any) -> None:
    loads = [
        Load(*holding.contexts[0], holding.regions[0], beats=BURST_BEATS, write=write)
        for holding in holdings
        for write in (False, True)
    ]
    await cycles(200)
    ports = "one port" if len(holdings) == 1 else f"{len(holdings)} ports at once"
    with setting.phase(f"{ports}, back to back", what="throughput", **what):
        await cycles(MEASURE_CYCLES)
    for load in loads:
        await load.stop()
    await setting.card.settle()


async def _growth(setting: Setting, holding: Holding) -> None:
    """From a request's first register write to the first access that succeeds."""
    card, granule = setting.card, setting.card.granule
    port, context = holding.contexts[0]
    answer = setting.manager.allocate(holding.name, ResourceType.MEMORY, granule)
    if not answer.ok:
        return setting.skip("growing by one granule", answer.reason)
    trying = True
    tasks: list[Any] = []

    async def first_access(address: int) -> None:
        while trying:
            await port.read(Burst(address, 1, port.size_max, user=context))

    def expect(after: Holding) -> None:
        before = {region.base: region.length for region in holding.regions}
        for region in after.regions:
            known = before.get(region.base, 0)  # what is new may be a region of its own, or the end of one
            if region.length > known:
                tasks.append(cocotb.start_soon(first_access(region.base + known)))

    await setting.change(answer, "grow", f"{holding.name} grows by one granule", expect=expect)
    await cycles(64)
    trying = False
    assert tasks, "the slice grew, but its window shows nothing new"
    for task in tasks:
        await task
    await card.settle()


async def _moves(setting: Setting, holdings: list[Holding]) -> None:
    """64 KiB change their key, with and without scrub; nobody looks at them afterwards."""
    card = setting.card
    large = [holding for holding in holdings if holding.regions[0].length >= MOVED and MOVED % card.granule == 0]
    if len(holdings) < 2 or not large:
        return setting.skip("64 KiB move", "no two slices, or none with 64 KiB in one piece")
    giver = large[0]
    taker = next(holding for holding in holdings if holding is not giver)
    region, count = giver.regions[0], MOVED // card.granule
    target = card.targets[region.target].name
    gained = [{"target": target, "first": region.granule, "count": count}]
    for scrub, new in ((True, taker), (False, giver)):
        title = f"64 KiB move {'with' if scrub else 'without'} scrub"
        slices = [giver.number, taker.number]
        described = {"slices": slices, "targets": [target], "grows": new.number, "gained": gained, "bytes": MOVED}
        card.mark("transition_begin", name=title, what="move", scrub=scrub, **described)
        await rekey(card, (region.target, region.granule), setting.private_key(new.name), count, scrub=scrub)
        card.mark("transition_end", name=title, result="SUCCESS")
