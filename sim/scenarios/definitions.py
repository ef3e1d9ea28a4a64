"""The slices that run on a card: those beside its description, or some made from the manifest."""

from pathlib import Path
from typing import Any

from ram import Card, SliceDefinition, load_definition

NAMES = ("alpha", "beta", "gamma", "delta")
MOST_GRANULES = 16
"""Of the memory of a slice that is made up."""
MOST_BEATS = 32 << 10
"""Of all slices' memory together; a simulation scrubs some thousand beats in a second."""


def definitions(card_file: Path, card: Card) -> tuple[list[SliceDefinition], int]:
    """The first four of ``slices/*.yaml`` beside the card description, in order of name; made up if there are none.

    Returns
    -------
    list of SliceDefinition, int
        The slices, and by how much their memory was divided: each byte of it is scrubbed beat by beat.
    """
    files = sorted((card_file.parent / "slices").glob("*.yaml"))
    wanted = [load_definition(path)[0] for path in files[: len(NAMES)]] or made_up(card)
    total = sum(entry.size for definition in wanted for entry in definition.memory)
    divisor = -(-total // (MOST_BEATS * card.fabric.data_bytes)) or 1
    return [_smaller(definition, divisor, card.fabric.granule) for definition in wanted], divisor


def _smaller(definition: SliceDefinition, divisor: int, granule: int) -> SliceDefinition:
    """The same slice with less memory, at least a granule of each entry."""
    if divisor == 1:
        return definition
    memory = [
        entry.model_copy(update={"size": max(1, entry.size // granule // divisor) * granule, "extents": None})
        for entry in definition.memory
    ]
    return definition.model_copy(update={"memory": tuple(memory)})


def made_up(card: Card) -> list[SliceDefinition]:
    """Up to four slices that share out the card.

    The last one keeps to itself, as far as the card allows: its own memory target (or a peripheral), its own port.
    The others share the rest, so that there are neighbours on one target and one that shares nothing.
    """
    memories = [target for target in card.targets if target.kind == "memory"]
    peripherals = [target.name for target in card.targets if target.kind != "memory" and target.device is None]
    hosts = card.names("host")
    cores, devices = card.names("core"), card.names("device")
    number = min(len(NAMES), card.fabric.slices, card.fabric.keys - 1, len(hosts) + len(cores))
    last = number - 1

    ports: list[list[str]] = [[] for _ in range(number)]
    loners = [name for name in hosts if card.context[name].initiator != card.context[hosts[0]].initiator]
    if loners and number > 1:
        ports[last].append(loners[0])
    elif cores and number > 1:
        ports[last].append(cores.pop())
    taken = {card.context[name].initiator for name in ports[last]}
    shared = [name for name in hosts if card.context[name].initiator not in taken]
    for index in range(number):
        if not ports[index]:
            ports[index].append(shared.pop(0) if shared else cores.pop(0))
    for index, core in enumerate(cores[:number]):
        ports[index].append(core)

    result = []
    for index in range(number):
        alone = index == last and number > 1
        content: dict[str, Any] = {
            "slice": NAMES[index],
            "tenant": f"tenant {index}",
            "contexts": [name for name in ports[index] if card.kind(name) == "host"],
            "cores": [name for name in ports[index] if card.kind(name) == "core"],
        }
        if alone and len(memories) == 1 and peripherals:
            content["peripherals"] = [peripherals.pop()]
        elif memories:
            usable = [memories[-1]] if alone and len(memories) > 1 else memories[: max(1, len(memories) - 1)]
            target = usable[index % 2 % len(usable)]
            granules = min(MOST_GRANULES, target.granules // (2 * number), card.fabric.window_granules // 4)
            size = max(1, granules) * card.fabric.granule
            content["memory"] = [{"name": "main", "size": size, "targets": [target.name]}]
        if index == 0 and devices:
            content["devices"] = devices[:1]
        if index == 0 and card.pcie.devices:
            lanes = max(
                width for width in card.pcie.widths if width <= min(card.pcie.lanes, card.pcie.devices[0].lanes)
            )
            content["pcie"] = [{"device": card.pcie.devices[0].name, "lanes": lanes}]
        result.append(SliceDefinition.model_validate(content))
    return result
