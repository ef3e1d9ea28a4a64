"""Random changes of slices, as requests to the RAM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from hdl.traffic.settings import MOST_WORDS
from ram import Answer, Card, Inventory, Manager, SliceDefinition
from ram.definition import ExtentDefinition, MemoryDefinition, PcieDefinition
from ram.export import definition_of

from ..scenarios.change import owned, runs
from .lots import lot_granules, lots

Change = tuple[str, Answer]
"""What is asked for, and the RAM's answer."""


@dataclass
class Scope:
    """Some slices that change among themselves, and nothing beyond.

    Members
    -------
    slices : list of str
        Their names; those that are released come back under the same ones.
    targets : list of str
        Memories that they use.
    away : dict
        Definitions of those that are released now.
    """

    slices: list[str]
    targets: list[str]
    away: dict[str, SliceDefinition] = field(default_factory=dict)


def slices_for(
    card: Card, prefix: str, contexts: Sequence[str], targets: Sequence[str], number: int, rng: Random | None = None
) -> list[SliceDefinition]:
    """`number` slices that share out some contexts: a lot for each context, within its reach, and, with `rng`, some to
    share if there is room."""
    size = lot_granules(card) * card.fabric.granule
    room = sum(card.targets[card.target[target]].size // size for target in targets)
    sharing = min(card.fabric.keys - 1 - card.fabric.slices, (3 * room // 4 - len(contexts)) // 2)
    devices = {card.initiators[device.initiator].name: device.name for device in card.pcie.devices}
    width = min(card.pcie.widths, default=0)
    result = []
    for index in range(number):
        mine = contexts[index::number]
        memory = [
            MemoryDefinition(name=f"lot{n}", size=size, targets=_from(_within_reach(card, [name], targets), index + n))
            for n, name in enumerate(mine)
        ]
        if rng is not None and index < sharing:
            near = _within_reach(card, mine, targets)
            where = _from(near, rng.randrange(len(near)))
            memory.append(MemoryDefinition(name="shared", size=2 * size, targets=where, share=()))
        result.append(SliceDefinition(
            slice=f"{prefix}{index}", tenant=f"{prefix}{index}",
            contexts=tuple(name for name in mine if card.kind(name) == "host"),
            cores=tuple(name for name in mine if card.kind(name) == "core"),
            devices=tuple(name for name in mine if card.kind(name) == "device"),
            pcie=tuple(PcieDefinition(device=devices[name], lanes=width) for name in mine if name in devices),
            memory=tuple(memory),
        ))  # fmt: skip
    return result


def _within_reach(card: Card, contexts: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Those of the targets that at least one of the contexts is connected with."""
    return [target for target in targets if any(card.reaches(context, target) for context in contexts)]


def _from(targets: Sequence[str], first: int) -> tuple[str, ...]:
    """All of them, in order of preference."""
    first %= len(targets)
    return (*targets[first:], *targets[:first])


class Changes:
    """Draws changes that the RAM grants.

    Parameters
    ----------
    card : ram.Card
    manager : ram.Manager
    scope : Scope
    rng : Random
    """

    def __init__(self, card: Card, manager: Manager, scope: Scope, rng: Random) -> None:
        self.card, self.manager, self.scope, self.rng = card, manager, scope, rng
        self.size = lot_granules(card) * card.fabric.granule
        self.kinds: dict[str, Callable[[], Answer | None]] = {
            "grow": self.grow, "shrink": self.shrink, "move": self.move, "share": self.share, "context": self.context,
            "core": self.core, "device": self.device, "quality": self.quality, "release": self.release,
            "create": self.create,
        }  # fmt: skip

    def draw(self) -> Change | None:
        """A change that the RAM grants and that does something; None if there is none."""
        for kind in self.rng.sample(sorted(self.kinds), len(self.kinds)):
            answer = self.kinds[kind]()
            if answer is None or answer.transition is None or not self.fits(answer.after):
                continue
            if answer.transition.operations:
                self._note_absence(answer.after)
                return kind, answer
        return None

    def _note_absence(self, after: Inventory) -> None:
        for name in self.scope.slices:
            if after.slice(name) is not None:
                self.scope.away.pop(name, None)
            elif name not in self.scope.away:
                self.scope.away[name] = self.manager.definition(name)

    @property
    def inventory(self) -> Inventory:
        """The RAM's state."""
        return self.manager.inventory

    def fits(self, inventory: Inventory) -> bool:
        """Whether everything lies in the part of the memories that is there, see `MOST_WORDS`."""
        fabric = self.card.fabric
        limit = MOST_WORDS * fabric.data_bytes // fabric.granule
        extents = (extent for owner in inventory.slices for region in owner.regions for extent in region.extents)
        return all(extent.first + extent.granules <= limit for extent in extents)

    def present(self) -> list[str]:
        """Slices that exist."""
        return [name for name in self.scope.slices if self.inventory.slice(name) is not None]

    def pair(self) -> tuple[SliceDefinition, SliceDefinition] | None:
        """Two slices as they are."""
        names = self.present()
        if len(names) < 2:
            return None
        first, second = self.rng.sample(names, 2)
        return self.manager.definition(first), self.manager.definition(second)

    def spare_lots(self, name: str) -> int:
        """How many lots a slice has beyond one for each context."""
        have = sum(lot.slice == name for lot in lots(self.card, self.inventory))
        return have - len(self.inventory.ports(self.card, name))

    def grow(self) -> Answer | None:
        """An entry gets longer, or there is one more."""
        name = self.rng.choice(self.present())
        if self.spare_lots(name) > 2:
            return None
        present = self.manager.definition(name)
        memory = list(present.memory)
        private = [number for number, entry in enumerate(memory) if entry.share is None]
        if private and self.rng.random() < 0.5:
            number = self.rng.choice(private)
            memory[number] = memory[number].model_copy(update={"size": memory[number].size + self.size})
        else:
            memory.append(self._entry(memory, targets=(self.rng.choice(self.scope.targets),)))
        return self.manager.apply(present.model_copy(update={"memory": tuple(memory)}))

    def _entry(self, memory: Sequence[MemoryDefinition], **fields: object) -> MemoryDefinition:
        names = {entry.name for entry in memory}
        name = next(name for number in range(len(names) + 1) if (name := f"lot{number}") not in names)
        return MemoryDefinition.model_validate({"name": name, "size": self.size, **fields})

    def _without_a_lot(self, name: str) -> Answer | None:
        present = self.manager.definition(name)
        private = [number for number, entry in enumerate(present.memory) if entry.share is None]
        if not private or self.spare_lots(name) < 0:
            return None
        number = self.rng.choice(private)
        memory = list(present.memory)
        entry = memory.pop(number)
        if entry.size > self.size:
            memory.insert(number, entry.model_copy(update={"size": entry.size - self.size}))
        return self.manager.apply(present.model_copy(update={"memory": tuple(memory)}))

    def shrink(self) -> Answer | None:
        """An entry gets shorter or goes."""
        return self._without_a_lot(self.rng.choice(self.present()))

    def move(self) -> Answer | None:
        """The very same granules go to another slice."""
        names = self.pair()
        if names is None:
            return None
        giver = names[0].slice
        smaller = self._without_a_lot(giver)
        if smaller is None or not smaller.ok:
            return None
        places = runs(owned(self.card, self.inventory, giver) - owned(self.card, smaller.after, giver))
        extents = tuple(
            ExtentDefinition(target=self.card.targets[target].name, first=first, granules=count)
            for target, first, count in places
        )
        gained = self._entry(names[1].memory, extents=extents)
        taker_after = names[1].model_copy(update={"memory": (*names[1].memory, gained)})
        return self.manager.apply(definition_of(self.card, smaller.after, giver, exact=False), taker_after)

    def share(self) -> Answer | None:
        """What has a key of its own is shared, or is not shared any more."""
        names = self.pair()
        entry = names and next((entry for entry in names[0].memory if entry.share is not None), None)
        if not names or not entry:
            return None
        if entry.share:
            return self.manager.share(names[0].slice, entry.name, entry.share[0].slice, None)
        return self.manager.share(names[0].slice, entry.name, names[1].slice, "read-write")

    def _hand_over(self, member: str) -> Answer | None:
        names = self.pair()
        moving = names and getattr(names[0], member)
        if not names or not moving:
            return None
        one = self.rng.choice(moving)
        rest = tuple(other for other in moving if other != one)
        first = names[0].model_copy(update={member: rest})
        second = names[1].model_copy(update={member: (*getattr(names[1], member), one)})
        return self.manager.apply(first, second)

    def context(self) -> Answer | None:
        """A host's context goes to another slice."""
        return self._hand_over("contexts")

    def core(self) -> Answer | None:
        """A core goes to another slice."""
        return self._hand_over("cores")

    def device(self) -> Answer | None:
        """A device goes to another slice, a PCIe device with its lanes."""
        return self._hand_over(self.rng.choice(("devices", "pcie")))

    def quality(self) -> Answer | None:
        """Another class; sometimes a limit of half of what a port carries."""
        present = self.manager.definition(self.rng.choice(self.present()))
        fabric = self.card.fabric
        limit = fabric.data_bytes * fabric.clock // 2 if self.rng.random() < 0.3 else None
        qos = present.qos.model_copy(update={"class_": self.rng.randrange(fabric.classes), "limit": limit})
        return self.manager.apply(present.model_copy(update={"qos": qos}))

    def release(self) -> Answer | None:
        """A slice goes, for a while."""
        if self.scope.away or len(self.present()) < 3:
            return None
        return self.manager.release(self.rng.choice(self.present()))

    def create(self) -> Answer | None:
        """It comes back."""
        if not self.scope.away:
            return None
        gone = next(iter(self.scope.away.values()))
        entries = [
            entry.model_copy(update={"address": None, "share": () if entry.share is not None else None})
            for entry in gone.memory
        ]
        return self.manager.apply(gone.model_copy(update={"memory": tuple(entries)}))
