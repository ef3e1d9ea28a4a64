"""The order of a transition's operations, and what it leaves alone."""

import asyncio
from collections.abc import Iterable

import pytest

from ram import Answer, Card, Compare, ExecutionError, Manager, Operation, SliceDefinition, Wait, Write, execute
from ram.budgets import write_registers
from ram.definition import Qos

from .agreement import check_agreement
from .conftest import content, example, shipped
from .fake_card import FakeCard


def settle(manager: Manager, fake: FakeCard, answer: Answer) -> list[Operation]:
    """Carry out and commit; the operations after the identity."""
    assert answer.transition is not None, answer.reason
    asyncio.run(execute(answer.transition, fake, polls=10))
    manager.commit(answer)
    check_agreement(fake, manager.card, manager.inventory)
    assert fake.idle_writes == []
    return list(answer.transition.operations)


def running(card: Card) -> tuple[Manager, FakeCard]:
    """The example slices, up and running, with data everywhere."""
    manager, fake = Manager(card), FakeCard(content("quad"))
    for definition in example("web", "db", "batch", "ml"):
        settle(manager, fake, manager.apply(definition))
    fake.use()
    return manager, fake


def writes(operations: Iterable[Operation]) -> list[str]:
    """Registers that are written, in order."""
    return [operation.register for operation in operations if isinstance(operation, Write)]


@pytest.mark.parametrize("card", ["mini", "quad", "wide"])
def test_shipped_slices_come_up(card: str, request: pytest.FixtureRequest) -> None:
    """Every card's slices fit, one after another and all at once; then everything can go again."""
    names = {"mini": ["console", "guest"], "quad": ["web", "db", "batch", "ml"],
             "wide": ["gateway", "storage", "analytics", "monitor"]}[card]  # fmt: skip
    described = request.getfixturevalue(card)
    together = Manager(described)
    settle(together, FakeCard(content(card)), together.apply(*shipped(card, *names)))
    manager, fake = Manager(described), FakeCard(content(card))
    for definition in shipped(card, *names):
        settle(manager, fake, manager.apply(definition))
    for name in names:
        settle(manager, fake, manager.release(name))
    assert not fake.keys and not fake.owners and not fake.lanes
    assert all(window == {} for context, window in enumerate(fake.windows) if described.contexts[context].name
               in manager.inventory.cleared)  # fmt: skip


def test_identity_first_generation_last(quad: Card) -> None:
    """A transition begins by making sure of card, state and owner; it ends by saying so, and looks again."""
    manager, _ = running(quad)
    transition = manager.allocate("web", "MEMORY", 4096).transition
    assert transition is not None
    first = transition.operations[:8]
    assert [operation.register.split(".")[1] for operation in first] == [
        "MAGIC", "VERSION", "HASH0", "HASH1", "HASH2", "HASH3", "GENERATION", "FENCE",
    ]  # fmt: skip
    assert all(isinstance(operation, Compare) for operation in first)
    last, owner = transition.operations[-2:]
    assert isinstance(owner, Compare) and owner.register == "identity.FENCE"
    assert isinstance(last, Write) and (last.register, last.value) == ("identity.GENERATION", 5)


def test_growing_does_not_stop_the_slice(quad: Card) -> None:
    """New memory is scrubbed and rekeyed before any window leads to it; no port is handed over, no entry goes away."""
    manager, fake = running(quad)
    before = [dict(window) for window in fake.windows]
    resets = dict(fake.resets)
    operations = settle(manager, fake, manager.allocate("web", "MEMORY", 65536))
    order = writes(operations)
    assert order.index("target.bank1.REKEY") < order.index("window.FILL")
    assert not [register for register in order if "HANDOVER" in register or register.startswith(("key", "slice"))]
    assert fake.resets == resets
    rekey = next(operation for operation in operations if operation.register == "target.bank1.REKEY")
    assert isinstance(rekey, Write) and rekey.value >> 16 & 1, "scrubbed"
    for context, window in enumerate(before):
        assert window.items() <= fake.windows[context].items()


def test_shrinking_takes_the_window_first(quad: Card) -> None:
    """The slice gets DECERR from its own port, at once, before the granule is rekeyed to nobody, unscrubbed."""
    manager, fake = running(quad)
    smaller = manager.definition("web").model_copy(update={"memory": manager.definition("web").memory[:1]})
    operations = settle(manager, fake, manager.apply(smaller))
    order = writes(operations)
    assert max(i for i, r in enumerate(order) if r == "window.FILL") < order.index("target.bank1.REKEY")
    rekeys = [operation for operation in operations if operation.register.endswith("REKEY")]
    assert all(isinstance(operation, Write) and operation.value == 0 for operation in rekeys)


def test_moving_a_core_is_one_hand_over(quad: Card) -> None:
    """The window is ready when the core starts for its new slice."""
    manager, fake = running(quad)
    a, b = manager.definition("web"), manager.definition("db")
    resets = fake.resets[quad.context["core0"].initiator]
    operations = settle(
        manager, fake,
        manager.apply(a.model_copy(update={"cores": ()}), b.model_copy(update={"cores": ("core1", "core0")})),
    )  # fmt: skip
    order = writes(operations)
    assert order.count("initiator.core0.HANDOVER") == 1
    assert fake.resets[quad.context["core0"].initiator] == resets + 1
    assert max(i for i, r in enumerate(order) if r == "window.FILL") < order.index("initiator.core0.HANDOVER")
    assert fake.registers["initiator", quad.context["core0"].initiator, "BOOT_LOW"] == 0x1000


def test_moving_a_device_keeps_its_lanes(quad: Card) -> None:
    """One hand-over takes registers, DMA and lanes along; the lane switch is not touched."""
    manager, fake = running(quad)
    a, b = manager.definition("web"), manager.definition("db")
    operations = settle(
        manager, fake,
        manager.apply(a.model_copy(update={"pcie": ()}), b.model_copy(update={"pcie": a.pcie})),
    )  # fmt: skip
    order = writes(operations)
    assert order.count("initiator.nvme0_dma.HANDOVER") == 1
    assert order.index("initiator.nvme0_dma.KEY") < order.index("initiator.nvme0_dma.HANDOVER")
    assert not [register for register in order if "STEER" in register]


def test_other_lanes_need_a_reset_first(quad: Card) -> None:
    """The lane switch refuses a controller whose device runs, so the device goes to nobody and comes back."""
    manager, fake = running(quad)
    wider = manager.definition("web").model_copy(
        update={"pcie": (manager.definition("web").pcie[0].model_copy(update={"lanes": 8}),)}
    )
    order = [r for r in writes(settle(manager, fake, manager.apply(wider))) if "nvme0" in r and "KEY" not in r]
    assert order == ["initiator.nvme0_dma.HANDOVER", "controller.nvme0.STEER", "controller.nvme0.STEER",
                     "initiator.nvme0_dma.HANDOVER"]  # fmt: skip


def test_swapping_cores_makes_before_it_breaks(quad: Card) -> None:
    """A slice that gives up a core for another has the new one first."""
    manager, fake = running(quad)
    settle(manager, fake, manager.release("batch"))
    db = manager.definition("db").model_copy(update={"cores": ("core2",)})
    order = [r for r in writes(settle(manager, fake, manager.apply(db))) if r.endswith("HANDOVER")]
    assert order == ["initiator.core2.HANDOVER", "initiator.core1.HANDOVER"]


def test_taking_a_right_away_ends_with_a_barrier(quad: Card) -> None:
    """The borrower's window goes, then its right; the barrier makes sure that nothing old is still under way."""
    manager, fake = running(quad)
    order = writes(settle(manager, fake, manager.share("web", "mailbox", "db", None)))
    assert order[-4:] == ["window.FILL", "key.key2.READ", "barrier.COMMAND", "identity.GENERATION"]
    assert not [register for register in order if register.endswith(("REKEY", "HANDOVER"))]
    order = writes(settle(manager, fake, manager.share("web", "mailbox", "db", "read-write")))
    assert order.index("key.key2.WRITE") < order.index("window.FILL")
    assert "barrier.COMMAND" not in order


def test_a_right_passes_on_only_when_it_is_free(quad: Card) -> None:
    """One borrower's right goes before another one gets it."""
    manager, fake = running(quad)
    web = manager.definition("web")
    mailbox = web.memory[2].model_copy(update={"share": (web.memory[2].share[0].model_copy(update={"slice": "ml"}),)})  # type: ignore[index]
    operations = settle(manager, fake, manager.apply(web.model_copy(update={"memory": (*web.memory[:2], mailbox)})))
    values = [o.value for o in operations if isinstance(o, Write) and o.register == "key.key2.READ"]
    assert values == [0b0001, 0b1001]
    order = writes(operations)
    first, second = (i for i, r in enumerate(order) if r == "key.key2.READ")
    assert first < order.index("barrier.COMMAND") < second


def test_memory_moves_scrubbed(quad: Card) -> None:
    """Granules that go from one slice to another in one change are zero before the new owner's key is set."""
    manager, fake = running(quad)
    web = manager.definition("web", exact=True)
    buffers = web.memory[1]
    assert buffers.extents is not None and buffers.extents[0].target == "bank1"
    db = manager.definition("db")
    taken = buffers.model_copy(update={"address": None})
    settle(
        manager, fake,
        manager.apply(
            web.model_copy(update={"memory": (web.memory[0], web.memory[2])}),
            db.model_copy(update={"memory": (*db.memory, taken)}),
        ),
    )  # fmt: skip
    target = quad.target["bank1"]
    assert manager.inventory.holding(quad, "bank1", buffers.extents[0].first).owner == "db"
    assert (target, buffers.extents[0].first) not in fake.residue | fake.written


def test_bystanders_are_not_touched(quad: Card) -> None:
    """No operation of any change writes to a bystander's port, contract, key or window, or to a granule of its own."""
    manager, fake = running(quad)
    batch = manager.inventory.slice("batch")
    assert batch is not None
    contexts = {quad.context[port].index for port in manager.inventory.ports(quad, "batch")}
    fake.history.clear()
    web = manager.definition("web")
    for answer in (
        lambda: manager.allocate("web", "MEMORY", 65536), lambda: manager.deallocate("web", "MEMORY", 81920),
        lambda: manager.share("web", "mailbox", "ml", "read"), lambda: manager.release("web"),
        lambda: manager.apply(web), lambda: manager.allocate("db", "LANES", 2),
    ):  # fmt: skip
        settle(manager, fake, answer())
    context = None
    for name, member, register, value in fake.history:
        context = value if (name, register) == ("window", "CONTEXT") else context
        where = (name, member, register)
        assert not (name == "window" and register == "FILL" and context in contexts), where
        assert not (name == "slice" and member == batch.index), where
        assert not (name == "key" and member == batch.private_key), where
        assert not (name == "target" and quad.targets[member].name == "bank2"), where
        assert not (name == "initiator" and quad.initiators[member].name in ("host1", "core2") and
                    (quad.initiators[member].name == "core2" or not value >> 16)), where  # fmt: skip


def test_first_change_after_reset_waits_for_the_sweep(quad: Card) -> None:
    """Before the first rekey of a target its engine must be idle: it is not, right after reset."""
    manager = Manager(quad)
    transition = manager.apply(SliceDefinition(slice="a", memory=example("batch")[0].memory)).transition
    assert transition is not None
    position = next(i for i, o in enumerate(transition.operations) if o.register == "target.bank2.REKEY")
    waits = [o for o in transition.operations[:position] if isinstance(o, Wait)]
    assert [wait.register for wait in waits] == ["target.bank2.STATUS"]


def test_a_change_of_contract_touches_that_contract_only(quad: Card) -> None:
    """Class, rate and burst of one slice."""
    manager, fake = running(quad)
    db = manager.definition("db")
    qos = db.qos.model_copy(update={"class_": 2, "limit": 200_000_000})
    order = writes(settle(manager, fake, manager.apply(db.model_copy(update={"qos": qos}))))
    assert order == ["slice.slice1.RATE", "slice.slice1.QOS", "identity.GENERATION"]


def test_budgets_apart_and_together_again(quad: Card) -> None:
    """Contracts of writes alone come with their own registers, and leave none of them behind."""
    manager, fake = running(quad)
    db = manager.definition("db")
    apart = Qos.model_validate({"class": 1, "read_limit": "300MB/s", "write_limit": "100MB/s", "burst": "8KiB"})
    order = writes(settle(manager, fake, manager.apply(db.model_copy(update={"qos": apart}))))
    assert order == ["slice.slice1.WRITE_BURST", "slice.slice1.WRITE_RATE", "identity.GENERATION"]
    assert fake.registers["slice", 1, "WRITE_RATE"] == write_registers(quad, apart)[0] | 3 << 30
    again = writes(settle(manager, fake, manager.apply(db)))
    assert again == order and not fake.registers["slice", 1, "WRITE_RATE"]


def test_a_limit_of_outstanding_requests_comes_and_goes(quad: Card) -> None:
    """One register, and zero again when the contract has no limit."""
    manager, fake = running(quad)
    db = manager.definition("db")
    for limit in (12, None):
        qos = db.qos.model_copy(update={"outstanding": limit})
        order = writes(settle(manager, fake, manager.apply(db.model_copy(update={"qos": qos}))))
        assert order == ["slice.slice1.OUTSTANDING", "identity.GENERATION"]
        assert fake.registers["slice", 1, "OUTSTANDING"] == (limit or 0)


def test_pieces_come_and_go(quad: Card) -> None:
    """They share a register with the class, which stays; the card's chunk is what it has after reset."""
    manager, fake = running(quad)
    db = manager.definition("db")
    for chunk, halvings in ((8, 3), (64, 0), (32, 1), (None, 0)):
        qos = db.qos.model_copy(update={"chunk": chunk})
        order = writes(settle(manager, fake, manager.apply(db.model_copy(update={"qos": qos}))))
        assert order == ["slice.slice1.QOS", "identity.GENERATION"]
        assert fake.registers["slice", 1, "QOS"] == halvings << 8 | db.qos.class_


def test_nothing_to_do_is_no_operation(quad: Card) -> None:
    """Not even GENERATION is written when the card need not change; a tenant's name is the RAM's business."""
    manager, fake = running(quad)
    renamed = manager.definition("db").model_copy(update={"tenant": "another"})
    answer = manager.apply(renamed)
    assert answer.transition is not None and answer.transition.operations == ()
    settle(manager, fake, answer)
    owner = manager.inventory.slice("db")
    assert owner is not None and owner.tenant == "another"


def test_execution_stops_with_a_reason(quad: Card) -> None:
    """Another state, another card, a refusal, an engine that never ends: each says what was expected and seen."""
    manager, fake = running(quad)
    transition = manager.allocate("web", "MEMORY", 4096).transition
    assert transition is not None
    target = quad.target["bank1"]

    def failure() -> str:
        before = len(fake.history)
        with pytest.raises(ExecutionError) as error:
            asyncio.run(execute(transition, fake, polls=4))
        assert all(name == "target" for name, _, _, _ in fake.history[before:]), "nothing is granted"
        return str(error.value)

    fake.registers["identity", 0, "GENERATION"] = 9
    assert failure() == (
        "the card is not in the state that this change starts from (generation 4); operation 6: identity.GENERATION "
        "at 0x18 should be 0x4 under mask 0xffffffff, is 0x9"
    )
    fake.registers["identity", 0, "GENERATION"] = 4
    fake.registers["identity", 0, "HASH2"] ^= 1
    assert failure().startswith(f"this is not the card 'quad' (manifest hash {quad.hash[:16]}...); operation 4: ")
    fake.registers["identity", 0, "HASH2"] ^= 1
    fake.busy["target", target] = 10**9
    assert failure().startswith("the card did not finish: bank1 takes commands; operation 8: target.bank1.STATUS")
    fake.busy["target", target] = 0
    fake.manifest["targets"][target]["keyed"] = 1
    try:
        assert failure().startswith("the card refused or failed: bank1 has done so; operation ")
    finally:
        fake.manifest["targets"][target]["keyed"] = 256


def test_nobody_starts_before_its_memory_is_there(quad: Card) -> None:
    """Memory of a new slice comes from another one in the same change: its core waits for the rekey."""
    manager, fake = running(quad)
    settle(manager, fake, manager.release("batch"))
    web = manager.definition("web", exact=True)
    heap = web.memory[0]
    newcomer = SliceDefinition(
        slice="new", cores=("core2",), memory=(heap.model_copy(update={"address": None}),), qos=Qos(limit=10**8)
    )
    operations = settle(manager, fake, manager.apply(web.model_copy(update={"memory": web.memory[1:]}), newcomer))
    order = writes(operations)
    assert order.index("target.bank0.REKEY") < order.index("initiator.core2.HANDOVER")


def test_a_window_opens_after_the_rekey(quad: Card) -> None:
    """A running slice takes memory over from another one: what its window leads to is its own by then."""
    manager, fake = running(quad)
    web, db = manager.definition("web", exact=True), manager.definition("db")
    taken = web.memory[0].model_copy(update={"name": "taken", "address": None})
    operations = settle(
        manager, fake,
        manager.apply(
            web.model_copy(update={"memory": web.memory[1:]}), db.model_copy(update={"memory": (*db.memory, taken)})
        ),
    )  # fmt: skip
    bank0 = quad.target["bank0"]
    opened = [
        index for index, operation in enumerate(operations)
        if isinstance(operation, Write) and operation.register == "window.FILL"
        and operation.value >> 28 and operation.value >> 20 & 63 == bank0
    ]  # fmt: skip
    rekey = next(index for index, operation in enumerate(operations) if operation.register == "target.bank0.REKEY")
    assert opened and rekey < min(opened)


def test_a_key_changes_its_meaning_in_no_change(quad: Card) -> None:
    """One shared entry goes and another comes in the same place: it gets another key, and zeros."""
    manager, fake = running(quad)
    web = manager.definition("web", exact=True)
    old = manager.inventory.slice("web").region("mailbox")  # type: ignore[union-attr]
    renamed = web.memory[2].model_copy(update={"name": "letters", "share": ()})
    settle(manager, fake, manager.apply(web.model_copy(update={"memory": (*web.memory[:2], renamed)})))
    new = manager.inventory.slice("web").region("letters")  # type: ignore[union-attr]
    assert old is not None and new is not None and new.key != old.key
    place = (quad.target["bank0"], new.extents[0].first)
    assert place not in fake.written | fake.residue
