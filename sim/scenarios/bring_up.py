"""Bring-up: closed at reset, then one slice after another comes up."""

from random import Random

import cocotb

from ..bench.burst import BOUNDARY, illegal_bursts, random_burst
from ..bench.card import cycles
from ..bench.ports import Initiator
from ..bench.probe import all_of
from .setting import Setting

BURSTS = 12
"""Random bursts that each context tries, beside the illegal ones."""
RUN_CYCLES = 400
"""How long the slices run after each of them has come up."""


async def run(setting: Setting) -> None:
    """Closed, and then open slice by slice; what has no slice stays closed."""
    card = setting.card
    await setting.boot()
    with setting.phase("closed while the key tables are swept"):
        await refused_everywhere(setting, "swept")
    await card.closed()
    with setting.phase("closed after reset"):
        await refused_everywhere(setting, "closed")
    await card.quiet()
    for definition in setting.definitions:
        holding = await setting.create(definition)
        setting.run_traffic(holding)
        with setting.phase(f"{len(setting.holdings)} slices run"):
            await refused_everywhere(setting, definition.slice)
            await cycles(RUN_CYCLES)
    await setting.stop_traffic()
    await card.quiet()


async def refused_everywhere(setting: Setting, step: str) -> None:
    """Every context that belongs to nobody tries every kind of access."""
    card = setting.card
    owned = {(port.index, context) for holding in setting.holdings for port, context in holding.contexts}
    asleep = [port.name for port in card.initiators if port.in_reset]
    if asleep:
        setting.skip(f"accesses of {', '.join(asleep)} ({step})", "the card holds them in reset")

    async def attack(port: Initiator) -> None:
        rng = Random(f"{card.seed}/{step}/{port.name}")
        end = min(1 << card.fabric["address_width"], 2 * card.fabric["window_granules"] * card.granule)
        # One port without contexts has one owner, whatever AxUSER says.
        users = range(1 << card.fabric["user_width"]) if port.contexts > 1 else [0]
        for user in users:
            if (port.index, user) in owned:
                continue
            bursts = [
                random_burst(rng, 0, end, port.size_max, id=rng.randrange(port.ids), user=user) for _ in range(BURSTS)
            ]
            await all_of(
                port, rng, bursts + illegal_bursts(rng.randrange(end // BOUNDARY) * BOUNDARY, port.size_max, user=user)
            )

    for task in [cocotb.start_soon(attack(port)) for port in card.initiators if not port.in_reset]:
        await task
