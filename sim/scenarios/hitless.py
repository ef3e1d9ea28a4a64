"""Hitless: everything changes while everybody runs, and once more, with the same seed, nothing does."""

from collections.abc import Iterator

from ram import Answer, ResourceType, SliceDefinition
from ram.definition import ExtentDefinition, MemoryDefinition, PcieDefinition
from ram.export import definition_of
from ram.inventory import Slice

from ..bench.card import cycles
from ..bench.holding import Holding
from ..bench.marks import now
from . import STOPPED
from .change import owned, runs
from .setting import Setting

BEFORE_CYCLES = 1000
"""Traffic before the first change."""
BETWEEN_CYCLES = 300
"""Traffic between two changes, and after the last one."""
NEWCOMER = "newcomer"
MOVED = 8 << 10
"""Bytes."""

Change = tuple[str, str, Answer]
"""What it is, its title, and the RAM's answer to it."""


async def run(setting: Setting) -> None:
    """The same start for both twins; then only one of them changes anything, and the other stops in the same cycle."""
    await setting.bring_up()
    for holding in setting.holdings:
        setting.run_traffic(holding)
    with setting.phase("all slices run"):
        await cycles(BEFORE_CYCLES)
    if setting.variant == "changed":
        for what, title, answer in changes(setting):
            await setting.change(answer, what, title)
            if what == "create":
                setting.run_traffic(setting.holding(NEWCOMER))
            with setting.phase(f"after: {title}"):
                await cycles(BETWEEN_CYCLES)
    with setting.phase("until the end"):
        await cycles(BETWEEN_CYCLES if setting.until is None else setting.until - now())
    setting.card.mark(STOPPED)
    await setting.stop_traffic()
    await setting.card.quiet()


def apart(holding: Holding, *others: Holding) -> bool:
    """Whether a slice shares neither a port nor a target with others."""
    ports = {port.index for other in others for port, _ in other.contexts}
    targets = {target for other in others for target in other.targets}
    return not holding.targets & targets and not any(port.index in ports for port, _ in holding.contexts)


def named_slices(holdings: list[Holding]) -> tuple[str, str] | None:
    """Who gives and who takes: as many others as possible share neither port nor target with either.

    Of those, the one that has most to give.
    """
    pairs = [(giver, taker) for giver in holdings for taker in holdings if giver is not taker]

    def value(pair: tuple[Holding, Holding]) -> tuple[int, int]:
        return sum(apart(holding, *pair) for holding in holdings), len(pair[0].contexts)

    if not pairs:
        return None
    giver, taker = max(pairs, key=value)
    return giver.name, taker.name


def changes(setting: Setting) -> Iterator[Change]:
    """Everything that this card can change, one after another; each is decided when its turn comes."""
    names = named_slices(setting.holdings)
    if names is None:
        setting.skip("every change between slices", "the card has one slice")
        return
    giver, taker = names
    manager = setting.manager
    if not any(apart(holding, setting.holding(giver), setting.holding(taker)) for holding in setting.holdings):
        setting.skip("a strict bystander", "every slice shares a port or a target with one that changes")

    def both() -> tuple[Slice, Slice]:
        owners = setting.inventory.slice(giver), setting.inventory.slice(taker)
        assert owners[0] is not None and owners[1] is not None
        return owners[0], owners[1]

    if any(region.shares is None for region in both()[0].regions):
        yield "move", f"memory moves from {giver} to {taker}", move_memory(setting, giver, taker)
    else:
        setting.skip("memory moves", f"{giver} has none for itself")
    grown = growth(setting, taker)
    if grown.ok:
        yield "grow", f"{taker} grows", grown
    else:
        setting.skip("growth", grown.reason)
    if cores := both()[0].cores:
        a, b = manager.definition(giver), manager.definition(taker)
        a = a.model_copy(update={"cores": cores[:-1]})
        b = b.model_copy(update={"cores": (*both()[1].cores, cores[-1])})
        yield "core", f"{cores[-1]} moves from {giver} to {taker}", manager.apply(a, b)
    else:
        setting.skip("a core changes slice", f"{giver} has none")
    if attachments := both()[0].attachments:
        moved = attachments[-1]
        device = PcieDefinition(device=moved.device, lanes=moved.lanes, first_lane=moved.first_lane)
        a, b = manager.definition(giver), manager.definition(taker)
        a = a.model_copy(update={"pcie": tuple(entry for entry in a.pcie if entry.device != moved.device)})
        b = b.model_copy(update={"pcie": (*b.pcie, device)})
        yield "device", f"{moved.device} and its lanes move from {giver} to {taker}", manager.apply(a, b)
    else:
        setting.skip("a PCIe device and its lanes change slice", f"{giver} has none")
    contract = other_contract(setting, taker)
    if contract is not None:
        yield "quality", f"{taker} gets another contract", contract
    else:
        setting.skip("another contract", f"every other contract of {taker} would break somebody's guarantee")
    last, _ = both()
    yield "release", f"{giver} is released", manager.release(giver)
    yield "create", f"{NEWCOMER} comes up", manager.apply(newcomer(setting, last))


def move_memory(setting: Setting, giver: str, taker: str) -> Answer:
    """Part of a region goes to another slice, the very same granules."""
    card, manager = setting.description, setting.manager
    owner = setting.inventory.slice(giver)
    assert owner is not None
    most = max(region.granules for region in owner.regions if region.shares is None)
    granules = max(1, min(most // 2, moved_granules(setting)))
    smaller = manager.deallocate(giver, "MEMORY", granules * card.fabric.granule)
    assert smaller.ok, smaller.reason
    places = runs(owned(card, setting.inventory, giver) - owned(card, smaller.after, giver))
    extents = tuple(
        ExtentDefinition(target=card.targets[target].name, first=first, granules=count)
        for target, first, count in places
    )
    gained = MemoryDefinition(name=f"from_{giver}", size=granules * card.fabric.granule, extents=extents)
    b = manager.definition(taker)
    b = b.model_copy(update={"memory": (*b.memory, gained)})
    return manager.apply(definition_of(card, smaller.after, giver, exact=False), b)


def other_contract(setting: Setting, name: str) -> Answer | None:
    """The first other contract that the RAM admits: half the bandwidth and chunk, the highest or lowest class."""
    fabric = setting.description.fabric
    present = setting.manager.definition(name)
    full = present.qos.limit or fabric.data_bytes * fabric.clock
    common = {"limit": full // 2, "read_limit": None, "write_limit": None, "chunk": _pieces(setting)}
    for level in (fabric.classes - 1, 0, present.qos.class_):
        qos = present.qos.model_copy(update={"class_": level, **common})
        answer = setting.manager.apply(present.model_copy(update={"qos": qos}))
        if answer.ok:
            return answer
    return None


def _pieces(setting: Setting) -> int | None:
    """Half the card's chunk, in bytes, if it splits bursts at all and has such pieces."""
    fabric = setting.description.fabric
    return fabric.chunk * fabric.data_bytes // 2 if fabric.isolation == "strict" and fabric.chunk > 1 else None


def moved_granules(setting: Setting) -> int:
    """Granules that change hands at once: the scrub of so many ends soon, even at the lowest class."""
    return max(1, MOVED // setting.card.granule)


def growth(setting: Setting, name: str) -> Answer:
    """More memory at the end of what a slice has, in the same target, or at least one granule anywhere."""
    present = setting.manager.definition(name)
    for granules in range(moved_granules(setting), 0, -1):
        size = granules * setting.card.granule
        for position in reversed(range(len(present.memory))):
            larger = present.memory[position].model_copy(update={"size": present.memory[position].size + size})
            memory = (*present.memory[:position], larger, *present.memory[position + 1 :])
            answer = setting.manager.apply(present.model_copy(update={"memory": memory}))
            if answer.ok:
                return answer
    return setting.manager.allocate(name, ResourceType.MEMORY, setting.card.granule)


def newcomer(setting: Setting, gone: Slice) -> SliceDefinition:
    """A new slice on the ports, and in a part of the memory, of the one that has gone."""
    content: dict[str, object] = {
        "slice": NEWCOMER, "tenant": NEWCOMER, "contexts": gone.contexts, "cores": gone.cores,
        "qos": {"chunk": _pieces(setting)},
    }  # fmt: skip
    if gone.regions:
        target = gone.regions[0].extents[0].target
        size = min(moved_granules(setting), gone.regions[0].granules) * setting.description.fabric.granule
        content["memory"] = [{"name": "main", "size": size, "targets": [target]}]
    return SliceDefinition.model_validate(content)
