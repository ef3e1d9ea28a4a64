"""Makes a draft agree with slice definitions: what is not wanted any more goes first, then what is new comes."""

from collections.abc import Sequence
from itertools import pairwise

from . import memory
from .definition import MemoryDefinition, PcieDefinition, SliceDefinition
from .draft import Draft
from .errors import Denied, Invalid, Location
from .inventory import Attachment, Extent, Slice


class InDefinition(Exception):
    """A denial, and in which of several definitions its cause stands."""

    def __init__(self, position: int, denied: Denied) -> None:
        super().__init__(str(denied))
        self.position, self.denied = position, denied


def reconcile(draft: Draft, wanted: Sequence[SliceDefinition]) -> None:
    """Change `draft` so that each slice named is as its definition says; slices not named stay as they are.

    Since everything is given back before anything is taken, resources can move from one slice to another.

    Raises
    ------
    InDefinition
        A definition cannot be met.
    """
    names = [definition.slice for definition in wanted]
    for step in (_check, _give_back, _take):
        for position, definition in enumerate(wanted):
            try:
                if definition.slice in names[:position]:
                    raise Invalid(f"slice {definition.slice!r} is defined twice; give one definition", ("slice",))
                step(draft, definition)
            except Denied as denied:
                raise InDefinition(position, denied) from None
    try:
        memory.settle_shares(draft)
    except Denied as denied:
        raise InDefinition(0, denied) from None


def match_pcie(wanted: Sequence[PcieDefinition], present: Sequence[Attachment]) -> list[Attachment | None]:
    """For each device that is wanted the one at hand that meets it, or None; named ones choose first."""
    left, result = list(present), [None for _ in wanted]  # type: list[Attachment], list[Attachment | None]
    for position in sorted(range(len(wanted)), key=lambda index: wanted[index].device is None):
        want = wanted[position]
        for have in left:
            fits = want.lanes == have.lanes and want.first_lane in (None, have.first_lane)
            if fits and want.device in (None, have.device):
                result[position] = have
                left.remove(have)
                break
    return result


def _check(draft: Draft, wanted: SliceDefinition) -> None:
    of_devices = [target.name for target in draft.card.targets if target.device is not None]
    for position, peripheral in enumerate(wanted.peripherals):
        if peripheral in of_devices:
            message = f"{peripheral!r} comes with its PCIe device; ask for that under 'pcie'"
            raise Invalid(message, ("peripherals", position))
    present = draft.after.slice(wanted.slice)
    for position, entry in enumerate(wanted.memory):
        _check_memory(draft, present, entry, ("memory", position))


def _check_memory(draft: Draft, owner: Slice | None, entry: MemoryDefinition, location: Location) -> None:
    """What cannot change while a region is in use."""
    granules = draft.granules(entry.size, f"the size of {entry.name!r},", (*location, "size"))
    region = owner.region(entry.name) if owner is not None else None
    if region is None:
        return
    advice = "; release the entry, or give the new one another name"
    if entry.address is not None and entry.address != region.window * draft.card.fabric.granule:
        present = hex(region.window * draft.card.fabric.granule)
        raise Invalid(f"{entry.name!r} is in use at {present} and cannot move{advice}", (*location, "address"))
    if entry.contiguous and _pieces(region.extents) > 1:
        raise Invalid(f"{entry.name!r} is in use in several pieces and cannot move{advice}", (*location, "contiguous"))
    if entry.targets is not None:
        for extent in region.extents:
            if extent.target not in entry.targets:
                message = f"{entry.name!r} is in use in {extent.target!r} and cannot move{advice}"
                raise Invalid(message, (*location, "targets"))
    if entry.extents is not None and tuple((e.target, e.first, e.granules) for e in entry.extents) != tuple(
        (e.target, e.first, e.granules) for e in region.extents
    ):
        raise Invalid(f"{entry.name!r} is in use in other extents and cannot move{advice}", (*location, "extents"))
    if entry.share is not None and region.shares is None and granules:
        raise Invalid(
            f"{entry.name!r} carries the private key of its slice, so it cannot be shared while it is in use{advice}",
            (*location, "share"),
        )


def _pieces(extents: Sequence[Extent]) -> int:
    return 1 + sum(a.target != b.target or a.first + a.granules != b.first for a, b in pairwise(extents))


def _give_back(draft: Draft, wanted: SliceDefinition) -> None:
    if draft.after.slice(wanted.slice) is None:
        return
    name, owner = wanted.slice, draft.get(wanted.slice)
    cores = owner.cores[: wanted.cores] if isinstance(wanted.cores, int) else _kept(owner.cores, wanted.cores)
    kept = [have for have in match_pcie(wanted.pcie, owner.attachments) if have is not None]
    draft.put(
        name,
        contexts=_kept(owner.contexts, wanted.contexts),
        cores=cores,
        devices=_kept(owner.devices, wanted.devices),
        peripherals=tuple(mapping for mapping in owner.peripherals if mapping.target in wanted.peripherals),
        attachments=tuple(have for have in owner.attachments if have in kept),
    )
    sizes = {entry.name: entry.size // draft.card.fabric.granule for entry in wanted.memory}
    for region in owner.regions:
        if sizes.get(region.name, 0) < region.granules:
            memory.shrink_region(draft, name, region, sizes.get(region.name, 0))


def _kept(present: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in present if name in wanted)


def _take(draft: Draft, wanted: SliceDefinition) -> None:
    name = wanted.slice
    if draft.after.slice(name) is None:
        draft.create(name, wanted.tenant)
    draft.put(name, tenant=wanted.tenant, qos=wanted.qos, boot_address=wanted.boot_address)
    ports: list[tuple[str, str, tuple[str, ...]]] = [
        ("host", "contexts", wanted.contexts),
        ("core", "cores", wanted.cores if isinstance(wanted.cores, tuple) else ()),
        ("device", "devices", wanted.devices),
    ]
    for kind, member, names in ports:
        for position, port in enumerate(names):
            if port not in getattr(draft.get(name), member):
                draft.add_port(name, kind, port, (member, position))
    if isinstance(wanted.cores, int):
        draft.add_cores(name, wanted.cores - len(draft.get(name).cores), ("cores",))
    _take_memory(draft, wanted)
    for position, target in enumerate(wanted.peripherals):
        if target not in [mapping.target for mapping in draft.get(name).peripherals]:
            draft.add_peripheral(name, target, ("peripherals", position))
    # Those that name a device or a lane choose first, so that the others cannot take it away from them.
    matches = list(enumerate(match_pcie(wanted.pcie, draft.get(name).attachments)))
    for position, have in sorted(matches, key=lambda item: _freedom(wanted.pcie[item[0]])):
        if have is None:
            draft.attach(name, wanted.pcie[position], ("pcie", position))
    draft.set_spare_keys(name, wanted.keys, ("keys",))


def _freedom(wanted: PcieDefinition) -> int:
    return (wanted.device is None) + (wanted.first_lane is None)


def _take_memory(draft: Draft, wanted: SliceDefinition) -> None:
    name = wanted.slice
    order = [region.name for region in draft.get(name).regions]
    order += [entry.name for entry in wanted.memory if entry.name not in order]
    entries = list(enumerate(wanted.memory))
    # Entries with a place of their own choose first, in the window and in the memory.
    for position, entry in sorted(entries, key=lambda item: (item[1].extents is None, item[1].address is None)):
        region = draft.get(name).region(entry.name)
        if region is None:
            memory.add_region(draft, name, entry, ("memory", position))
        elif entry.size // draft.card.fabric.granule > region.granules:
            memory.grow_region(draft, name, region, entry, ("memory", position))
    draft.put(name, regions=tuple(sorted(draft.get(name).regions, key=lambda region: order.index(region.name))))
    for position, entry in entries:
        region = draft.get(name).region(entry.name)
        if region is not None and region.shares is not None:
            memory.set_shares(draft, name, entry.name, entry.share or (), ("memory", position))
