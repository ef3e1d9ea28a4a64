"""Isolation: nobody reaches what is not theirs, whatever they send and wherever their windows point."""

from collections.abc import Awaitable, Callable
from random import Random

import cocotb

from ..bench.burst import BOUNDARY, Burst, illegal_bursts, random_burst, whole_page
from ..bench.card import cycles
from ..bench.holding import Holding
from ..bench.ports import Initiator
from ..bench.probe import Place, Window, all_of, probe, rekey, words
from .setting import Setting

Attack = Callable[[Holding, Window, Random], Awaitable[None]]
HAMMER_CYCLES = 250
"""How long a granule is hammered before and after each change of its owner."""


async def run(setting: Setting) -> None:
    """All steps, one after another."""
    await setting.bring_up()
    await setting.card.settle()
    for step in (every_granule, narrow_windows, forged_fields, granule_ends, hammered_granule, wrong_commands):
        name = step.__doc__.partition("\n")[0].rstrip(".") if step.__doc__ else step.__name__
        with setting.phase(name):
            await step(setting)
            await setting.card.settle()
            await restore_windows(setting)
        await setting.card.quiet()


async def restore_windows(setting: Setting) -> None:
    """Give every context the window that the RAM meant."""
    for holding in setting.holdings:
        for port, context in holding.contexts:
            await Window(setting.card, port, context).restore(holding.regions)


def _rng(setting: Setting, step: str, port: Initiator, context: int) -> Random:
    return Random(f"{setting.card.seed}/{step}/{port.name}/{context}")


async def on_all_contexts(setting: Setting, step: str, attack: Attack) -> None:
    """Run an attack on every context of every slice at once; on one port, one context after another."""
    by_port: dict[str, list[tuple[Holding, Initiator, int]]] = {}
    for holding in setting.holdings:
        for port, context in holding.contexts:
            by_port.setdefault(port.name, []).append((holding, port, context))

    async def on_port(entries: list[tuple[Holding, Initiator, int]]) -> None:
        for holding, port, context in entries:
            await attack(holding, Window(setting.card, port, context), _rng(setting, step, port, context))

    for task in [cocotb.start_soon(on_port(entries)) for entries in by_port.values()]:
        await task


async def every_granule(setting: Setting) -> None:
    """Every slice probes every granule of every target.

    The contexts of a slice share the work; a device's DMA probes everything by itself.
    """
    places: list[Place] = [
        (target.index, granule) for target in setting.card.targets for granule in range(target.granules)
    ]

    async def attack(holding: Holding, window: Window, rng: Random) -> None:
        others = [port for port, _ in holding.contexts if port.kind != "device"]
        part = places
        if window.port.kind != "device":
            share = -(-len(places) // len(others))
            number = [entry for entry in holding.contexts if entry[0].kind != "device"].index(
                (window.port, window.context)
            )
            part = places[number * share : (number + 1) * share]
        await probe(window, part, rng)

    await on_all_contexts(setting, "every_granule", attack)


def _own_and_foreign(setting: Setting, holding: Holding, port: Initiator) -> tuple[Place, Place]:
    """A granule that the slice may use through this port, and one of another slice; both of memory, if there is any."""
    memory = {target.index for target in setting.card.targets if target.kind == "memory"}

    def pick(owner: Holding) -> Place | None:
        usable = [region for region in owner.regions if region.target in port.targets and region.writable]
        usable.sort(key=lambda region: region.target not in memory)
        return (usable[0].target, usable[0].granule) if usable else None

    own = pick(holding)
    foreign = next((place for other in setting.holdings if other is not holding and (place := pick(other))), None)
    assert own and foreign, f"{holding.name} and its neighbours have nothing that {port.name} reaches"
    return own, foreign


async def narrow_windows(setting: Setting) -> None:
    """A window that permits less than the key does decides."""
    card = setting.card

    async def attack(holding: Holding, window: Window, rng: Random) -> None:
        port, context = window.port, window.context
        place = private_granule(setting, holding.name)
        if place is None or place[0] not in port.targets:
            return
        slot = window.spare(holding, 1)
        for readable, writable in ((1, 0), (0, 1), (0, 0)):
            await card.fill_window(window.index, slot, 1, *place, readable=readable, writable=writable)
            await all_of(port, rng, [Burst(slot * card.granule, 1, port.size_max, user=context)])

    await on_all_contexts(setting, "narrow_windows", attack)


async def forged_fields(setting: Setting) -> None:
    """Forged AxID, AxQOS, AxPROT, AxCACHE, and AxUSER where it means nothing, change nothing."""
    card = setting.card

    async def attack(holding: Holding, window: Window, rng: Random) -> None:
        port, context = window.port, window.context
        slot = window.spare(holding, 2)
        await window.point(_own_and_foreign(setting, holding, port), slot)
        every = {"id": range(port.ids), "qos": range(16), "prot": range(8), "cache": range(16)}
        variants = [{"user": context, name: value} for name, values in every.items() for value in values]
        variants += [
            {"user": context, **{name: rng.choice(values) for name, values in every.items()}} for _ in range(16)
        ]
        # On a port without contexts AxUSER names nobody; on the others the link hardware supplies it, and only values
        # that stand for no context at all can be wrong.
        users = range(1 << card.fabric["user_width"])
        variants += [{"user": user} for user in users if port.contexts == 1 or user >= port.contexts]
        bursts = [
            Burst((slot + number) * card.granule + rng.randrange(64) * port.width, 1, port.size_max, **fields)
            for fields in variants
            for number in range(2)
        ]
        await all_of(port, rng, bursts)

    await on_all_contexts(setting, "forged_fields", attack)


async def granule_ends(setting: Setting) -> None:
    """Accesses right across granule ends, and every burst that AXI forbids."""
    card = setting.card

    async def attack(holding: Holding, window: Window, rng: Random) -> None:
        port, fields = window.port, {"user": window.context}
        slot = window.spare(holding, 2)
        own, foreign = _own_and_foreign(setting, holding, port)
        for pair in ((own, foreign), (foreign, own)):
            await window.point(pair, slot)
            page = slot * card.granule + card.granule - BOUNDARY
            last, following = page + BOUNDARY, slot * card.granule + card.granule
            bursts = [
                Burst(last - port.width * beats, beats, port.size_max, id=beats % port.ids, **fields)
                for beats in (1, 2, 16)
            ]
            bursts += [Burst(following, beats, port.size_max, **fields) for beats in (1, 2, 16)]
            bursts += [Burst(last - 1, 1, port.size_max, **fields), Burst(last - 1, 1, 0, **fields)]
            bursts += [Burst(last - 1, 2, size, **fields) for size in range(port.size_max + 1)]
            bursts += illegal_bursts(page, port.size_max, **fields)
            await all_of(port, rng, bursts)

    await on_all_contexts(setting, "granule_ends", attack)


async def hammered_granule(setting: Setting) -> None:
    """A granule is hammered while it is revoked and granted to another; the new owner reads zeros."""
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


def private_granule(setting: Setting, name: str) -> Place | None:
    """A granule that carries a slice's private key."""
    owner = setting.inventory.slice(name)
    assert owner is not None
    extents = [extent for region in owner.regions if region.shares is None for extent in region.extents]
    return (setting.description.target[extents[0].target], extents[0].first) if extents else None


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
        rng = _rng(setting, f"hammer{identity}{old.name}", port, context)
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


async def wrong_commands(setting: Setting) -> None:
    """Commands with values out of range are refused and change nothing."""
    card = setting.card
    manifest = card.manifest
    for index, target in enumerate(manifest["targets"]):
        last = target["keyed"] - 1
        fields = manifest["registers"]["target"]["registers"]["LAST"]["fields"]["granule"]
        wrong = [(0, 0, 1)] if target["kind"] != "memory" else [(1, 0, 0)] if last else []
        if (last + 1) >> fields["width"] == 0:
            wrong.append((0, last + 1, 0))
        for first, end, scrub in wrong:
            async with card.sequence:
                await card.put("target", "FIRST", index, granule=first)
                await card.put("target", "LAST", index, granule=end)
                await card.put("target", "REKEY", index, key=1, scrub=scrub)
                await card.until(lambda fields: fields["phase"] == 0, "target", "STATUS", index)
    fields = manifest["registers"]["initiator"]["registers"]["HANDOVER"]["fields"]["context"]
    for index, port in enumerate(manifest["initiators"]):
        beyond = len(port["contexts"])
        if beyond >> fields["width"] == 0:
            async with card.sequence:
                await card.put("initiator", "HANDOVER", index, slice=0, assign=1, context=beyond)
                await card.until(lambda fields: fields["phase"] == 0, "initiator", "STATUS", index)
    for index, device in enumerate(manifest["pcie"]["devices"]):
        for first, width in ((0, 3), (1, 2), (0, 2 * device["lanes"])):
            if first < manifest["pcie"]["lanes"]:
                async with card.sequence:
                    await card.put("controller", "STEER", index, first=first, width=width % 32)
                    await card.get("controller", "STATUS", index)
