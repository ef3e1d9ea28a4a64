"""The slices that scenarios run: whatever the card is, the RAM can bring them up, and they leave a bystander alone."""

from pathlib import Path

import pytest

from hdl.plan import manifest, plan_card
from ram import Manager
from ram.manifest import parse_card
from sim.scenarios.change import describe, runs
from sim.scenarios.definitions import MOST_BEATS, definitions, made_up

ROOT = Path(__file__).resolve().parents[2]
CARDS = ("mini", "quad", "wide")


def described(name):
    return parse_card(manifest(plan_card(ROOT / "boards" / name / "card.yaml")), name)


@pytest.mark.parametrize("name", CARDS)
def test_made_up_slices_come_up_together(name):
    card = described(name)
    wanted = made_up(card)
    answer = Manager(card).apply(*wanted)
    assert answer.ok, answer.reason
    assert len(wanted) >= 2


@pytest.mark.parametrize("name", ["quad", "wide"])
def test_the_last_made_up_slice_shares_nothing(name):
    card = described(name)
    manager = Manager(card)
    manager.commit(manager.apply(*made_up(card)))
    *others, last = manager.inventory.slices

    def uses(owner):
        ports = {card.context[port].initiator for port in manager.inventory.ports(card, owner.name)}
        return ports, {place.target for place in manager.inventory.layout(card, owner.name).values()}

    ports, targets = uses(last)
    assert ports and targets
    for other in others:
        assert not ports & uses(other)[0] and not targets & uses(other)[1], other.name


def test_slices_beside_a_card_are_taken_in_order_of_name(tmp_path):
    folder = tmp_path / "slices"
    folder.mkdir()
    for name in ("b", "a"):
        (folder / f"{name}.yaml").write_text(f"slice: {name}\ncontexts: [host.{'ab'.index(name)}]\n")
    wanted, divisor = definitions(tmp_path / "card.yaml", described("mini"))
    assert [definition.slice for definition in wanted] == ["a", "b"] and divisor == 1


@pytest.mark.parametrize("name", CARDS)
def test_shipped_slices_come_up_in_simulation_and_are_small_enough(name):
    card = described(name)
    wanted, divisor = definitions(ROOT / "boards" / name / "card.yaml", card)
    answer = Manager(card).apply(*wanted)
    assert answer.ok, answer.reason
    entries = [entry for definition in wanted for entry in definition.memory]
    beats = sum(entry.size for entry in entries) // card.fabric.data_bytes
    assert beats <= MOST_BEATS or all(entry.size == card.fabric.granule for entry in entries if divisor > 1)


def test_runs_of_granules():
    assert runs([(0, 5), (0, 3), (0, 4), (1, 6), (2, 7)]) == [(0, 3, 3), (1, 6, 1), (2, 7, 1)]
    assert runs([]) == []


def test_a_growing_slice_is_described_by_what_it_gains():
    card = described("quad")
    manager = Manager(card)
    first, second = made_up(card)[:2]
    manager.commit(manager.apply(first, second))
    before = manager.inventory
    answer = manager.allocate(second.slice, "MEMORY", 2 * card.fabric.granule)
    mark = describe(card, before, answer.after)
    grown = answer.after.slice(second.slice)
    extent = grown.regions[-1].extents[0]
    assert mark == {
        "slices": [grown.index],
        "targets": [extent.target],
        "grows": grown.index,
        "gained": [{"target": extent.target, "first": extent.first, "count": 2}],
        "bytes": 2 * card.fabric.granule,
        "scrub": True,
    }
