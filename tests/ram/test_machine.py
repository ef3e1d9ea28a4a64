"""Random requests in random order: whatever happens, nothing has two owners, and the card holds what the RAM says."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ram import Answer, Code, Inventory, Manager, ResourceType, SliceDefinition, execute
from ram.invariants import violations
from ram.manifest import parse_card

from .agreement import check_agreement
from .fake_card import FakeCard
from .small import small_content

CONTENT = small_content()
CARD = parse_card(CONTENT, "sample")
NAMES = ("a", "b", "c", "d")
SIZES = [f"{4 * granules}KiB" for granules in (1, 2, 3, 5, 8, 13)]


class Watch:
    """A transport that looks at the card after every write: who gets more than before the change and after it?"""

    def __init__(self, fake: FakeCard, before: Inventory, after: Inventory) -> None:
        self.fake, self.before, self.after = fake, before, after
        self.places = [(i, t, g) for i, t in enumerate(CARD.targets) for g in range(t.keyed)]
        self.allowed = {
            (i, g): self._slices(before, t.name, g) | self._slices(after, t.name, g) for i, t, g in self.places
        }

    @staticmethod
    def _slices(inventory: Inventory, target: str, granule: int) -> int:
        numbers = {owner.name: owner.index for owner in inventory.slices}
        return sum(1 << numbers[name] for name in inventory.holding(CARD, target, granule).rights)

    async def read(self, address: int) -> int:
        return await self.fake.read(address)

    async def write(self, address: int, value: int) -> None:
        await self.fake.write(address, value)
        self.fake.use()
        for index, target, granule in self.places:
            readers = self.fake.readers(index, granule) | self.fake.writers(index, granule)
            where = f"{target.name}[{granule}] while {self.fake.history[-1]}"
            assert not readers & ~self.allowed[index, granule], f"a slice that never has it reaches {where}"
            if readers:
                assert (index, granule) not in self.fake.residue, f"somebody finds what another one wrote in {where}"


class Machine(RuleBasedStateMachine):
    """The RAM, a card on which every transition is carried out, and what must hold between requests."""

    def __init__(self) -> None:
        super().__init__()
        self.manager, self.fake = Manager(CARD), FakeCard(CONTENT)

    def settle(self, answer: Answer) -> None:
        """Carry out what was granted; what was refused must not change anything."""
        before = self.manager.inventory
        assert "\n" not in answer.reason and answer.reason
        if answer.code is not Code.SUCCESS:
            assert answer.transition is None and answer.after is before
            return
        assert answer.transition is not None and answer.transition.generation == before.generation
        asyncio.run(execute(answer.transition, Watch(self.fake, before, answer.after), polls=10))
        self.manager.commit(answer)

    def some(self, data: Any) -> str:
        """A slice, most of the time one that exists."""
        present = [owner.name for owner in self.manager.inventory.slices]
        return str(data.draw(st.sampled_from([*present * 3, "d"])))

    @initialize(data=st.data())
    def start(self, data: Any) -> None:
        """Two slices are there from the beginning."""
        for name in NAMES[:2]:
            self.settle(self.manager.apply(data.draw(definitions(name))))
            if self.manager.inventory.slice(name) is None:
                self.settle(self.manager.apply(SliceDefinition(slice=name, cores=1)))

    @rule(kind=st.sampled_from(ResourceType), data=st.data())
    def allocate(self, kind: ResourceType, data: Any) -> None:
        """More of something; what was asked for is what comes."""
        vm = self.some(data)
        amount = data.draw(amounts(kind))
        before = self.manager.inventory.slice(vm)
        answer = self.manager.allocate(vm, kind, amount)
        self.settle(answer)
        assert before is not None or answer.code is Code.ERROR_INVALID_REQUEST
        if answer.ok and before is not None:
            assert measure(self.manager.inventory, vm, kind) == measure_slice(before, kind) + amount

    @rule(kind=st.sampled_from(ResourceType), data=st.data())
    def deallocate(self, kind: ResourceType, data: Any) -> None:
        """Less of something, exactly as much as asked for."""
        vm = self.some(data)
        amount = data.draw(amounts(kind))
        before = self.manager.inventory.slice(vm)
        answer = self.manager.deallocate(vm, kind, amount)
        self.settle(answer)
        if answer.ok and before is not None:
            assert measure(self.manager.inventory, vm, kind) == measure_slice(before, kind) - amount

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2), data=st.data())
    def apply(self, names: list[str], data: Any) -> None:
        """Slices as defined; a second time there is nothing to do."""
        wanted = [data.draw(definitions(name)) for name in names]
        answer = self.manager.apply(*wanted)
        self.settle(answer)
        if answer.ok:
            again = self.manager.apply(*wanted)
            assert again.ok and again.transition is not None and again.transition.operations == ()
            assert again.after == self.manager.inventory

    @rule(data=st.data())
    def move_cores(self, data: Any) -> None:
        """All cores and devices of a slice go to another one in a single change."""
        inventory, giver, taker = self.manager.inventory, self.some(data), self.some(data)
        if giver == taker or not inventory.slice(giver) or not inventory.slice(taker):
            return
        a, b = self.manager.definition(giver), self.manager.definition(taker)
        assert isinstance(a.cores, tuple) and isinstance(b.cores, tuple)
        less = a.model_copy(update={"cores": (), "devices": (), "pcie": ()})
        update = {"cores": b.cores + a.cores, "devices": b.devices + a.devices, "pcie": b.pcie + a.pcie}
        self.settle(self.manager.apply(less, b.model_copy(update=update)))

    @rule(data=st.data())
    def release(self, data: Any) -> None:
        """Everything goes."""
        vm = self.some(data)
        answer = self.manager.release(vm)
        assert answer.ok == (self.manager.inventory.slice(vm) is not None)
        self.settle(answer)

    @rule(data=st.data(), other=st.sampled_from(NAMES), rights=st.sampled_from(["read", "read-write", None]))
    def lend(self, data: Any, other: str, rights: Any) -> None:
        """The owner's granules and window do not change."""
        vm = self.some(data)
        before, keys = self.manager.inventory, dict(self.fake.keys)
        self.settle(self.manager.share(vm, "mailbox", other, rights))
        assert self.fake.keys == keys
        assert {p: e for p, e in self.manager.inventory.layout(CARD, vm).items() if p in before.layout(CARD, vm)} == (
            before.layout(CARD, vm) if vm != other else self.manager.inventory.layout(CARD, vm)
        )

    @invariant()
    def sound(self) -> None:
        """Nothing has two owners."""
        assert violations(CARD, self.manager.inventory) == []

    @invariant()
    def agrees(self) -> None:
        """The card holds what the inventory says, and no write was in vain."""
        check_agreement(self.fake, CARD, self.manager.inventory)
        assert self.fake.idle_writes == []


def amounts(kind: ResourceType) -> st.SearchStrategy[int]:
    """Amounts that are sometimes wrong."""
    if kind is ResourceType.MEMORY:
        return often([4096, 5 * 4096, 13 * 4096], [1000, 1 << 20])
    if kind is ResourceType.BANDWIDTH:
        return often([10**6, 10**8], [10**9])
    return often([1, 2], [0, 3, 4])


def measure_slice(owner: Any, kind: ResourceType) -> int:
    """How much a slice has, counted in the state's own terms."""
    return {
        ResourceType.CORES: len(owner.cores),
        ResourceType.MEMORY: sum(4096 * region.granules for region in owner.regions),
        ResourceType.LANES: sum(attachment.lanes for attachment in owner.attachments),
        ResourceType.KEYS: len(owner.spare_keys),
        ResourceType.BANDWIDTH: owner.qos.guarantee or 0,
    }[kind]


def measure(inventory: Inventory, vm: str, kind: ResourceType) -> int:
    """How much a slice has now."""
    return measure_slice(inventory.slice(vm), kind)


def often(usual: list[Any], wrong: list[Any]) -> st.SearchStrategy[Any]:
    """One of the usual values, rarely one that is wrong."""
    # Hypothesis likes the ends of a range, so the rare case is in the middle.
    return st.integers(0, 31).flatmap(lambda n: st.sampled_from(wrong if n == 13 else usual))


memories = st.fixed_dictionaries(
    {"size": st.sampled_from(SIZES)},
    optional={
        "targets": often([["near"], ["far"], ["far", "near"]], [["uart"]]),
        "contiguous": st.booleans(),
        "address": often([0, 0x8000, 0x10000], [0x1F000, 0x800]),
    },
)
share = st.fixed_dictionaries(
    {"slice": st.sampled_from(NAMES), "rights": st.sampled_from(["read", "read-write"])},
    optional={"address": often([0x4000, 0x10000], [0x1F000])},
)
qualities = st.fixed_dictionaries(
    {"class": often([0, 1], [2])},
    optional={"limit": st.sampled_from(["10MB/s", "300MB/s"]), "latency": often(["500us"], ["1us"])},
)
guaranteed = st.just({"class": 1, "limit": "200MB/s", "guarantee": "100MB/s", "burst": "4KiB"})
pcie = st.fixed_dictionaries(
    {"lanes": often([1, 2, 4], [3])},
    optional={"device": st.sampled_from(["disk", "modem"]), "first_lane": often([0, 2], [1])},
)


@st.composite
def definitions(draw: st.DrawFn, name: str) -> SliceDefinition:
    """Definitions of a slice, most of which are sensible."""
    memory: list[dict[str, Any]] = []
    for entry in draw(st.lists(st.sampled_from(["heap", "stack", "mailbox"]), unique=True)):
        memory.append({"name": entry, **draw(memories)})
        if entry == "mailbox" and draw(st.booleans()):
            others = st.lists(share, max_size=2, unique_by=lambda share: share["slice"])
            memory[-1]["share"] = [other for other in draw(others) if other["slice"] != name]
    return SliceDefinition.model_validate(
        {
            "slice": name,
            "contexts": draw(often([[], [f"host.{NAMES.index(name) % 3}"]], [["host.0", "host.2"], ["core0"]])),
            "cores": draw(often([0, 1, ["core1"]], [2, 3, ["core0", "host.0"]])),
            "devices": draw(often([[], ["crypto"]], [["disk"]])),
            "memory": memory,
            "peripherals": draw(often([[], ["uart"]], [["near"], ["disk_registers"]])),
            "pcie": draw(st.lists(pcie, max_size=1)),
            "keys": draw(often([0, 1], [9])),
            "boot_address": draw(st.sampled_from([0, 0x1000, 1 << 32])),
            "qos": draw(qualities | guaranteed),
        }
    )


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=80, stateful_step_count=25)
