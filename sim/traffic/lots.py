"""Lots: the pieces of memory that generators work on, and which context of a slice works on which."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hdl.traffic.settings import REGIONS
from ram import Card, Inventory

LOT_BYTES = 8192
"""What a region of a generator covers: 64 places of 128 bytes, or 4 of 2 KiB."""


def lot_granules(card: Card) -> int:
    """Granules of a lot."""
    return max(1, LOT_BYTES // card.fabric.granule)


@dataclass(frozen=True, order=True)
class Lot:
    """Window granules of a slice from `window` on. One context at a time writes there, so it knows what to read."""

    slice: str
    window: int


def lots(card: Card, inventory: Inventory) -> Iterator[Lot]:
    """Everything that slices can work on.

    Of memory that has a key of its own the first half is the owner's, the second half is for whom it is shared with.
    """
    size = lot_granules(card)
    for owner in inventory.slices:
        spans = [
            (region.window, 0, region.granules // size // (1 if region.shares is None else 2))
            for region in owner.regions
        ]
        for _, region, share in inventory.borrowed(owner.name):
            if share.window is not None and share.rights == "read-write":
                spans.append((share.window, region.granules // size // 2, region.granules // size))
        for attachment in owner.attachments:
            target = card.targets[card.pcie.devices[card.device[attachment.device]].target]
            spans.append((attachment.window, 0, target.granules // size))
        for window, first, last in spans:
            yield from (Lot(owner.name, window + number * size) for number in range(first, last))


@dataclass
class Holder:
    """A context, and the lots it works on by number of the generator's region.

    Members
    -------
    name : str
        Of the context.
    port, user : int
        Its initiator, and AxUSER there.
    regions : tuple of int
        Numbers of the regions that are its own; a port's contexts share out those of its generator.
    """

    name: str
    port: int
    user: int
    regions: tuple[int, ...]
    lots: dict[int, Lot] = field(default_factory=dict)


def holders(card: Card) -> dict[str, Holder]:
    """All contexts of a card, with nothing to work on."""
    result = {}
    for context in card.contexts:
        number = len(card.initiators[context.initiator].contexts)
        own = tuple(range(REGIONS))[context.number * REGIONS // number : (context.number + 1) * REGIONS // number]
        result[context.name] = Holder(context.name, context.initiator, context.number, own)
    return result


def owner_of(card: Card, inventory: Inventory, context: str) -> str | None:
    """The slice that a context acts for."""
    return next((one.name for one in inventory.slices if context in inventory.ports(card, one.name)), None)


def keeps(card: Card, before: Inventory, after: Inventory, holder: Holder, lot: Lot) -> bool:
    """Whether a context can go on with a lot all through a change."""
    if owner_of(card, before, holder.name) != lot.slice or owner_of(card, after, holder.name) != lot.slice:
        return False
    old, new = before.layout(card, lot.slice), after.layout(card, lot.slice)
    places = range(lot.window, lot.window + lot_granules(card))
    return all(old.get(place) == new.get(place) is not None for place in places)


def deal(card: Card, inventory: Inventory, everybody: dict[str, Holder]) -> list[tuple[Holder, int]]:
    """Give lots that nobody works on to the contexts that have fewest; returns who got what in which region."""
    taken = {lot for holder in everybody.values() for lot in holder.lots.values()}
    dealt = []
    layouts = {owner.name: inventory.layout(card, owner.name) for owner in inventory.slices}
    for lot in sorted(set(lots(card, inventory)) - taken):
        target = layouts[lot.slice][lot.window].target
        able = [
            everybody[name]
            for name in inventory.ports(card, lot.slice)
            if card.reaches(name, target) and len(everybody[name].lots) < len(everybody[name].regions)
        ]
        if able:
            # A port that is connected with fewer targets has fewer lots to wait for.
            holder = min(able, key=lambda one: (len(one.lots), len(card.initiators[one.port].targets)))
            region = next(number for number in holder.regions if number not in holder.lots)
            holder.lots[region] = lot
            dealt.append((holder, region))
    return dealt
