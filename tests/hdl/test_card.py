"""Reading a card description: what is right is taken, what is wrong is refused with file, line, value and remedy."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from hdl.card import CardConfig, find_card, known_cards, load_card
from hdl.card.units import format_bytes, parse_bytes, parse_hertz
from hdl.errors import Refusal
from hdl.plan import plan_card
from tests.cards import FAULTS, Description, Fault, random_cards, write_yaml


def refusal(path: Path) -> str:
    """The one line with which a card is refused."""
    with pytest.raises(Refusal) as caught:
        plan_card(path)
    message = str(caught.value)
    assert message.isprintable(), "it must be one line"
    return message


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@settings(max_examples=4)
@given(card=random_cards())
def test_fault_is_refused(fault: Fault, card: Description, tmp_path_factory: pytest.TempPathFactory) -> None:
    spoiled, location = fault.apply(card)
    written = write_yaml(spoiled)
    path = written.save(tmp_path_factory.getbasetemp() / "spoiled.yaml")
    while location and location not in written.lines:  # what is missing has no line; its mapping has
        location = location[:-1]
    message = refusal(path)
    assert message.startswith(f"{path}:{written.lines.get(location, 1)}: ")
    for part in fault.says:
        assert part in message


@given(card=random_cards())
def test_valid_card_is_taken(card: Description, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_yaml(card).save(tmp_path_factory.getbasetemp() / "valid.yaml")
    config, _ = load_card(path)
    assert list(config.initiators) == list(card["initiators"])
    assert config.fabric.window == parse_bytes(card["fabric"]["window"])


GOOD = """\
card: tiny
fabric: {slices: 1, keys: 2, window: 4KiB, clock: 1MHz}
initiators:
  core: {kind: core}
targets:
  bank: {kind: memory, size: 4KiB}
"""


def test_smallest_card(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(GOOD)
    plan = plan_card(path)
    assert (len(plan.contexts), plan.slices, plan.window_granules, plan.targets[0].granules) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("", 1, "card: <name>"),
        ("# only a comment\n", 1, "card: <name>"),
        ("- card\n- quad\n", 1, "card: <name>"),
        ("card", 1, "card: <name>"),
        (GOOD + "card: again\n", 7, 'duplicate key "card"'),
        (GOOD.replace("  bank:", "\tbank:"), 6, "not valid YAML"),
        (GOOD + "pcie: [\n", 8, "not valid YAML"),
        (GOOD + "pcie: *unknown\n", 7, "unknown"),
        (GOOD + "---\ncard: second\n", 7, "another document"),
        (GOOD + "description: \x07\n", 7, "not valid YAML"),
        (GOOD.replace("core: {kind: core}", "5: {kind: core}"), 4, "5 is not a name"),
        (GOOD.replace("core: {kind: core}", "? [a, b]\n  : {kind: core}"), 3, "is not a name"),
        (GOOD + "7: seven\n", 7, "not a known parameter"),
        (GOOD + "? a\n", 7, "not a known parameter"),
        (GOOD + "description: 2020-01-01\n", 7, "not text"),
        (GOOD.replace("bank: {kind: memory, size: 4KiB}", "bank:\n    kind: memory\n    size: 1e3"), 8, "size"),
        (GOOD.replace("slices: 1", "slices: !secret 1"), 2, "whole number"),
    ],
)
def test_odd_yaml(text: str, line: int, part: str, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(text)
    message = refusal(path)
    assert message.startswith(f"{path}:{line}: ")
    assert part in message


@pytest.mark.parametrize(
    ("isolation", "timeout", "part"),
    [
        ("strict", "1000", "1000 cycles is not a power of two from 64 on; take 64 or more"),
        ("strict", "32", "32 cycles is not a power of two from 64 on; take 64 or more"),
        ("strict", "1", "greater than or equal to 4"),
        ("basic", "1024", "only `isolation: strict` can cut a target off"),
    ],
)
def test_timeout_that_cannot_be_kept(isolation: str, timeout: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    text = GOOD.replace("slices: 1", f"slices: 1, isolation: {isolation}")
    path.write_text(text.replace("size: 4KiB}", f"size: 4KiB, timeout: {timeout}}}"))
    message = refusal(path)
    assert message.startswith(f"{path}:6: targets.bank.timeout: ")
    assert part in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"card: \xff\xfe\n", "UTF-8"),
        (b"card: " + b"[" * 500, "nested"),
        (b"card: " + b"9" * 5000, "digits"),
    ],
)
def test_unreadable_content(content: bytes, part: str, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert part in message


def test_unreadable_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.yaml")
    assert "directory" in refusal(tmp_path)


def test_long_value_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(GOOD.replace("tiny", "x" * 5000))
    assert len(refusal(path).removeprefix(str(path))) < 200


@pytest.mark.parametrize("number", ["0x1", "1", "+1"])
def test_ways_to_write_a_number(number: str, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(GOOD.replace("slices: 1", f"slices: {number}"))
    assert plan_card(path).slices == 1


@pytest.mark.parametrize(
    ("text", "size"), [("4KiB", 4096), ("1.5 MiB", 1572864), (" 2GiB ", 2 << 30), (4096, 4096), ("1TiB", 1 << 40)]
)
def test_sizes(text: object, size: int) -> None:
    assert parse_bytes(text) == size
    assert parse_bytes(format_bytes(size)) == size


def test_exact_fractions() -> None:
    assert parse_hertz("33.3MHz") == 33_300_000
    assert parse_hertz("0.000000001GHz") == 1
    with pytest.raises(ValueError, match="whole"):
        parse_bytes("1.00000000000000000001GiB")


def test_find_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = known_cards()
    assert {"mini", "quad", "wide"} <= set(shipped)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boards" / "mine").mkdir(parents=True)
    (tmp_path / "boards" / "mine" / "card.yaml").write_text(GOOD)
    assert known_cards() == sorted([*shipped, "mine"])
    for text in ("mine", "boards/mine", "boards/mine/card.yaml", str(tmp_path / "boards/mine")):
        assert find_card(text).samefile("boards/mine/card.yaml")
    for text in ("yours", "boards", "", "../mine", "boards/mine/none.yaml"):
        with pytest.raises(Refusal, match="mesh16, mine, mini, quad, ring8, tree7, wide"):
            find_card(text)


def test_json_schema_accepts_shipped_cards_and_refuses_others() -> None:
    schema = CardConfig.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    card = {}
    for name in known_cards():
        card = json.loads(json.dumps(YAML(typ="safe").load(find_card(name))))
        jsonschema.validate(card, schema)
    for wrong in ({**card, "colour": 1}, {**card, "card": "Not-A-Name"}, {**card, "targets": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
