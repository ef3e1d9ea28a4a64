"""Memory of a draft: regions are placed, grown, shrunk and shared here."""

from . import allocator
from .definition import ExtentDefinition, MemoryDefinition, ShareDefinition
from .draft import Draft
from .errors import Exhausted, Invalid, Location
from .inventory import Extent, Region, Share, Slice
from .units import format_bytes


def _taken(draft: Draft, target: str) -> list[tuple[int, int]]:
    extents = (e for owner in draft.after.slices for region in owner.regions for e in region.extents)
    return [(extent.first, extent.granules) for extent in extents if extent.target == target]


def _candidates(draft: Draft, name: str, targets: tuple[str, ...] | None, location: Location) -> dict[str, int]:
    """Memory targets with their rank: as listed, or those that more of the slice's ports reach first."""
    card = draft.card
    memories = [target.name for target in card.targets if target.kind == "memory"]
    if targets is not None:
        for position, target in enumerate(targets):
            if target not in memories:
                known = ", ".join(memories) or "it has none"
                raise Invalid(f"{target!r} is not a memory of the card ({known})", (*location, "targets", position))
        return {target: rank for rank, target in enumerate(targets)}
    ports = draft.after.ports(card, name)
    missed = {target: sum(not card.reaches(port, target) for port in ports) for target in memories}
    return {target: count for target, count in missed.items() if not ports or count < len(ports)}


def _pinned(draft: Draft, extents: tuple[ExtentDefinition, ...], location: Location) -> list[tuple[str, int, int]]:
    result: list[tuple[str, int, int]] = []
    for position, extent in enumerate(extents):
        where: Location = (*location, "extents", position)
        _candidates(draft, "", (extent.target,), where)
        size = draft.card.targets[draft.card.target[extent.target]].granules
        end = extent.first + extent.granules
        if end > size:
            raise Invalid(f"granules {extent.first} to {end - 1} of {extent.target!r}, which has {size}", where)
        taken = _taken(draft, extent.target) + [(f, n) for target, f, n in result if target == extent.target]
        if not allocator.is_free(taken, extent.first, extent.granules):
            raise Exhausted(f"granules {extent.first} to {end - 1} of {extent.target!r} are in use", where)
        result.append((extent.target, extent.first, extent.granules))
    return result


def _find(
    draft: Draft, name: str, granules: int, targets: tuple[str, ...] | None, contiguous: bool, location: Location
) -> list[tuple[str, int, int]]:
    card = draft.card
    ranks = _candidates(draft, name, targets, location)
    runs = [
        allocator.Run(rank, target, first, length)
        for target, rank in ranks.items()
        for first, length in allocator.gaps(_taken(draft, target), card.targets[card.target[target]].granules)
    ]
    found = allocator.place(runs, granules, contiguous=contiguous)
    if found is None:
        free = sum(run.length for run in runs) * card.fabric.granule
        longest = max((run.length for run in runs), default=0) * card.fabric.granule
        where = f"in {', '.join(ranks)}" if ranks else "in any memory that the slice reaches"
        piece = f", in pieces of at most {format_bytes(longest)}" if contiguous else ""
        wanted = f"{format_bytes(granules * card.fabric.granule)}{' in one piece' if contiguous else ''}"
        raise Exhausted(f"{wanted} is asked for, {format_bytes(free)} is free {where}{piece}", (*location, "size"))
    return found


def _extents(draft: Draft, places: list[tuple[str, int, int]]) -> tuple[Extent, ...]:
    return tuple(Extent(target=t, first=first, granules=count, since=draft.since) for t, first, count in places)


def _take_key(draft: Draft, name: str, location: Location) -> int:
    """A key for a shared region: one that the slice has in reserve, otherwise a fresh one."""
    spare = draft.get(name).spare_keys
    if not spare:
        return draft.fresh_key(location)
    draft.put(name, spare_keys=spare[1:])
    return spare[0]


def add_region(draft: Draft, name: str, wanted: MemoryDefinition, location: Location = ()) -> None:
    """Place a new memory entry of the slice `name`."""
    granules = draft.granules(wanted.size, f"the size of {wanted.name!r},", (*location, "size"))
    if wanted.extents is not None:
        places = _pinned(draft, wanted.extents, location)
        if sum(count for _, _, count in places) != granules:
            message = f"the extents of {wanted.name!r} do not add up to its size of {granules} granules"
            raise Invalid(message, (*location, "extents"))
    else:
        places = _find(draft, name, granules, wanted.targets, wanted.contiguous, location)
    address = None
    if wanted.address is not None:
        address = draft.granules(wanted.address, f"the address of {wanted.name!r},", (*location, "address"))
    cause = "size" if address is None else "address"
    window = draft.hole(name, granules, address, repr(wanted.name), (*location, cause))
    shared = wanted.share is not None
    key = _take_key(draft, name, (*location, "share")) if shared else draft.get(name).private_key
    region = Region(
        name=wanted.name, key=key, window=window, extents=_extents(draft, places), contiguous=wanted.contiguous,
        shares=() if shared else None,
    )  # fmt: skip
    draft.put(name, regions=(*draft.get(name).regions, region))


def _replace(draft: Draft, name: str, region: Region) -> None:
    regions = draft.get(name).regions
    draft.put(name, regions=tuple(region if old.name == region.name else old for old in regions))


def grow_region(draft: Draft, name: str, region: Region, wanted: MemoryDefinition, location: Location) -> None:
    """Add granules at the end of a region, where its windows must have room."""
    more = draft.granules(wanted.size, f"the size of {wanted.name!r},", (*location, "size")) - region.granules
    windows = [(name, region.window)]
    windows += [(share.slice, share.window) for share in region.shares or () if share.window is not None]
    for viewer, first in windows:
        end = first + region.granules
        try:
            draft.hole(viewer, more, end, repr(region.name))
        except Invalid as error:
            raise Exhausted(
                f"{region.name!r} cannot grow by {more} granules where it stands: {error}, "
                "or add a memory entry of another name", (*location, "size"),
            ) from None  # fmt: skip
    if region.contiguous:
        last = region.extents[-1]
        first = last.first + last.granules
        size = draft.card.targets[draft.card.target[last.target]].granules
        if first + more > size or not allocator.is_free(_taken(draft, last.target), first, more):
            raise Exhausted(f"{region.name!r} is contiguous and the granules after it are in use", (*location, "size"))
        places = [(last.target, first, more)]
    else:
        places = _find(draft, name, more, wanted.targets, False, location)
    _replace(draft, name, region.model_copy(update={"extents": region.extents + _extents(draft, places)}))


def shrink_region(draft: Draft, name: str, region: Region, granules: int) -> None:
    """Cut a region at its end to `granules`; to nothing removes it."""
    surplus, extents = region.granules - granules, list(region.extents)
    while surplus and extents:
        last = extents.pop()
        if last.granules > surplus:
            extents.append(last.model_copy(update={"granules": last.granules - surplus}))
        surplus -= min(surplus, last.granules)
    if extents:
        _replace(draft, name, region.model_copy(update={"extents": tuple(extents)}))
    else:
        draft.put(name, regions=tuple(old for old in draft.get(name).regions if old.name != region.name))


def take_newest(draft: Draft, name: str, granules: int) -> None:
    """Take private memory away, the extents that were added last first."""
    while granules:
        private = [region for region in draft.get(name).regions if region.shares is None]
        newest = max(reversed(private), key=lambda region: _age(draft, region))
        cut = min(granules, newest.extents[-1].granules)
        shrink_region(draft, name, newest, newest.granules - cut)
        granules -= cut


def _age(draft: Draft, region: Region) -> int:
    """Transitions since the region's last extent was added, negated; right across GENERATION's wrap."""
    return -((draft.since - region.extents[-1].since) % (1 << 32))


def set_shares(
    draft: Draft, name: str, region_name: str, wanted: tuple[ShareDefinition, ...], location: Location = ()
) -> None:
    """Say who may use a region; the windows of the others are found by `settle_shares`."""
    region = draft.get(name).region(region_name)
    assert region is not None  # callers look it up first
    if region.shares is None:
        raise Invalid(
            f"{region_name!r} carries the private key of slice {name!r}, so it cannot be shared while it is in use; "
            "give a memory entry 'share: []' when it is created", (*location, "share"),
        )  # fmt: skip
    present = {share.slice: share for share in region.shares}
    shares: list[Share] = []
    for position, share in enumerate(wanted):
        where: Location = (*location, "share", position)
        if share.slice == name or share.slice in [other.slice for other in shares]:
            message = f"{region_name!r} cannot be shared with {share.slice!r} again; name each other slice once"
            raise Invalid(message, (*where, "slice"))
        address = None
        if share.address is not None:
            address = draft.granules(share.address, f"the address of {region_name!r},", (*where, "address"))
        old = present.get(share.slice)
        kept = old.window if old is not None and (address is None or address == old.window) else None
        shares.append(Share(slice=share.slice, rights=share.rights, wanted=address, window=kept))
    _replace(draft, name, region.model_copy(update={"shares": tuple(shares)}))


def settle_shares(draft: Draft) -> None:
    """Give everything that is shared with a slice that exists a place in that slice's window."""
    for owner in draft.after.slices:
        for region in owner.regions:
            for position, share in enumerate(region.shares or ()):
                if share.window is None and draft.after.slice(share.slice) is not None:
                    _settle(draft, owner, region.name, position)


def _settle(draft: Draft, owner: Slice, region_name: str, position: int) -> None:
    region = draft.get(owner.name).region(region_name)
    assert region is not None and region.shares is not None
    share = region.shares[position]
    window = draft.hole(share.slice, region.granules, share.wanted, f"{owner.name}.{region_name}")
    shares = list(region.shares)
    shares[position] = share.model_copy(update={"window": window})
    _replace(draft, owner.name, region.model_copy(update={"shares": tuple(shares)}))
