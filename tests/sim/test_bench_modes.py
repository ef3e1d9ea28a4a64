"""`make bench` measures a card in both kinds of isolation, unless the card says which it has."""

from pathlib import Path

import pytest

from hdl.plan import plan_card
from sim.measure.run import MODES, variants
from sim.measure.tradeoff import VARIATIONS, varied

BOARDS = Path(__file__).parents[2] / "boards"


@pytest.mark.parametrize("name", ["bench4", "bench8"])
def test_both_kinds(name, tmp_path):
    card = BOARDS / name / "card.yaml"
    described = variants(card.read_text(), plan_card(card).isolation)
    assert tuple(described) == MODES
    for mode, text in described.items():
        file = tmp_path / f"{mode}.yaml"
        file.write_text(text)
        assert plan_card(file).isolation == mode


def test_a_card_that_says_so():
    text = (BOARDS / "quad" / "card.yaml").read_text()
    assert variants(text, "strict") == {"strict": text}


@pytest.mark.parametrize("changes", VARIATIONS.values(), ids=VARIATIONS)
def test_variations_are_cards_of_their_own(changes, tmp_path):
    text = (BOARDS / "bench4" / "card.yaml").read_text()
    file = tmp_path / "card.yaml"
    file.write_text(varied(text, changes))
    plan = plan_card(file)
    assert {name: getattr(plan, name) for name in changes} == changes
    assert (varied(text, changes) == text) == (not changes)
