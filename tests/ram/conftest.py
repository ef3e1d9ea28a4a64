"""Manifests of cards, and the definitions that ship with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hdl.plan import manifest, plan_card
from ram import Card, SliceDefinition, load_definition
from ram.manifest import parse_card

ROOT = Path(__file__).parents[2]
CONTENT: dict[str, dict[str, Any]] = {}


def content(name: str) -> dict[str, Any]:
    """Manifest of a card, as it would be read from its file."""
    if name not in CONTENT:
        folder = ROOT / ("tests/sim" if name == "trio" else "boards") / name
        CONTENT[name] = json.loads(json.dumps(manifest(plan_card(folder / "card.yaml"))))
    return CONTENT[name]


def shipped(name: str, *slices: str) -> list[SliceDefinition]:
    """Slice definitions that ship with a card."""
    return [load_definition(ROOT / "boards" / name / "slices" / f"{slice}.yaml")[0] for slice in slices]


EXAMPLE = """
- slice: web
  tenant: acme
  contexts: [host0.0]
  cores: [core0]
  memory:
    - {name: heap, size: 64KiB, targets: [bank0], contiguous: true}
    - {name: buffers, size: 32KiB, targets: [bank1], address: 0x100000}
    - {name: mailbox, size: 8KiB, targets: [bank0], address: 0x200000, share: [{slice: db, rights: read}]}
  pcie: {device: nvme0, lanes: 4}
  qos: {class: 2, limit: 400MB/s, guarantee: 100MB/s, burst: 4KiB, latency: 500us}
- slice: db
  tenant: acme
  contexts: [host0.1]
  cores: [core1]
  memory: [{name: heap, size: 64KiB, targets: [bank1]}]
  boot_address: 0x1000
  qos: {class: 1, limit: 300MB/s, burst: 8KiB}
- slice: batch
  tenant: umbrella
  contexts: [host1.0]
  cores: [core2]
  memory: [{name: heap, size: 64KiB, targets: [bank2]}]
- slice: ml
  tenant: initech
  contexts: [host1.1]
  cores: [core3]
  memory:
    - {name: weights, size: 64KiB, targets: [bank3]}
    - {name: activations, size: 32KiB, targets: [bank1]}
  qos: {class: 1, limit: 300MB/s, burst: 8KiB}
"""


def example(*slices: str) -> list[SliceDefinition]:
    """Some of four slices for quad, which between them use everything that it has."""
    found = {entry["slice"]: SliceDefinition.model_validate(entry) for entry in YAML(typ="safe").load(EXAMPLE)}
    return [found[name] for name in slices]


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test loses power, so none has to wait until the disk has everything."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


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


@pytest.fixture(scope="session")
def trio() -> Card:
    """A sparsely connected one."""
    return parse_card(content("trio"), "trio")
