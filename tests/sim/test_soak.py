"""Soak and twins on a small card: green as it is, red for faults planted in its Verilog."""

from dataclasses import replace
from pathlib import Path

import pytest

from hdl.card import find_card
from hdl.errors import Refusal
from hdl.generate import generate, harness_verilog
from hdl.plan import plan_card
from sim.build import build_simulation
from sim.soak import OF_ONE, SIDE_BY_SIDE, Bench, Red, added, hitless, main

from .mutants import MUTANTS, PLUSARG, plant_all

CARD = Path(__file__).parent / "trio" / "card.yaml"
BUILDS = Path("build/cache/verilator").resolve()
CYCLES = 150_000
CHANGES = 8
SEED = 4
NUMBERS = {mutant.name: number for number, mutant in enumerate(MUTANTS, 1)}

pytestmark = pytest.mark.xdist_group("soak")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The card with all mutants in it, between traffic generators."""
    folder = tmp_path_factory.mktemp("soak")
    generate(CARD, folder)
    sources = [folder / "mutants.v", folder / "harness.v"]
    sources[0].write_text(plant_all((folder / "trio.v").read_text(), "trio"))
    sources[1].write_text(harness_verilog(plan_card(CARD)))
    return Bench(build_simulation(sources, "harness", BUILDS), folder / "manifest.json", folder)


def with_fault(bench: Bench, name: str) -> Bench:
    """The same card with a fault switched on."""
    folder = bench.folder / name.replace(" ", "_")
    return replace(bench, folder=folder, plusargs=(PLUSARG.format(NUMBERS[name]),))


def test_soak_is_green_and_everybody_takes_part(bench):
    result = bench.soak(SEED, cycles=CYCLES)
    assert not result["errors"] and not result["ports that never ran"]
    assert result["cycles"] >= CYCLES and min(result["transactions by port"].values()) > 100
    assert len(result["changes by kind"]) >= 6  # of ten; which ones come is a matter of the seed


@pytest.mark.parametrize(
    "name",
    [
        "swapped response",
        "burst cut short",
        "answers run over",
        "an ID's order is wrong after a wrap",
        "only the first granule is granted",
        "context of another slice",
        "a bit of the data flips",
    ],
)
def test_soak_notices(bench, name):
    with pytest.raises(Red):
        with_fault(bench, name).soak(SEED, cycles=CYCLES)


def test_changes_are_hitless(bench):
    outcome = bench.twins(SEED, CHANGES)
    assert outcome.passed, outcome
    assert outcome.changes == CHANGES and outcome.compared > 10_000


def test_twins_notice_a_leak(bench):
    outcome = with_fault(bench, "leaked stall").twins(SEED, CHANGES)
    assert outcome.leaks and not outcome.passed


def test_parts_of_a_soak_add_up():
    parts = [
        {"transactions": 3, "longest latency": 7, SIDE_BY_SIDE: 50, OF_ONE: 55, "by": {"a": 1}, "idle": ["x"]},
        {"transactions": 4, "longest latency": 5, SIDE_BY_SIDE: 60, OF_ONE: 65, "by": {"a": 2, "b": 1}, "idle": []},
    ]
    assert added(parts) == {
        "transactions": 7,
        "longest latency": 7,
        SIDE_BY_SIDE: 110,
        OF_ONE: 55,
        "by": {"a": 3, "b": 1},
        "idle": ["x"],
    }


def test_pairs_add_up(bench):
    figures = hitless([bench.twins(SEED, 2), bench.twins(SEED + 1, 2)])
    assert figures["pairs"] == 2 and figures["changes"] == 4
    assert sum(entry["changes"] for entry in figures["cycles from commit to effect"].values()) == 4


def test_twins_of_a_network_are_refused(tmp_path, monkeypatch):
    """Who shares a link with what changes is no stranger."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refusal, match="ports of a ring share links, so twins differ; soak it with --changes 0"):
        main(find_card("ring8"), SEED, transactions=0, changes=1)
    assert not list(tmp_path.iterdir())
