"""A card whose registers are mapped: here they are a file, whose engines are always ready."""

import asyncio
from pathlib import Path

import pytest

from ram import Card, ExecutionError, Manager, Refusal, Write
from ram.journal import Journal
from ram.memory_mapped import MemoryMappedTransport

from .conftest import example


def registers(path: Path, card: Card, bits: int) -> Path:
    """A file of registers after reset, so long that addresses have so many bits."""
    with path.open("wb") as file:
        file.truncate(1 << bits)
        for name in ("MAGIC", "VERSION"):
            described = card.registers["identity"].registers[name]
            file.seek(card.address("identity", 0, name))
            file.write(described.fields["value"].reset.to_bytes(4, "little"))
        for word in range(4):
            file.seek(card.address("identity", 0, f"HASH{word}"))
            file.write(int(card.hash[8 * word : 8 * word + 8], 16).to_bytes(4, "little"))
    return path


def test_a_change_is_carried_out_on_mapped_registers(quad: Card, tmp_path: Path) -> None:
    """What is written last stands in the file, in the order of bytes of the bus."""
    path = registers(tmp_path / "uio0", quad, quad.fabric.register_bits)
    transport = MemoryMappedTransport(path, quad)
    journal = Journal(tmp_path / "state.json", quad)
    manager = Manager(quad, journal.inventory)
    answer = manager.apply(*example("web", "db"))
    asyncio.run(journal.carry_out(manager, answer, transport))
    assert answer.transition is not None
    written = {operation.address: operation.value for operation in answer.transition.operations
               if isinstance(operation, Write)}  # fmt: skip
    content = path.read_bytes()
    for address, value in written.items():
        assert int.from_bytes(content[address : address + 4], "little") == value
    assert len(written) > 20 and journal.intent is None


def test_a_refused_write_is_noticed_where_the_bus_is_silent(quad: Card, tmp_path: Path) -> None:
    """The file takes a write under a token elsewhere, as a card that refuses it: the fence is read back."""
    path = registers(tmp_path / "uio0", quad, quad.fabric.register_bits + quad.fabric.token_bits)
    journal = Journal(tmp_path / "state.json", quad)
    with pytest.raises(ExecutionError, match="the card has another owner"):
        asyncio.run(journal.take_over(Manager(quad, journal.inventory), 3, MemoryMappedTransport(path, quad)))


def test_what_cannot_be_mapped(quad: Card, tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(Refusal, match=r"cannot be opened \(No such file or directory\)"):
        MemoryMappedTransport(tmp_path / "uio0", quad)
    (tmp_path / "short").write_bytes(bytes(100))
    with pytest.raises(Refusal, match=r"the registers of 'quad' need 2048 bytes, the file has fewer"):
        MemoryMappedTransport(tmp_path / "short", quad)
    path = registers(tmp_path / "uio1", quad, quad.fabric.register_bits)
    journal = Journal(tmp_path / "state.json", quad)
    with pytest.raises(Refusal, match="is not mapped, 2048 bytes are; to use tokens, map all"):
        asyncio.run(journal.take_over(Manager(quad, journal.inventory), 1, MemoryMappedTransport(path, quad)))
