"""Does a card hold what the RAM remembers? Its registers tell; windows, keys of granules and owners cannot be read."""

from collections.abc import Iterator

from .inventory import Inventory, empty
from .manifest import Card
from .operations import Write
from .transition import build
from .transport import Transport

SHOWN = {"key": ("READ", "WRITE"), "target": ("TIMED",), "initiator": ("BOOT_LOW", "BOOT_HIGH")}
"""Registers that keep what they are told until they are told otherwise; of a slice all that can be written do."""


async def mismatches(card: Card, inventory: Inventory, transport: Transport) -> list[str]:
    """A line for each register that is not as the inventory says."""
    found = []
    for block, member, register, expected in _expected(card, inventory):
        seen = await transport.read(card.address(block, member, register))
        if seen != expected:
            found.append(f"{card.label(block, member, register)} is {seen:#x}, should be {expected:#x}")
    return found


def _expected(card: Card, inventory: Inventory) -> Iterator[tuple[str, int, str, int]]:
    for word in range(4):
        yield "identity", 0, f"HASH{word}", int(card.hash[8 * word : 8 * word + 8], 16)
    yield "identity", 0, "GENERATION", inventory.generation
    yield "identity", 0, "FENCE", inventory.token
    operations = build(card, "", empty(card), inventory).operations
    written = {operation.register: operation.value for operation in operations if isinstance(operation, Write)}
    for name, block in card.registers.items():
        for register, described in block.registers.items():
            kinds = {field.access for field in described.fields.values()}
            if register in SHOWN.get(name, ()) or (name == "slice" and kinds == {"rw"}):
                reset = sum(field.reset << field.lsb for field in described.fields.values())
                for member in range(len(block.members)):
                    yield name, member, register, written.get(card.label(name, member, register), reset)
