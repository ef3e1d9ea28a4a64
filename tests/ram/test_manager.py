"""Requests: what is granted, what is refused, and with which words."""

# ruff: noqa: E501 (messages stand here in one piece, as the user sees them)

from typing import Any

import pytest

from ram import Card, Code, Manager, SliceDefinition
from ram.allocator import Run, aligned_lanes, place

from .conftest import example


def up(card: Card, *definitions: SliceDefinition | dict[str, Any]) -> Manager:
    """A manager with slices committed."""
    manager = Manager(card)
    for definition in definitions:
        answer = manager.apply(SliceDefinition.model_validate(definition))
        assert answer.ok, answer.reason
        manager.commit(answer)
    return manager


def loaded(card: Card) -> Manager:
    """The example slices."""
    return up(card, *example("web", "db", "batch", "ml"))


def test_a_target_is_attached_again(quad: Card) -> None:
    """Nobody's resources change; a card in which it is not cut off refuses."""
    manager = loaded(quad)
    answer = manager.attach("bank1")
    assert answer.ok and answer.transition is not None
    operations = [(type(o).__name__, o.register) for o in answer.transition.operations]
    assert operations[-5:] == [
        ("Compare", "target.bank1.STATUS"),
        ("Write", "target.bank1.ATTACH"),
        ("Wait", "target.bank1.STATUS"),
        ("Write", "identity.GENERATION"),
        ("Compare", "identity.FENCE"),
    ]
    manager.commit(answer)
    assert manager.inventory.slices == loaded(quad).inventory.slices
    refused = manager.attach("bank9")
    known = "bank0, bank1, bank2, bank3, nvme0_registers, nvme1_registers"
    assert refused.reason == f"'bank9' is not a target that this card can cut off (it can: {known})"
    assert refused.code is INVALID and refused.transition is None


INVALID, EXHAUSTED = Code.ERROR_INVALID_REQUEST, Code.ERROR_NO_RESOURCES


@pytest.mark.parametrize(
    "vm, kind, amount, code, reason",
    [
        ("mail", "CORES", 1, INVALID, "there is no slice 'mail' (slices: web, db, batch, ml); create it by applying a slice definition"),
        ("web", "GPUS", 1, INVALID, "'GPUS' is not a resource type; there are CORES, MEMORY, LANES, KEYS, BANDWIDTH"),
        ("web", "CORES", 0, INVALID, "the amount 0 is not a positive whole number"),
        ("web", "CORES", True, INVALID, "the amount True is not a positive whole number"),
        ("web", "CORES", 1, EXHAUSTED, "1 more cores are asked for, 0 are free"),
        ("web", "CORES", 5, INVALID, "5 cores on a card with 4"),
        ("web", "MEMORY", 5000, INVALID, "the size of 'memory0', 5000B is not a whole number of granules of 4KiB; 8KiB would be"),
        ("web", "MEMORY", 1 << 22, EXHAUSTED, "4MiB is asked for, 3768KiB is free in bank0, bank1, bank2, bank3"),
        ("web", "LANES", 3, INVALID, "a link of 3 lanes; this card can have 1, 2, 4, 8"),
        ("web", "LANES", 16, INVALID, "a link of 16 lanes; this card can have 1, 2, 4, 8"),
        ("web", "LANES", 8, EXHAUSTED, "no 8 lanes in a row are free from a multiple of 8; 4 of 8 are free"),
        ("web", "KEYS", 11, EXHAUSTED, "all 15 keys of the card are in use; share less or release a slice"),
        ("batch", "BANDWIDTH", 10**6, INVALID, "slice 'batch' has class 0, in which the scrubber competes; a guarantee needs class 1 or more"),
        ("db", "BANDWIDTH", 6 * 10**7, EXHAUSTED, "at 'bank1' the guarantee of slice 'db' and the limits of web, ml are 10MB/s more than its 750MB/s; lower one of them"),
        ("db", "BANDWIDTH", 4 * 10**8, INVALID, "slice 'db' is guaranteed 400MB/s and limited to 300MB/s; a guarantee is at most the limit"),
    ],
)  # fmt: skip
def test_refused_allocations(quad: Card, vm: str, kind: str, amount: int, code: Code, reason: str) -> None:
    """The reason has the number that would be right, and nothing changes."""
    manager = loaded(quad)
    before = manager.inventory
    answer = manager.allocate(vm, kind, amount)
    assert (answer.code, answer.reason) == (code, reason)
    assert answer.transition is None and answer.after is before and manager.inventory is before


@pytest.mark.parametrize(
    "kind, amount, reason",
    [
        ("CORES", 2, "slice 'web' has 1 cores to give back, not 2 cores"),
        ("MEMORY", 1 << 20, "slice 'web' has 96KiB of memory to give back, not 1MiB of memory"),
        ("MEMORY", 100, "the amount 100B is not a whole number of granules of 4KiB; 4KiB would be"),
        ("LANES", 2, "slice 'web' has no device on 2 lanes (it has: 4)"),
        ("KEYS", 1, "slice 'web' has no keys to give back, not 1 keys"),
        ("BANDWIDTH", 2 * 10**8, "slice 'web' has 100MB/s of guaranteed bandwidth to give back, not 200MB/s of guaranteed bandwidth"),
    ],
)  # fmt: skip
def test_refused_deallocations(quad: Card, kind: str, amount: int, reason: str) -> None:
    """Nobody can give back what it does not have."""
    answer = loaded(quad).deallocate("web", kind, amount)
    assert (answer.code, answer.reason) == (INVALID, reason)


@pytest.mark.parametrize(
    "definition, location, code, reason",
    [
        ({"contexts": ["host9.0"]}, ("contexts", 0), INVALID, "'host9.0' is not one of the card's contexts"),
        ({"contexts": ["host1.2", "host0.0"]}, ("contexts", 1), EXHAUSTED, "'host0.0' belongs to slice 'web'; free: host0.2, host0.3, host1.3"),
        ({"cores": ["core0"]}, ("cores", 0), EXHAUSTED, "'core0' belongs to slice 'web'; free: none"),
        ({"peripherals": ["nvme1_registers"]}, ("peripherals", 0), INVALID, "'nvme1_registers' comes with its PCIe device; ask for that under 'pcie'"),
        ({"peripherals": ["uart"]}, ("peripherals", 0), INVALID, "'uart' is not one of the card's peripherals (it has none)"),
        ({"pcie": [{"device": "nvme0", "lanes": 1}]}, ("pcie", 0, "device"), EXHAUSTED, "'nvme0' belongs to slice 'web'"),
        ({"pcie": [{"device": "nvme7", "lanes": 1}]}, ("pcie", 0, "device"), INVALID, "'nvme7' is not one of the card's PCIe devices (nvme0, nvme1)"),
        ({"pcie": [{"lanes": 4, "first_lane": 2}]}, ("pcie", 0, "first_lane"), INVALID, "4 lanes cannot begin at 2; give a multiple of 4 up to 4"),
        ({"pcie": [{"lanes": 2, "first_lane": 2}]}, ("pcie", 0, "first_lane"), EXHAUSTED, "lanes from 2 are in use"),
        ({"memory": [{"name": "m", "size": "2MiB", "targets": ["bank0"], "contiguous": True}]}, ("memory", 0, "size"), EXHAUSTED, "2MiB in one piece is asked for, 952KiB is free in bank0, in pieces of at most 952KiB"),
        ({"memory": [{"name": "m", "size": "4KiB", "targets": ["bank9"]}]}, ("memory", 0, "targets", 0), INVALID, "'bank9' is not a memory of the card (bank0, bank1, bank2, bank3)"),
        ({"memory": [{"name": "m", "size": "4KiB", "address": "0x800"}]}, ("memory", 0, "address"), INVALID, "the address of 'm', 2KiB is not a whole number of granules of 4KiB; 4KiB would be"),
        ({"memory": [{"name": "m", "size": "8KiB", "address": "0x3ff000"}]}, ("memory", 0, "address"), INVALID, "'m' would end beyond the window of slice 'new' (4MiB); choose a lower place"),
        ({"memory": [{"name": "m", "size": "8KiB", "address": "0x1000"}, {"name": "n", "size": "4KiB", "address": "0x2000"}]}, ("memory", 1, "address"), INVALID, "'n' would overlap 'm' in the window of slice 'new'; choose another place"),
        ({"memory": [{"name": "m", "size": "4KiB", "extents": [{"target": "bank0", "first": 0, "granules": 1}]}]}, ("memory", 0, "extents", 0), EXHAUSTED, "granules 0 to 0 of 'bank0' are in use"),
        ({"memory": [{"name": "m", "size": "4KiB", "extents": [{"target": "bank0", "first": 256, "granules": 1}]}]}, ("memory", 0, "extents", 0), INVALID, "granules 256 to 256 of 'bank0', which has 256"),
        ({"memory": [{"name": "m", "size": "8KiB", "extents": [{"target": "bank0", "first": 99, "granules": 1}]}]}, ("memory", 0, "extents"), INVALID, "the extents of 'm' do not add up to its size of 2 granules"),
        ({"memory": [{"name": "m", "size": "4KiB", "share": [{"slice": "new"}]}]}, ("memory", 0, "share", 0, "slice"), INVALID, "'m' cannot be shared with 'new' again; name each other slice once"),
        ({"keys": 11}, ("keys",), EXHAUSTED, "all 15 keys of the card are in use; share less or release a slice"),
        ({"qos": {"class": 4}}, ("qos", "class"), INVALID, "class 4 of slice 'new'; this card has classes 0 to 3"),
        ({"qos": {"burst": "4KiB"}}, ("qos", "burst"), INVALID, "a burst means nothing without a limit; give qos.limit too"),
        ({"qos": {"limit": "1kB/s"}}, ("qos", "limit"), INVALID, "a limit of 1kB/s; this card can limit to"),
        ({"qos": {"limit": "1MB/s", "burst": "4B"}}, ("qos", "burst"), INVALID, "a burst of 4B; with this limit the card can have 8B up to 524280B"),
    ],
)  # fmt: skip
def test_refused_definitions(
    quad: Card, definition: dict[str, Any], location: tuple[Any, ...], code: Code, reason: str
) -> None:
    """All or nothing: the slice is not even begun, and the answer says where in the definition the fault is."""
    manager = loaded(quad)
    before = manager.inventory
    wanted = SliceDefinition.model_validate({"slice": "new", "contexts": ["host1.2"], **definition})
    answer = manager.apply(wanted)
    assert answer.reason.startswith(reason), answer.reason
    assert (answer.code, answer.location) == (code, location)
    assert answer.transition is None and manager.inventory is before


@pytest.mark.parametrize(
    "update, location, reason",
    [
        ({"address": 0x180000}, "address", "'buffers' is in use at 0x100000 and cannot move"),
        ({"targets": ("bank0",)}, "targets", "'buffers' is in use in 'bank1' and cannot move"),
        ({"share": ()}, "share", "'buffers' carries the private key of its slice, so it cannot be shared while it is in use"),
        ({"size": 5000}, "size", "the size of 'buffers', 5000B is not a whole number of granules of 4KiB; 8KiB would be"),
        ({"size": 2 << 20}, "size", "'buffers' cannot grow by 504 granules where it stands: 'buffers' would overlap 'mailbox'"),
    ],
)  # fmt: skip
def test_what_running_memory_cannot_do(quad: Card, update: dict[str, Any], location: str, reason: str) -> None:
    """A running slice's memory does not move under its feet."""
    manager = loaded(quad)
    web = manager.definition("web")
    changed = web.memory[1].model_copy(update=update)
    answer = manager.apply(web.model_copy(update={"memory": (web.memory[0], changed, web.memory[2])}))
    assert answer.reason.startswith(reason), answer.reason
    assert answer.location == ("memory", 1, location)


def test_last_added_goes_first(quad: Card) -> None:
    """DeallocateResource(MEMORY) takes what was added last, whatever it was added to."""
    manager = loaded(quad)
    web = manager.definition("web")
    manager.commit(manager.allocate("web", "MEMORY", 8192))
    larger = web.memory[1].model_copy(update={"size": web.memory[1].size + 4096})
    extra = manager.definition("web").memory[3]
    memory = (web.memory[0], larger, web.memory[2], extra)
    manager.commit(manager.apply(web.model_copy(update={"memory": memory})))
    manager.commit(manager.deallocate("web", "MEMORY", 8192))
    owner = manager.inventory.slice("web")
    assert owner is not None
    assert {region.name: region.granules for region in owner.regions} == {
        "heap": 16, "buffers": 8, "mailbox": 2, "memory0": 1,
    }  # fmt: skip


def test_reserved_keys_are_used_for_shared_memory(quad: Card) -> None:
    """With all keys taken, a slice that had one in reserve can still share."""
    manager = up(quad, {"slice": "a", "keys": 1}, {"slice": "b", "keys": 12})
    shared = {"memory": [{"name": "m", "size": "4KiB", "share": [{"slice": "b"}]}]}
    refused = manager.apply(SliceDefinition.model_validate({"slice": "a", "keys": 1, **shared}))
    assert refused.code is EXHAUSTED
    answer = manager.apply(SliceDefinition.model_validate({"slice": "a", "keys": 0, **shared}))
    assert answer.ok


def test_sharing_waits_for_the_other_slice(quad: Card) -> None:
    """Something shared with a slice that does not exist yet is there when it comes, and again when it comes back."""
    manager = up(quad, *example("web"))
    assert manager.inventory.holding(quad, "bank0", 0).rights == {"web": "read-write"}
    db = example("db")[0]
    for _ in range(2):
        manager.commit(manager.apply(db))
        rights = [manager.inventory.holding(quad, "bank0", granule).rights for granule in range(18)]
        assert {"web": "read-write", "db": "read"} in rights
        assert [place for place in manager.inventory.layout(quad, "db").values() if place.target == "bank0"]
        manager.commit(manager.release("db"))
        assert {"web": "read-write", "db": "read"} not in [
            manager.inventory.holding(quad, "bank0", granule).rights for granule in range(18)
        ]


def test_sharing_is_refused_for_private_memory(quad: Card) -> None:
    """Since its key would have to change under its owner."""
    manager = loaded(quad)
    answer = manager.share("web", "heap", "ml")
    assert answer.code is INVALID and answer.reason.endswith("give a memory entry 'share: []' when it is created")
    answer = manager.share("web", "attic", "ml")
    assert answer.reason == "slice 'web' has no memory entry 'attic' (it has: heap, buffers, mailbox)"


def test_commit_checks_the_state(quad: Card) -> None:
    """An answer that was given in another state, or refused, cannot be committed."""
    manager = up(quad)
    first = manager.apply(SliceDefinition(slice="a"))
    second = manager.apply(SliceDefinition(slice="b"))
    manager.commit(first)
    with pytest.raises(ValueError, match="the answer is for generation 0, the state is 1"):
        manager.commit(second)
    with pytest.raises(ValueError, match="nothing to commit"):
        manager.commit(manager.release("c"))


def test_two_definitions_of_one_slice(quad: Card) -> None:
    """Which one is meant?"""
    answer = Manager(quad).apply(SliceDefinition(slice="a"), SliceDefinition(slice="a", cores=1))
    assert (answer.code, answer.position, answer.location) == (INVALID, 1, ("slice",))


def test_best_fit() -> None:
    """The shortest run that is long enough; several runs only if there is none; preference before fit."""
    runs = [Run(0, "a", 0, 8), Run(0, "a", 16, 4), Run(0, "b", 0, 5), Run(1, "c", 0, 3)]
    assert place(runs, 4, contiguous=True) == [("a", 16, 4)]
    assert place(runs, 3, contiguous=True) == [("a", 16, 3)]
    assert place(runs, 5, contiguous=True) == [("b", 0, 5)]
    assert place(runs, 9, contiguous=True) is None
    assert place(runs, 11, contiguous=False) == [("a", 0, 8), ("a", 16, 3)]
    assert place(runs, 20, contiguous=False) == [("a", 0, 8), ("b", 0, 5), ("a", 16, 4), ("c", 0, 3)]
    assert place(runs, 21, contiguous=False) is None


def test_lanes_are_aligned() -> None:
    """PCI Express links begin at a multiple of their width."""
    assert aligned_lanes([], 8, 4) == 0
    assert aligned_lanes([(0, 1)], 8, 4) == 4
    assert aligned_lanes([(0, 1), (5, 1)], 8, 4) is None
    assert aligned_lanes([(0, 1)], 8, 2) == 2
    assert aligned_lanes([(0, 8)], 8, 1) is None
