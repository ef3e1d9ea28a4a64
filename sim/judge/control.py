"""What was written to and read from the register port, by name."""

from dataclasses import dataclass
from typing import Any

from .events import Trace

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


def _map(manifest: dict[str, Any]) -> dict[int, tuple[str, int, str, dict[str, Any]]]:
    places = {}
    for block, described in manifest["registers"].items():
        for member in range(len(described["members"])):
            for register, layout in described["registers"].items():
                address = described["base"] + member * described["stride"] + layout["offset"]
                places[address] = (block, member, register, layout["fields"])
    return places


def _unpack(fields: dict[str, Any], word: int) -> dict[str, int]:
    return {name: word >> field["lsb"] & (1 << field["width"]) - 1 for name, field in fields.items()}


def accesses(manifest: dict[str, Any], trace: Trace) -> list[Access]:
    """Every access to a register, in order; an access to no register has an empty name and no fields."""
    places = _map(manifest)
    held: dict[int, int] = {}
    result = []
    writes = zip(*(trace.of("control", channel) for channel in ("AW", "W", "B")), strict=False)
    for (at, address), (given, data, strobe), (end, response) in writes:
        address &= ~3
        block, member, register, fields = places.get(address, ("", 0, "", {}))
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
        command = any(field["access"] == "wo" for field in fields.values())
        word = (0 if command else held.get(address, 0)) & ~mask | data & mask
        held[address] = word
        result.append(Access(max(at, given), end, True, block, member, register, _unpack(fields, word), response))
    for (at, address), (end, word, response) in zip(trace.of("control", "AR"), trace.of("control", "R"), strict=False):
        block, member, register, fields = places.get(address & ~3, ("", 0, "", {}))
        result.append(Access(at, end, False, block, member, register, _unpack(fields, word), response))
    return sorted(result, key=lambda access: (access.begin, access.end))
