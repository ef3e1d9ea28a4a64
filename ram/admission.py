"""What the arbiters of a card can promise, and whether that is enough for all contracts together."""

from .definition import Qos
from .errors import Denied, Exhausted, Invalid
from .inventory import Inventory
from .manifest import Card
from .units import format_bytes, format_rate, format_time

MOST_BEATS = 256
"""Longest AXI burst (IHI 0022H, A3.4.1); on a card that does not split bursts one grant may last as long."""

MOST_BEATS_UNSPLIT = 16
"""Longest burst that no card splits: WRAP, FIXED, or exclusive (IHI 0022H, A3.4.1 and A7.2.4)."""

SCRUB_CLASS = 0
"""Class of the scrubber, which zeroes memory before it changes owner."""


def capacity(card: Card) -> int:
    """Bytes per second that one memory target carries for the slices, in each direction.

    One beat per cycle, less the scrubber's part: it has the lowest class and gets one grant of `scrub_beats` beats
    after `patience` others of a higher class. Assumes bursts of at least `scrub_beats` beats; a slice that uses
    shorter ones gets fewer beats per grant while its target is being scrubbed. Only writes compete with the
    scrubber, so this is a little too careful for reads.
    """
    fabric = card.fabric
    return fabric.data_bytes * fabric.clock * fabric.patience // (fabric.patience + 1)


def rate_registers(card: Card, qos: Qos) -> tuple[int, int, int]:
    """Values of RATE.rate, RATE.limited, BURST.beats for a contract.

    RATE counts 2**-`budget_fraction_bits` beats per `budget_period` cycles, so the rate is rounded down: never more
    than the limit.

    Raises
    ------
    Invalid
        The limit or the burst cannot be expressed in the registers.
    """
    fabric = card.fabric
    if qos.limit is None:
        if qos.burst is not None:
            raise Invalid("a burst means nothing without a limit; give qos.limit too", ("qos", "burst"))
        return 0, 0, 0
    fields = card.registers["slice"].registers
    unit = fabric.clock * fabric.data_bytes
    rate = qos.limit * fabric.budget_period * (1 << fabric.budget_fraction_bits) // unit
    most = (1 << fields["RATE"].fields["rate"].width) - 1
    if not 1 <= rate <= most:
        step = unit / (fabric.budget_period << fabric.budget_fraction_bits)
        raise Invalid(
            f"a limit of {format_rate(qos.limit)}; this card can limit to {format_rate(int(step) + 1)} "
            f"up to {format_rate(int(most * step))}", ("qos", "limit"),
        )  # fmt: skip
    beats = MOST_BEATS if qos.burst is None else qos.burst // fabric.data_bytes
    most = (1 << fields["BURST"].fields["beats"].width) - 1
    if not 1 <= beats <= most:
        assert qos.burst is not None
        raise Invalid(
            f"a burst of {format_bytes(qos.burst)}; this card can have {format_bytes(fabric.data_bytes)} "
            f"up to {format_bytes(most * fabric.data_bytes)}", ("qos", "burst"),
        )  # fmt: skip
    return rate, 1, beats


def grant_beats(card: Card) -> int:
    """Most beats that one grant of an arbiter may last: those of the longest burst that the card does not split."""
    return max(card.fabric.chunk, MOST_BEATS_UNSPLIT) if card.fabric.isolation == "strict" else MOST_BEATS


def longest_wait(card: Card, inventory: Inventory, name: str, target: str) -> int:
    """Cycles for which a request of a slice may stand at a target's arbiter before its grant, at worst.

    With E other ports that may carry the slice's class, N ports at the target (the scrubber included), P = `patience`:

    - if no other slice at the target has a higher class, each of the E (the scrubber too for class 0) goes once before
      it, and since one grant in P + 1 ignores classes, so do ``1 + E // P`` others: ``E + 1 + E // P`` grants;
    - otherwise only the grants that ignore classes are sure. There every other port may go first, each after P grants
      that passed the request over, and each port of its own class may have gone once: ``(P + 2) * N`` grants.

    One more is under way when the request comes. A grant lasts as long as its burst, at most `grant_beats`, one per
    cycle. A burst that the card splits stands there once for each piece. Assumes that the target takes a beat in every
    cycle, and counts from when the request is the first of its port: what stands in front of it on its own port, and
    the answer's way back, are not part of it.
    """
    fabric = card.fabric
    connected = card.targets[card.target[target]].initiators
    own = inventory.slice(name)
    assert own is not None
    classes = _classes_at(card, inventory, target)
    mine = {card.context[port].initiator for port in inventory.ports(card, name)}
    higher = any(level > own.qos.class_ for port, levels in classes.items() if port in connected for level in levels)
    equals = sum(own.qos.class_ in levels for port, levels in classes.items() if port in connected)
    equals -= 1 if mine & classes.keys() else 0
    equals += 1 if own.qos.class_ == SCRUB_CLASS else 0
    if higher:
        grants = (fabric.patience + 2) * (len(connected) + 1)
    else:
        grants = equals + 1 + equals // fabric.patience
    return (grants + 1) * grant_beats(card)


def _classes_at(card: Card, inventory: Inventory, target: str) -> dict[int, set[int]]:
    """Ports from which slices use a target, with the classes that may come from there."""
    result: dict[int, set[int]] = {}
    for owner in inventory.slices:
        if target in users(card, inventory)[owner.name]:
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
    `capacity`. The arbiter never idles while a request waits, so what the others may not take is the slice's, whatever
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
                others = [o for o in inventory.slices if o.name != owner.name and target in targets[o.name]]
                _check_guarantee(card, inventory, owner.name, target, [other.name for other in others])
            _check_latency(card, inventory, owner.name, target)


def _check_own(card: Card, name: str, qos: Qos) -> None:
    if qos.class_ >= card.fabric.classes:
        most = card.fabric.classes - 1
        raise Invalid(f"class {qos.class_} of slice {name!r}; this card has classes 0 to {most}", ("qos", "class"))
    rate_registers(card, qos)
    if qos.guarantee is not None and qos.limit is not None and qos.guarantee > qos.limit:
        raise Invalid(
            f"slice {name!r} is guaranteed {format_rate(qos.guarantee)} and limited to {format_rate(qos.limit)}; "
            "a guarantee is at most the limit", ("qos", "guarantee"),
        )  # fmt: skip
    if qos.guarantee is not None and qos.class_ <= SCRUB_CLASS:
        raise Invalid(
            f"slice {name!r} has class {qos.class_}, in which the scrubber competes; a guarantee needs class 1 or more",
            ("qos", "class"),
        )
    if qos.guarantee is not None and qos.guarantee > capacity(card):
        raise Exhausted(
            f"slice {name!r} is to be guaranteed {format_rate(qos.guarantee)}, a memory of this card carries "
            f"{format_rate(capacity(card))}", ("qos", "guarantee"),
        )  # fmt: skip


def _check_guarantee(card: Card, inventory: Inventory, name: str, target: str, others: list[str]) -> None:
    owner = inventory.slice(name)
    assert owner is not None
    if owner.qos.guarantee is None:
        return
    left = capacity(card) - owner.qos.guarantee
    for other in others:
        found = inventory.slice(other)
        assert found is not None
        if found.qos.limit is None:
            raise _denied(
                f"slice {other!r} uses {target!r} without a limit, where slice {name!r} is guaranteed "
                f"{format_rate(owner.qos.guarantee)}; give {other!r} a qos.limit of at most {format_rate(max(left, 0))}"
            )
        left -= found.qos.limit
        if left < 0:
            raise _denied(
                f"at {target!r} the guarantee of slice {name!r} and the limits of {', '.join(others)} are "
                f"{format_rate(-left)} more than its {format_rate(capacity(card))}; lower one of them"
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
    """Everything in a slice's window must be connected with at least one of its ports, if it has any."""
    for name, targets in users(card, inventory).items():
        ports = inventory.ports(card, name)
        for target in sorted(targets):
            if ports and not any(card.reaches(port, target) for port in ports):
                raise Invalid(
                    f"no port of slice {name!r} ({', '.join(ports)}) is connected with {target!r} on this card"
                )
