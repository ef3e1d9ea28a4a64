"""`hardslice sim`: in which order the simulations run, what happens when one dies, and that a run can be repeated."""

import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from hdl.errors import Refusal
from sim.cocotb_run import Case, Results, SimulationError
from sim.run import main, play_all, runs
from sim.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "boards" / "mini" / "card.yaml"


class Recorded:
    """In place of a built simulation: notes what is run, and leaves the marks that a scenario would."""

    def __init__(self, crash=(), fail=(), silent=()):
        self.crash, self.fail, self.silent = crash, fail, silent
        self.settings = {}
        self.plusargs = {}

    def run(self, test_module, *, directory, seed, environment, plusargs):
        settings = json.loads((directory / "settings.json").read_text())
        name = directory.name
        self.settings[name], self.plusargs[name] = settings, plusargs
        assert test_module == "sim.scenarios.play" and settings["seed"] == seed
        if name in self.crash:
            raise SimulationError(f"{name} crashed")
        marks = [] if name in self.silent else [{"cycle": 4321, "kind": "stopped"}]
        Path(settings["marks"]).write_text("".join(json.dumps(mark) + "\n" for mark in marks))
        case = Case("play", name not in self.fail, "it was wrong", 1.0, 1.0)
        return Results((case,), seed, directory / "simulation.log", None)


def play_them(tmp_path, built, scenarios=None):
    console = Console(record=True, width=200, file=(tmp_path / "out.txt").open("w"))
    settings = {"seed": 7, "command": "make sim", "manifest": "manifest.json", "card": "card.yaml"}
    return play_all(built, runs(scenarios, tmp_path / "traces"), settings, console), console.export_text()


def test_every_scenario_is_played_in_each_of_its_variants(tmp_path):
    built = Recorded()
    good, said = play_them(tmp_path, built)
    assert good
    assert set(built.settings) == {
        f"{name}-{variant}" if variant else name for name, variants in SCENARIOS.items() for variant in variants
    }
    assert all(f"{name}: done" in said for name in built.settings)


def test_a_twin_runs_until_the_other_one_stopped_and_both_are_recorded_in_full(tmp_path):
    built = Recorded()
    play_them(tmp_path, built, ["hitless"])
    assert built.settings["hitless-changed"]["until"] is None
    assert built.settings["hitless-quiet"]["until"] == 4321
    assert all("+signals" in plusargs for plusargs in built.plusargs.values())


def test_a_twin_of_a_run_that_died_is_not_run(tmp_path):
    built = Recorded(crash=["hitless-changed"])
    good, said = play_them(tmp_path, built)
    assert not good
    assert "hitless-changed: hitless-changed crashed" in said
    assert "hitless-quiet: not run, since hitless-changed did not come to its end" in said
    assert "hitless-quiet" not in built.settings and "figures" in built.settings


def test_a_run_that_fails_is_told_with_its_log(tmp_path):
    good, said = play_them(tmp_path, Recorded(fail=["qos"]), ["qos"])
    assert not good
    assert "it was wrong" in said and "simulation.log" in said


def test_an_unknown_scenario_is_refused(tmp_path):
    with pytest.raises(Refusal, match="there is no scenario 'nonsense'; there are hitless, mix, revocation"):
        runs(["nonsense"], tmp_path)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder whose builds are shared with everybody, and nothing else."""
    cache = ROOT / "build" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "cache").symlink_to(cache)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "AMARANTH_USE_YOSYS", "builtin")
    return tmp_path / "build" / "mini"


@pytest.mark.xdist_group("mini")
def test_a_small_card_is_green_and_can_be_repeated(elsewhere, capsys):
    assert main(MINI, 5) == 0, capsys.readouterr().out
    verdicts = json.loads((elsewhere / "sim.json").read_text())
    assert verdicts and {verdict["verdict"] for verdict in verdicts} == {"pass"}
    assert (elsewhere / "report.html").stat().st_size > 0
    first = {path.parent.name: path.read_bytes() for path in elsewhere.glob("traces/*/events.txt")}
    assert set(first) >= {"bring_up", "isolation", "hitless-changed", "hitless-quiet", "qos", "figures"}
    assert "seed 5" in capsys.readouterr().out

    assert main(MINI, 5, scenarios=["bring_up"]) == 0
    assert "the build is there already" in capsys.readouterr().out
    assert (elsewhere / "traces" / "bring_up" / "events.txt").read_bytes() == first["bring_up"]
    main(MINI, 6, scenarios=["bring_up"])
    assert (elsewhere / "traces" / "bring_up" / "events.txt").read_bytes() != first["bring_up"]
