"""The manifest is believed only if it is what the generator wrote."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from hdl.plan import plan_card, register_map
from ram import Card, Refusal, load_card
from ram.manifest import digest, parse_card

from .conftest import ROOT, content


def test_addresses_are_the_generators(quad: Card) -> None:
    """Every register has the address that the plan gives it."""
    plan = plan_card(ROOT / "boards" / "quad" / "card.yaml")
    count = 0
    for block in register_map(plan).blocks:
        for member in range(block.count):
            for register in block.registers:
                assert quad.address(block.name, member, register.name) == block.address(member, register.name)
                count += 1
    assert count > 200


def test_names(quad: Card) -> None:
    """Contexts have the names that slice definitions use."""
    assert [context.name for context in quad.contexts][:5] == ["host0.0", "host0.1", "host0.2", "host0.3", "host1.0"]
    assert quad.names("core") == ["core0", "core1", "core2", "core3"]
    assert quad.names("pcie") == ["nvme0_dma", "nvme1_dma"]
    assert quad.label("key", 3, "READ") == "key.key3.READ"


def test_fields_are_packed(quad: Card) -> None:
    """In their places; what does not fit is an error, not another field."""
    assert quad.value("window", "FILL", granule=5, target=2, readable=1) == 5 | 2 << 20 | 1 << 28
    with pytest.raises(ValueError, match=r"64 does not fit into 6 bits of window\.FILL\.target"):
        quad.value("window", "FILL", target=64)


def edited(change: Any, *, rehash: bool = False) -> dict[str, Any]:
    """A copy of quad's manifest with a change."""
    result = deepcopy(content("quad"))
    change(result)
    return result | {"hash": digest(result)} if rehash else result


@pytest.mark.parametrize(
    "spoiled, message",
    [
        ([], "this is not a manifest (no 'hash')"),
        (edited(lambda m: m.pop("hash")), "this is not a manifest (no 'hash')"),
        (edited(lambda m: m.update(format=9)), "manifest of format 9, this RAM reads format 1"),
        (edited(lambda m: m["fabric"].update(keys=99)), "does not match its hash"),
        (edited(lambda m: m["fabric"].pop("keys"), rehash=True), "fabric.keys: field required"),
    ],
)
def test_wrong_manifests(spoiled: Any, message: str) -> None:
    """One line that names the file and what to do."""
    with pytest.raises(Refusal) as refusal:
        parse_card(spoiled, "manifest.json")
    assert message in str(refusal.value)
    assert str(refusal.value).startswith("manifest.json: ")
    assert str(refusal.value).endswith("generate it again with 'hardslice generate'")


def test_wrong_files(tmp_path: Path) -> None:
    """Missing, or no JSON."""
    with pytest.raises(Refusal, match=r"cannot be read .No such file"):
        load_card(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("card: quad")
    with pytest.raises(Refusal, match="this is not JSON"):
        load_card(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text(json.dumps(content("quad"), indent=3))
    assert load_card(tmp_path / "manifest.json").card == "quad"
