"""A small card with a network, two virtual channels and two cycles from router to router, passes scenarios."""

import json
from pathlib import Path

import pytest

from hdl.generate import generate
from sim.run import main
from sim.verilator import lint

pytestmark = pytest.mark.xdist_group("ring6")  # they share one card

CARD = Path(__file__).parent / "ring6" / "card.yaml"
SCENARIOS = ("mix", "isolation", "hostile", "figures")


def test_the_card_has_no_lint(tmp_path: Path) -> None:
    generate(CARD, tmp_path)
    assert lint([tmp_path / "ring6.v"], "ring6") == []


def test_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(CARD, scenarios=SCENARIOS) == 0
    found = json.loads((tmp_path / "build" / "ring6" / "sim.json").read_text(encoding="utf-8"))
    checks = {verdict["check"] for verdict in found}
    assert checks >= {"isolation", "coverage", "responses", "delivery", "memory", "faults", "hostile", "figures"}
