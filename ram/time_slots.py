"""Time slots of targets: which slot is whose, and what that means for waiting and bandwidth."""

from collections.abc import Iterable
from fractions import Fraction

from .errors import Exhausted, Invalid
from .inventory import Inventory, Slice, Turns
from .manifest import Card

SLOT_GRANTS = 2
"""Grants that a slot has for requests that wait, at least: one when it begins, one when half of it is over."""


def assign(card: Card, inventory: Inventory) -> Inventory:
    """The inventory with the slots that its contracts ask for.

    Who has slots keeps them, so nobody's timing changes when others come or go. New ones are spread as evenly over
    the table as the free ones allow. At least one slot of each target stays open, for the scrubber and for slices
    without slots.

    Raises
    ------
    Exhausted
        A target has too few slots left.
    Invalid
        The slice uses no target that has slots.
    """
    slices = []
    for owner in inventory.slices:
        turns = tuple(_kept(card, inventory, owner))
        slices.append(owner.model_copy(update={"turns": turns}) if turns != owner.turns else owner)
    for number, owner in enumerate(slices):
        slices[number] = _completed(card, inventory, owner, [other for other in slices if other is not owner])
    if slices == list(inventory.slices):
        return inventory
    return inventory.model_copy(update={"slices": tuple(slices)})


def _slotted(card: Card, inventory: Inventory, owner: Slice) -> list[str]:
    """Targets with slots that are in the slice's window, in order of name."""
    used = {place.target for place in inventory.layout(card, owner.name).values()}
    return sorted(name for name in used if card.targets[card.target[name]].time_slots)


def _kept(card: Card, inventory: Inventory, owner: Slice) -> Iterable[Turns]:
    wanted = owner.qos.time_slots or 0
    for turns in owner.turns if wanted else ():
        if turns.target in _slotted(card, inventory, owner):
            yield turns.model_copy(update={"slots": turns.slots[:wanted]})


def _completed(card: Card, inventory: Inventory, owner: Slice, others: list[Slice]) -> Slice:
    wanted, turns = owner.qos.time_slots, {found.target: found for found in owner.turns}
    if wanted is None:
        return owner
    targets = _slotted(card, inventory, owner)
    where = ("qos", "time_slots")
    if not targets and not any(target.time_slots for target in card.targets):
        raise Invalid("no target of this card has time slots; leave it out", where)
    for name in targets:
        slots = card.targets[card.target[name]].time_slots
        have = turns[name].slots if name in turns else ()
        taken = {slot for other in others for found in other.turns if found.target == name for slot in found.slots}
        free = [slot for slot in range(slots) if slot not in taken and slot not in have]
        if len(free) - 1 < wanted - len(have):
            raise Exhausted(
                f"slice {owner.name!r} asks for {wanted} time slots of {name!r}, {len(free) - 1 + len(have)} of "
                f"{slots} can be had; one stays open", where,
            )  # fmt: skip
        turns[name] = Turns(target=name, slots=_spread(slots, have, free, wanted))
    return owner.model_copy(update={"turns": tuple(turns[name] for name in sorted(turns))})


def _spread(slots: int, have: tuple[int, ...], free: list[int], wanted: int) -> tuple[int, ...]:
    """`wanted` slots, of which `have` are given: each new one comes into the middle of the longest gap."""
    chosen, left = list(have), list(free)
    while len(chosen) < wanted:
        chosen.append(max(left, key=lambda slot: (_distance(slots, slot, chosen), -slot)))
        left.remove(chosen[-1])
    return tuple(chosen)


def _distance(slots: int, slot: int, chosen: list[int]) -> int:
    """From a slot to the nearest of `chosen`, either way round; 0 if there is none."""
    return min((min((slot - other) % slots, (other - slot) % slots) for other in chosen), default=0)


def longest_gap(slots: int, own: Iterable[int]) -> int:
    """Slots from the beginning of one of `own` to that of the next, at most."""
    places = sorted(own)
    return max((after - place - 1) % slots + 1 for place, after in zip(places, places[1:] + places[:1], strict=True))


def turns_at(inventory: Inventory, target: str) -> dict[str, tuple[int, ...]]:
    """Slots of a target, by the slice that has them; empty while its slots mean nothing."""
    return {owner.name: found.slots for owner in inventory.slices for found in owner.turns if found.target == target}


def open_slots(card: Card, inventory: Inventory, target: str) -> list[int]:
    """Slots of a target that nobody has."""
    taken = {slot for slots in turns_at(inventory, target).values() for slot in slots}
    return [slot for slot in range(card.targets[card.target[target]].time_slots) if slot not in taken]


def part_of(card: Card, inventory: Inventory, target: str, name: str) -> Fraction:
    """The part of a target's beats that is sure for a slice, or for all slices without slots together.

    All of it without slots. With slots those of the slice, or the open ones; the last beats of a slot may be lost,
    since no request begins that might not end in it: of the beats of single-beat requests nearly one half.
    """
    turns = turns_at(inventory, target)
    if not turns:
        return Fraction(1)
    own = turns[name] if name in turns else open_slots(card, inventory, target)
    return Fraction(len(own), 2 * card.targets[card.target[target]].time_slots)


def wait(card: Card, inventory: Inventory, target: str, name: str, grants: int) -> int:
    """Cycles until a request has its grant, if `grants` others may go before it in the slots in which it may."""
    own = turns_at(inventory, target).get(name) or open_slots(card, inventory, target)
    slots = card.targets[card.target[target]].time_slots
    return (grants // SLOT_GRANTS + 1) * longest_gap(slots, own) * card.fabric.slot_cycles
