"""Time slots: who gets which, that nobody is moved, what the card is told, and what is promised then."""

import asyncio

from ram import Card, Manager, SliceDefinition, execute
from ram.admission import longest_wait
from ram.time_slots import longest_gap

from .agreement import check_agreement
from .conftest import content
from .fake_card import FakeCard

SLOTS = 8


def define(name: str, **members: object) -> SliceDefinition:
    """A slice in bank0."""
    memory = [{"name": "m", "size": "4KiB", "targets": ["bank0"]}]
    return SliceDefinition.model_validate({"slice": name, "memory": memory, **members})


def _slots(manager: Manager, name: str) -> tuple[int, ...]:
    owner = manager.inventory.slice(name)
    assert owner is not None
    return tuple(slot for turns in owner.turns for slot in turns.slots)


def test_slots_are_spread_and_stay(quad: Card) -> None:
    """Slots of a slice lie apart; they stay where they are when others come, go, or want more; the card agrees."""
    manager, fake = Manager(quad), FakeCard(content("quad"))

    def apply(name: str, number: int | None) -> None:
        answer = manager.apply(define(name, qos={"time_slots": number} if number else {}))
        assert answer.ok and answer.transition, answer.reason
        asyncio.run(execute(answer.transition, fake))
        manager.commit(answer)
        check_agreement(fake, quad, manager.inventory)

    apply("a", 2)
    a = _slots(manager, "a")
    assert longest_gap(SLOTS, a) == SLOTS // 2
    apply("b", 3)
    apply("c", None)
    assert _slots(manager, "a") == a and not _slots(manager, "c")
    b = _slots(manager, "b")
    assert len({*a, *b}) == 5
    apply("b", 4)
    assert _slots(manager, "b")[:3] == b
    apply("b", 1)
    assert _slots(manager, "b") == b[:1]
    apply("a", None)
    assert not _slots(manager, "a") and _slots(manager, "b") == b[:1]
    answer = manager.release("b")
    assert answer.ok and answer.transition
    asyncio.run(execute(answer.transition, fake))
    manager.commit(answer)
    check_agreement(fake, quad, manager.inventory)
    assert not fake.slots and fake.registers["target", 0, "TIMED"] == 0


def test_a_slice_leaves_its_slots_before_they_are_open(quad: Card) -> None:
    """First it has slots, then it keeps to them; it stops keeping to them before it loses them."""
    manager = Manager(quad)
    for number, order in ((2, ["SLOT", "SLOT", "TIMED"]), (None, ["TIMED", "SLOT", "SLOT"])):
        answer = manager.apply(define("a", qos={"time_slots": number} if number else {}))
        assert answer.transition
        block = quad.registers["target"].registers
        names = {register.offset: name for name, register in block.items() if name in ("SLOT", "TIMED")}
        base = quad.registers["target"].base
        found = [
            names[operation.address - base]
            for operation in answer.transition.operations
            if hasattr(operation, "value") and operation.address - base in names
        ]
        assert found == order
        manager.commit(answer)


def test_one_slot_stays_open(quad: Card) -> None:
    """The scrubber and slices without slots always have one."""
    manager = Manager(quad)
    manager.commit(manager.apply(define("a", qos={"time_slots": 4})))
    refused = manager.apply(define("b", qos={"time_slots": 4}))
    assert refused.reason == ("slice 'b' asks for 4 time slots of 'bank0', 3 of 8 can be had; one stays open")
    assert manager.apply(define("b", qos={"time_slots": 3})).ok


def test_a_card_without_slots(wide: Card) -> None:
    """It says so."""
    refused = Manager(wide).apply(SliceDefinition.model_validate({"slice": "a", "qos": {"time_slots": 1}}))
    assert refused.reason == "no target of this card has time slots; leave it out"


def test_promises(quad: Card) -> None:
    """A wait counts own slots alone, and others neither take bandwidth from it nor get any of its."""
    manager = Manager(quad)
    free = {"class": 3, "time_slots": 2}
    manager.commit(manager.apply(define("a", contexts=["host0.0"], qos=free)))
    alone = longest_wait(quad, manager.inventory, "a", "bank0")
    assert alone == SLOTS // 2 * quad.fabric.slot_cycles
    manager.commit(manager.apply(define("b", contexts=["host1.0"], qos={"class": 3})))
    assert longest_wait(quad, manager.inventory, "a", "bank0") == alone
    raw = quad.fabric.data_bytes * quad.fabric.clock
    most = int(raw * 15 / 16 / 4 / 2)
    guaranteed = free | {"guarantee": most + 1, "limit": raw}
    refused = manager.apply(define("a", contexts=["host0.0"], qos=guaranteed))
    assert "ask for less or for more time slots" in refused.reason
    assert manager.apply(define("a", contexts=["host0.0"], qos=guaranteed | {"guarantee": most})).ok
