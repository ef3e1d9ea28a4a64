"""What the RAM promises, recomputed by hand and by simulating the arbiter's rule."""

# ruff: noqa: E501 (messages stand here in one piece, as the user sees them)

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ram import Card, Manager, SliceDefinition
from ram.admission import capacity, longest_latency, longest_wait
from ram.budgets import rate_registers, write_registers
from ram.definition import Qos
from ram.errors import Invalid
from ram.manifest import parse_card
from ram.units import format_bytes

from .conftest import content, example


def define(name: str, **members: object) -> SliceDefinition:
    """A slice in bank0."""
    memory = [{"name": "m", "size": "4KiB", "targets": ["bank0"]}]
    return SliceDefinition.model_validate({"slice": name, "memory": memory, **members})


def test_rate_registers(quad: Card) -> None:
    """400 MB/s on a bus of 8 bytes at 100 MHz is half a beat per cycle."""
    period, fraction = quad.fabric.budget_period, 1 << quad.fabric.budget_fraction_bits
    assert rate_registers(quad, Qos(limit=400_000_000)) == (period * fraction // 2, 1, 256)
    assert rate_registers(quad, Qos(limit=400_000_000, burst=4096))[2] == 512
    assert rate_registers(quad, Qos()) == (0, 0, 0)


@given(st.integers(10**8, 10**12))
def test_a_bucket_holds_two_rounds(quad: Card, limit: int) -> None:
    """What two rounds bring is the least burst; less would lose tokens, so that the limit is never reached."""
    fabric = quad.fabric
    rate, _, beats = rate_registers(quad, Qos(limit=limit))
    least = min(-(-2 * rate // (1 << fabric.budget_fraction_bits)), (1 << 16) - 1)
    assert beats == max(256, least)
    assert rate_registers(quad, Qos(limit=limit, burst=least * fabric.data_bytes)) == (rate, 1, least)
    says = f"with this limit the card can have {format_bytes(least * fabric.data_bytes)} up to 524280B"
    with pytest.raises(Invalid, match=says):
        rate_registers(quad, Qos(limit=limit, burst=(least - 1) * fabric.data_bytes))


@given(st.integers(10**6, 10**10))
def test_a_limit_is_never_exceeded(quad: Card, limit: int) -> None:
    """Rounding is downwards, by less than one step of the register."""
    fabric = quad.fabric
    rate, limited, _ = rate_registers(quad, Qos(limit=limit))
    per_second = fabric.clock * fabric.data_bytes
    steps = fabric.budget_period << fabric.budget_fraction_bits
    assert limited and rate * per_second <= limit * steps < (rate + 1) * per_second


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"class": 1, "guarantee": "1MB/s"}, "guarantee"),
        ({"class": 1, "read_guarantee": "1MB/s"}, "guarantee"),
        ({"latency": "1ms"}, "latency"),
    ],
)
def test_nothing_is_promised_of_links(asked: dict[str, object], what: str) -> None:
    """What the links of a network cost at worst is not computed; limits and classes are kept there as anywhere."""
    card = parse_card(content("ring8"), "ring8")
    manager = Manager(card)
    refused = manager.apply(define("a", qos=asked))
    assert refused.reason == (
        f"slice 'a' asks for a {what}, which a ring cannot promise; leave it out, or use limits and classes"
    )
    assert not manager.inventory.slices
    assert manager.apply(define("a", qos={"class": 1, "limit": "1MB/s"})).ok
    manager.commit(manager.apply(define("a", qos={"class": 1, "limit": "1MB/s"})))
    with pytest.raises(ValueError, match="no bound is computed for a ring"):
        longest_latency(card, manager.inventory, "a", "bank0", 16)


def test_capacity(quad: Card, wide: Card) -> None:
    """15 of 16 beats."""
    assert capacity(quad) == 750_000_000
    assert capacity(wide) == 1_500_000_000


def test_guarantees_are_kept_by_limits(quad: Card) -> None:
    """A guarantee and the others' limits fit into the target together, to the byte."""
    manager = Manager(quad)
    manager.commit(manager.apply(define("a", qos={"class": 1, "limit": "300MB/s", "guarantee": "250MB/s"})))
    refused = manager.apply(define("b"))
    assert refused.reason == (
        "slice 'b' uses 'bank0' without a limit, where slice 'a' is guaranteed 250MB/s; "
        "give 'b' a qos.limit of at most 500MB/s"
    )
    assert not manager.apply(define("b", qos={"limit": 500_000_001})).ok
    manager.commit(manager.apply(define("b", qos={"limit": "500MB/s"})))
    refused = manager.apply(define("c", qos={"limit": "1MB/s"}))
    assert refused.reason == (
        "at 'bank0' the guarantee of slice 'a' and the limits of b, c are 1MB/s more than its 750MB/s; "
        "lower one of them"
    )
    elsewhere = SliceDefinition.model_validate(
        {"slice": "c", "memory": [{"name": "m", "size": "4KiB", "targets": ["bank1"]}]}
    )
    assert manager.apply(elsewhere).ok, "a slice on another memory is not concerned"


def test_separate_budgets(quad: Card) -> None:
    """Reads and writes have registers each; a common limit leaves those of writes as they are after reset."""
    period, fraction = quad.fabric.budget_period, 1 << quad.fabric.budget_fraction_bits
    half, quarter = period * fraction // 2, period * fraction // 4
    both = Qos(read_limit=400_000_000, write_limit=200_000_000, burst=4096)
    assert (rate_registers(quad, both), write_registers(quad, both)) == ((half, 1, 512), (quarter, 1, 512, 1))
    reads, writes = Qos(read_limit=400_000_000), Qos(write_limit=400_000_000)
    assert (rate_registers(quad, reads), write_registers(quad, reads)) == ((half, 1, 256), (0, 0, 0, 1))
    assert (rate_registers(quad, writes), write_registers(quad, writes)) == ((0, 0, 0), (half, 1, 256, 1))
    assert write_registers(quad, Qos(limit=400_000_000)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("card", "qos", "reason", "where"),
    [
        ("mini", {"read_limit": "1MB/s"}, "this card has one budget for reads and writes together; give qos.limit", "read_limit"),
        ("quad", {"limit": "2MB/s", "write_limit": "1MB/s"}, "reads and writes have a common limit; give either limit or write_limit", "write_limit"),
        ("quad", {"class": 1, "guarantee": "2MB/s", "read_guarantee": "1MB/s"}, "slice 'a' has a guarantee in each direction; give either guarantee or read_guarantee", "read_guarantee"),
        ("quad", {"class": 1, "limit": "3MB/s", "read_guarantee": "2MB/s", "write_guarantee": "2MB/s"}, "slice 'a' is guaranteed 4MB/s and limited to 3MB/s; a guarantee is at most the limit", "read_guarantee"),
        ("quad", {"class": 1, "write_limit": "3MB/s", "guarantee": "4MB/s"}, "slice 'a' is guaranteed 4MB/s and limited to 3MB/s; a guarantee is at most the limit", "guarantee"),
        ("quad", {"read_limit": "1B/s"}, None, "read_limit"),
        ("mini", {"outstanding": 1}, "this card does not limit the outstanding requests of a slice; leave it out", "outstanding"),
        ("mini", {"chunk": "64B"}, "this card does not split bursts; leave it out", "chunk"),
        ("quad", {"chunk": "24B"}, "a chunk of 24B; this card can have 8B, 16B, 32B, 64B", "chunk"),
        ("quad", {"chunk": "128B"}, "a chunk of 128B; this card can have 8B, 16B, 32B, 64B", "chunk"),
        ("quad", {"outstanding": 512}, "512 outstanding requests; this card can limit to 1 up to 511", "outstanding"),
        ("quad", {"write_guarantee": "1MB/s"}, "slice 'a' has class 0, in which the scrubber competes; a guarantee needs class 1 or more", "class"),
    ],
)  # fmt: skip
def test_budgets_that_make_no_sense(request, card: str, qos: dict[str, object], reason: str | None, where: str) -> None:
    """Each says what would be right, and where it stands."""
    refused = Manager(request.getfixturevalue(card)).apply(SliceDefinition.model_validate({"slice": "a", "qos": qos}))
    assert not refused.ok and refused.location == ("qos", where)
    assert reason is None or refused.reason == reason


def test_directions_are_admitted_apart(quad: Card) -> None:
    """A guarantee of reads asks nothing of the others' writes; a common limit counts in both directions."""
    manager = Manager(quad)
    manager.commit(manager.apply(define("a", qos={"class": 1, "read_guarantee": "250MB/s"})))
    refused = manager.apply(define("b", qos={"write_limit": "1MB/s"}))
    assert refused.reason == (
        "slice 'b' uses 'bank0' without a limit, where slice 'a' is guaranteed reads of 250MB/s; "
        "give 'b' a qos.read_limit of at most 500MB/s"
    )
    manager.commit(manager.apply(define("b", qos={"read_limit": "300MB/s"})))
    assert not manager.apply(define("c", qos={"limit": 200_000_001})).ok
    manager.commit(manager.apply(define("c", qos={"limit": "200MB/s"})))
    refused = manager.apply(define("a", qos={"class": 1, "read_guarantee": "250MB/s", "write_guarantee": "1B/s"}))
    assert "slice 'b' uses 'bank0' without a limit, where slice 'a' is guaranteed writes of" in refused.reason
    refused = manager.apply(define("d", qos={"read_limit": "1MB/s"}))
    assert refused.reason == (
        "at 'bank0' the guarantee of reads of slice 'a' and the limits of b, c, d are 1MB/s more than its 750MB/s; "
        "lower one of them"
    )


def test_a_borrower_counts(quad: Card) -> None:
    """Sharing memory brings a slice to a target where somebody has a guarantee."""
    manager = Manager(quad)
    for definition in (
        SliceDefinition.model_validate(
            {
                "slice": "a",
                "memory": [{"name": "m", "size": "4KiB", "share": []}],
                "qos": {"class": 1, "guarantee": "1MB/s"},
            }
        ),
        SliceDefinition(slice="b"),
    ):
        manager.commit(manager.apply(definition))
    assert "give 'b' a qos.limit" in manager.share("a", "m", "b").reason


def unsplit(card: Card) -> Card:
    """The card with isolation: basic, whose grants last as long as the longest burst."""
    return card.model_copy(update={"fabric": card.fabric.model_copy(update={"isolation": "basic"})})


def test_wait_of_the_highest_class(quad: Card) -> None:
    """Its equals once each, one grant that ignores classes, and the one that is under way."""
    quad = unsplit(quad)
    manager = Manager(quad)
    for definition in example("web", "db", "ml"):
        manager.commit(manager.apply(definition))
    # web's own two other ports are its equals: core0 and nvme0_dma beside host0.
    assert longest_wait(quad, manager.inventory, "web", "bank1") == (2 + 1 + 1) * 256
    # db: eight ports and the scrubber, eighteen grants each, less one; and the one that is under way.
    assert longest_wait(quad, manager.inventory, "db", "bank1") == 18 * 9 * 256


@pytest.mark.parametrize("chunk", [1, 4, 16])
def test_wait_where_bursts_are_split(quad: Card, chunk: int) -> None:
    """The same grants, and none lasts longer than a burst that is not split."""
    strict = quad.model_copy(update={"fabric": quad.fabric.model_copy(update={"isolation": "strict", "chunk": chunk})})
    manager = Manager(strict)
    for definition in example("web", "db", "ml"):
        manager.commit(manager.apply(definition))
    assert longest_wait(strict, manager.inventory, "web", "bank1") == (2 + 1 + 1) * 16
    assert longest_wait(strict, manager.inventory, "db", "bank1") == 18 * 9 * 16


def test_latency_is_refused_with_the_number(quad: Card) -> None:
    """A contract that cannot be kept says what can be."""
    quad = unsplit(quad)
    manager = Manager(quad)
    for definition in example("web"):
        manager.commit(manager.apply(definition))
    refused = manager.apply(
        define("late", contexts=["host1.0"], qos={"class": 1, "limit": "1MB/s", "latency": "300us"})
    )
    assert refused.reason == (
        "slice 'late' may wait 414720ns (41472 cycles) for 'bank0', its contract says 300us; "
        "ask for 414720ns or a higher class"
    )
    assert manager.apply(
        define("late", contexts=["host1.0"], qos={"class": 1, "limit": "1MB/s", "latency": "414720ns"})
    ).ok


def test_somebody_elses_contract_is_not_broken(quad: Card) -> None:
    """A new slice of a higher class is refused if it would break a bound that was promised before."""
    manager = Manager(quad)
    first = define("first", contexts=["host0.0"], qos={"class": 1, "latency": "20us"})
    manager.commit(manager.apply(first))
    refused = manager.apply(define("second", contexts=["host1.0"], qos={"class": 2}))
    assert refused.reason.startswith("slice 'first' may wait ")


def arbiter_wait(patience: Iterator[int], classes: list[int], mine: int, start: list[int]) -> int:
    """Grants before port `mine` when all ports always ask, by the rule in the arbiter's documentation.

    `patience` tells for each row how many grants pass a lower class over before one ignores classes.

    `start` are the states of the round-robin pointers (one for each class, one for all) and the count of grants that
    passed over a lower class.
    """
    levels = max(classes) + 1
    pointers, passed = start[:levels], start[levels + 1]
    everybody, waited = start[levels], 0
    ports = range(len(classes))
    top = max(classes)
    limit = next(patience)
    while True:
        if passed >= limit:
            limit = next(patience)
            grant = min(ports, key=lambda port: (port <= everybody, port))
            everybody, passed = grant, 0
        else:
            members = [port for port in ports if classes[port] == top]
            grant = min(members, key=lambda port: (port <= pointers[top], port))
            pointers[top] = grant
            passed += any(level != top for level in classes)
        if grant == mine:
            return waited
        waited += 1


@pytest.mark.parametrize("top", [True, False])
@given(data=st.data())
def test_bounds_hold_for_the_rule(quad: Card, top: bool, data: st.DataObject) -> None:
    """Whatever the pointers are, an arbiter that follows its rule never makes a port wait for longer than the bound."""
    least, most = quad.fabric.patience_least, quad.fabric.patience
    others = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=8))
    level = max(others) if top else data.draw(st.integers(0, max(others)))
    mine = data.draw(st.integers(0, len(others)))
    classes = [*others[:mine], level, *others[mine:]]
    start = [data.draw(st.integers(-1, len(classes) - 1)) for _ in range(max(classes) + 2)]
    start.append(data.draw(st.integers(0, most)))
    rows = (data.draw(st.integers(least, most)) for _ in itertools.count())
    waited = arbiter_wait(rows, classes, mine, start)
    equals = sum(other == level for other in others)
    bound = equals + 1 + equals // least if level == max(classes) else (most + 1) * len(classes)
    assert waited <= bound


def test_memory_out_of_reach_is_refused(trio: Card) -> None:
    """Memory that no port is connected with is refused; registers that come with a device are not, the one who reaches
    them may join the slice later."""
    manager = Manager(trio)
    lone = {"slice": "a", "pcie": [{"device": "nvme", "lanes": 2}]}  # nvme_dma does not reach nvme's registers
    assert manager.apply(SliceDefinition.model_validate(lone)).ok
    far = {"slice": "a", "contexts": ["host1.0"], "memory": [{"name": "m", "size": "4KiB", "targets": ["bank0"]}]}
    refused = manager.apply(SliceDefinition.model_validate(far))
    assert refused.reason == "no port of slice 'a' (host1.0) is connected with 'bank0' on this card"
    assert manager.apply(SliceDefinition.model_validate(far | {"cores": ["core0"]})).ok
