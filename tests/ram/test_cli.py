"""The verbs, as a user meets them: what they print, their exit codes, and that bad input changes nothing."""

# ruff: noqa: E501 (messages stand here in one piece, as the user sees them)

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from ram.cli import session
from sim.cli import main

from .conftest import EXAMPLE, content

CHANGING = ("allocate", "release", "apply")


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Desk:
    """A folder with a manifest, slice files and a state."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.capsys = folder, capsys
        self.manifest, self.state, self.operations = (
            folder / name for name in ("manifest.json", "state.json", "operations.jsonl")
        )
        self.manifest.write_text(json.dumps(content("quad")))
        for text in re.split(r"^- ", EXAMPLE, flags=re.MULTILINE)[1:]:
            name = text.split()[1]
            (folder / f"{name}.yaml").write_text(re.sub(r"^  ", "", text, flags=re.MULTILINE))
        monkeypatch.setenv("HARDSLICE_CARD", str(self.manifest))
        monkeypatch.chdir(folder)

    def __call__(self, *words: str) -> Result:
        code = main(words)
        out, err = self.capsys.readouterr()
        return Result(code, out, err)

    def snapshot(self) -> dict[str, bytes]:
        """Every file, so that a test can say that nothing has changed; locks are no content."""
        return {
            path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file() and path.suffix != ".lock"
        }

    def refused(self, *words: str) -> str:
        """A command that is refused: exit code 2, one line, nothing printed, nothing changed."""
        before = self.snapshot()
        code, out, err = self(*words)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert self.snapshot() == before
        return err.removeprefix("hardslice: ").rstrip("\n")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A card after reset."""
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """Four slices are up."""
    assert desk("apply", "web.yaml", "db.yaml", "batch.yaml", "ml.yaml").code == 0
    return desk


def test_a_card_is_taken_over(busy: Desk) -> None:
    """All that is written afterwards carries the token, which only grows."""
    assert busy("take-over", "--dry-run").out.endswith(
        "dry run, nothing is changed: take over with token 1, 11 operations\n"
    )
    assert busy("take-over") == (0, "SUCCESS: the card is owned with token 1\n", "")
    assert busy("take-over", "--token", "9").out == "SUCCESS: the card is owned with token 9\n"
    assert busy.refused("take-over", "--token", "9") == "the token 9 is not newer: it must be 10 to 4095"
    assert busy("release", "db").code == 0
    last = json.loads(busy.operations.read_text().splitlines()[-1])
    written = [one["address"] for one in last["operations"] if one["operation"] == "write"]
    assert {address >> content("quad")["fabric"]["register_bits"] for address in written} == {9}


def test_operations_that_recreate_the_state_replace_its_history(busy: Desk) -> None:
    """As the card begins anew, so does the file."""
    assert len(busy.operations.read_text().splitlines()) == 1 and busy("release", "db").code == 0
    assert len(busy.operations.read_text().splitlines()) == 2
    assert busy("restore") == (0, "SUCCESS: the card has the state of generation 2 again\n", "")
    [line] = busy.operations.read_text().splitlines()
    assert json.loads(line)["generation"] == 0
    assert busy("status").code == 0 and busy("release", "web").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--transport", "pci:0"], "--transport: 'pci:0' is neither uio:PATH nor socket:PATH, as in uio:/dev/uio0"),
        (["--transport", "uio:"], "--transport: 'uio:' is neither uio:PATH nor socket:PATH, as in uio:/dev/uio0"),
        (
            ["--transport", "uio:none"],
            "none: cannot be opened (No such file or directory); name a file that shows the registers",
        ),
        (
            ["--transport", "socket:none"],
            "none: no card listens there (No such file or directory); `hardslice simulate` starts one",
        ),
        (
            ["--transport", "uio:a", "--operations", "b"],
            "--operations and --transport: operations go either into a file or to a card; give one of them",
        ),
    ],
)
def test_a_way_to_no_card(busy: Desk, words: list[str], message: str) -> None:
    """Nothing is changed, the state neither."""
    assert busy.refused("release", "db", *words) == message


def test_apply_is_idempotent(desk: Desk) -> None:
    """The second time there is nothing to do, and nothing is written."""
    first = desk("apply", "web.yaml", "db.yaml")
    assert first.code == 0 and re.fullmatch(
        r"SUCCESS: apply web, db; \d+ operations in .*operations.jsonl\n", first.out
    )
    before = desk.operations.read_bytes()
    assert (
        desk("apply", "web.yaml", "db.yaml").out == "SUCCESS: apply web, db: nothing to do; the card stays as it is\n"
    )
    assert desk.operations.read_bytes() == before
    assert json.loads(desk.state.read_text())["inventory"]["generation"] == 1


def test_allocate_release(busy: Desk) -> None:
    """More and less; units as people write them; the kind in any case."""
    assert busy("allocate", "web", "memory", "64KiB").out.startswith("SUCCESS: slice web gets 64KiB of memory; ")
    assert busy("allocate", "db", "LANES", "2").code == 0
    assert busy("allocate", "ml", "bandwidth", "10MB/s").code == 0
    assert busy("release", "web", "memory", "65536").out.startswith("SUCCESS: slice web gives back 64KiB of memory; ")
    assert busy("release", "batch").out.startswith("SUCCESS: release batch; ")
    assert "batch" not in busy("status").out
    assert json.loads(busy.state.read_text())["inventory"]["generation"] == 5


def test_contract_options(busy: Desk) -> None:
    """A new contract with the allocation: what is not named stays."""
    assert busy("allocate", "db", "keys", "1", "--class", "2", "--limit", "200MB/s").code == 0
    shown = busy("status").out
    assert "limit 200MB/s" in shown and "1 keys in reserve" in shown
    assert busy.refused("allocate", "db", "keys", "1", "--limit", "fast") == (
        "--limit: 'fast' is not a bandwidth; write it as 400MB/s or a number of bytes per second"
    )


def test_dry_run(busy: Desk) -> None:
    """Operations are printed with their reasons, and no file changes."""
    before = busy.snapshot()
    shown = busy("allocate", "web", "memory", "4KiB", "--dry-run")
    assert shown.code == 0 and "write   target.bank" in shown.out and "dry run, nothing is changed" in shown.out
    assert busy.snapshot() == before


def test_status(busy: Desk) -> None:
    """Who has what, where it is seen, and what is free."""
    shown = busy("status").out
    for text in ("quad, generation 1", "web (#0)", "mailbox 8KiB at 0x200000: bank0", "to db: read", "web.mailbox at 0x10000: read",
                 "nvme0 on lanes 0..3, registers at 0x10000", "guarantee 100MB/s", "free lanes:  4 of 8; keys: 10; slices: 4"):  # fmt: skip
        assert text in shown, text


def test_assert(busy: Desk) -> None:
    """Silent and 0 if all is as the files say; otherwise 1 and a line for each difference."""
    assert busy("assert", "web.yaml", "db.yaml", "batch.yaml", "ml.yaml") == (0, "", "")
    busy("allocate", "db", "memory", "4KiB")
    busy("release", "batch")
    text = Path("web.yaml").read_text()
    Path("web.yaml").write_text(
        text.replace("64KiB", "32KiB").replace("lanes: 4", "lanes: 8").replace("rights: read", "rights: read-write")
        .replace("cores: [core0]", "cores: 2").replace("400MB/s", "300MB/s").replace("0x100000", "0x140000")
    )  # fmt: skip
    result = busy("assert", "web.yaml", "db.yaml", "batch.yaml")
    assert result.code == 1 and result.err == ""
    assert result.out.splitlines() == [
        "web: the number of cores should be 2, is 1",
        "web: qos.limit should be 300MB/s, is 400MB/s",
        "web: pcie: nvme0 on 8 lanes is missing",
        "web: pcie: nvme0 on 4 lanes is not in the definition",
        "web: memory 'heap' should be 32KiB, is 64KiB",
        "web: memory 'buffers' should be at 0x140000, is at 0x100000",
        "web: memory 'mailbox' should be shared with db (read-write), is with db (read)",
        "db: memory 'memory0' is not in the definition",
        "batch: there is no such slice",
    ]


def test_export_recreates_the_state(busy: Desk, tmp_path: Path) -> None:
    """Exported files are met by the state, and bring a fresh card to the same state but for numbers."""
    busy("allocate", "web", "memory", "12KiB")
    busy("release", "db")
    busy("allocate", "web", "lanes", "2")
    written = busy("export", "out").out.splitlines()
    assert written == ["out/web.yaml", "out/batch.yaml", "out/ml.yaml"]
    assert busy("assert", *written) == (0, "", "")
    assert busy("apply", *written, "--state", "fresh.json", "--operations", "fresh.jsonl").code == 0
    assert busy("assert", *written, "--state", "fresh.json") == (0, "", "")
    old, new = (json.loads(Path(name).read_text())["inventory"]["slices"] for name in ("state.json", "fresh.json"))
    assert [found["contexts"] for found in old] == [found["contexts"] for found in new]
    for before, after in zip(old, new, strict=True):
        for one, other in zip(before["regions"], after["regions"], strict=True):
            assert one["window"] == other["window"]
            assert [e["first"] for e in one["extents"]] == [e["first"] for e in other["extents"]]


def test_scripts(busy: Desk) -> None:
    """All formats, to the terminal or to a file; the last transition or all of them."""
    busy("allocate", "web", "memory", "4KiB")
    everything = busy("script", "operations.jsonl", "--format", "jsonl").out
    assert [json.loads(line)["title"] for line in everything.splitlines() if "title" in line] == [
        "apply web, db, batch, ml", "slice web gets 4KiB of memory",
    ]  # fmt: skip
    for name in ("sh", "c", "tcl"):
        assert busy("script", "operations.jsonl", "-f", name, "--last", "-o", f"out.{name}") == (0, "", "")
        assert "slice web gets 4KiB of memory: card quad, generation 1" in Path(f"out.{name}").read_text()
        assert "apply web" not in Path(f"out.{name}").read_text()


def test_script_for_another_card(busy: Desk) -> None:
    """The manifest decides."""
    Path("wide.json").write_text(json.dumps(content("wide")))
    assert re.fullmatch(
        r"'apply web, db, batch, ml' is for the card 'quad' \(hash \w+\.\.\.\), not for 'wide' \(hash \w+\.\.\.\); "
        r"use that card's manifest",
        busy.refused("script", "operations.jsonl", "--card", "wide.json"),
    )


def test_schema(desk: Desk) -> None:
    """It is JSON."""
    result = desk("schema", "slice")
    assert result.code == 0 and "boot_address" in json.loads(result.out)["properties"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["allocate", "mail", "cores", "1"], "ERROR_INVALID_REQUEST: there is no slice 'mail' (slices: web, db, batch, ml); create it by applying a slice definition"),
        (["allocate", "web", "cores", "1"], "ERROR_NO_RESOURCES: 1 more cores are asked for, 0 are free"),
        (["allocate", "web", "cores", "one"], "amount: 'one' is not a number of cores; write it as 1, 2, 4 and so on"),
        (["allocate", "web", "memory", "1 apple"], "amount: '1 apple' is not a size; write it as 4KiB, 1MiB or a number of bytes"),
        (["allocate", "web", "bandwidth", "0"], "amount: '0' is not a whole, positive bandwidth; write it as 400MB/s or a number of bytes per second"),
        (["release", "mail"], "ERROR_INVALID_REQUEST: there is no slice 'mail'"),
        (["release", "web", "cores"], "say how much of CORES is given back, as in: release web CORES 1"),
        (["release", "web", "lanes", "2"], "ERROR_INVALID_REQUEST: slice 'web' has no device on 2 lanes (it has: 4)"),
        (["apply", "nowhere.yaml"], "nowhere.yaml: cannot be read (No such file or directory); give a slice definition in YAML"),
        (["apply", "web.yaml", "web.yaml"], "web.yaml:1: slice: ERROR_INVALID_REQUEST: slice 'web' is defined twice; give one definition"),
        (["apply", "broken.yaml"], "broken.yaml:3: cores: 'many' "),
        (["apply", "greedy.yaml"], "greedy.yaml:4: memory.0.size: ERROR_NO_RESOURCES: 16MiB is asked for, "),
        (["apply", "db.yaml", "greedy.yaml"], "greedy.yaml:4: memory.0.size: ERROR_NO_RESOURCES: 16MiB is asked for, "),
        (["assert", "broken.yaml"], "broken.yaml:3: cores: 'many' "),
        (["script", "web.yaml"], "web.yaml:1: "),
        (["script", "nowhere.jsonl"], "nowhere.jsonl: cannot be read (No such file or directory); give a file written with --operations"),
        (["script", "wrong.jsonl"], "wrong.jsonl:1: a wait needs exactly address, mask, expected, polls, register, reason; give a file written with --operations"),
        (["status", "--card", "none.json"], "none.json: cannot be read (No such file or directory); give the manifest.json of a card"),
        (["status", "--card", "state.json"], "state.json: manifest of format 1"),
        (["export", "web.yaml/below"], "web.yaml/below/web.yaml: cannot be written (Not a directory); choose another place"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input(busy: Desk, words: list[str], message: str) -> None:
    """One line that says what is wrong and what would be right."""
    Path("broken.yaml").write_text("slice: new\ntenant: x\ncores: many\n")
    Path("greedy.yaml").write_text("slice: new\nmemory:\n  - name: all\n    size: 16MiB\n")
    wait = {"title": "t", "card": "c", "hash": "h", "generation": 0, "operations": [{"operation": "wait"}]}
    Path("wrong.jsonl").write_text(json.dumps(wait) + "\n")
    if message.endswith("manifest of format 1"):
        message = "state.json: the content does not match its hash"
    assert busy.refused(*words).startswith(message)


@pytest.mark.parametrize("verb", ["status", "allocate", "release", "apply", "assert", "export"])
def test_wrong_card_and_state(busy: Desk, verb: str) -> None:
    """A manifest of another card, an edited manifest, a damaged state: every verb says so and touches nothing."""
    words = {"allocate": ["web", "cores", "1"], "release": ["web"], "apply": ["web.yaml"], "assert": ["web.yaml"],
             "export": ["out"], "status": []}[verb]  # fmt: skip
    Path("wide.json").write_text(json.dumps(content("wide")))
    edited = content("quad") | {"card": "other"}
    Path("edited.json").write_text(json.dumps(edited))
    Path("damaged.json").write_text(busy.state.read_text()[:-20])
    assert "this is the state of the card 'quad'" in busy.refused(verb, *words, "--card", "wide.json")
    assert "does not match its hash" in busy.refused(verb, *words, "--card", "edited.json")
    assert "this is not JSON" in busy.refused(verb, *words, "--state", "damaged.json")


def test_operations_of_another_card(busy: Desk) -> None:
    """They are not mixed into one file, and the state does not move on."""
    Path("wide.json").write_text(json.dumps(content("wide")))
    Path("small.yaml").write_text("slice: small\n")
    result = busy("apply", "small.yaml", "--card", "wide.json", "--state", "wide-state.json")
    assert result.code == 2 and "holds operations for the card 'quad'" in result.err


def test_interrupted_change_is_finished(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the intent and the operations file: verbs that read say so, the next change finishes it first."""

    class Killed(BaseException):
        """The process ends here."""

    def killed(self: object, transition: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("ram.transport.FileTransport.save", killed)
        with pytest.raises(Killed):
            busy("release", "batch")
    busy.capsys.readouterr()
    assert "'release batch' was interrupted; any allocate, release or apply finishes it first" in busy.refused("status")
    result = busy("allocate", "web", "memory", "4KiB")
    assert result.out.startswith("finished what was interrupted: release batch\nSUCCESS: slice web gets 4KiB")
    titles = [json.loads(line)["title"] for line in busy.operations.read_text().splitlines()]
    assert titles == ["apply web, db, batch, ml", "release batch", "slice web gets 4KiB of memory"]


def test_two_at_a_time(busy: Desk) -> None:
    """The second one does not wait, and does not overwrite what the first one does."""
    with session(busy.manifest, busy.state, busy.operations):
        assert "another hardslice command is changing it" in busy.refused("release", "web")
    assert busy("release", "web").code == 0
