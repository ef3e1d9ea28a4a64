"""The card, as its manifest describes it. Nothing else is known of a card."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import Refusal

FORMAT = 1


class Frozen(BaseModel):
    """A record that cannot change."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Fabric(Frozen):
    """Numbers of the fabric: sizes in bytes, widths in bits, `clock` in hertz, `budget_period` in cycles.

    With `isolation` ``strict`` bursts of more than `chunk` beats are split. With `budgets` ``separate`` a slice can
    have one for reads and one for writes; with `slice_outstanding` a limit of its outstanding requests. An address on
    the register port has `register_bits` that name a register, and above them, in a write, `token_bits`.
    """

    data_width: int
    address_width: int
    slices: int
    keys: int
    key_nobody: int
    topology: str
    classes: int
    granule: int
    window_granules: int
    isolation: str
    chunk: int
    budgets: str
    slice_outstanding: bool
    clock: int
    scrub_beats: int
    patience: int
    patience_least: int
    slot_cycles: int
    path_cycles: int
    budget_period: int
    budget_fraction_bits: int
    register_bits: int
    token_bits: int

    @property
    def data_bytes(self) -> int:
        """Bytes of one beat."""
        return self.data_width // 8


class Initiator(Frozen):
    """A port on which requests enter; `contexts` and `targets` are indices, `device` is that of its PCIe device."""

    name: str
    kind: str
    contexts: tuple[int, ...]
    targets: tuple[int, ...]
    device: int | None


class Target(Frozen):
    """A port on which requests leave; `keyed` counts its key table entries, `timeout` the cycles to its cut-off.

    `ahead` is how many beats of reads it is asked for ahead of those it has given; `time_slots` is the number of slots
    in its table, 0 if it has none.
    """

    name: str
    kind: str
    size: int
    granules: int
    keyed: int
    initiators: tuple[int, ...]
    device: int | None
    ahead: int
    timeout: int
    time_slots: int


class Device(Frozen):
    """A PCIe device: its DMA initiator, its register target, the widest link of its controller."""

    name: str
    initiator: int
    target: int
    lanes: int


class Pcie(Frozen):
    """The card's lanes and the widths that the lane switch can give a controller."""

    lanes: int
    widths: tuple[int, ...]
    devices: tuple[Device, ...]


class Flow(Frozen):
    """From an initiator to a target; `cycles` is what the network adds there and back when nobody is in the way."""

    initiator: int
    target: int
    cycles: int


class Network(Frozen):
    """The routers of a card that is not a crossbar."""

    routers: tuple[str, ...]
    flows: tuple[Flow, ...]


class Field(Frozen):
    """Bits ``[lsb + width - 1 : lsb]`` of a register."""

    lsb: int
    width: int
    access: str
    reset: int

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.lsb


class Register(Frozen):
    """A 32-bit register at `offset` bytes inside its block."""

    offset: int
    fields: dict[str, Field]


class Block(Frozen):
    """An array of register files, `stride` bytes apart."""

    base: int
    stride: int
    members: tuple[str, ...]
    registers: dict[str, Register]


@dataclass(frozen=True)
class Context:
    """One VM's traffic on a port: `name` is ``host0.1`` on a host, otherwise the port's name; `number` is AxUSER."""

    index: int
    initiator: int
    number: int
    name: str


class Card(Frozen):
    """A checked manifest."""

    hash: str
    format: int
    generator: str
    card: str
    fabric: Fabric
    initiators: tuple[Initiator, ...]
    targets: tuple[Target, ...]
    network: Network | None = None
    pcie: Pcie
    enumerations: dict[str, tuple[str, ...]]
    registers: dict[str, Block]

    @cached_property
    def contexts(self) -> tuple[Context, ...]:
        """All contexts, by index."""
        result = [
            Context(index, port, number, f"{initiator.name}.{number}" if initiator.kind == "host" else initiator.name)
            for port, initiator in enumerate(self.initiators)
            for number, index in enumerate(initiator.contexts)
        ]
        return tuple(sorted(result, key=lambda context: context.index))

    @cached_property
    def context(self) -> dict[str, Context]:
        """Contexts by name."""
        return {context.name: context for context in self.contexts}

    @cached_property
    def target(self) -> dict[str, int]:
        """Index of each target by name."""
        return {target.name: index for index, target in enumerate(self.targets)}

    @cached_property
    def device(self) -> dict[str, int]:
        """Index of each PCIe device by name."""
        return {device.name: index for index, device in enumerate(self.pcie.devices)}

    def kind(self, context: str) -> str:
        """What is attached there: host, core, device (of its own), or pcie."""
        initiator = self.initiators[self.context[context].initiator]
        return "pcie" if initiator.device is not None else initiator.kind

    def names(self, kind: str) -> list[str]:
        """Names of the contexts of a kind, in the order of the card."""
        return [context.name for context in self.contexts if self.kind(context.name) == kind]

    def reaches(self, context: str, target: str) -> bool:
        """Whether the card connects the context's port with the target."""
        return self.target[target] in self.initiators[self.context[context].initiator].targets

    def address(self, block: str, member: int, register: str) -> int:
        """Byte address of a register; KeyError if the card has none of that name."""
        found = self.registers[block]
        return found.base + member * found.stride + found.registers[register].offset

    def under(self, token: int, address: int) -> int:
        """The address at which a register is written under a token, whatever token `address` has."""
        return address % (1 << self.fabric.register_bits) | token << self.fabric.register_bits

    def label(self, block: str, member: int, register: str) -> str:
        """A register's name for people: ``target.bank0.REKEY``."""
        name = self.registers[block].members[member]
        return ".".join(part for part in (block, name, register) if part)

    def value(self, block: str, register: str, **fields: int) -> int:
        """A register's value with the fields given, the others zero.

        Raises
        ------
        ValueError
            A value does not fit into its field.
        """
        result = 0
        for name, value in fields.items():
            field = self.registers[block].registers[register].fields[name]
            if not 0 <= value < 1 << field.width:
                raise ValueError(f"{value} does not fit into {field.width} bits of {block}.{register}.{name}")
            result |= value << field.lsb
        return result

    def mask(self, block: str, register: str, *fields: str) -> int:
        """The bits of the fields given, or of all fields."""
        described = self.registers[block].registers[register].fields
        return sum(described[name].mask for name in (fields or described))


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its hash: keys sorted, no white space, UTF-8."""
    body = {key: value for key, value in content.items() if key != "hash"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parse_card(content: Any, origin: str) -> Card:
    """The card described by a manifest that has been read; `origin` names it in messages.

    Raises
    ------
    Refusal
        It is no manifest, of another format, or not what the generator wrote.
    """
    advice = "generate it again with 'hardslice generate'"
    if not isinstance(content, dict) or not isinstance(content.get("hash"), str):
        raise Refusal(f"{origin}: this is not a manifest (no 'hash'); {advice}")
    if content.get("format") != FORMAT:
        found = content.get("format")
        raise Refusal(f"{origin}: manifest of format {found!r}, this RAM reads format {FORMAT}; {advice}")
    if digest(content) != content["hash"]:
        found = content["hash"][:16]
        raise Refusal(f"{origin}: the content does not match its hash {found}..., it was edited; {advice}")
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(f"{origin}: {where}: {first['msg'].lower()}; {advice}") from None


def load_card(path: Path) -> Card:
    """Read a manifest; see `parse_card`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror}); give the manifest.json of a card") from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise Refusal(f"{path}: this is not JSON ({reason}); give the manifest.json of a card") from None
    return parse_card(content, str(path))
