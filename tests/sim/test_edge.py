"""A card with adapters on every side keeps its word: all data arrives, through RTL that a strict linter accepts."""

from pathlib import Path

import pytest

from hdl.generate import generate
from sim.build import build_simulation
from sim.verilator import lint

pytestmark = pytest.mark.xdist_group("odd")  # they share one card

ROOT = Path(__file__).resolve().parents[2]
CARD = Path(__file__).parent / "odd" / "card.yaml"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the generated card."""
    folder = tmp_path_factory.mktemp("odd")
    generate(CARD, folder)
    return folder


def test_the_card_has_no_lint(odd: Path) -> None:
    assert lint([odd / "odd.v"], "odd") == []


@pytest.mark.parametrize("seed", [1, 2])
def test_random_traffic_on_all_ports(odd: Path, seed: int) -> None:
    built = build_simulation([odd / "odd.v"], "odd", ROOT / "build" / "cache" / "verilator")
    plusargs = [f"+manifest={odd / 'manifest.json'}", f"+seed={seed}"]
    results = built.run("tests.sim.odd_bench", directory=odd / f"run{seed}", seed=seed, plusargs=plusargs)
    assert results.passed, [case.message for case in results.cases]
