"""Revocation: a granule changes its owner while both of them use it, and neither sees what is the other's."""

import cocotb

from ..bench.burst import BOUNDARY, random_burst, whole_page
from ..bench.card import cycles
from ..bench.holding import Holding
from ..bench.ports import Initiator
from ..bench.probe import Place, Window, rekey, words
from .isolation import private_granule, random_of, restore_windows
from .setting import Setting

HAMMER_CYCLES = 250
"""How long a granule is hammered before and after each change of its owner."""


async def run(setting: Setting) -> None:
    """A granule of one slice goes to another and back; at most two pairs of slices."""
    await setting.bring_up()
    await setting.card.settle()
    with setting.phase("A granule is hammered while it is revoked and granted to another; the new owner reads zeros"):
        await hammered_granule(setting)
        await setting.card.settle()
        await restore_windows(setting)
    await setting.card.quiet()


async def hammered_granule(setting: Setting) -> None:
    """All requests of both owners go to it, before the change, during it and after it."""
    pairs = [
        (old, new, place)
        for old in setting.holdings
        for new in setting.holdings
        if old is not new
        and (place := private_granule(setting, old.name))
        and any(place[0] in port.targets for port, _ in new.contexts)
    ]
    if not pairs:
        setting.skip("a hammered granule", "no slice reaches another one's memory")
    for old, new, place in pairs[:2]:
        await _hammer(setting, old, new, place)


async def _hammer(setting: Setting, old: Holding, new: Holding, place: Place) -> None:
    card = setting.card
    hammering = True
    slots = {}
    for holding in (old, new):
        for port, context in holding.contexts:
            window = Window(card, port, context)
            slots[port.index, context] = window.spare(holding, 1)
            await window.point([place], slots[port.index, context])

    async def hammer(port: Initiator, context: int, identity: int, *, writes: bool) -> None:
        rng = random_of(setting, f"hammer{identity}{old.name}", port, context)
        base = slots[port.index, context] * card.granule
        while hammering:
            burst = random_burst(rng, base, card.granule, port.size_max, id=identity, user=context)
            if writes and rng.random() < 0.5:
                await port.write(burst, words(rng, burst, port))
            else:
                await port.read(burst)

    # The new owner only reads at first: whatever it is given before it has written must be zero.
    tasks = [
        cocotb.start_soon(hammer(port, context, (2 * context + identity) % port.ids, writes=holding is old))
        for holding in (old, new)
        for port, context in holding.contexts
        for identity in range(2)
    ]
    mine, theirs = setting.private_key(old.name), setting.private_key(new.name)
    nobody = card.fabric["key_nobody"]
    for key in (theirs, nobody, mine, theirs, mine):
        await cycles(HAMMER_CYCLES)
        await rekey(card, place, key)
        if key == theirs:
            port, context = next(entry for entry in new.contexts if place[0] in entry[0].targets)
            base = slots[port.index, context] * card.granule
            for page in range(base, base + min(card.granule, 4 * BOUNDARY), BOUNDARY):
                for burst in whole_page(page, port.size_max, id=port.ids - 1, user=context):
                    await port.read(burst)
    # While its target takes nothing, so that requests stand in front of it, the granule is taken from everybody.
    target = card.targets[place[0]]
    for key in (nobody, mine):
        target.hold(True)
        await cycles(HAMMER_CYCLES)
        taking = cocotb.start_soon(rekey(card, place, key, scrub=key != nobody))
        await cycles(HAMMER_CYCLES)
        target.hold(False)
        await taking
        await cycles(HAMMER_CYCLES)
    hammering = False
    for task in tasks:
        await task
