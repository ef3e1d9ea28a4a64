"""Manifests of the shipped cards, and the definitions that ship with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from hdl.plan import manifest, plan_card
from ram import Card, SliceDefinition, load_definition
from ram.manifest import parse_card

ROOT = Path(__file__).parents[2]
CONTENT: dict[str, dict[str, Any]] = {}


def content(name: str) -> dict[str, Any]:
    """Manifest of a shipped card, as it would be read from its file."""
    if name not in CONTENT:
        CONTENT[name] = json.loads(json.dumps(manifest(plan_card(ROOT / "boards" / name / "card.yaml"))))
    return CONTENT[name]


def shipped(name: str, *slices: str) -> list[SliceDefinition]:
    """Slice definitions that ship with a card."""
    return [load_definition(ROOT / "boards" / name / "slices" / f"{slice}.yaml")[0] for slice in slices]


@pytest.fixture(scope="session")
def quad() -> Card:
    """The example card."""
    return parse_card(content("quad"), "quad")


@pytest.fixture(scope="session")
def mini() -> Card:
    """The smallest card."""
    return parse_card(content("mini"), "mini")


@pytest.fixture(scope="session")
def wide() -> Card:
    """The largest card."""
    return parse_card(content("wide"), "wide")
