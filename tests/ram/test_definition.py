"""Slice definition files: every wrong value is refused in one line with file, line and what would be right."""

# ruff: noqa: E501 (messages stand here in one piece, as the user sees them)

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ram import Refusal, load_definition
from ram.definition import schema
from ram.units import format_bytes, format_rate, format_time, parse_bytes, parse_rate, parse_time

from .conftest import ROOT

GOOD = """\
slice: web
contexts: [host0.0]
cores: 1
memory:
  - name: heap
    size: 256KiB
    targets: [bank0]
  - {name: mailbox, size: 16KiB, share: [{slice: db}]}
pcie: {device: nvme0, lanes: 4}
boot_address: 0x1000
qos:
  class: 2
  limit: 400MB/s
"""


def refusal(tmp_path: Path, text: str) -> str:
    """What `load_definition` says, without the folder."""
    path = tmp_path / "web.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Refusal) as found:
        load_definition(path)
    assert "\n" not in str(found.value)
    return str(found.value).removeprefix(f"{tmp_path}/")


def test_good_file(tmp_path: Path) -> None:
    """Units, hexadecimal numbers, one PCIe device without a list."""
    path = tmp_path / "web.yaml"
    path.write_text(GOOD, encoding="utf-8")
    definition, _ = load_definition(path)
    assert definition.memory[0].size == 262144
    assert definition.boot_address == 0x1000
    assert definition.pcie[0].device == "nvme0"
    assert (definition.qos.class_, definition.qos.limit) == (2, 400_000_000)
    assert definition.memory[0].share is None and definition.memory[1].share is not None


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("256KiB", "256KB", "web.yaml:6: memory.0.size: '256KB' is not a size; write it as 4KiB, 1MiB or a number of bytes"),
        ("256KiB", "-4", "web.yaml:6: memory.0.size: -4 is not a size; write it as 4KiB, 1MiB or a number of bytes"),
        ("256KiB", "0.3B", "web.yaml:6: memory.0.size: '0.3B' is not a whole, positive size; write it as 4KiB, 1MiB or a number of bytes"),
        ("400MB/s", "400MB", "web.yaml:13: qos.limit: '400MB' is not a bandwidth; write it as 400MB/s or a number of bytes per second"),
        ("0x1000", "low", "web.yaml:10: boot_address: 'low' is not an address; write it as 0x1000"),
        ("cores: 1", "cores: -1", "web.yaml:3: cores: -1 input should be greater than or equal to 0"),
        ("cores: 1", "cores: true", "web.yaml:3: cores: True is not a number"),
        ("cores: 1", "core: 1", "web.yaml:3: core: is not a known parameter; 'hardslice schema slice' lists them"),
        ("lanes: 4", "lane: 4", "web.yaml:9: pcie.0.lane: is not a known parameter; 'hardslice schema slice' lists them"),
        ("slice: web\n", "", "web.yaml:1: slice: is missing; 'hardslice schema slice' describes it"),
        ("slice: web", "slice: a/b", "web.yaml:1: slice: 'a/b' is not a name; write letters, digits, '_', '.' and '-', starting with a letter or digit"),
        ("[host0.0]", "[host0.0, host0.1, host0.0]", "web.yaml:2: contexts.2: 'host0.0' stands twice in contexts; name each once"),
        ("mailbox,", "heap,", "web.yaml:8: memory.1.name: 'heap' stands twice in memory; name each once"),
        ("class: 2", "class: two", "web.yaml:12: qos.class: 'two' input should be a valid integer, unable to parse string as an integer"),
        ("[bank0]", "[bank0", "web.yaml:8: this is not valid YAML: expected ',' or ']', but got '{'"),
        ("cores: 1", "cores: 1\ncores: 2", "web.yaml:4: this is not valid YAML: found duplicate key \"cores\" with value \"2\" (original value: \"1\")"),
        (GOOD, "- web", "web.yaml:1: a slice definition is a mapping that starts with 'slice: <name>'"),
    ],
)  # fmt: skip
def test_wrong_values(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The exact line, since it is all that the user sees."""
    assert old in GOOD
    assert refusal(tmp_path, GOOD.replace(old, new, 1)) == message


def test_unreadable_files(tmp_path: Path) -> None:
    """Missing, a folder, not text."""
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(Refusal, match=f"cannot be read .{reason}.*give a slice definition in YAML"):
            load_definition(path)
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Refusal, match="it is not UTF-8 text"):
        load_definition(tmp_path / "bad.yaml")


@pytest.mark.parametrize("path", sorted(ROOT.glob("boards/*/slices/*.yaml")), ids=lambda path: path.stem)
def test_schema_accepts_what_ships(path: Path) -> None:
    """Checked by a JSON Schema validator that knows nothing of pydantic."""
    tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    jsonschema.validate(tree, schema(), cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree | {"colour": "red"}, schema())


@given(st.integers(1, 10**15))
def test_units_round_trip(value: int) -> None:
    """What is printed means the same when it is read."""
    assert parse_bytes(format_bytes(value)) == value
    assert parse_rate(format_rate(value)) == value
    assert parse_time(format_time(value)) == value


@pytest.mark.parametrize("text, value", [("1.5KiB", 1536), ("0.5us", 500), ("1.25GB/s", 1_250_000_000)])
def test_fractions(text: str, value: int) -> None:
    """Exact, without floating point."""
    parse = parse_bytes if "iB" in text else parse_rate if "/" in text else parse_time
    assert parse(text) == value
