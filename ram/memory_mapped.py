"""A card whose registers are mapped into memory, as /dev/uio0 or a resource file of PCIe shows them."""

import ctypes
import mmap
import os
from pathlib import Path

from .errors import Refusal
from .manifest import Card


class MemoryMappedTransport:
    """32-bit accesses to mapped registers, in the order in which they are asked for.

    A bus such as PCIe does not tell who writes whether the card refused that; a transition finds out by itself.
    What a host maps may end before the addresses of tokens do: then tokens cannot be used.

    Parameters
    ----------
    path : Path
        The file to map, its registers at offset 0.
    card : Card

    Raises
    ------
    Refusal
        The file cannot be opened, or is too short for the card's registers.
    """

    def __init__(self, path: Path, card: Card) -> None:
        self.path = path
        registers, everything = (1 << bits for bits in (card.fabric.register_bits, _address_bits(card)))
        try:
            handle = os.open(path, os.O_RDWR | os.O_SYNC)
        except OSError as error:
            raise Refusal(
                f"{path}: cannot be opened ({error.strerror}); name a file that shows the registers"
            ) from None
        try:
            self._map = _mapped(handle, everything) or _mapped(handle, registers)
        finally:
            os.close(handle)
        if self._map is None:
            raise Refusal(f"{path}: the registers of '{card.card}' need {registers} bytes, the file has fewer")
        self._words = (ctypes.c_uint32 * (len(self._map) // 4)).from_buffer(self._map)

    async def read(self, address: int) -> int:
        """The register's value."""
        return int(self._words[address // 4])

    async def write(self, address: int, value: int) -> None:
        """Write the register; Refusal if it lies outside the file, which it does under a token that the host hides."""
        if address // 4 >= len(self._words):
            raise Refusal(
                f"{self.path}: {address:#x} is not mapped, {len(self._words) * 4} bytes are; to use tokens, map all"
            )
        self._words[address // 4] = value


def _address_bits(card: Card) -> int:
    return card.fabric.register_bits + card.fabric.token_bits


def _mapped(handle: int, length: int) -> mmap.mmap | None:
    try:
        return mmap.mmap(handle, length)
    except (ValueError, OSError):  # a file that is too short, a device that has less
        return None
