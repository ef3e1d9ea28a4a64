"""Generated files: complete, the same each time, never half written, and not written again for nothing."""

import json
import re
from pathlib import Path

import pytest

from hdl import VERSION, files, generate
from hdl.card import find_card
from hdl.errors import Refusal
from hdl.exports import FORMATS, SUFFIXES
from hdl.plan import manifest, plan_card

MINI = find_card("mini")
EXPECTED = {"mini.v", "mini.f", "manifest.json", "generated.json"} | {f"registers/mini.{SUFFIXES[f]}" for f in FORMATS}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for the Verilog, which takes seconds; lists the cards that it was made for."""
    calls: list[str] = []

    def verilog(plan, header: str) -> str:
        calls.append(plan.card)
        return f"// {header}\nmodule {plan.card}; endmodule\n"

    monkeypatch.setattr(generate, "verilog", verilog)
    return calls


def contents(directory: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_real_card(tmp_path: Path) -> None:
    """The whole thing, with the real RTL, twice."""
    assert generate.generate(MINI, tmp_path / "one")
    assert generate.generate(MINI, tmp_path / "two")
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert set(one) == EXPECTED
    plan = plan_card(MINI)
    text = one["mini.v"].decode()
    described = manifest(plan)
    assert text.splitlines()[0].startswith(f"// card mini, manifest {described['hash']}, hardslice {VERSION}")
    assert json.loads(one["manifest.json"]) == described
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert modules.count("mini") == 1
    assert all(name == "mini" or name.startswith("mini_") for name in modules)
    for port in plan.port_names:
        assert re.search(rf"\b{port}_awaddr\b", text)
    assert (tmp_path / "one" / one["mini.f"].decode().strip()).is_file()


def test_second_run_writes_nothing(tmp_path: Path, quick: list[str]) -> None:
    assert generate.generate(MINI, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert not generate.generate(MINI, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert quick == ["mini"]


@pytest.mark.parametrize("name", sorted(EXPECTED))
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("{}")], ids=["removed", "edited"])
def test_stale_folder_is_generated_again(name: str, spoil, tmp_path: Path, quick: list[str]) -> None:
    generate.generate(MINI, tmp_path)
    right = contents(tmp_path)
    spoil(tmp_path / name)
    assert generate.generate(MINI, tmp_path)
    assert contents(tmp_path) == right


def test_other_generator_or_card_generates_again(
    tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    generate.generate(MINI, tmp_path / "out")
    card = tmp_path / "card.yaml"
    card.write_text(MINI.read_text().replace("keys: 4", "keys: 5"))
    assert generate.generate(card, tmp_path / "out")
    card.write_text("# a remark\n" + card.read_text())
    assert not generate.generate(card, tmp_path / "out"), "what does not change the plan does not matter"
    monkeypatch.setattr(generate, "sources_hash", lambda: "other")
    assert generate.generate(card, tmp_path / "out")


def test_sources_hash_sees_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hdl"
    (package / "deep").mkdir(parents=True)
    (package / "generate.py").write_text("")
    monkeypatch.setattr(generate, "__file__", str(package / "generate.py"))
    hashes = {generate.sources_hash()}
    for name, text in (("deep/a.py", "1"), ("deep/a.py", "2"), ("a.html.jinja", "1"), ("deep/b.py", "2")):
        (package / name).write_text(text)
        hashes.add(generate.sources_hash())
    (package / "deep" / "a.pyc").write_text("not a source")
    hashes.add(generate.sources_hash())
    assert len(hashes) == 5


def test_failure_leaves_the_previous_files(tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    generate.generate(MINI, out)
    (out / "report.html").write_text("somebody else's")
    before = contents(out)
    card = tmp_path / "card.yaml"
    card.write_text(MINI.read_text().replace("keys: 4", "keys: none"))
    with pytest.raises(Refusal, match=r"card.yaml:8: fabric.keys"):
        generate.generate(card, out)
    assert contents(out) == before

    card.write_text(MINI.read_text().replace("keys: 4", "keys: 5"))

    def fail(*_: object) -> str:
        raise RuntimeError("the RTL is broken")

    monkeypatch.setattr(generate, "verilog", fail)
    with pytest.raises(RuntimeError):
        generate.generate(card, out)
    assert contents(out) == before


def test_full_disk_leaves_the_previous_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_texts(tmp_path, {"a": "old", "sub/b": "old"})
    before = contents(tmp_path)
    write = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if path.name == "b":
            raise OSError(28, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(Refusal, match="No space left"):
        files.write_texts(tmp_path, {"a": "new", "sub/b": "new"})
    assert contents(tmp_path) == before


def test_build_folder_hides_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.build_folder("mini") == Path("build/mini")
    assert Path("build/.gitignore").read_text() == "*\n"
    Path("build/.gitignore").write_text("mine")
    files.build_folder("mini")
    assert Path("build/.gitignore").read_text() == "mine"
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    Path("build").write_text("in the way")
    with pytest.raises(Refusal, match="build: cannot be written"):
        files.build_folder("mini")
