"""What the registers and tables of a card hold for an inventory."""

from dataclasses import dataclass, field
from typing import NamedTuple

from .budgets import halvings_register, outstanding_register, rate_registers, write_registers
from .inventory import Inventory
from .manifest import Card


class Entry(NamedTuple):
    """A window entry, by index."""

    target: int
    granule: int
    readable: bool
    writable: bool


class Contract(NamedTuple):
    """QoS registers of a slice; all zero after reset."""

    level: int = 0
    rate: int = 0
    limited: int = 0
    burst: int = 0
    write_rate: int = 0
    write_limited: int = 0
    write_burst: int = 0
    separate: int = 0
    outstanding: int = 0
    halvings: int = 0


@dataclass(frozen=True)
class Image:
    """State of a card, by index; what is missing is as after reset.

    Members
    -------
    contracts : dict
        Slice to its contract.
    read, write : dict
        Key to the bitmap of slices that have the right.
    keys : dict
        (target, granule) to key. A target that is not memory has one entry, granule 0.
    windows : dict
        Context to window; a context that is missing has never been cleared, and holds anything.
    owners : dict
        Context to slice.
    boots : dict
        Initiator to boot address.
    lanes : dict
        Device to (first lane, number of lanes).
    slots : dict
        (target, slot) to the slice that has it.
    timed : dict
        Target to the bitmap of slices that have slots there.
    """

    contracts: dict[int, Contract] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)
    write: dict[int, int] = field(default_factory=dict)
    keys: dict[tuple[int, int], int] = field(default_factory=dict)
    windows: dict[int, dict[int, Entry]] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    boots: dict[int, int] = field(default_factory=dict)
    lanes: dict[int, tuple[int, int]] = field(default_factory=dict)
    slots: dict[tuple[int, int], int] = field(default_factory=dict)
    timed: dict[int, int] = field(default_factory=dict)


def image_of(card: Card, inventory: Inventory) -> Image:
    """The state of a card that realises an inventory."""
    image = Image(windows={card.context[name].index: {} for name in inventory.cleared})
    numbers = {owner.name: owner.index for owner in inventory.slices}
    for owner in inventory.slices:
        budgets = *rate_registers(card, owner.qos), *write_registers(card, owner.qos)
        outstanding = outstanding_register(card, owner.qos)
        halvings = halvings_register(card, owner.qos)
        image.contracts[owner.index] = Contract(owner.qos.class_, *budgets, outstanding, halvings)
        image.read[owner.private_key] = image.write[owner.private_key] = 1 << owner.index
        for region in owner.regions:
            shares = [share for share in region.shares or () if share.window is not None]
            writers = [numbers[share.slice] for share in shares if share.rights == "read-write"]
            image.read[region.key] = sum(1 << number for number in (owner.index, *(numbers[s.slice] for s in shares)))
            image.write[region.key] = sum(1 << number for number in (owner.index, *writers))
            for extent in region.extents:
                target = card.target[extent.target]
                image.keys.update({(target, extent.first + n): region.key for n in range(extent.granules)})
        for turns in owner.turns:
            target = card.target[turns.target]
            image.slots.update({(target, slot): owner.index for slot in turns.slots})
            image.timed[target] = image.timed.get(target, 0) | 1 << owner.index
        for mapping in owner.peripherals:
            image.keys[card.target[mapping.target], 0] = owner.private_key
        for attachment in owner.attachments:
            device = card.device[attachment.device]
            image.keys[card.pcie.devices[device].target, 0] = owner.private_key
            image.lanes[device] = (attachment.first_lane, attachment.lanes)
        layout = {
            granule: Entry(card.target[place.target], place.granule, place.readable, place.writable)
            for granule, place in sorted(inventory.layout(card, owner.name).items())
        }
        for name in inventory.ports(card, owner.name):
            context = card.context[name]
            reach = card.initiators[context.initiator].targets
            image.owners[context.index] = owner.index
            image.windows[context.index] = {granule: e for granule, e in layout.items() if e.target in reach}
            if card.kind(name) == "core" and owner.boot_address:
                image.boots[context.initiator] = owner.boot_address
    return image


def bridge(card: Card, before: Image, after: Image) -> Image:
    """The state between: all that is new and free is there already, nothing is gone yet.

    Going there first is what "make before break" means: a slice that gives up one thing for another has the new one
    before it loses the old one. What changes hands is still with its old owner.
    """
    device_of = {device.target: number for number, device in enumerate(card.pcie.devices)}
    context_of = {number: card.initiators[d.initiator].contexts[0] for number, d in enumerate(card.pcie.devices)}

    def available(device: int) -> bool:
        """A device that nobody had, on lanes that nobody has."""
        first, width = after.lanes[device]
        busy = (lanes for other, lanes in before.lanes.items() if other != device)
        return context_of[device] not in before.owners and all(first + width <= f or f + w <= first for f, w in busy)

    devices = {device for device in after.lanes if available(device)}
    keys = dict(before.keys)
    for place, key in after.keys.items():
        if device_of.get(place[0], -1) in devices or (place[0] not in device_of and place not in keys):
            keys[place] = key

    def ready(entry: Entry) -> bool:
        """Whether what an entry leads to has its final key."""
        place = (entry.target, entry.granule if card.targets[entry.target].kind == "memory" else 0)
        return keys.get(place) == after.keys[place]

    complete: dict[int, bool] = {}
    for context, owner in after.owners.items():
        complete[owner] = complete.get(owner, True) and all(map(ready, after.windows[context].values()))
    dma = {context: device for device, context in context_of.items()}
    owners = dict(before.owners)
    for context, owner in after.owners.items():
        if context not in before.owners and complete[owner] and (context not in dma or dma[context] in devices):
            owners[context] = owner
    started = {context for context in owners if context not in before.owners}
    # A device whose slice is not complete stays where it is: in reset, its registers belonging to nobody.
    waiting = {device for device in devices if context_of[device] not in started}
    keys = {place: key for place, key in keys.items() if device_of.get(place[0], -1) not in waiting}

    windows = dict(before.windows)
    for context, window in after.windows.items():
        if context in started:
            windows[context] = window
        elif context in before.owners and before.owners[context] == after.owners.get(context):
            new = {g: e for g, e in window.items() if g not in before.windows[context] and ready(e)}
            windows[context] = before.windows[context] | new
    initiators = {card.contexts[context].initiator for context in started}
    slots = after.slots | before.slots
    timed = {
        target: before.timed.get(target, 0) | sum(1 << owner for owner in _complete(target, after, slots))
        for target in before.timed.keys() | after.timed.keys()
    }
    return Image(
        contracts=before.contracts | after.contracts,
        read=_added(before.read, after.read),
        write=_added(before.write, after.write),
        keys=keys,
        windows=windows,
        owners=owners,
        boots=before.boots | {port: address for port, address in after.boots.items() if port in initiators},
        lanes=before.lanes | {device: after.lanes[device] for device in devices - waiting},
        slots=slots,
        timed=timed,
    )


def _complete(target: int, after: Image, slots: dict[tuple[int, int], int]) -> set[int]:
    """Slices that have all slots of a target that they will have."""
    wanted = {place: owner for place, owner in after.slots.items() if place[0] == target}
    missing = {owner for place, owner in wanted.items() if slots[place] != owner}
    return set(wanted.values()) - missing


def _added(before: dict[int, int], after: dict[int, int]) -> dict[int, int]:
    """Rights that only grow are there already; where a slice loses a right, another gets it only afterwards."""
    return before | {key: slices for key, slices in after.items() if not before.get(key, 0) & ~slices}
