"""What a change of the inventory means, in the words of the marks."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from ram import Card, Inventory
from ram.image import image_of


def runs(granules: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """(target, first, count) for (target, granule) pairs."""
    result = []
    for (target, _), found in groupby(enumerate(sorted(granules)), key=lambda item: (item[1][0], item[1][1] - item[0])):
        places = [place for _, place in found]
        result.append((target, places[0][1], len(places)))
    return result


def owned(card: Card, inventory: Inventory, name: str) -> set[tuple[int, int]]:
    """Granules (target, granule) of memory that a slice has for itself."""
    owner = inventory.slice(name)
    if owner is None:
        return set()
    return {
        (card.target[extent.target], extent.first + number)
        for region in owner.regions
        for extent in region.extents
        for number in range(extent.granules)
    }


def named(before: Inventory, after: Inventory) -> list[str]:
    """Slices that a change names: all others are bystanders."""
    names = dict.fromkeys(owner.name for owner in (*before.slices, *after.slices))
    return [name for name in names if before.slice(name) != after.slice(name)]


def describe(card: Card, before: Inventory, after: Inventory) -> dict[str, Any]:
    """The fields of a ``transition_begin`` mark."""
    names = named(before, after)
    owners = [after.slice(name) or before.slice(name) for name in names]
    keys = image_of(card, before).keys, image_of(card, after).keys
    places = {place for place in keys[0].keys() | keys[1].keys() if keys[0].get(place) != keys[1].get(place)}
    gains = {name: owned(card, after, name) - owned(card, before, name) for name in names}
    losses = {name: owned(card, before, name) - owned(card, after, name) for name in names}
    grows = next((owner.index for owner in owners if owner and gains[owner.name]), None)
    gained = [granules for found in gains.values() for granules in found]
    moved = len(gained) or sum(map(len, losses.values()))
    return {
        "slices": [owner.index for owner in owners if owner],
        "targets": [card.targets[target].name for target in sorted({target for target, _ in places})],
        "grows": grows,
        "gained": [
            {"target": card.targets[target].name, "first": first, "count": count}
            for target, first, count in runs(gained)
        ],
        "bytes": moved * card.fabric.granule or None,
        "scrub": bool(gained) if moved else None,
    }
