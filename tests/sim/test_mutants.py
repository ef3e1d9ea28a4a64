"""The checkers are checked: a fault planted in the shipped Verilog turns its verdict red; without one all are green."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from hdl.generate import generate
from sim.build import BuiltSimulation, build_simulation
from sim.judge import judge
from sim.recorder import write_recorder
from sim.run import play_all, runs

from .mutants import MUTANTS, PLUSARG, STRICT_MUTANTS, Mutant, plant_all

CARDS = {"trio": MUTANTS, "strait": STRICT_MUTANTS}
BUILDS = Path("build/cache/verilator").resolve()
SEED = 1
LONG = {"latency"}
"""Scenarios that take minutes; `make sim` plays them."""


@dataclass(frozen=True)
class Planted:
    """A card with its mutants, generated and built."""

    card: Path
    manifest: Path
    built: BuiltSimulation


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """Makes the simulation of a card with all its mutants in it, once."""
    made: dict[str, Planted] = {}

    def make(name: str) -> Planted:
        if name not in made:
            card = Path(__file__).parent / name / "card.yaml"
            folder = tmp_path_factory.mktemp(name)
            generate(card, folder)
            manifest = json.loads((folder / "manifest.json").read_text())
            source = folder / "mutants" / f"{name}.v"
            source.parent.mkdir()
            source.write_text(plant_all((folder / f"{name}.v").read_text(), name, CARDS[name]))
            built = build_simulation([source, write_recorder(manifest, folder)], name, BUILDS)
            made[name] = Planted(card, folder / "manifest.json", built)
        return made[name]

    return make


def _verdicts(planted: Planted, folder: Path, number: int, scenarios: tuple[str, ...] | None):
    settings = {
        "seed": SEED,
        "command": "make test",
        "manifest": str(planted.manifest),
        "card": str(planted.card),
    }
    play_all(planted.built, runs(scenarios, folder / "traces"), settings, Console(quiet=True), [PLUSARG.format(number)])
    verdicts = judge(json.loads(planted.manifest.read_text()), folder / "traces", folder, "make test").verdicts
    return {verdict.check: verdict for verdict in verdicts}


# Each card is made and built by one worker.
GROUPS = {card: pytest.mark.xdist_group(card) for card in CARDS}


def _chosen(mutants: tuple[Mutant, ...]) -> list[tuple[int, Mutant]]:
    """By number, the first that turns each check red, but for long scenarios; all of them for `make mutate`."""
    found: dict[str, int] = {}
    for number, mutant in enumerate(mutants, 1):
        for check in mutant.red if LONG.isdisjoint(mutant.scenarios) else ():
            found.setdefault(check, number)
    numbers = range(1, len(mutants) + 1) if os.environ.get("FAULTS") == "all" else sorted(set(found.values()))
    return [(number, mutants[number - 1]) for number in numbers]


CHOSEN = {card: _chosen(mutants) for card, mutants in CARDS.items()}


@pytest.mark.parametrize("card", [pytest.param(card, marks=GROUPS[card]) for card in CARDS])
def test_everything_is_green_without_a_fault(planted, tmp_path, card):
    scenarios = tuple(dict.fromkeys(name for _, mutant in CHOSEN[card] for name in mutant.scenarios))
    verdicts = _verdicts(planted(card), tmp_path, 0, scenarios)
    assert not [f"{name}: {verdict.detail}" for name, verdict in verdicts.items() if not verdict.passed]
    assert {check for _, mutant in CHOSEN[card] for check in mutant.red} <= verdicts.keys()


ALL = [
    pytest.param(card, number, mutant, marks=GROUPS[card], id=mutant.name)
    for card, chosen in CHOSEN.items()
    for number, mutant in chosen
]


@pytest.mark.parametrize(("card", "number", "mutant"), ALL)
def test_fault_is_noticed(planted, tmp_path, card: str, number: int, mutant: Mutant):
    verdicts = _verdicts(planted(card), tmp_path, number, mutant.scenarios)
    green = [check for check in mutant.red if verdicts[check].passed]
    assert not green, f"{mutant.name}: {', '.join(green)} stayed green"
