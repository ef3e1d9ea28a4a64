"""Isolation: nobody reaches what is not theirs, whatever they send and wherever their windows point."""

from collections.abc import Awaitable, Callable
from random import Random

import cocotb

from ..bench.burst import BOUNDARY, Burst, illegal_bursts
from ..bench.holding import Holding
from ..bench.ports import Initiator
from ..bench.probe import Place, Window, all_of, probe
from .setting import Setting

Attack = Callable[[Holding, Window, Random], Awaitable[None]]


async def run(setting: Setting) -> None:
    """All steps, one after another."""
    await setting.bring_up()
    await setting.card.settle()
    for step in (every_granule, narrow_windows, forged_fields, granule_ends, wrong_commands):
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


def random_of(setting: Setting, step: str, port: Initiator, context: int) -> Random:
    """Random numbers of a context in a step."""
    return Random(f"{setting.card.seed}/{step}/{port.name}/{context}")


async def on_all_contexts(setting: Setting, step: str, attack: Attack) -> None:
    """Run an attack on every context of every slice at once; on one port, one context after another."""
    by_port: dict[str, list[tuple[Holding, Initiator, int]]] = {}
    for holding in setting.holdings:
        for port, context in holding.contexts:
            by_port.setdefault(port.name, []).append((holding, port, context))

    async def on_port(entries: list[tuple[Holding, Initiator, int]]) -> None:
        for holding, port, context in entries:
            await attack(holding, Window(setting.card, port, context), random_of(setting, step, port, context))

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


def private_granule(setting: Setting, name: str) -> Place | None:
    """A granule that carries a slice's private key."""
    owner = setting.inventory.slice(name)
    assert owner is not None
    extents = [extent for region in owner.regions if region.shares is None for extent in region.extents]
    return (setting.description.target[extents[0].target], extents[0].first) if extents else None


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
