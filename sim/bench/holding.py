"""What a slice holds, resolved to the models on the bench, and as the marks describe it for the judge."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ram import Card as CardDescription
from ram import Inventory
from ram.budgets import DIRECTIONS, limit_of
from ram.inventory import Place

from .card import Card
from .ports import Initiator
from .traffic import Region


@dataclass(frozen=True)
class Holding:
    """A slice that runs.

    Members
    -------
    number : int
        Its hardware slice.
    contexts : list of (Initiator, int)
        Ports that act for it, each with its AxUSER; cores and devices included.
    regions : list of Region
        What its initiators see.
    """

    number: int
    name: str
    contexts: list[tuple[Initiator, int]]
    regions: list[Region]

    @property
    def targets(self) -> set[int]:
        """Targets that it uses."""
        return {region.target for region in self.regions}


def regions(card: CardDescription, layout: dict[int, Place]) -> list[Region]:
    """A window as runs of granules that lead to consecutive granules of one target."""
    granule = card.fabric.granule

    def line(entry: tuple[int, Place]) -> tuple[str, int, bool, bool]:
        window, place = entry
        return place.target, place.granule - window, place.readable, place.writable

    result = []
    for (target, _, readable, writable), found in groupby(sorted(layout.items()), key=line):
        run = list(found)
        window, place = run[0]
        result.append(
            Region(window * granule, len(run) * granule, card.target[target], place.granule, readable, writable)
        )
    return result


def common_regions(card: CardDescription, before: Inventory, after: Inventory, name: str) -> list[Region]:
    """What a slice has all through a change."""
    later = after.layout(card, name)
    return regions(card, {at: place for at, place in before.layout(card, name).items() if later.get(at) == place})


def holding(card: Card, description: CardDescription, inventory: Inventory, name: str) -> Holding:
    """What the slice `name` holds now."""
    owner = inventory.slice(name)
    assert owner is not None, f"no slice {name}"
    contexts = [description.context[port] for port in inventory.ports(description, name)]
    return Holding(
        owner.index,
        name,
        [(card.initiators[context.initiator], context.number) for context in contexts],
        regions(description, inventory.layout(description, name)),
    )


def owners(description: CardDescription, inventory: Inventory) -> dict[str, Any]:
    """Everybody's resources, as a mark; see the trace format in ``docs/simulation.md``."""
    fabric = description.fabric
    result = {}
    for owner in inventory.slices:
        memory = []
        lent = [(region, share.window, share.rights) for _, region, share in inventory.borrowed(owner.name)]
        for region, window, rights in [(region, region.window, "read-write") for region in owner.regions] + lent:
            if window is None:
                continue
            place = window
            for extent in region.extents:
                memory.append({
                    "target": extent.target, "first": extent.first, "count": extent.granules, "key": region.key,
                    "rights": "rw" if rights == "read-write" else "ro", "window": place * fabric.granule,
                })  # fmt: skip
                place += extent.granules
        limits = [limit_of(owner.qos, direction) for direction in DIRECTIONS]
        limit = None if None in limits else max(each or 0 for each in limits)
        result[str(owner.index)] = {
            "name": owner.name,
            "tenant": owner.tenant,
            "contexts": [
                [description.initiators[context.initiator].name, context.number]
                for context in (description.context[name] for name in owner.contexts)
            ],
            "cores": list(owner.cores),
            "devices": [*owner.devices, *(attachment.device for attachment in owner.attachments)],
            "lanes": {entry.device: [entry.first_lane, entry.lanes] for entry in owner.attachments},
            "memory": memory,
            "class": owner.qos.class_,
            "rate": limit / fabric.data_bytes / fabric.clock if limit is not None else None,
        }
    return result
