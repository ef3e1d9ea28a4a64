"""A RAM that is killed anywhere knows how to go on."""

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from shutil import copyfile

import pytest

from ram import Answer, Card, ExecutionError, Manager, Operation, Refusal
from ram.files import write_atomically
from ram.journal import Journal

from .agreement import check_agreement
from .conftest import content, example
from .fake_card import FakeCard


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A transport on which the RAM dies at an access: before it, or after it has reached the card."""

    def __init__(self, fake: FakeCard, access: int, *, late: bool) -> None:
        self.fake, self.left, self.late = fake, access, late

    def _die(self, late: bool) -> None:
        if self.left == 0 and late == self.late:
            raise Killed

    async def read(self, address: int) -> int:
        self._die(late=False)
        value = await self.fake.read(address)
        self._die(late=True)
        self.left -= 1
        return value

    async def write(self, address: int, value: int) -> None:
        self._die(late=False)
        await self.fake.write(address, value)
        self._die(late=True)
        self.left -= 1


def start(card: Card, path: Path) -> tuple[FakeCard, Journal, Manager]:
    """Two slices of quad, running."""
    fake, journal = FakeCard(content("quad")), Journal(path, card)
    manager = Manager(card, journal.inventory)
    asyncio.run(journal.carry_out(manager, manager.apply(*example("web", "db")), fake))
    return fake, journal, manager


def change(manager: Manager) -> Answer:
    """Moves a device, memory and a core, takes a right away and changes a contract."""
    web, db = manager.definition("web"), manager.definition("db")
    mailbox = web.memory[2].model_copy(update={"share": ()})
    return manager.apply(
        web.model_copy(update={"pcie": (), "cores": (), "memory": (web.memory[0], mailbox)}),
        db.model_copy(update={"pcie": web.pcie, "cores": ("core1", "core0", "core3"), "qos": web.qos.model_copy(
            update={"guarantee": None})}),
    )  # fmt: skip


@pytest.mark.parametrize("late", [False, True], ids=["before the access", "after the access"])
def test_killed_at_every_access(quad: Card, tmp_path: Path, late: bool) -> None:
    """Whenever the RAM dies, the next one reads the journal, finishes the change, and the card agrees."""
    access, died = 0, True
    first_fake, _, _ = start(quad, tmp_path / "first.json")
    while died:
        path = tmp_path / f"{access}.json"
        copyfile(tmp_path / "first.json", path)
        fake, journal = deepcopy(first_fake), Journal(path, quad)
        manager = Manager(quad, journal.inventory)
        answer = change(manager)
        assert answer.ok, answer.reason
        died = False
        try:
            asyncio.run(journal.carry_out(manager, answer, Mortal(fake, access, late=late)))
        except Killed:
            died = True
        again = Journal(path, quad)
        assert (again.intent is not None) == died
        assert asyncio.run(again.resume(fake)) == died
        assert again.intent is None
        check_agreement(fake, quad, again.inventory)
        assert again.inventory == answer.after
        access += 8 if access > 10 else 1
    assert access > 100


def test_killed_after_the_last_write(quad: Card, tmp_path: Path) -> None:
    """GENERATION says that the change is complete, only the journal does not know yet: nothing is refused."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    answer = change(manager)
    assert answer.transition is not None
    last = answer.transition.operations[-2]

    class Late(FakeCard):
        async def write(self, address: int, value: int) -> None:
            await super().write(address, value)
            if address == last.address:
                raise Killed

    fake.__class__ = Late
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, answer, fake))
    fake.__class__ = FakeCard
    assert asyncio.run(Journal(path, quad).resume(fake))
    check_agreement(fake, quad, answer.after)


def test_killed_while_resuming(quad: Card, tmp_path: Path) -> None:
    """It may die again and again: at the third access, at the sixth, and so on, until it is through."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    answer = change(manager)
    deaths = 0
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, answer, Mortal(fake, 20, late=True)))
    while True:
        again = Journal(path, quad)
        try:
            asyncio.run(again.resume(Mortal(fake, 40 + deaths, late=True)))
            break
        except Killed:
            deaths += 1
    assert deaths > 3
    check_agreement(fake, quad, Journal(path, quad).inventory)


def test_intent_is_written_before_the_card_is_touched(quad: Card, tmp_path: Path) -> None:
    """At the first access the file already says what is about to happen."""
    path = tmp_path / "state.json"
    seen = []

    class Look(FakeCard):
        async def read(self, address: int) -> int:
            seen.append(json.loads(path.read_text())["intent"] is not None)
            return await super().read(address)

    journal = Journal(path, quad)
    manager = Manager(quad)
    asyncio.run(journal.carry_out(manager, manager.apply(*example("db")), Look(content("quad"))))
    assert seen and all(seen)
    assert json.loads(path.read_text())["intent"] is None


def test_a_change_that_never_began_is_forgotten(quad: Card, tmp_path: Path) -> None:
    """On a card in another state the comparison fails before anything is written, so there is nothing to finish."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    fake.registers["identity", 0, "GENERATION"] = 7
    before, inventory = len(fake.history), manager.inventory
    with pytest.raises(ExecutionError, match="not in the state"):
        asyncio.run(journal.carry_out(manager, manager.release("db"), fake))
    assert len(fake.history) == before
    assert Journal(path, quad).intent is None
    assert Journal(path, quad).inventory == manager.inventory == inventory


def test_a_card_that_was_reset_is_not_resumed(quad: Card, tmp_path: Path) -> None:
    """Half of the change is gone with the reset: the rest alone would not make the state."""
    path = tmp_path / "state.json"
    fake, journal, manager = start(quad, path)
    with pytest.raises(Killed):
        asyncio.run(journal.carry_out(manager, manager.release("db"), Mortal(fake, 30, late=True)))
    fresh = FakeCard(content("quad"))
    again = Journal(path, quad)
    with pytest.raises(ExecutionError, match="not in the state"):
        asyncio.run(again.resume(fresh))
    assert fresh.history == []
    assert Journal(path, quad).intent is not None


def test_progress_is_reported(quad: Card, tmp_path: Path) -> None:
    """The callback sees each operation once, in order."""
    seen: list[tuple[Operation, int]] = []
    journal, manager = Journal(tmp_path / "state.json", quad), Manager(quad)
    answer = manager.apply(*example("db"))
    fake = FakeCard(content("quad"))
    asyncio.run(journal.carry_out(manager, answer, fake, on_operation=lambda o, i: seen.append((o, i))))
    assert answer.transition is not None
    assert seen == [(operation, index) for index, operation in enumerate(answer.transition.operations)]


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda text: "{", "this is not JSON"),
        (lambda text: "[]", "this is not a state file of format 1"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "this is not a state file of format 1"),
        (
            lambda text: text.replace('"target": "bank1"', '"target": "bank9"'),
            "the state is damaged (bank9 is not a memory)",
        ),
        (lambda text: text.replace('"private_key": 3', '"private_key": 1'), "the state is damaged"),
        (lambda text: text.replace('"first_lane": 0', '"first_lane": "x"'), "slices.0.attachments.0.first_lane"),
        (lambda text: text.replace('"intent": null', '"intent": {}'), "the state is damaged"),
    ],
)
def test_damaged_state_files(quad: Card, tmp_path: Path, spoil, message: str) -> None:
    """One line, and the file stays as it is."""
    path = tmp_path / "state.json"
    start(quad, path)
    spoiled = spoil(path.read_text())
    assert spoiled != path.read_text()
    path.write_text(spoiled)
    with pytest.raises(Refusal) as refusal:
        Journal(path, quad)
    assert str(refusal.value).startswith(f"{path}: ") and message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert path.read_text() == spoiled


def test_state_of_another_card(quad: Card, wide: Card, tmp_path: Path) -> None:
    """Names both cards."""
    path = tmp_path / "state.json"
    start(quad, path)
    with pytest.raises(Refusal, match=r"this is the state of the card 'quad' .* not of 'wide'"):
        Journal(path, wide)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content appears in one step or not at all, and no scraps are left behind."""
    path = tmp_path / "state.json"
    write_atomically(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(Refusal, match="No space left on device"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
