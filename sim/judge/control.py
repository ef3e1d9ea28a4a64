"""What was written to and read from the register port, by name."""

from dataclasses import dataclass
from typing import Any

from .events import Trace

NOWHERE: tuple[str, int, str, dict[str, Any]] = ("", 0, "", {})
OKAY = 0
SETTLE = 16
"""Cycles after a write's response by which it has certainly taken effect."""


@dataclass(frozen=True, slots=True)
class Access:
    """One access to a register.

    Members
    -------
    begin, end : int
        Cycles of the last handshake of the request, and of the response.
    fields : dict
        Every field's value after a write, or as read.
    """

    begin: int
    end: int
    write: bool
    block: str
    member: int
    register: str
    fields: dict[str, int]
    response: int

    @property
    def place(self) -> tuple[str, int, str]:
        """Which register."""
        return self.block, self.member, self.register


def places(manifest: dict[str, Any]) -> dict[int, tuple[str, int, str, dict[str, Any]]]:
    """Block, member, register and fields, by address."""
    result = {}
    for block, described in manifest["registers"].items():
        for member in range(len(described["members"])):
            for register, layout in described["registers"].items():
                address = described["base"] + member * described["stride"] + layout["offset"]
                result[address] = (block, member, register, layout["fields"])
    return result


def _unpack(fields: dict[str, Any], word: int) -> dict[str, int]:
    return {name: word >> field["lsb"] & (1 << field["width"]) - 1 for name, field in fields.items()}


def accesses(manifest: dict[str, Any], trace: Trace) -> list[Access]:
    """Every access to a register, in order; one to no register, and a refused write, has no name and no fields."""
    known = places(manifest)
    held: dict[int, int] = {}
    result = []
    writes = zip(*(trace.of("control", channel) for channel in ("AW", "W", "B")), strict=False)
    for (at, address), (given, data, strobe), (end, response) in writes:
        address &= (1 << manifest["fabric"]["register_bits"]) - 4  # above that is the token
        block, member, register, fields = known.get(address, NOWHERE) if response == OKAY else NOWHERE
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
        command = any(field["access"] == "wo" for field in fields.values())
        word = (0 if command else held.get(address, 0)) & ~mask | data & mask
        held[address] = word
        result.append(Access(max(at, given), end, True, block, member, register, _unpack(fields, word), response))
    for (at, address), (end, word, response) in zip(trace.of("control", "AR"), trace.of("control", "R"), strict=False):
        address &= (1 << manifest["fabric"]["register_bits"]) - 4
        block, member, register, fields = known.get(address, NOWHERE)
        result.append(Access(at, end, False, block, member, register, _unpack(fields, word), response))
    return sorted(result, key=lambda access: (access.begin, access.end))
