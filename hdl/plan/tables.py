"""How large the tables of a card are: the part of its area that the description decides directly."""

from dataclasses import dataclass

from .plan import Plan

PLANES = 2
"""Reads and writes have tables of their own, so that neither waits for the other."""


@dataclass(frozen=True)
class Table:
    """A memory of `entries` words of `width` bits, of which there are `copies`."""

    name: str
    port: str
    entries: int
    width: int
    copies: int

    @property
    def bits(self) -> int:
        """Bits of all copies."""
        return self.entries * self.width * self.copies


def _power(count: int) -> int:
    return int(1 << (count - 1).bit_length())


def tables(plan: Plan) -> tuple[Table, ...]:
    """The windows of the initiators and the key tables of the targets, copies for both planes included."""
    width = len(plan.targets) + plan.physical_granule_bits
    windows = [
        Table("window", port.name, _power(len(port.contexts)) * plan.window_granules, width, PLANES)
        for port in plan.initiators
    ]
    keys = [Table("keys", port.name, port.keyed, plan.key_bits, PLANES) for port in plan.targets]
    return (*windows, *keys)
