"""Scripts do what the RAM does: each language really runs, on a register file that logs every access."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ram import Card, Compare, Manager, Transition, Wait, Write
from ram.operations import operation_from_dict
from ram.script import FORMATS, to_script
from ram.transport import FileTransport, load_transitions

from .conftest import example

SIZE = 0x2000
Run = Callable[[Path, str], "subprocess.CompletedProcess[str]"]

DEVMEM = """\
#!{python}
import sys
address, width, *value = [int(word, 0) for word in sys.argv[1:]]
assert width == 32
address -= 0xA0000000
with open("{folder}/registers", "r+b") as file:
    file.seek(address)
    if value:
        file.write(value[0].to_bytes(4, "little"))
        print(hex(address), hex(value[0]), file=open("{folder}/log", "a"))
    else:
        print("0x%08X" % int.from_bytes(file.read(4), "little"))
"""
HARNESS = """\
#include <stdint.h>
#include <stdio.h>
int hardslice_run(void);
static FILE *file;
uint32_t hardslice_read(uint32_t address)
{
    uint32_t value = 0;
    fseek(file, address, SEEK_SET);
    if (fread(&value, 4, 1, file) != 1) return 0;
    return value;
}
void hardslice_write(uint32_t address, uint32_t value)
{
    FILE *log = fopen("log", "a");
    fprintf(log, "0x%x 0x%x\\n", (unsigned)address, (unsigned)value);
    fclose(log);
    fseek(file, address, SEEK_SET);
    fwrite(&value, 4, 1, file);
}
int main(void)
{
    file = fopen("registers", "r+b");
    return hardslice_run();
}
"""
TCL = """\
proc hardslice_read {address} {
    set file [open registers rb]
    seek $file $address
    binary scan [read $file 4] iu value
    close $file
    return $value
}
proc hardslice_write {address value} {
    set log [open log a]
    puts $log [format "0x%x 0x%x" $address $value]
    close $log
    set file [open registers r+b]
    seek $file $address
    puts -nonewline $file [binary format i $value]
    close $file
}
source script.tcl
"""


def run_shell(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """With a command in the place of ``busybox devmem``."""
    (folder / "script.sh").write_text(script)
    devmem = folder / "devmem"
    devmem.write_text(DEVMEM.format(python=sys.executable, folder=folder))
    devmem.chmod(0o755)
    environment = {"HARDSLICE_BASE": "0xA0000000", "HARDSLICE_READ": str(devmem), "HARDSLICE_WRITE": str(devmem)}
    return subprocess.run(["sh", "script.sh"], cwd=folder, env=environment, capture_output=True, text=True)


def run_c(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Linked with a harness, without a single warning."""
    (folder / "script.c").write_text(script)
    (folder / "harness.c").write_text(HARNESS)
    flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run(["gcc", *flags, "script.c", "harness.c", "-o", "script"], cwd=folder, check=True)
    return subprocess.run(["./script"], cwd=folder, capture_output=True, text=True)


def run_tcl(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """With both procedures on a file."""
    (folder / "script.tcl").write_text(script)
    (folder / "harness.tcl").write_text(TCL)
    return subprocess.run(["tclsh", "harness.tcl"], cwd=folder, capture_output=True, text=True)


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test on a machine that lacks a program."""
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


LANGUAGES = [
    pytest.param("sh", run_shell, id="sh"),
    pytest.param("c", run_c, id="c", marks=needs("gcc")),
    pytest.param("tcl", run_tcl, id="tcl", marks=needs("tclsh")),
]  # fmt: skip


def transition(card: Card) -> Transition:
    """A slice that grows while it runs; few operations, but of every kind."""
    manager = Manager(card)
    manager.commit(manager.apply(*example("db")))
    found = manager.allocate("db", "MEMORY", 8192).transition
    assert found is not None
    assert {type(operation) for operation in found.operations} == {Write, Wait, Compare}
    return found


def prepare(folder: Path, found: Transition, card: Card) -> None:
    """A register file in which every comparison and wait of the transition comes true."""
    content = bytearray(SIZE)
    for operation in found.operations:
        if isinstance(operation, Compare | Wait):
            content[operation.address : operation.address + 4] = operation.expected.to_bytes(4, "little")
    (folder / "registers").write_bytes(content)
    (folder / "log").write_text("")


def poke(folder: Path, address: int, value: int) -> None:
    """Change a register."""
    content = bytearray((folder / "registers").read_bytes())
    content[address : address + 4] = value.to_bytes(4, "little")
    (folder / "registers").write_bytes(content)


@pytest.mark.parametrize("language, run", LANGUAGES)
def test_script_writes_what_the_ram_writes(quad: Card, tmp_path: Path, language: str, run: Run) -> None:
    """The same registers, the same values, the same order; then it ends with exit code 0 and says nothing."""
    found = transition(quad)
    prepare(tmp_path, found, quad)
    done = run(tmp_path, to_script([found], language))  # type: ignore[arg-type]
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    expected = [f"{o.address:#x} {o.value:#x}" for o in found.operations if isinstance(o, Write)]
    assert (tmp_path / "log").read_text().splitlines() == expected
    assert len(expected) > 8


@pytest.mark.parametrize("language, run", LANGUAGES)
@pytest.mark.parametrize(
    "block, member, register, value, message",
    [
        ("identity", 0, "MAGIC", 0, "this is not the card 'quad' (manifest hash "),
        ("identity", 0, "HASH3", 1, "this is not the card 'quad' (manifest hash "),
        ("identity", 0, "GENERATION", 7, "the card is not in the state that this change starts from (generation 1); "
         "identity.GENERATION at 0x18 should be 0x1 under mask 0xffffffff, is 0x"),
        ("target", 1, "STATUS", 1, "the card did not finish: bank1 takes commands; target.bank1.STATUS at "),
    ],
    ids=["no card", "another card", "another state", "an engine that does not end"],
)  # fmt: skip
def test_script_stops_before_it_writes(
    quad: Card,
    tmp_path: Path,
    language: str,
    run: Run,
    block: str,
    member: int,
    register: str,
    value: int,
    message: str,
) -> None:
    """Exit code 1, one line, and not a single write."""
    found = transition(quad)
    if language == "sh":  # each poll of the shell starts a process
        operations = tuple(Wait(**(vars(o) | {"polls": 3})) if isinstance(o, Wait) else o for o in found.operations)
        found = Transition(found.title, found.card, found.hash, found.generation, operations)
    prepare(tmp_path, found, quad)
    poke(tmp_path, quad.address(block, member, register), value)
    done = run(tmp_path, to_script([found], language))  # type: ignore[arg-type]
    assert done.returncode == 1
    assert done.stderr.startswith(f"hardslice: {message}")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("language, run", LANGUAGES)
def test_nothing_in_a_text_is_code(quad: Card, tmp_path: Path, language: str, run: Run) -> None:
    """An operations file may come from anywhere: quotes, brackets and line ends in its texts stay texts."""
    nasty = "a'b\"c$(touch pwned)`touch pwned`[exec touch pwned]{}*/ /* ??/\n\\"
    operations = (Write(0x20, 5, nasty, nasty), Compare(0x20, 0xFF, 6, nasty, nasty))
    found = Transition(nasty, nasty, quad.hash, 0, operations)
    prepare(tmp_path, found, quad)
    done = run(tmp_path, to_script([found], language))  # type: ignore[arg-type]
    assert (tmp_path / "log").read_text() == "0x20 0x5\n"
    assert done.returncode == 1 and "a'b\"c$(touch pwned)`touch pwned`[exec touch pwned]{}*/ /* ??/ \\" in done.stderr
    assert not (tmp_path / "pwned").exists()


@needs("gcc")
def test_c_program_on_a_mapped_file(quad: Card, tmp_path: Path) -> None:
    """With HARDSLICE_MAIN it needs nothing else."""
    found = transition(quad)
    prepare(tmp_path, found, quad)
    (tmp_path / "script.c").write_text(to_script([found], "c"))
    flags = ["-D_DEFAULT_SOURCE", "-DHARDSLICE_MAIN", "-std=c99", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "script.c", "-o", "script"], cwd=tmp_path, check=True)
    subprocess.run(["./script", "registers", hex(SIZE)], cwd=tmp_path, check=True)
    content = (tmp_path / "registers").read_bytes()
    assert content[0x18:0x1C] == (2).to_bytes(4, "little"), "GENERATION"
    usage = subprocess.run(["./script"], cwd=tmp_path, capture_output=True, text=True)
    assert usage.returncode == 2 and "call it with a device" in usage.stderr


def test_shell_without_devmem(quad: Card, tmp_path: Path) -> None:
    """A command that fails, or answers with something else than a number, is named."""
    (tmp_path / "script.sh").write_text(to_script([transition(quad)], "sh"))
    for command, message in (("false", "reading register 0x0 failed: false"), ("echo no", "is not a number: echo no")):
        done = subprocess.run(
            ["sh", "script.sh"], cwd=tmp_path, env={"HARDSLICE_READ": command}, capture_output=True, text=True
        )
        assert done.returncode == 1 and message in done.stderr


@needs("tclsh")
def test_tcl_without_procedures(quad: Card, tmp_path: Path) -> None:
    """It says what it needs."""
    (tmp_path / "script.tcl").write_text(to_script([transition(quad)], "tcl"))
    done = subprocess.run(["tclsh", "script.tcl"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "define 'proc hardslice_read {address}'" in done.stderr


def test_jsonl_says_everything(quad: Card) -> None:
    """A head and the operations, which can be read back."""
    found = transition(quad)
    head, *operations = map(json.loads, to_script([found], "jsonl").splitlines())
    assert head == {"title": found.title, "card": "quad", "hash": quad.hash, "generation": 1}
    assert tuple(map(operation_from_dict, operations)) == found.operations


def test_same_bytes(quad: Card) -> None:
    """No dates, no paths: a script depends on its transition only."""
    for format in FORMATS:
        assert to_script([transition(quad)], format) == to_script([transition(quad)], format)  # type: ignore[arg-type]


def test_operations_file(quad: Card, tmp_path: Path) -> None:
    """Transitions are appended; one that is written again replaces the old one and what came after it."""
    transport = FileTransport(tmp_path / "operations.jsonl")
    first, second = transition(quad), Manager(quad).apply(*example("db")).transition
    assert second is not None
    for found in (second, first, first):
        transport.operations = list(found.operations)
        transport.save(found)
    assert load_transitions(transport.path) == [second, first]
    transport.operations = list(second.operations)
    transport.save(second)
    assert load_transitions(transport.path) == [second]
