"""The register map as data. The bank in RTL, every export and the RAM's addresses come from it.

Offsets are in bytes, registers are 32 bits wide. A block is an array of `count` equal register files, `stride`
bytes apart; strides are powers of two, so that arrays are dense for every tool that reads an export.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

REGISTER_BYTES = 4
MAGIC = 0x48534C43
"""``HSLC``, the first word of every card's register map."""
MAP_VERSION = 1
TOKEN_BITS = 12
"""Address bits above those of the registers in which a write carries its owner's token, see :mod:`hdl.control.fence`.

A card has 4095 owners before it must be reset. More would make the register space larger than a PCIe bridge likes to
map: 12 bits make it 16 MiB where the map has 12 bits itself.
"""


class Access(StrEnum):
    """What software can do with a field."""

    READ_WRITE = "rw"
    READ_ONLY = "ro"
    COMMAND = "wo"
    """Written to start something; reads as zero. A write to any byte of the register is the command."""
    WRITE_ONE_TO_CLEAR = "w1c"


@dataclass(frozen=True)
class Field:
    """Bits ``[lsb + width - 1 : lsb]`` of a register."""

    name: str
    lsb: int
    width: int
    access: Access
    doc: str
    reset: int = 0
    values: tuple[str, ...] = ()
    """Names of the values 0, 1, 2 and so on, if they have names."""


@dataclass(frozen=True)
class Register:
    """One 32-bit register at `offset` inside its block."""

    name: str
    offset: int
    doc: str
    fields: tuple[Field, ...]
    external: bool = False
    """The value stands in a memory outside the bank, which is asked for it (two cycles)."""
    stored: bool = False
    """Read-write, but without flip-flops: hardware that needs the value keeps a copy from the writes it is told of."""

    @property
    def is_command(self) -> bool:
        """Whether a write starts something."""
        return any(field.access is Access.COMMAND for field in self.fields)


@dataclass(frozen=True)
class Block:
    """An array of `count` register files at `base`, `stride` bytes apart; `members` names each of them."""

    name: str
    base: int
    stride: int
    members: tuple[str, ...]
    doc: str
    registers: tuple[Register, ...]

    @property
    def count(self) -> int:
        """Number of register files."""
        return len(self.members)

    @property
    def is_array(self) -> bool:
        """Whether software reaches the block with an index; a block that exists once has no name but its own."""
        return self.members != ("",)

    def address(self, member: int, register: str) -> int:
        """Byte address of a register of the array's `member`-th register file; KeyError if there is none."""
        for candidate in self.registers:
            if candidate.name == register:
                return self.base + member * self.stride + candidate.offset
        raise KeyError(register)


@dataclass(frozen=True)
class RegisterMap:
    """All blocks of a card, in order of address."""

    blocks: tuple[Block, ...]

    @cached_property
    def address_bits(self) -> int:
        """Address bits that tell registers apart."""
        return (max(block.base + block.count * block.stride for block in self.blocks) - 1).bit_length()

    @property
    def bus_bits(self) -> int:
        """Width of an address on the register port: a register's, and the token above."""
        return self.address_bits + TOKEN_BITS

    def block(self, name: str) -> Block:
        """The block of that name; KeyError if the card has none."""
        return {block.name: block for block in self.blocks}[name]


def pack(blocks: list[tuple[str, tuple[str, ...], str, list[Register]]]) -> RegisterMap:
    """Lay blocks out one after another, each aligned to the power of two that holds it."""
    result, base = [], 0
    for name, members, doc, registers in blocks:
        if not members:
            continue
        size = max(register.offset for register in registers) + REGISTER_BYTES
        stride = 1 << (size - 1).bit_length()
        span = 1 << (len(members) * stride - 1).bit_length()
        base = (base + span - 1) // span * span
        result.append(Block(name, base, stride, members, doc, tuple(registers)))
        base += len(members) * stride
    return RegisterMap(tuple(result))
