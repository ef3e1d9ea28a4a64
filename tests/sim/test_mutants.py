"""The checkers are checked: a fault planted in the shipped Verilog turns its verdict red; without one all are green."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from hdl.generate import generate
from sim.build import BuiltSimulation, build_simulation
from sim.judge import judge
from sim.recorder import write_recorder
from sim.run import play_all, runs

from .mutants import MUTANTS, PLUSARG, plant_all

CARD = Path(__file__).parent / "trio" / "card.yaml"
BUILDS = Path("build/cache/verilator").resolve()
SEED = 1


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """Folder with the Verilog and the manifest of the card."""
    folder = tmp_path_factory.mktemp("trio")
    generate(CARD, folder)
    return folder


@pytest.fixture(scope="session")
def built(generated):
    """The simulation of the card with all mutants in it."""
    manifest = json.loads((generated / "manifest.json").read_text())
    source = generated / "mutants" / "trio.v"
    source.parent.mkdir()
    source.write_text(plant_all((generated / "trio.v").read_text(), "trio"))
    return build_simulation([source, write_recorder(manifest, generated)], "trio", BUILDS)


def _verdicts(generated: Path, built: BuiltSimulation, folder: Path, number: int, scenarios: tuple[str, ...] | None):
    manifest = json.loads((generated / "manifest.json").read_text())
    settings = {
        "seed": SEED,
        "command": "make test",
        "manifest": str(generated / "manifest.json"),
        "card": str(CARD),
    }
    play_all(built, runs(scenarios, folder / "traces"), settings, Console(quiet=True), [PLUSARG.format(number)])
    verdicts = judge(manifest, folder / "traces", folder, "make test").verdicts
    return {verdict.check: verdict for verdict in verdicts}


def test_everything_is_green_without_a_fault(generated, built, tmp_path):
    verdicts = _verdicts(generated, built, tmp_path, 0, None)
    assert not [f"{name}: {verdict.detail}" for name, verdict in verdicts.items() if not verdict.passed]
    assert {check for mutant in MUTANTS for check in mutant.red} <= verdicts.keys()


@pytest.mark.parametrize(("number", "mutant"), list(enumerate(MUTANTS, 1)), ids=[mutant.name for mutant in MUTANTS])
def test_fault_is_noticed(generated, built, tmp_path, number, mutant):
    verdicts = _verdicts(generated, built, tmp_path, number, mutant.scenarios)
    green = [check for check in mutant.red if verdicts[check].passed]
    assert not green, f"{mutant.name}: {', '.join(green)} stayed green"
