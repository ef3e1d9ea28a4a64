"""The Resource Allocation Manager: decides, and says which register operations carry the decision out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from . import memory
from .admission import check_contracts, check_reach
from .definition import MemoryDefinition, PcieDefinition, Qos, Rights, ShareDefinition, SliceDefinition
from .draft import Draft
from .errors import Denied, Exhausted, Invalid, Location
from .export import definition_of
from .inventory import Inventory, Region, empty
from .manifest import Card
from .operations import Transition
from .reconcile import InDefinition, reconcile
from .time_slots import assign
from .transition import attach, build, restore, take_over
from .units import format_bytes, format_rate


class Code(StrEnum):
    """How a request ended."""

    SUCCESS = "SUCCESS"
    ERROR_INVALID_REQUEST = "ERROR_INVALID_REQUEST"
    ERROR_NO_RESOURCES = "ERROR_NO_RESOURCES"


class ResourceType(StrEnum):
    """What can be allocated; the unit of `amount` is in parentheses."""

    CORES = "CORES"
    """Cores (number)."""
    MEMORY = "MEMORY"
    """Private memory (bytes)."""
    LANES = "LANES"
    """A PCIe device on that many lanes (a width of PCI Express)."""
    KEYS = "KEYS"
    """Keys in reserve, so that later shared memory cannot fail for lack of one (number)."""
    BANDWIDTH = "BANDWIDTH"
    """Guaranteed bandwidth (bytes per second)."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Members
    -------
    code : Code
    reason : str
        One line: what happens, or why nothing does.
    transition : Transition or None
        What to execute on the card; None unless `code` is SUCCESS.
    after : Inventory
        The state once the transition has been executed; the present one unless `code` is SUCCESS.
    position, location : int, tuple
        Which of the definitions is at fault, and where in it.
    """

    code: Code
    reason: str
    transition: Transition | None
    after: Inventory
    position: int = 0
    location: Location = ()

    @property
    def ok(self) -> bool:
        """Whether the request is granted."""
        return self.code is Code.SUCCESS


class Manager:
    """Answers requests for a card. It is synchronous, and touches nothing: a request yields an `Answer` with the
    transition to execute, and `commit` makes the answer's state the present one.

    Parameters
    ----------
    card : Card
    inventory : Inventory, optional
        The state to start from; that of a card after reset if it is not given.

    Members
    -------
    inventory : Inventory
        The present state.
    """

    def __init__(self, card: Card, inventory: Inventory | None = None) -> None:
        self.card = card
        self.inventory = empty(card) if inventory is None else inventory

    def allocate(self, vm_id: str, resource_type: ResourceType | str, amount: int, qos: Qos | None = None) -> Answer:
        """``AllocateResource``: more of a resource for a slice that exists, and a new contract if `qos` is given."""

        def change(draft: Draft) -> str:
            kind = _checked(draft, vm_id, resource_type, amount)
            if qos is not None:
                draft.put(vm_id, qos=qos)
            owner = draft.get(vm_id)
            if kind is ResourceType.CORES:
                draft.add_cores(vm_id, amount)
            elif kind is ResourceType.MEMORY:
                memory.add_region(draft, vm_id, MemoryDefinition(name=_unused(owner.regions), size=amount))
            elif kind is ResourceType.LANES:
                draft.attach(vm_id, PcieDefinition(lanes=amount))
            elif kind is ResourceType.KEYS:
                draft.set_spare_keys(vm_id, len(owner.spare_keys) + amount)
            else:
                guarantee = (owner.qos.guarantee or 0) + amount
                draft.put(vm_id, qos=owner.qos.model_copy(update={"guarantee": guarantee}))
            return f"slice {vm_id} gets {_shown(kind, amount)}"

        return self._answer(change)

    def deallocate(self, vm_id: str, resource_type: ResourceType | str, amount: int) -> Answer:
        """``DeallocateResource``: less of a resource; what was added last goes first."""

        def change(draft: Draft) -> str:
            kind = _checked(draft, vm_id, resource_type, amount)
            owner = draft.get(vm_id)
            if kind is ResourceType.CORES:
                _at_most(vm_id, kind, amount, len(owner.cores))
                draft.put(vm_id, cores=owner.cores[:-amount])
            elif kind is ResourceType.MEMORY:
                granules = draft.granules(amount, "the amount")
                private = sum(region.granules for region in owner.regions if region.shares is None)
                _at_most(vm_id, kind, amount, private * self.card.fabric.granule)
                memory.take_newest(draft, vm_id, granules)
            elif kind is ResourceType.LANES:
                found = [attachment.device for attachment in owner.attachments if attachment.lanes == amount]
                if not found:
                    widths = ", ".join(str(attachment.lanes) for attachment in owner.attachments) or "none"
                    raise Invalid(f"slice {vm_id!r} has no device on {amount} lanes (it has: {widths})")
                draft.detach(vm_id, found[-1])
            elif kind is ResourceType.KEYS:
                _at_most(vm_id, kind, amount, len(owner.spare_keys))
                draft.set_spare_keys(vm_id, len(owner.spare_keys) - amount)
            else:
                _at_most(vm_id, kind, amount, owner.qos.guarantee or 0)
                rest = (owner.qos.guarantee or 0) - amount
                draft.put(vm_id, qos=owner.qos.model_copy(update={"guarantee": rest or None}))
            return f"slice {vm_id} gives back {_shown(kind, amount)}"

        return self._answer(change)

    def apply(self, *definitions: SliceDefinition) -> Answer:
        """Make slices as their definitions say, all of them or none; others stay as they are.

        Slices that do not exist are created, others grow, shrink and get new contracts. Resources can move from one
        slice to another. A second call with the same definitions changes nothing.
        """

        def change(draft: Draft) -> str:
            reconcile(draft, definitions)
            return "apply " + ", ".join(definition.slice for definition in definitions)

        return self._answer(change)

    def release(self, vm_id: str) -> Answer:
        """Take everything away from a slice, and forget it."""

        def change(draft: Draft) -> str:
            draft.remove(vm_id)
            return f"release {vm_id}"

        return self._answer(change)

    def share(self, vm_id: str, region: str, with_slice: str, rights: Rights | None = "read") -> Answer:
        """Let another slice use a memory entry that has a key of its own; `rights` None ends that.

        Only rights and the other slice's windows change: the owner sees no stall and no denial.
        """

        def change(draft: Draft) -> str:
            owner = draft.get(vm_id)
            found = owner.region(region)
            if found is None:
                known = ", ".join(other.name for other in owner.regions) or "none"
                raise Invalid(f"slice {vm_id!r} has no memory entry {region!r} (it has: {known})")
            granule = self.card.fabric.granule
            others = [
                ShareDefinition(slice=s.slice, rights=s.rights, address=s.wanted and s.wanted * granule)
                for s in found.shares or ()
                if s.slice != with_slice
            ]
            if rights is not None:
                others.append(ShareDefinition(slice=with_slice, rights=rights))
            memory.set_shares(draft, vm_id, region, tuple(others))
            memory.settle_shares(draft)
            return f"share {vm_id}.{region} with {with_slice}: {rights or 'no more'}"

        return self._answer(change)

    def attach(self, target: str) -> Answer:
        """Attach a target again that the card has cut off, once it has been reset. Nobody's resources change."""
        found = self.card.target.get(target)
        timed = [port.name for port in self.card.targets if port.timeout]
        if found is None or not self.card.targets[found].timeout:
            known = ", ".join(timed) or "none"
            return self._refuse(Invalid(f"{target!r} is not a target that this card can cut off (it can: {known})"))
        generation = (self.inventory.generation + 1) % (1 << 32)
        after = self.inventory.model_copy(update={"generation": generation})
        transition = attach(self.card, target, self.inventory, after)
        return Answer(Code.SUCCESS, transition.title, transition, after)

    def restore(self) -> Answer:
        """Bring a card that was reset into the present state."""
        transition = restore(self.card, empty(self.card), self.inventory)
        return Answer(Code.SUCCESS, transition.title, transition, self.inventory)

    def take_over(self, token: int) -> Answer:
        """Own the card under a token that is newer than all before. Nobody's resources change."""
        present, most = self.inventory.token, (1 << self.card.fabric.token_bits) - 1
        if present == most:
            return self._refuse(Invalid(f"the card has had all its {most} owners: reset it, then tokens begin anew"))
        if isinstance(token, bool) or not isinstance(token, int) or not present < token <= most:
            return self._refuse(Invalid(f"the token {token!r} is not newer: it must be {present + 1} to {most}"))
        generation = (self.inventory.generation + 1) % (1 << 32)
        after = self.inventory.model_copy(update={"generation": generation, "token": token})
        transition = take_over(self.card, self.inventory, after)
        return Answer(Code.SUCCESS, transition.title, transition, after)

    def definition(self, vm_id: str, *, exact: bool = False) -> SliceDefinition:
        """The definition that recreates a slice; with `exact`, in the same places. KeyError if it is unknown."""
        return definition_of(self.card, self.inventory, vm_id, exact=exact)

    def commit(self, answer: Answer) -> None:
        """The transition of `answer` has been executed: its state is the present one.

        Raises
        ------
        ValueError
            The answer was refused, or was given in another state.
        """
        if answer.transition is None:
            raise ValueError(f"nothing to commit: {answer.reason}")
        if answer.transition.generation != self.inventory.generation and answer.after != self.inventory:
            raise ValueError(
                f"the answer is for generation {answer.transition.generation}, the state is {self.inventory.generation}"
            )
        self.inventory = answer.after

    def _answer(self, change: Callable[[Draft], str]) -> Answer:
        draft = Draft(self.card, self.inventory)
        try:
            title = change(draft)
            check_reach(self.card, draft.after)
            draft.after = assign(self.card, draft.after)
            check_contracts(self.card, draft.after)
        except InDefinition as error:
            return self._refuse(error.denied, error.position)
        except Denied as denied:
            return self._refuse(denied)
        if draft.after == self.inventory:
            unchanged = Transition(title, self.card.card, self.card.hash, self.inventory.generation, ())
            return Answer(Code.SUCCESS, f"{title}: nothing to do", unchanged, self.inventory)
        ports = [port for owner in draft.after.slices for port in draft.after.ports(self.card, owner.name)]
        cleared = dict.fromkeys((*draft.after.cleared, *ports))
        after = draft.after.model_copy(update={"cleared": tuple(cleared), "generation": draft.since})
        transition = build(self.card, title, self.inventory, after)
        if not transition.operations:  # the RAM remembers something else, the card stays as it is
            after = after.model_copy(update={"generation": self.inventory.generation})
        return Answer(Code.SUCCESS, title, transition, after)

    def _refuse(self, denied: Denied, position: int = 0) -> Answer:
        code = Code.ERROR_NO_RESOURCES if isinstance(denied, Exhausted) else Code.ERROR_INVALID_REQUEST
        return Answer(code, str(denied), None, self.inventory, position, denied.location)


def _checked(draft: Draft, vm_id: str, resource_type: ResourceType | str, amount: int) -> ResourceType:
    draft.get(vm_id)
    if resource_type not in list(ResourceType):
        raise Invalid(f"{resource_type!r} is not a resource type; there are {', '.join(ResourceType)}")
    if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
        raise Invalid(f"the amount {amount!r} is not a positive whole number")
    return ResourceType(resource_type)


def _shown(kind: ResourceType, amount: int) -> str:
    if kind is ResourceType.MEMORY:
        return f"{format_bytes(amount)} of memory"
    if kind is ResourceType.BANDWIDTH:
        return f"{format_rate(amount)} of guaranteed bandwidth"
    return f"{amount} {kind.lower()}"


def _at_most(vm_id: str, kind: ResourceType, amount: int, most: int) -> None:
    if amount > most:
        had = _shown(kind, most) if most else f"no {kind.lower()}"
        raise Invalid(f"slice {vm_id!r} has {had} to give back, not {_shown(kind, amount)}")


def _unused(regions: Sequence[Region]) -> str:
    taken = {region.name for region in regions}
    return next(name for name in (f"memory{number}" for number in range(len(taken) + 1)) if name not in taken)
