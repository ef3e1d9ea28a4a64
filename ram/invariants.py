"""What is true of every inventory, whatever was asked for."""

from collections.abc import Iterable

from .inventory import Inventory
from .manifest import Card


def violations(card: Card, inventory: Inventory) -> list[str]:
    """One line for each thing that is wrong with an inventory; empty if it is sound."""
    known = _unknown_names(card, inventory)
    if known:
        return known  # what follows looks the names up
    fabric, slices = card.fabric, inventory.slices
    return [
        *_repeated("slice name", (owner.name for owner in slices)),
        *_repeated("slice number", (owner.index for owner in slices)),
        *_repeated("key", (key for key in _keys(inventory))),
        *_repeated("port", (port for owner in slices for port in inventory.ports(card, owner.name))),
        *_repeated("peripheral", (mapping.target for owner in slices for mapping in owner.peripherals)),
        *_repeated("lane", _lanes(inventory)),
        *_repeated("granule", _granules(inventory)),
        *_beyond("slice number", (owner.index for owner in slices), fabric.slices),
        *_beyond("key", _keys(inventory), fabric.keys),
        *_beyond("lane", _lanes(inventory), card.pcie.lanes),
        *(f"key {fabric.key_nobody} belongs to somebody" for key in _keys(inventory) if key == fabric.key_nobody),
        *(
            f"granule {granule} of {target} does not exist"
            for target, granule in _granules(inventory)
            if not 0 <= granule < card.targets[card.target[target]].granules
        ),
        *_windows(card, inventory),
        *_alignment(card, inventory),
    ]


def _keys(inventory: Inventory) -> list[int]:
    result: list[int] = []
    for owner in inventory.slices:
        shared = (region.key for region in owner.regions if region.shares is not None)
        result += [owner.private_key, *owner.spare_keys, *shared]
    return result


def _lanes(inventory: Inventory) -> list[int]:
    attachments = (a for owner in inventory.slices for a in owner.attachments)
    return [lane for a in attachments for lane in range(a.first_lane, a.first_lane + a.lanes)]


def _granules(inventory: Inventory) -> list[tuple[str, int]]:
    extents = (e for owner in inventory.slices for region in owner.regions for e in region.extents)
    return [(e.target, granule) for e in extents for granule in range(e.first, e.first + e.granules)]


def _repeated(what: str, values: Iterable[object]) -> list[str]:
    seen: set[object] = set()
    result = []
    for value in values:
        if value in seen:
            result.append(f"{what} {value} has two owners")
        seen.add(value)
    return result


def _beyond(what: str, values: Iterable[int], limit: int) -> list[str]:
    return [f"{what} {value} does not exist" for value in values if not 0 <= value < limit]


def _windows(card: Card, inventory: Inventory) -> list[str]:
    result = []
    for owner in inventory.slices:
        end, before = 0, ""
        for first, granules, what in inventory.spans(card, owner.name):
            if first < end:
                result.append(f"{what} overlaps {before} in the window of {owner.name}")
            end, before = max(end, first + granules), what
        if end > card.fabric.window_granules:
            result.append(f"{before} ends beyond the window of {owner.name}")
        for region in owner.regions:
            if region.shares is None and region.key != owner.private_key:
                result.append(f"private memory {region.name} of {owner.name} has key {region.key}")
            for share in region.shares or ():
                if (share.window is not None) != (inventory.slice(share.slice) is not None):
                    result.append(f"{owner.name}.{region.name} and {share.slice} do not agree")
    return result


def _alignment(card: Card, inventory: Inventory) -> list[str]:
    return [
        f"{a.device} has {a.lanes} lanes from {a.first_lane}"
        for owner in inventory.slices
        for a in owner.attachments
        if a.lanes not in card.pcie.widths or a.first_lane % a.lanes or a.lanes > _width(card, a.device)
    ]


def _width(card: Card, device: str) -> int:
    return card.pcie.devices[card.device[device]].lanes


def _unknown_names(card: Card, inventory: Inventory) -> list[str]:
    memories = {target.name for target in card.targets if target.kind == "memory"}
    others = {target.name for target in card.targets if target.kind != "memory" and target.device is None}
    result = [f"{name} is not a context" for name in inventory.cleared if name not in card.context]
    for owner in inventory.slices:
        for kind, names in (("host", owner.contexts), ("core", owner.cores), ("device", owner.devices)):
            result += [f"{name} is not a {kind}" for name in names if name not in card.names(kind)]
        result += [f"{a.device} is not a PCIe device" for a in owner.attachments if a.device not in card.device]
        result += [f"{m.target} is not a peripheral" for m in owner.peripherals if m.target not in others]
        targets = [extent.target for region in owner.regions for extent in region.extents]
        result += [f"{target} is not a memory" for target in targets if target not in memories]
    return result
