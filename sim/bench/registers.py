"""Names to addresses and bits, from the manifest: the bench plays a wrong RAM too, so it needs registers by name."""

from typing import Any


class Registers:
    """The register map of a card.

    Parameters
    ----------
    manifest : dict
        The card's manifest.
    """

    def __init__(self, manifest: dict[str, Any]) -> None:
        self._blocks: dict[str, Any] = manifest["registers"]

    def has(self, block: str) -> bool:
        """Whether the card has that block; a card without PCIe has no lane switch."""
        return block in self._blocks

    def address(self, block: str, register: str, member: int = 0) -> int:
        """Byte address of a register; KeyError or IndexError if there is none."""
        described = self._blocks[block]
        if not 0 <= member < len(described["members"]):
            raise IndexError(f"{block} has {len(described['members'])} members, not {member + 1}")
        return int(described["base"] + member * described["stride"] + described["registers"][register]["offset"])

    def pack(self, block: str, register: str, **fields: int) -> int:
        """Value of a register with these fields; ValueError if one does not fit."""
        described = self._blocks[block]["registers"][register]["fields"]
        word = 0
        for name, value in fields.items():
            field = described[name]
            if value >> field["width"]:
                raise ValueError(f"{value} does not fit into {block}.{register}.{name} ({field['width']} bits)")
            word |= value << field["lsb"]
        return word

    def unpack(self, block: str, register: str, word: int) -> dict[str, int]:
        """All fields of a register's value."""
        described = self._blocks[block]["registers"][register]["fields"]
        return {name: word >> field["lsb"] & (1 << field["width"]) - 1 for name, field in described.items()}
