"""A RAM that was thought dead and wakes up cannot touch the card that another one has taken over."""

import asyncio
from copy import deepcopy
from pathlib import Path
from shutil import copyfile

import pytest

from ram import Card, ExecutionError, Manager, Refusal, Write
from ram.journal import Journal
from ram.script import to_script

from .agreement import check_agreement
from .conftest import content
from .fake_card import FakeCard
from .test_journal import Killed, Mortal, change, start

STEP = 5


class Frozen:
    """A transport that stops its RAM at an access for so long that another one takes over meanwhile.

    That one has looked at the journal `slip` accesses before.
    """

    def __init__(self, fake: FakeCard, access: int, card: Card, state: Path, slip: int) -> None:
        self.fake, self.left, self.card, self.state, self.slip = fake, access, card, state, slip
        self.successor: Journal | None = None
        self.taken = False

    async def _perhaps_freeze(self) -> None:
        if self.left in (0, self.slip) and not self.taken:
            copies = {path: path.with_name(path.name.replace("state", "new")) for path in _files(self.state)}
            for path, copy in copies.items():
                copyfile(path, copy)
            self.successor = self.successor or Journal(copies[self.state], self.card)
        if self.left == 0 and self.successor is not None:
            self.taken = True
            await self.successor.take_over(Manager(self.card, self.successor.inventory), 1, self.fake)
        self.left -= 1

    async def read(self, address: int) -> int:
        await self._perhaps_freeze()
        return await self.fake.read(address)

    async def write(self, address: int, value: int) -> None:
        await self._perhaps_freeze()
        await self.fake.write(address, value)


def _files(state: Path) -> list[Path]:
    return [path for path in (state, state.with_name(state.name + ".progress")) if path.exists()]


@pytest.mark.parametrize("slip", [0, 4])
def test_a_ram_that_wakes_up_changes_nothing(quad: Card, tmp_path: Path, slip: int) -> None:
    """It was frozen at any access of a change, which the new owner finished: it is told, and changes nothing."""
    first_fake, _, _ = start(quad, tmp_path / "state.json")
    first = {path: path.read_bytes() for path in _files(tmp_path / "state.json")}
    access, times, frozen, refused = slip, 0, 0, 0
    while True:
        for path in tmp_path.iterdir():
            path.unlink()
        for path, text in first.items():
            path.write_bytes(text)
        fake, journal = deepcopy(first_fake), Journal(tmp_path / "state.json", quad)
        manager = Manager(quad, journal.inventory)
        answer = change(manager)
        transport = Frozen(fake, access, quad, tmp_path / "state.json", slip)
        try:
            asyncio.run(journal.carry_out(manager, answer, transport))
        except ExecutionError as error:
            frozen += 1
            assert "generation" in str(error) or "the card has another owner" in str(error) or "finish" in str(error)
        if not transport.taken:
            break
        taken = transport.successor
        assert taken is not None
        assert taken.intent is None and taken.inventory.token == 1
        assert fake.registers["identity", 0, "FENCE"] == 1
        assert all(token == 0 for token, *_ in fake.fenced_off)
        refused += len(fake.fenced_off)
        check_agreement(fake, quad, taken.inventory)
        assert taken.inventory.slices == answer.after.slices
        access, times = access + STEP, times + 1
    assert access > 100 and refused > 100
    assert frozen == times, "whoever was frozen is told, at the end at the latest"


def test_the_new_owner_may_die_too(quad: Card, tmp_path: Path) -> None:
    """At any access of the take-over, which finishes what the old one began: then it is resumed, by the same owner."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    answer = change(manager)
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, answer, Mortal(fake, 60, late=True)))
    state = {path: path.read_bytes() for path in _files(path)}
    access = 0
    while True:
        for file, text in state.items():
            file.write_bytes(text)
        card, again = deepcopy(fake), Journal(path, quad)
        try:
            asyncio.run(again.take_over(Manager(quad, again.inventory), 7, Mortal(card, access, late=access % 2 == 0)))
            break
        except Killed:
            pass
        third = Journal(path, quad)
        assert third.intent is not None
        token = 7 if access % 3 else 8
        if third.intent.begun:
            with pytest.raises(Refusal, match="the token 7 is not newer: it must be 8 to 4095"):
                asyncio.run(third.take_over(Manager(quad, third.inventory), 7, card))
        if third.intent.begun and token == 7:
            assert asyncio.run(third.resume(card))
        else:  # whoever died had not written down that it is the owner, so it may begin again
            asyncio.run(third.take_over(Manager(quad, third.inventory), token, card))
        assert third.inventory.token == token == card.registers["identity", 0, "FENCE"]
        assert third.inventory.slices == answer.after.slices
        check_agreement(card, quad, third.inventory)
        access += STEP - 1
    assert access > 40
    check_agreement(card, quad, again.inventory)


def test_a_card_without_a_state_is_taken_over(quad: Card, tmp_path: Path) -> None:
    """And so is one whose former owner has finished what the journal still called begun."""
    fake, journal = FakeCard(content("quad")), Journal(tmp_path / "none.json", quad)
    asyncio.run(journal.take_over(Manager(quad, journal.inventory), 4, fake))
    assert (journal.inventory.token, journal.inventory.generation) == (4, 1)
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    answer = change(manager)
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, answer, Mortal(fake, 60, late=True)))
    again = Journal(path, quad)
    assert again.intent is not None and asyncio.run(Journal(path, quad).resume(fake))
    asyncio.run(again.take_over(Manager(quad, again.inventory), 1, fake))
    assert again.inventory.slices == answer.after.slices and again.inventory.generation == answer.after.generation + 1
    check_agreement(fake, quad, again.inventory)


def test_changes_of_the_new_owner_carry_its_token(quad: Card, tmp_path: Path) -> None:
    """In the addresses of writes, so in each script too; a script of the old owner stops before it has written."""
    fake, journal, manager = start(quad, tmp_path / "state.json")
    old = manager.release("db").transition
    assert old is not None
    asyncio.run(journal.take_over(manager, 3, fake))
    new = manager.release("db").transition
    assert new is not None
    bits = quad.fabric.register_bits
    writes = [operation.address for operation in new.operations if isinstance(operation, Write)]
    assert {address >> bits for address in writes} == {3}
    assert all(f"write {address:#x} " in to_script([new], "sh") for address in writes)
    assert [address % (1 << bits) for address in writes] == [
        operation.address for operation in old.operations if isinstance(operation, Write)
    ]


@pytest.mark.parametrize(
    ("present", "token", "reason"),
    [
        (4, 4, "the token 4 is not newer: it must be 5 to 4095"),
        (4, 3, "the token 3 is not newer: it must be 5 to 4095"),
        (4, 4096, "the token 4096 is not newer: it must be 5 to 4095"),
        (4, True, "the token True is not newer: it must be 5 to 4095"),
        (4095, 4096, "the card has had all its 4095 owners: reset it, then tokens begin anew"),
    ],
)
def test_a_token_that_is_not_newer_is_refused(quad: Card, present: int, token: int, reason: str) -> None:
    """By the RAM, before the card would refuse it."""
    manager = Manager(quad)
    manager.inventory = manager.inventory.model_copy(update={"token": present})
    answer = manager.take_over(token)
    assert not answer.ok and answer.reason == reason and answer.after == manager.inventory
