"""Who owns what of a card: one immutable value, from which everything else is derived."""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import ConfigDict

from .definition import Qos, Rights
from .manifest import Card, Frozen


class Record(Frozen):
    """A part of the state; unknown names in a state file are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Extent(Record):
    """`granules` granules of `target` from `first`, owned since generation `since`."""

    target: str
    first: int
    granules: int
    since: int = 0


class Share(Record):
    """A slice that may use a region; `window` is the window granule at which it sees it, None until it exists."""

    slice: str
    rights: Rights
    wanted: int | None = None
    window: int | None = None


class Region(Record):
    """A memory entry of a slice: window granules from `window`, over extents that carry `key`.

    `shares` is None for a private region, which carries its slice's private key.
    """

    name: str
    key: int
    window: int
    extents: tuple[Extent, ...]
    contiguous: bool = False
    shares: tuple[Share, ...] | None = None

    @property
    def granules(self) -> int:
        """Size in granules."""
        return sum(extent.granules for extent in self.extents)


class Mapping(Record):
    """A target that is not memory, in the window from granule `window`."""

    target: str
    window: int


class Attachment(Record):
    """A PCIe device on lanes `first_lane` to `first_lane` + `lanes` - 1; its registers from window granule `window`."""

    device: str
    first_lane: int
    lanes: int
    window: int


class Turns(Record):
    """Time slots of a target that a slice has."""

    target: str
    slots: tuple[int, ...]


class Slice(Record):
    """A slice. `cores`, `regions` and `attachments` are in the order in which they were added."""

    name: str
    tenant: str
    index: int
    private_key: int
    spare_keys: tuple[int, ...] = ()
    contexts: tuple[str, ...] = ()
    cores: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    peripherals: tuple[Mapping, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    boot_address: int = 0
    qos: Qos = Qos()
    turns: tuple[Turns, ...] = ()

    def region(self, name: str) -> Region | None:
        """The region of that name."""
        return next((region for region in self.regions if region.name == name), None)


class Place(NamedTuple):
    """Where a window granule leads: granule `granule` of `target`, for reads and perhaps writes."""

    target: str
    granule: int
    readable: bool
    writable: bool


class Holding(NamedTuple):
    """Who may use a granule: its key, its owner, and every slice with its rights."""

    key: int
    owner: str | None
    rights: dict[str, Rights]


class Inventory(Record):
    """The state of a card as far as the RAM has decided it.

    Members
    -------
    card, hash : str
        The card that it is about.
    generation : int
        Number of transitions since reset, as in the card's GENERATION register.
    token : int
        Under which the card takes writes, as in its FENCE register.
    slices : tuple of Slice
        In the order of their creation.
    cleared : tuple of str
        Contexts whose window is known: their window memory, which a reset does not clear, has been filled once.
    """

    card: str
    hash: str
    generation: int = 0
    token: int = 0
    slices: tuple[Slice, ...] = ()
    cleared: tuple[str, ...] = ()

    def slice(self, name: str) -> Slice | None:
        """The slice of that name."""
        return next((owner for owner in self.slices if owner.name == name), None)

    def borrowed(self, name: str) -> Iterator[tuple[Slice, Region, Share]]:
        """What other slices share with the slice `name`: the owner, the region, and on which terms."""
        for owner in self.slices:
            for region in owner.regions:
                yield from ((owner, region, share) for share in region.shares or () if share.slice == name)

    def ports(self, card: Card, name: str) -> tuple[str, ...]:
        """Names of all contexts of a slice: hosts', cores', devices', PCIe devices' DMA."""
        owner = self.slice(name)
        if owner is None:
            return ()
        dma = (card.initiators[card.pcie.devices[card.device[a.device]].initiator].name for a in owner.attachments)
        return (*owner.contexts, *owner.cores, *owner.devices, *dma)

    def spans(self, card: Card, name: str) -> list[tuple[int, int, str]]:
        """What occupies the window of a slice: (first window granule, number of granules, what it is)."""
        owner = self.slice(name)
        result = [
            (share.window, region.granules, f"{lender.name}.{region.name}")
            for lender, region, share in self.borrowed(name)
            if share.window is not None
        ]
        if owner is not None:
            result += [(region.window, region.granules, region.name) for region in owner.regions]
            for mapping in owner.peripherals:
                result.append((mapping.window, card.targets[card.target[mapping.target]].granules, mapping.target))
            for attachment in owner.attachments:
                target = card.targets[card.pcie.devices[card.device[attachment.device]].target]
                result.append((attachment.window, target.granules, target.name))
        return sorted(result)

    def layout(self, card: Card, name: str) -> dict[int, Place]:
        """The window of a slice: window granule to place. A port sees of it what it is connected with."""
        owner = self.slice(name)
        if owner is None:
            return {}
        result: dict[int, Place] = {}

        def put_region(region: Region, window: int, writable: bool) -> None:
            for extent in region.extents:
                for granule in range(extent.first, extent.first + extent.granules):
                    result[window] = Place(extent.target, granule, True, writable)
                    window += 1

        def put_target(target: str, window: int) -> None:
            for granule in range(card.targets[card.target[target]].granules):
                result[window + granule] = Place(target, granule, True, True)

        for region in owner.regions:
            put_region(region, region.window, True)
        for _, region, share in self.borrowed(name):
            if share.window is not None:
                put_region(region, share.window, share.rights == "read-write")
        for mapping in owner.peripherals:
            put_target(mapping.target, mapping.window)
        for attachment in owner.attachments:
            put_target(card.targets[card.pcie.devices[card.device[attachment.device]].target].name, attachment.window)
        return result

    def holding(self, card: Card, target: str, granule: int) -> Holding:
        """Who may use a granule of a target (of a target that is not memory: the whole target)."""
        memory = card.targets[card.target[target]].kind == "memory"
        for owner in self.slices:
            for region in owner.regions if memory else ():
                if any(e.target == target and 0 <= granule - e.first < e.granules for e in region.extents):
                    rights: dict[str, Rights] = {owner.name: "read-write"}
                    rights |= {s.slice: s.rights for s in region.shares or () if s.window is not None}
                    return Holding(region.key, owner.name, rights)
            registers = [card.targets[card.pcie.devices[card.device[a.device]].target].name for a in owner.attachments]
            if target in [*registers, *(mapping.target for mapping in owner.peripherals)]:
                return Holding(owner.private_key, owner.name, {owner.name: "read-write"})
        return Holding(card.fabric.key_nobody, None, {})


def empty(card: Card) -> Inventory:
    """A card after reset: nobody owns anything."""
    return Inventory(card=card.card, hash=card.hash)
