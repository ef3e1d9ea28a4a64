"""From a card description to a plan. Every check that depends on more than one value is here."""

from pathlib import Path

from ..card.config import CardConfig, DeviceConfig
from ..card.loader import load_card
from ..card.units import format_bytes
from ..errors import Misfit
from .edge import AS_FABRIC, initiator_edge, target_edge
from .network import plan_network
from .plan import AHEAD, Context, Device, Initiator, Plan, Target, bits_for
from .words import RESERVED_WORDS

MAX_PORTS = 32
MAX_GRANULE = 1 << 30
MAX_GRANULES = 1 << 20
MAX_WINDOW = 1 << 16
AXI_BOUNDARY = 4096
"""A burst never crosses a multiple of this address (AMBA AXI and ACE, IHI 0022H, A3.4.1)."""


def _check_fabric(config: CardConfig) -> None:
    fabric = config.fabric
    granule, window = fabric.granule, fabric.window
    if granule & (granule - 1) or not AXI_BOUNDARY <= granule <= MAX_GRANULE:
        raise Misfit(
            ("fabric", "granule"),
            f"{format_bytes(granule)} is not a power of two from {format_bytes(AXI_BOUNDARY)} to "
            f"{format_bytes(MAX_GRANULE)}; an AXI burst may fill 4KiB and must not touch two granules",
        )
    if window & (window - 1) or window < granule or window > granule * MAX_WINDOW:
        raise Misfit(
            ("fabric", "window"),
            f"{format_bytes(window)} is not a power of two between one granule ({format_bytes(granule)}) "
            f"and {MAX_WINDOW} granules ({format_bytes(granule * MAX_WINDOW)})",
        )
    if window > 1 << fabric.address_width:
        raise Misfit(
            ("fabric", "window"),
            f"{format_bytes(window)} does not fit into address_width {fabric.address_width}; "
            f"give at least {(window - 1).bit_length()} address bits or a smaller window",
        )


def _check_name(location: tuple[str, ...], name: str, taken: dict[str, str]) -> None:
    if name in RESERVED_WORDS:
        raise Misfit(
            location,
            f"{name!r} is a reserved word of Verilog, VHDL, SystemRDL, C or hardslice; choose another name",
        )
    for other, owner in taken.items():
        if name == other or name.startswith(other + "_") or other.startswith(name + "_"):
            raise Misfit(
                location,
                f"{name!r} could be confused with {other!r} ({owner}) in the names of ports; choose another name",
            )
    taken[name] = ".".join(location)


def _check_names(config: CardConfig) -> None:
    taken: dict[str, str] = {}
    if config.card in RESERVED_WORDS:
        raise Misfit(
            ("card",),
            f"{config.card!r} is a reserved word of Verilog, VHDL, SystemRDL, C or hardslice; choose another name",
        )
    for name in config.initiators:
        _check_name(("initiators", name), name, taken)
    for name in config.targets:
        _check_name(("targets", name), name, taken)
    for name in config.pcie.devices if config.pcie else ():
        _check_name(("pcie", "devices", name), name, taken)


def _granules(config: CardConfig, location: tuple[str, ...], size: int) -> int:
    granule = config.fabric.granule
    if size % granule:
        raise Misfit(location, f"{format_bytes(size)} is not a whole number of granules of {format_bytes(granule)}")
    if size // granule > MAX_GRANULES:
        raise Misfit(location, f"{format_bytes(size)} has more than {MAX_GRANULES} granules; use a larger granule")
    return size // granule


def _connectivity(config: CardConfig, initiators: list[str], targets: list[str]) -> list[tuple[int, ...]]:
    reach = [tuple(range(len(targets))) for _ in initiators]
    for name, wanted in (config.connectivity or {}).items():
        if name not in initiators:
            raise Misfit(
                ("connectivity", name), f"{name!r} is not an initiator; initiators are {', '.join(initiators)}"
            )
        for position, target in enumerate(wanted):
            if target in wanted[:position]:
                raise Misfit(("connectivity", name, position), f"{target!r} is named twice; name each target once")
            if target not in targets:
                raise Misfit(
                    ("connectivity", name, position), f"{target!r} is not a target; targets are {', '.join(targets)}"
                )
        if not wanted:
            raise Misfit(
                ("connectivity", name), f"initiator {name!r} reaches no target; name at least one, or leave it out"
            )
        reach[initiators.index(name)] = tuple(sorted({targets.index(target) for target in wanted}))
    for index, name in enumerate(targets):
        if not any(index in row for row in reach):
            raise Misfit(("connectivity",), f"no initiator reaches target {name!r}; name it in at least one list")
    return reach


def _initiators(config: CardConfig, names: list[str], reach: list[tuple[int, ...]]) -> tuple[Initiator, ...]:
    result: list[Initiator] = []
    first = 0
    for index, name in enumerate(names):
        own = config.initiators.get(name)
        kind, count = (own.kind, own.contexts) if own else ("device", 1)
        if kind != "host" and count != 1:
            location = ("initiators", name, "contexts")
            raise Misfit(location, f"{count} contexts on a {kind}; only a host has more than one")
        contexts = tuple(Context(first + number, index, number) for number in range(count))
        first += count
        device = None if own else index - len(config.initiators)
        edge = initiator_edge(config, name) if own else AS_FABRIC
        result.append(Initiator(index, name, kind, contexts, reach[index], device, edge))
    return tuple(result)


def _timeout(config: CardConfig, location: tuple[str, ...], timeout: int | None, initiators: int) -> int:
    """Cycles after which a target is cut off; 0 for never. All its IDs are visited in that time."""
    if timeout is None:
        return 0
    location = (*location, "timeout")
    if config.fabric.isolation != "strict":
        raise Misfit(location, "only `isolation: strict` can cut a target off; leave it out, or make the card strict")
    least = 2 * config.fabric.outstanding << (bits_for(initiators + 1))
    if timeout & (timeout - 1) or timeout < least:
        raise Misfit(location, f"{timeout} cycles is not a power of two from {least} on; take {least} or more")
    return timeout


def _targets(
    config: CardConfig, names: list[str], devices: list[tuple[str, DeviceConfig]], reach: list[tuple[int, ...]]
) -> tuple[Target, ...]:
    result: list[Target] = []
    for index, name in enumerate(names):
        device = index - len(config.targets) if index >= len(config.targets) else None
        where: tuple[str, ...]
        if device is None:
            kind, size = config.targets[name].kind, config.targets[name].size
            ahead, edge = config.targets[name].ahead, target_edge(config, name)
            where, timeout = ("targets", name), config.targets[name].timeout
            granules = _granules(config, ("targets", name, "size"), size)
        else:
            owner, described = devices[device]
            kind, size, ahead, edge = "registers", described.registers, AHEAD, AS_FABRIC
            where, timeout = ("pcie", "devices", owner), described.timeout
            granules = _granules(config, ("pcie", "devices", owner, "registers"), size)
        keyed = granules if kind == "memory" else 1
        slots = (config.targets[name].time_slots if device is None else None) or 0
        if slots and config.fabric.isolation != "strict":
            raise Misfit(
                (*where, "time_slots"), "only `isolation: strict` keeps slots; leave it out, or make the card strict"
            )
        if slots and config.fabric.topology != "crossbar":
            says = f"the links of a {config.fabric.topology} keep no slots; leave it out, or take a crossbar"
            raise Misfit((*where, "time_slots"), says)
        cycles = _timeout(config, where, timeout, len(reach))
        users = tuple(source for source, row in enumerate(reach) if index in row)
        result.append(
            Target(index, name, kind, size, granules, keyed, bits_for(size), users, device, ahead, cycles, edge, slots)
        )
    return tuple(result)


def _devices(config: CardConfig, devices: list[tuple[str, DeviceConfig]]) -> tuple[Device, ...]:
    result: list[Device] = []
    for index, (name, described) in enumerate(devices):
        if config.pcie and described.lanes > config.pcie.lanes:
            location = ("pcie", "devices", name, "lanes")
            raise Misfit(
                location, f"a link of x{described.lanes} on a card with {config.pcie.lanes} lanes; make one fit"
            )
        result.append(Device(index, name, len(config.initiators) + index, len(config.targets) + index, described.lanes))
    return tuple(result)


def elaborate(config: CardConfig) -> Plan:
    """The plan of a card.

    Raises
    ------
    Misfit
        The card contradicts itself; names the value's location and what would be right.
    """
    _check_fabric(config)
    _check_names(config)
    fabric, pcie = config.fabric, config.pcie
    devices = list(pcie.devices.items()) if pcie else []
    initiators = [*config.initiators, *(f"{name}_dma" for name, _ in devices)]
    targets = [*config.targets, *(f"{name}_registers" for name, _ in devices)]
    for what, names in (("initiators", initiators), ("targets", targets)):
        if len(names) > MAX_PORTS:
            raise Misfit((what,), f"{len(names)} ports (PCIe devices included); a card has at most {MAX_PORTS}")
    reach = _connectivity(config, initiators, targets)
    return Plan(
        card=config.card,
        description=config.description,
        topology=fabric.topology,
        data_width=fabric.data_width,
        address_width=fabric.address_width,
        id_width=fabric.id_width,
        slices=fabric.slices,
        keys=fabric.keys,
        classes=fabric.classes,
        granule=fabric.granule,
        window_granules=fabric.window // fabric.granule,
        outstanding=fabric.outstanding,
        ordering=fabric.ordering,
        isolation=fabric.isolation,
        chunk=fabric.chunk,
        budgets=fabric.budgets,
        slice_outstanding=fabric.slice_outstanding,
        load_unit=fabric.load_unit,
        fault_log=fabric.fault_log,
        clock=fabric.clock,
        lanes=pcie.lanes if pcie else 0,
        initiators=_initiators(config, initiators, reach),
        targets=_targets(config, targets, devices, reach),
        devices=_devices(config, devices),
        network=plan_network(config, initiators, targets, reach),
    )


def plan_card(path: Path) -> Plan:
    """Read, check and plan the card described in the file at `path`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    Refusal
        One line that names file, line, value and what would be right.
    """
    config, source = load_card(path)
    try:
        plan = elaborate(config)
    except Misfit as misfit:
        raise source.refusal(misfit.location, str(misfit)) from None
    return plan
