"""Who owns what, as a table for the terminal."""

from rich.console import Console
from rich.table import Table

from .definition import Qos
from .inventory import Inventory, Slice
from .manifest import Card
from .units import format_bytes, format_rate, format_time


def print_status(card: Card, inventory: Inventory) -> None:
    """Print what each slice owns, and what is free."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    table = Table(title=f"{card.card}, generation {inventory.generation}", title_justify="left")
    for column in ("slice", "tenant", "ports", "memory", "others", "contract"):
        table.add_column(column, overflow="fold")
    for owner in inventory.slices:
        table.add_row(
            f"{owner.name} (#{owner.index})", owner.tenant, "\n".join(inventory.ports(card, owner.name)),
            _memory(card, inventory, owner), _others(card, owner), _qos(owner.qos),
        )  # fmt: skip
    console.print(table)
    for line in _free(card, inventory):
        console.print(line, markup=False)


def _memory(card: Card, inventory: Inventory, owner: Slice) -> str:
    granule = card.fabric.granule
    lines = []
    for region in owner.regions:
        places = ", ".join(f"{e.target}[{e.first}..{e.first + e.granules - 1}]" for e in region.extents)
        lines.append(
            f"{region.name} {format_bytes(region.granules * granule)} at {region.window * granule:#x}: {places}"
        )
        lines += [
            f"  to {share.slice}: {share.rights}{'' if share.window is not None else ' (when it exists)'}"
            for share in region.shares or ()
        ]
    for lender, region, share in inventory.borrowed(owner.name):
        if share.window is not None:
            lines.append(f"{lender.name}.{region.name} at {share.window * granule:#x}: {share.rights}")
    return "\n".join(lines)


def _others(card: Card, owner: Slice) -> str:
    granule = card.fabric.granule
    lines = [f"{mapping.target} at {mapping.window * granule:#x}" for mapping in owner.peripherals]
    for a in owner.attachments:
        lanes = f"lanes {a.first_lane}..{a.first_lane + a.lanes - 1}"
        lines.append(f"{a.device} on {lanes}, registers at {a.window * granule:#x}")
    if owner.spare_keys:
        lines.append(f"{len(owner.spare_keys)} keys in reserve")
    return "\n".join(lines)


def _qos(qos: Qos) -> str:
    parts = [f"class {qos.class_}"]
    for name in ("limit", "read_limit", "write_limit", "guarantee", "read_guarantee", "write_guarantee"):
        rate = getattr(qos, name)
        parts += [f"{name.replace('_', ' ')} {format_rate(rate)}"] if rate else []
    parts += [f"burst {format_bytes(qos.burst)}"] if qos.burst else []
    parts += [f"chunk {format_bytes(qos.chunk)}"] if qos.chunk else []
    parts += [f"outstanding {qos.outstanding}"] if qos.outstanding else []
    parts += [f"latency {format_time(qos.latency)}"] if qos.latency else []
    return "\n".join(parts)


def _free(card: Card, inventory: Inventory) -> list[str]:
    slices = inventory.slices
    used = dict.fromkeys(card.target, 0)
    for extent in (e for owner in slices for region in owner.regions for e in region.extents):
        used[extent.target] += extent.granules
    free = [
        f"{target.name} {format_bytes((target.granules - used[target.name]) * card.fabric.granule)}"
        for target in card.targets
        if target.kind == "memory"
    ]
    taken = {port for owner in slices for port in inventory.ports(card, owner.name)}
    ports = [context.name for context in card.contexts if context.name not in taken]
    lanes = card.pcie.lanes - sum(a.lanes for owner in slices for a in owner.attachments)
    keys = card.fabric.keys - 1 - sum(
        1 + len(owner.spare_keys) + sum(region.shares is not None for region in owner.regions) for owner in slices
    )  # fmt: skip
    return [
        f"free memory: {', '.join(free) or 'none'}",
        f"free ports:  {', '.join(ports) or 'none'}",
        f"free lanes:  {lanes} of {card.pcie.lanes}; keys: {keys}; slices: {card.fabric.slices - len(slices)}",
    ]
