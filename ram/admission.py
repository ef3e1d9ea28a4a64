"""What the arbiters of a card can promise, and whether that is enough for all contracts together."""

from collections.abc import Container

from .budgets import (
    DIRECTIONS,
    MOST_BEATS,
    check_guarantee_fits_limit,
    chunk_of,
    guarantee_of,
    halvings_register,
    limit_of,
    outstanding_register,
    rate_registers,
    separate,
    write_registers,
)
from .definition import Qos
from .errors import Denied, Exhausted, Invalid
from .inventory import Inventory
from .manifest import Card
from .time_slots import part_of, turns_at, wait
from .units import format_rate, format_time

MOST_BEATS_UNSPLIT = 16
"""Longest burst that no card splits: WRAP, FIXED, or exclusive (IHI 0022H, A3.4.1 and A7.2.4)."""

GRANTED_AHEAD = 12
SHORT_BEATS = 4
"""Requests that a gate grants before the first of them is offered to the target, and beats up to which there may be
several reads among them; see `hdl/fabric/gate.py`."""

TARGET_MARGIN = 4
"""What a target's `ahead` must exceed its latency by, in cycles."""

SCRUB_CLASS = 0
"""Class of the scrubber, which zeroes memory before it changes owner."""


def capacity(card: Card) -> int:
    """Bytes per second that one memory target carries for the slices, in each direction.

    One beat per cycle, less the scrubber's part: it has the lowest class and gets one grant of `scrub_beats` beats
    after `patience_least` others of a higher class, if these come one by one. Assumes bursts of at least `scrub_beats`
    beats; a slice that uses shorter ones gets fewer beats per grant while its target is being scrubbed. Only writes
    compete with the scrubber, so this is a little too careful for reads.
    """
    fabric = card.fabric
    return fabric.data_bytes * fabric.clock * fabric.patience_least // (fabric.patience_least + 1)


def grant_beats(card: Card) -> int:
    """Most beats that one grant of an arbiter may last: those of the longest burst that the card does not split."""
    return max(card.fabric.chunk, MOST_BEATS_UNSPLIT) if card.fabric.isolation == "strict" else MOST_BEATS


def longest_wait(card: Card, inventory: Inventory, name: str, target: str) -> int:
    """Cycles for which a request of a slice may stand at a target's arbiter before its grant, at worst.

    With E other ports that may carry the slice's class, N ports at the target (the scrubber included), P = `patience`
    and L = `patience_least`:

    - if no other slice at the target has a higher class, each of the E (the scrubber too for class 0) goes once before
      it, and since no more than one grant in L + 1 ignores classes, so do ``1 + E // L`` others: ``E + 1 + E // L``
      grants;
    - otherwise only the grants that ignore classes are sure. There every other port may go first, each after P grants
      that passed the request over: fewer than ``(P + 1) * N`` grants.

    One more is under way when the request comes. A grant lasts as long as its burst, at most `grant_beats`, one per
    cycle. If slices have time slots at the target, it is the slots in which the request may go that count: each of them
    has at least two grants, and others are those that go in the same slots. A burst that the card splits stands there
    once for each piece. Assumes that the target takes a beat in every cycle, and counts from when the request is the
    first of its port: what stands in front of it on its own port, and the answer's way back, are not part of it.
    """
    if turns_at(inventory, target):
        return wait(card, inventory, target, name, _grants_before(card, inventory, name, target))
    return (_grants_before(card, inventory, name, target) + 1) * grant_beats(card)


def longest_latency(card: Card, inventory: Inventory, name: str, target: str, beats: int) -> int:
    """Cycles from the acceptance of a request to the last beat of its answer, at worst.

    The sum of the way there and back; of the wait of each of its pieces for a grant, see :func:`longest_wait`; of what
    the target may still owe others when the last grant comes: `ahead` beats, and what has been granted beyond them, one
    long read and 12 of up to 4 beats (of writes 16 beats at most); of the target's own latency, which is at most
    ``ahead - 4`` cycles; and of the beats themselves, on a card with strict isolation twice, since a write leaves when
    its data is there.

    Assumes the same of the target as `longest_wait`, and that the request is the only one of its port, that its slice
    has budget, that its initiator gives and takes a beat in every cycle, and that neither its port nor its target has
    an adapter.

    Raises
    ------
    ValueError
        The card has a network, for whose links no bound is computed.
    """
    if card.network:
        raise ValueError(f"no bound is computed for a {card.fabric.topology}")
    fabric = card.fabric
    strict = fabric.isolation == "strict"
    owner = inventory.slice(name)
    assert owner is not None
    pieces = -(-beats // chunk_of(card, owner.qos)) if strict else 1
    ahead = card.targets[card.target[target]].ahead
    owed = ahead + grant_beats(card) + GRANTED_AHEAD * SHORT_BEATS
    waits = pieces * (longest_wait(card, inventory, name, target) + 1)
    return fabric.path_cycles + waits + owed + (ahead - TARGET_MARGIN) + beats * (2 if strict else 1)


def _grants_before(card: Card, inventory: Inventory, name: str, target: str) -> int:
    """Grants that others may get at a target before a request of a slice, at most; see :func:`longest_wait`."""
    fabric = card.fabric
    connected = card.targets[card.target[target]].initiators
    own = inventory.slice(name)
    assert own is not None
    timed = turns_at(inventory, target)
    if name in timed:  # only its own other ports
        return sum(card.reaches(port, target) for port in inventory.ports(card, name)) - 1
    classes = _classes_at(card, inventory, target, timed)
    mine = {card.context[port].initiator for port in inventory.ports(card, name)}
    higher = any(level > own.qos.class_ for port, levels in classes.items() if port in connected for level in levels)
    equals = sum(own.qos.class_ in levels for port, levels in classes.items() if port in connected)
    equals -= 1 if mine & classes.keys() else 0
    equals += 1 if own.qos.class_ == SCRUB_CLASS else 0
    if higher:
        grants = (fabric.patience + 1) * (len(connected) + 1) - 1
    else:
        grants = equals + 1 + equals // fabric.patience_least
    return grants


def _classes_at(card: Card, inventory: Inventory, target: str, timed: Container[str]) -> dict[int, set[int]]:
    """Ports from which slices without slots use a target, with the classes that may come from there."""
    result: dict[int, set[int]] = {}
    for owner in inventory.slices:
        if owner.name not in timed and target in users(card, inventory)[owner.name]:
            for port in inventory.ports(card, owner.name):
                result.setdefault(card.context[port].initiator, set()).add(owner.qos.class_)
    return result


def users(card: Card, inventory: Inventory) -> dict[str, set[str]]:
    """For each slice the targets that are in its window."""
    return {o.name: {place.target for place in inventory.layout(card, o.name).values()} for o in inventory.slices}


def check_contracts(card: Card, inventory: Inventory) -> None:
    """Whether all contracts can be kept together.

    A limit is kept by the slice's token bucket. A guarantee is kept by the limits of the others: at each memory that
    the slice uses, its guarantee and the limits of all other slices that use it must not exceed the target's
    `capacity`, in each direction for itself: a common limit counts in full in both, since the slice may spend it on
    either. The arbiter never idles while a request waits, so what the others may not take is the slice's, whatever
    their classes are, as long as it always has a request waiting. It needs class 1 or more itself, since class 0 is
    the scrubber's. A slice without a limit may take everything, so it cannot share a memory with a guarantee. Since a
    guarantee is at most the slice's own limit, guarantees never add up to more than the capacity.

    Raises
    ------
    Denied
        Names the slices, the target and the number that would be right.
    """
    for owner in inventory.slices:
        _check_own(card, owner.name, owner.qos)
    targets = users(card, inventory)
    for owner in inventory.slices:
        for target in sorted(targets[owner.name]):
            if card.targets[card.target[target]].kind == "memory":
                timed = turns_at(inventory, target)
                rivals = [o for o in inventory.slices if o.name != owner.name and target in targets[o.name]]
                # In time slots nobody takes anything from those who have some, nor they from the others.
                others = [o for o in rivals if owner.name not in timed and o.name not in timed]
                _check_guarantee(card, inventory, owner.name, target, [other.name for other in others])
            _check_latency(card, inventory, owner.name, target)


def _check_own(card: Card, name: str, qos: Qos) -> None:
    if qos.class_ >= card.fabric.classes:
        most = card.fabric.classes - 1
        raise Invalid(f"class {qos.class_} of slice {name!r}; this card has classes 0 to {most}", ("qos", "class"))
    rate_registers(card, qos)
    write_registers(card, qos)
    outstanding_register(card, qos)
    halvings_register(card, qos)
    check_guarantee_fits_limit(name, qos)
    _check_network(card, name, qos)
    for direction in DIRECTIONS:
        guarantee = guarantee_of(qos, direction)
        where = ("qos", "guarantee" if qos.guarantee is not None else f"{direction}_guarantee")
        if guarantee is not None and qos.class_ <= SCRUB_CLASS:
            raise Invalid(
                f"slice {name!r} has class {qos.class_}, in which the scrubber competes; a guarantee needs class 1 or "
                "more", ("qos", "class"),
            )  # fmt: skip
        if guarantee is not None and guarantee > capacity(card):
            raise Exhausted(
                f"slice {name!r} is to be guaranteed {format_rate(guarantee)}, a memory of this card carries "
                f"{format_rate(capacity(card))}", where,
            )  # fmt: skip


def _check_network(card: Card, name: str, qos: Qos) -> None:
    """Links are shared, and what that costs at worst is not computed: so nothing is promised that depends on it."""
    promised = [direction for direction in DIRECTIONS if guarantee_of(qos, direction) is not None]
    if card.network and (promised or qos.latency is not None):
        what = "guarantee" if promised else "latency"
        field = f"{promised[0]}_guarantee" if promised and qos.guarantee is None else what
        raise Invalid(
            f"slice {name!r} asks for a {what}, which a {card.fabric.topology} cannot promise; leave it out, or use "
            "limits and classes", ("qos", field),
        )  # fmt: skip


def _check_guarantee(card: Card, inventory: Inventory, name: str, target: str, others: list[str]) -> None:
    owner = inventory.slice(name)
    assert owner is not None
    for direction in DIRECTIONS:
        guarantee = guarantee_of(owner.qos, direction)
        if guarantee is None:
            continue
        carries = int(capacity(card) * part_of(card, inventory, target, name))
        left = carries - guarantee
        if left < 0:
            raise _denied(
                f"slice {name!r} is to be guaranteed {format_rate(guarantee)}, its part of {target!r} carries "
                f"{format_rate(carries)}; ask for less or for more time slots"
            )
        for other in others:
            found = inventory.slice(other)
            assert found is not None
            limit = limit_of(found.qos, direction)
            mixed = owner.qos.guarantee is None or separate(found.qos)
            what = f"{direction}s " if mixed else ""
            if limit is None:
                named = f"{direction}_limit" if separate(found.qos) else "limit"
                raise _denied(
                    f"slice {other!r} uses {target!r} without a limit, where slice {name!r} is guaranteed "
                    f"{what and what + 'of '}{format_rate(guarantee)}; "
                    f"give {other!r} a qos.{named} of at most {format_rate(max(left, 0))}"
                )
            left -= limit
            if left < 0:
                raise _denied(
                    f"at {target!r} the guarantee of {what and what + 'of '}slice {name!r} and the limits of "
                    f"{', '.join(others)} are {format_rate(-left)} more than its {format_rate(carries)}; "
                    "lower one of them"
                )


def _denied(message: str) -> Denied:
    return Exhausted(message, ("qos",))


def _check_latency(card: Card, inventory: Inventory, name: str, target: str) -> None:
    owner = inventory.slice(name)
    assert owner is not None
    if owner.qos.latency is None:
        return
    cycles = longest_wait(card, inventory, name, target)
    bound = -(-cycles * 10**9 // card.fabric.clock)
    if bound > owner.qos.latency:
        raise Exhausted(
            f"slice {name!r} may wait {format_time(bound)} ({cycles} cycles) for {target!r}, its contract says "
            f"{format_time(owner.qos.latency)}; ask for {format_time(bound)} or a higher class", ("qos", "latency"),
        )  # fmt: skip


def check_reach(card: Card, inventory: Inventory) -> None:
    """What memory a slice asks for must be connected with at least one of its ports, if it has any.

    A device's registers come with the device; who can reach them may join the slice later.
    """
    for name, targets in users(card, inventory).items():
        ports = inventory.ports(card, name)
        for target in sorted(targets):
            if card.targets[card.target[target]].device is not None:
                continue
            if ports and not any(card.reaches(port, target) for port in ports):
                raise Invalid(
                    f"no port of slice {name!r} ({', '.join(ports)}) is connected with {target!r} on this card"
                )
