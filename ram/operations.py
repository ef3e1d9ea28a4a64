"""What a transition consists of: register operations, each with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

from .errors import Refusal
from .manifest import Card


@dataclass(frozen=True)
class Write:
    """Write `value` to the register at `address` (bytes)."""

    address: int
    value: int
    register: str
    reason: str


@dataclass(frozen=True)
class Wait:
    """Read the register until ``(value & mask) == expected``, at most `polls` times."""

    address: int
    mask: int
    expected: int
    polls: int
    register: str
    reason: str


@dataclass(frozen=True)
class Compare:
    """Read the register once; stop the transition unless ``(value & mask) == expected``."""

    address: int
    mask: int
    expected: int
    register: str
    reason: str


Operation = Write | Wait | Compare
FENCE = "identity.FENCE"
"""The register that holds the owner's token."""
_KINDS: dict[str, type[Write] | type[Wait] | type[Compare]] = {"write": Write, "wait": Wait, "compare": Compare}


def operation_to_dict(operation: Operation) -> dict[str, Any]:
    """An operation as plain values, the kind first."""
    return {"operation": type(operation).__name__.lower(), **asdict(operation)}


def operation_from_dict(content: Any) -> Operation:
    """The inverse of `operation_to_dict`; ValueError if it is something else."""
    if not isinstance(content, dict) or content.get("operation") not in _KINDS:
        raise ValueError(f"not one of the operations {', '.join(_KINDS)}")
    kind = _KINDS[content["operation"]]
    fields = {name: value for name, value in content.items() if name != "operation"}
    types = kind.__annotations__
    if set(fields) != set(types) or any(type(fields[name]) is not types[name] for name in types):
        raise ValueError(f"a {content['operation']} needs exactly {', '.join(types)}")
    if any(not 0 <= value < 1 << 32 for value in fields.values() if isinstance(value, int)):
        raise ValueError("a number does not fit into 32 bits")
    return kind(**fields)


@dataclass(frozen=True)
class Transition:
    """The ordered operations that take a card from one state to the next.

    Members
    -------
    title : str
        What it does, in a few words.
    card, hash : str
        The card that it is for.
    generation : int
        Value of GENERATION that the card has before; it has `generation` + 1 (modulo 2**32) afterwards.
    operations : tuple
        The operations, in order. Empty if the card need not change.
    """

    title: str
    card: str
    hash: str
    generation: int
    operations: tuple[Operation, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "title": self.title, "card": self.card, "hash": self.hash, "generation": self.generation,
            "operations": [operation_to_dict(operation) for operation in self.operations],
        }  # fmt: skip

    @staticmethod
    def from_dict(content: Any) -> "Transition":
        """The inverse of `to_dict`; ValueError if it is something else."""
        try:
            title, card, digest, generation = (content[name] for name in ("title", "card", "hash", "generation"))
            operations = tuple(operation_from_dict(operation) for operation in content["operations"])
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a transition: {error}") from None
        if not all(isinstance(text, str) for text in (title, card, digest)) or type(generation) is not int:
            raise ValueError("not a transition: title, card and hash are texts, generation is a number")
        return Transition(title, card, digest, generation, operations)


def failure(transition: Transition, operation: Wait | Compare) -> str:
    """What it means that a register is not as `operation` expects, in a few words; no line breaks."""
    if operation.register == "identity.GENERATION":
        return f"the card is not in the state that this change starts from (generation {transition.generation})"
    if operation.register == FENCE:
        return f"the card has another owner: it takes no writes under the token {operation.expected} of this change"
    if operation.register.startswith("identity."):
        return f"this is not the card '{transition.card}' (manifest hash {transition.hash[:16]}...)"
    if isinstance(operation, Wait):
        return f"the card did not finish: {operation.reason}"
    return f"the card refused or failed: {operation.reason}"


class Recorder:
    """Collects operations by register name, with addresses and fields from the manifest; writes are under `token`."""

    def __init__(self, card: Card, token: int) -> None:
        self.card, self.token = card, token
        self.operations: list[Operation] = []

    def write(self, block: str, member: int, register: str, reason: str, **fields: int) -> None:
        """Write the fields given, and zero to the others."""
        value = self.card.value(block, register, **fields)
        address, label = self.card.address(block, member, register), self.card.label(block, member, register)
        self.operations.append(Write(self.card.under(self.token, address), value, label, reason))

    def wait(self, block: str, member: int, register: str, reason: str, polls: int, **fields: int) -> None:
        """Wait until the fields have the values given."""
        mask, value = self.card.mask(block, register, *fields), self.card.value(block, register, **fields)
        address, label = self.card.address(block, member, register), self.card.label(block, member, register)
        self.operations.append(Wait(address, mask, value, polls, label, reason))

    def compare(self, block: str, member: int, register: str, reason: str, **fields: int) -> None:
        """Stop unless the fields have the values given."""
        mask, value = self.card.mask(block, register, *fields), self.card.value(block, register, **fields)
        address, label = self.card.address(block, member, register), self.card.label(block, member, register)
        self.operations.append(Compare(address, mask, value, label, reason))

    def identity(self, generation: int | None = None) -> None:
        """Stop unless the card is the one that the manifest describes, and in the state that is expected, if any is."""
        magic = self.card.registers["identity"].registers["MAGIC"].fields["value"].reset
        version = self.card.registers["identity"].registers["VERSION"].fields["value"].reset
        self.compare("identity", 0, "MAGIC", "this is a hardslice card", value=magic)
        self.compare("identity", 0, "VERSION", "its register map is the one in the manifest", value=version)
        for word in range(4):
            value = int(self.card.hash[8 * word : 8 * word + 8], 16)
            self.compare("identity", 0, f"HASH{word}", f"it is the card '{self.card.card}' as described", value=value)
        if generation is not None:
            reason = "it is in the state that this change starts from"
            self.compare("identity", 0, "GENERATION", reason, value=generation)

    def fence(self) -> None:
        """Stop if somebody with a newer token has taken the card over."""
        self.compare("identity", 0, "FENCE", "it still takes writes under this token", token=self.token)

    def end(self, generation: int) -> None:
        """The change is complete. A bus that tells nobody of a refused write is no excuse: the fence is looked at."""
        self.write("identity", 0, "GENERATION", "the change is complete", value=generation)
        self.fence()


def retoken(operations: Iterable[Operation], card: Card, token: int) -> Iterator[Operation]:
    """The same operations under another token."""
    for operation in operations:
        if isinstance(operation, Write):
            yield replace(operation, address=card.under(token, operation.address))
        elif operation.register == FENCE and isinstance(operation, Compare):
            yield replace(operation, expected=token)
        else:
            yield operation


def identity_of(transition: Transition) -> tuple[Operation, ...]:
    """The comparisons that a transition begins with: is it the card, in the state and with the owner expected?"""
    known = takewhile(
        lambda one: isinstance(one, Compare) and one.register.startswith("identity."), transition.operations
    )
    return tuple(known)


def check_same_card(transition: Transition, card: Card) -> None:
    """Refusal if the transition is for another card."""
    if transition.hash != card.hash:
        raise Refusal(
            f"'{transition.title}' is for the card '{transition.card}' (hash {transition.hash[:16]}...), "
            f"not for '{card.card}' (hash {card.hash[:16]}...); use that card's manifest"
        )
