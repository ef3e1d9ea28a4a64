"""The generator's verbs, as a user calls them: what they print, where errors go, and the exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from hdl import cli
from hdl.card import find_card
from hdl.exports import FORMATS, export_registers
from hdl.exports.__main__ import main as renew
from hdl.exports.pages import pages
from hdl.plan import manifest, plan_card
from sim.cli import main
from tests.conftest import ROOT

Capture = pytest.CaptureFixture[str]


def refused(capsys: Capture, *words: str) -> str:
    """The one line on stderr of a call that is refused."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hardslice: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_help_names_every_verb(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in ("check", "generate", "schema", "registers", "sim"):
        assert verb in text
    assert main([]) == 0
    assert capsys.readouterr().out == text


def test_check_describes_the_card(capsys: Capture) -> None:
    assert main(["check", "quad"]) == 0
    captured = capsys.readouterr()
    for part in (
        manifest(plan_card(find_card("quad")))["hash"],
        "8 initiators with 14 contexts, 6 targets, 2 PCIe devices on 8 lanes",
        "granule 4KiB, window 4MiB (1024 granules)",
        "nvme1_registers",
    ):
        assert part in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("form", FORMATS)
def test_registers_prints_or_writes(form: str, capsys: Capture, tmp_path: Path) -> None:
    expected = export_registers(plan_card(find_card("mini")), form)
    assert main(["registers", "mini", "--format", form]) == 0
    assert capsys.readouterr().out == expected
    assert main(["registers", "mini", "-f", form, "-o", str(tmp_path / "new" / "file")]) == 0
    assert (tmp_path / "new" / "file").read_text() == expected
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_registers_offers_all_formats() -> None:
    assert cli.FORMATS == FORMATS


def test_schema_is_one_verb(capsys: Capture) -> None:
    assert main(["schema", "slice"]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
    assert main(["schema", "--help"]) == 0
    text = capsys.readouterr().out
    assert "card" in text
    assert "slice" in text


def test_schema_card(capsys: Capture) -> None:
    assert main(["schema", "card"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(YAML(typ="safe").load(find_card("quad")), schema)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("frobnicate",), ("frobnicate", "--help")),
        (("check",), ("card", "check --help")),
        (("check", "mini", "quad"), ("quad",)),
        (("check", "nothing"), ("'nothing'", "mini, quad, ring8, tree7, wide", "card.yaml")),
        (("check", "--colour"), ("--colour",)),
        (("registers", "mini", "--format", "docx"), ("docx", "'rdl'", "'html'")),
        (("registers", "mini", "-o", "."), ("folder", "name of a file")),
        (("registers", "mini", "-o", "/dev/null/file"), ("/dev/null", "cannot be written")),
        (("generate", "mini", "--output", "/dev/null"), ("/dev/null", "cannot be written")),
        (("schema", "house"), ("house",)),
        (("schema",), ("schema --help",)),
        (("sim", "mini", "--seed", "many"), ("--seed", "integer")),
        (("sim", "mini", "--seed", "-1"), ("--seed", "0")),
        (("sim", "nothing"), ("'nothing'",)),
        (("sim", "mini", "--scenario", "none"), ("'none'", "there are")),
    ],
)
def test_bad_words(words: tuple[str, ...], parts: tuple[str, ...], capsys: Capture, monkeypatch) -> None:
    monkeypatch.setattr("hdl.generate.verilog", lambda plan, header: "")  # nothing here depends on it
    message = refused(capsys, *words)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("verb", ["check", "generate", "registers"])
def test_bad_card_changes_nothing(verb: str, capsys: Capture, tmp_path: Path, monkeypatch) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("card: bad\nfabric:\n  slices: many\n")
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, verb, str(card))
    assert f"{card}:3: fabric.slices: 'many' is not a whole number" in message
    assert [path.name for path in tmp_path.iterdir()] == ["card.yaml"]


def test_process_reports_like_the_function(tmp_path: Path) -> None:
    """A real process: no traceback, and an early end of the reader is no error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sim.cli"]
    wrong = subprocess.run(
        [*command, "check", "nothing"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    short = f"{' '.join(command)} registers quad --format svd | head -n 1"
    right = subprocess.run(short, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (right.returncode, right.stdout, right.stderr) == (0, '<?xml version="1.0" encoding="UTF-8"?>\n', "")


def test_generated_pages_are_not_stale() -> None:
    for path, text in pages(ROOT / "docs").items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is stale: run `make docs`"


def test_pages_are_renewed(tmp_path: Path, capsys: Capture) -> None:
    page = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    (tmp_path / "cards.md").write_text(page.replace("whole number from", "number between"), encoding="utf-8")
    assert renew([str(tmp_path)]) == 0
    assert (tmp_path / "cards.md").read_text(encoding="utf-8") == page
    assert (tmp_path / "registers" / "quad.md").read_text() == export_registers(plan_card(find_card("quad")), "md")
    capsys.readouterr()
    (tmp_path / "cards.md").write_text("no markers")
    for words in ([str(tmp_path)], [str(tmp_path / "none")], []):
        assert renew(words) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "cards.md").read_text() == "no markers"
