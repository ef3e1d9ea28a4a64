"""From the state back to slice definitions, and what differs between the two."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarint import HexInt

from .definition import ExtentDefinition, MemoryDefinition, PcieDefinition, ShareDefinition, SliceDefinition
from .inventory import Inventory, Region
from .manifest import Card
from .reconcile import match_pcie
from .units import format_bytes


def definition_of(card: Card, inventory: Inventory, name: str, *, exact: bool = True) -> SliceDefinition:
    """The definition of a slice as it is now; with `exact`, every place is named too. KeyError if it is unknown."""
    owner = inventory.slice(name)
    if owner is None:
        raise KeyError(name)
    return SliceDefinition(
        slice=owner.name, tenant=owner.tenant, contexts=owner.contexts, cores=owner.cores, devices=owner.devices,
        memory=tuple(_memory(card, region, exact) for region in owner.regions),
        peripherals=tuple(mapping.target for mapping in owner.peripherals),
        pcie=tuple(
            PcieDefinition(device=a.device, lanes=a.lanes, first_lane=a.first_lane if exact else None)
            for a in owner.attachments
        ),
        keys=len(owner.spare_keys), boot_address=owner.boot_address, qos=owner.qos,
    )  # fmt: skip


def _memory(card: Card, region: Region, exact: bool) -> MemoryDefinition:
    granule = card.fabric.granule

    def address(window: int | None) -> int | None:
        return None if window is None else window * granule

    shares = None
    if region.shares is not None:
        shares = tuple(
            ShareDefinition(
                slice=s.slice, rights=s.rights,
                address=address(s.window if exact and s.window is not None else s.wanted),
            )
            for s in region.shares
        )  # fmt: skip
    extents = tuple(ExtentDefinition(target=e.target, first=e.first, granules=e.granules) for e in region.extents)
    return MemoryDefinition(
        name=region.name, size=region.granules * granule, targets=tuple(dict.fromkeys(e.target for e in extents)),
        contiguous=region.contiguous, address=address(region.window), share=shares, extents=extents if exact else None,
    )  # fmt: skip


def to_yaml(definition: SliceDefinition) -> str:
    """A slice definition file."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    content: dict[str, Any] = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for part in (
        content,
        *content.get("memory", ()),
        *(s for m in content.get("memory", ()) for s in m.get("share", ())),
    ):
        for name in ("address", "boot_address"):
            if name in part:
                part[name] = HexInt(int(part[name], 16))
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def differences(card: Card, inventory: Inventory, wanted: SliceDefinition) -> list[str]:
    """One line for each way in which the state is not what a definition says; empty if it is."""
    name = wanted.slice
    if inventory.slice(name) is None:
        return [f"{name}: there is no such slice"]
    present = definition_of(card, inventory, name, exact=True)
    result = []

    def check(what: str, want: object, have: object) -> None:
        if want != have:
            result.append(f"{name}: {what} should be {_text(want)}, is {_text(have)}")

    for member in ("tenant", "keys"):
        check(member, getattr(wanted, member), getattr(present, member))
    check("boot_address", hex(wanted.boot_address), hex(present.boot_address))
    for member in ("contexts", "devices", "peripherals"):
        check(member, sorted(getattr(wanted, member)), sorted(getattr(present, member)))
    cores = present.cores if isinstance(present.cores, tuple) else ()
    if isinstance(wanted.cores, int):
        check("the number of cores", wanted.cores, len(cores))
    else:
        check("cores", sorted(wanted.cores), sorted(cores))
    want_qos, have_qos = (d.qos.model_dump(mode="json", by_alias=True) for d in (wanted, present))
    for member in want_qos:
        check(f"qos.{member}", want_qos[member], have_qos[member])
    owner = inventory.slice(name)
    assert owner is not None
    matches = match_pcie(wanted.pcie, owner.attachments)
    for want, have in zip(wanted.pcie, matches, strict=True):
        if have is None:
            result.append(f"{name}: pcie: {want.device or 'a device'} on {want.lanes} lanes is missing")
    for attachment in owner.attachments:
        if attachment not in matches:
            result.append(f"{name}: pcie: {attachment.device} on {attachment.lanes} lanes is not in the definition")
    return result + _memory_differences(name, wanted, present)


def _memory_differences(name: str, wanted: SliceDefinition, present: SliceDefinition) -> list[str]:
    result = []
    found = {entry.name: entry for entry in present.memory}
    for want in wanted.memory:
        have = found.pop(want.name, None)
        if have is None:
            result.append(f"{name}: memory {want.name!r} is missing")
            continue
        where = f"{name}: memory {want.name!r}"
        if want.size != have.size:
            result.append(f"{where} should be {format_bytes(want.size)}, is {format_bytes(have.size)}")
        if want.targets is not None and not set(have.targets or ()) <= set(want.targets):
            result.append(f"{where} should be in {', '.join(want.targets)}, is in {', '.join(have.targets or ())}")
        if want.address is not None and want.address != have.address:
            result.append(f"{where} should be at {hex(want.address)}, is at {hex(have.address or 0)}")
        if want.extents is not None and want.extents != have.extents:
            result.append(f"{where} is in other extents")
        if want.contiguous and len(have.extents or ()) > 1:
            result.append(f"{where} should be contiguous, is in {len(have.extents or ())} extents")
        want_shares = sorted((share.slice, share.rights) for share in want.share or ())
        have_shares = sorted((share.slice, share.rights) for share in have.share or ())
        if want_shares != have_shares or (want.share is not None and have.share is None):
            result.append(f"{where} should be shared with {_shares(want_shares)}, is with {_shares(have_shares)}")
    return result + [f"{name}: memory {left!r} is not in the definition" for left in found]


def _shares(shares: list[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} ({rights})" for name, rights in shares) or "nobody"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)
