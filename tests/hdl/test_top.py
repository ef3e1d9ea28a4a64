"""Every valid card becomes Verilog that a strict linter accepts, and the same Verilog each time."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from hdl.generate import generate
from sim.verilator import lint
from tests.cards import random_cards, write_yaml

from .harness import BOARDS


@pytest.mark.parametrize("card", ["mini", "quad", "wide"])
def test_shipped_card_has_no_lint(card: str) -> None:
    folder = BOARDS.parent / "build" / card  # where `make sim` may have generated it
    generate(BOARDS / card / "card.yaml", folder)
    assert lint([folder / f"{card}.v"], card) == []


@settings(max_examples=3)
@given(description=random_cards())
def test_any_card_has_no_lint(tmp_path_factory: pytest.TempPathFactory, description: dict) -> None:
    folder = tmp_path_factory.mktemp("card")
    generate(write_yaml(description).save(folder / "card.yaml"), folder / "build")
    name = json.loads((folder / "build" / "manifest.json").read_text())["card"]
    assert lint([folder / "build" / f"{name}.v"], name) == []


def test_ports_carry_the_names_of_the_description(tmp_path: Path) -> None:
    generate(BOARDS / "mini" / "card.yaml", tmp_path)
    verilog = (tmp_path / "mini.v").read_text()
    for port in ("host_awaddr", "core_rdata", "bank_wlast", "uart_bresp", "control_araddr", "core_hold", "interrupt"):
        assert f" {port};" in verilog
    assert str(Path.home()) not in verilog
    assert str(BOARDS.parent) not in verilog
