"""A card that was reset gets its state back; a card that differs from what is remembered is noticed."""

import asyncio
from pathlib import Path

import pytest

from ram import Card, ExecutionError, Manager
from ram.journal import Journal
from ram.readback import mismatches

from .agreement import check_agreement
from .conftest import content, example
from .fake_card import FakeCard
from .test_journal import Killed, Mortal, change, start


def changed(card: Card, path: Path) -> tuple[FakeCard, Journal, Manager]:
    """A card with some history, and a second owner."""
    fake, journal, manager = start(card, path)
    asyncio.run(journal.carry_out(manager, change(manager), fake))
    asyncio.run(journal.take_over(manager, 2, fake))
    return fake, journal, manager


def test_a_reset_card_gets_its_state_back(quad: Card, tmp_path: Path) -> None:
    """Slices, contracts, owner and generation; afterwards changes go on as if nothing had been."""
    fake, journal, manager = changed(quad, tmp_path / "state.json")
    assert asyncio.run(mismatches(quad, journal.inventory, fake)) == []
    fresh = FakeCard(content("quad"))
    assert "identity.FENCE is 0x0, should be 0x2" in asyncio.run(mismatches(quad, journal.inventory, fresh))
    before = journal.inventory
    asyncio.run(journal.restore(manager, fresh))
    assert journal.inventory == manager.inventory == before
    check_agreement(fresh, quad, before)
    assert fresh.registers == fake.registers | {
        place: value for place, value in fresh.registers.items() if place[2] in ("FIRST", "LAST", "COUNT", "CONTEXT")
    }
    assert asyncio.run(mismatches(quad, before, fresh)) == []
    asyncio.run(journal.carry_out(manager, manager.release("db"), fresh))
    check_agreement(fresh, quad, journal.inventory)


def test_an_empty_state_has_a_generation_too(quad: Card, tmp_path: Path) -> None:
    """A slice of memory alone has come and gone: nothing is left, but the next change starts from there."""
    fake, journal = FakeCard(content("quad")), Journal(tmp_path / "state.json", quad)
    manager = Manager(quad)
    [web] = example("web")
    alone = web.model_copy(update={"contexts": (), "cores": (), "pcie": (), "memory": web.memory[:1]})
    for answer in (lambda: manager.apply(alone), lambda: manager.release("web")):
        asyncio.run(journal.carry_out(manager, answer(), fake))
    fresh = FakeCard(content("quad"))
    asyncio.run(journal.restore(manager, fresh))
    assert asyncio.run(mismatches(quad, journal.inventory, fresh)) == [] and journal.inventory.generation == 2
    asyncio.run(journal.carry_out(manager, manager.apply(alone), fresh))
    check_agreement(fresh, quad, journal.inventory)


def test_killed_while_restoring(quad: Card, tmp_path: Path) -> None:
    """It is resumed, by itself or by a new owner."""
    path = tmp_path / "state.json"
    _, journal, _ = changed(quad, path)
    state, access = path.read_bytes(), 0
    while True:
        path.write_bytes(state)
        fresh, again = FakeCard(content("quad")), Journal(path, quad)
        try:
            asyncio.run(again.restore(Manager(quad, again.inventory), Mortal(fresh, access, late=access % 2 == 0)))
            break
        except Killed:
            again = Journal(path, quad)
        if again.intent is None:
            asyncio.run(again.restore(Manager(quad, again.inventory), fresh))
        elif access % 4:
            assert asyncio.run(again.resume(fresh))
        else:
            asyncio.run(again.take_over(Manager(quad, again.inventory), 3, fresh))
        check_agreement(fresh, quad, again.inventory)
        assert again.inventory.slices == journal.inventory.slices
        access += 7
    assert access > 100


def test_a_reset_card_is_not_taken_over(quad: Card, tmp_path: Path) -> None:
    """Nothing is written, so that it can be restored under the token that the state has."""
    _, journal, manager = changed(quad, tmp_path / "state.json")
    fresh = FakeCard(content("quad"))
    with pytest.raises(ExecutionError, match="not in the state that this change starts from"):
        asyncio.run(journal.take_over(manager, 3, fresh))
    assert not fresh.history
    asyncio.run(journal.restore(manager, fresh))
    asyncio.run(journal.take_over(manager, 3, fresh))
    check_agreement(fresh, quad, journal.inventory)


def test_what_was_interrupted_by_the_reset_has_not_been(quad: Card, tmp_path: Path) -> None:
    """The state from before comes back."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    before = journal.inventory
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, change(manager), Mortal(fake, 40, late=True)))
    fresh, again = FakeCard(content("quad")), Journal(path, quad)
    with pytest.raises(ExecutionError, match="not in the state that this change starts from"):
        asyncio.run(again.resume(fresh))
    again = Journal(path, quad)
    asyncio.run(again.restore(Manager(quad, again.inventory), fresh))
    assert again.inventory == before and again.intent is None
    check_agreement(fresh, quad, before)


def test_a_card_that_was_not_reset_stays_as_it_is(quad: Card, tmp_path: Path) -> None:
    """Nothing is written, and what was under way can still be finished."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, change(manager), Mortal(fake, 40, late=True)))
    again = Journal(path, quad)
    history = len(fake.history)
    with pytest.raises(ExecutionError, match=r"starts from \(generation 0\)"):
        asyncio.run(again.restore(Manager(quad, again.inventory), fake))
    assert len(fake.history) == history
    again = Journal(path, quad)
    assert asyncio.run(again.resume(fake))
    check_agreement(fake, quad, again.inventory)


@pytest.mark.parametrize(
    ("block", "register", "line"),
    [
        ("key", "READ", "key.key1.READ is 0x81, should be 0x80"),
        ("slice", "RATE", "slice.slice1.RATE is 0x1, should be 0x0"),
        ("initiator", "BOOT_LOW", "initiator.host1.BOOT_LOW is 0x1, should be 0x0"),
    ],
)
def test_a_register_that_differs_is_named(quad: Card, tmp_path: Path, block: str, register: str, line: str) -> None:
    """And no other."""
    fake, journal, _ = start(quad, tmp_path / "state.json")
    described = quad.registers[block]
    member = next(n for n in range(len(described.members)) if (block, n, register) in fake.registers and n == 1)
    fake.registers[block, member, register] ^= 1
    [found] = asyncio.run(mismatches(quad, journal.inventory, fake))
    name, _, rest = found.partition(" is ")
    assert name == line.partition(" is ")[0] and rest.partition(", should be ")[2]
