"""A simulated card behind a socket: the RAM works on it as on a real one, dies on it, and is succeeded."""

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from hdl.errors import Refusal
from hdl.generate import generate, harness_verilog
from hdl.plan import plan_card
from ram import Manager, SliceDefinition, load_card
from ram.errors import Refusal as RamRefusal
from ram.journal import Journal
from ram.socket_transport import SocketTransport
from ram.transport import AccessError
from sim.build import build_simulation
from sim.cli import main
from sim.simulate import check_free, serve
from sim.soak import Bench
from tests.ram.test_journal import Killed, Mortal

from .mutants import plant_all

CARD = Path(__file__).parent / "trio" / "card.yaml"
BUILDS = Path("build/cache/verilator").resolve()
WEB = """\
slice: web
tenant: acme
contexts: [host0.0]
cores: [core0]
memory: [{name: heap, size: 16KiB, targets: [bank0]}]
"""
DB = """\
slice: db
tenant: acme
contexts: [host0.1]
memory: [{name: heap, size: 16KiB, targets: [bank0]}, {name: log, size: 8KiB, targets: [bank1]}]
pcie: {device: nvme, lanes: 2}
"""
STEP = 17

pytestmark = pytest.mark.xdist_group("soak")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The simulation that `test_soak` uses, without a fault."""
    folder = tmp_path_factory.mktemp("simulate")
    generate(CARD, folder)
    sources = [folder / "mutants.v", folder / "harness.v"]
    sources[0].write_text(plant_all((folder / "trio.v").read_text(), "trio"))
    sources[1].write_text(harness_verilog(plan_card(CARD)))
    return Bench(build_simulation(sources, "harness", BUILDS), folder / "manifest.json", folder)


@pytest.fixture(scope="module")
def place(bench):
    """A card that is simulated, and where."""
    path = bench.folder / "card.socket"
    ended: list[BaseException | None] = []

    def run():
        try:
            assert serve(bench, path)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not path.exists() and thread.is_alive():
        time.sleep(0.05)
    yield path
    if thread.is_alive():
        SocketTransport(path).say("end")
    thread.join()
    assert ended == [None]


@pytest.fixture
def card(place):
    """The connection, after a reset."""
    transport = SocketTransport(place)
    assert transport.say("reset") == "ok"
    yield transport
    transport.close()


def definitions(*texts: str) -> list[SliceDefinition]:
    return [SliceDefinition.model_validate(YAML(typ="safe").load(text)) for text in texts]


def contents(transport: SocketTransport, described) -> dict[str, int]:
    """All registers that software writes and reads."""
    result = {}
    for name, block in described.registers.items():
        for member in range(len(block.members)):
            for register, layout in block.registers.items():
                if any(field.access == "rw" for field in layout.fields.values()):
                    address = described.address(name, member, register)
                    result[described.label(name, member, register)] = asyncio.run(transport.read(address))
    return result


def test_a_command_works_on_the_card(bench, place, card, tmp_path, capsys, monkeypatch):
    """Apply, assert, take over, change: what is said and what the card holds; another RAM's next change is refused."""
    monkeypatch.setenv("HARDSLICE_CARD", str(bench.manifest))
    monkeypatch.setenv("HARDSLICE_TRANSPORT", f"socket:{place}")
    for name, text in (("web", WEB), ("db", DB)):
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / "web.yaml"), str(tmp_path / "db.yaml")]
    mine, other = (["--state", str(tmp_path / f"{name}.json")] for name in ("state", "other"))

    def run(*words: str) -> tuple[int, str, str]:
        return main(words), *capsys.readouterr()

    code, said, _ = run("apply", *files, *mine)
    assert code == 0 and said.startswith("SUCCESS: apply web, db; ") and said.endswith(" operations carried out\n")
    assert run("assert", *files, *mine)[0] == 0
    assert run("apply", *files, *mine)[1] == "SUCCESS: apply web, db: nothing to do; the card stays as it is\n"
    (tmp_path / "other.json").write_bytes((tmp_path / "state.json").read_bytes())
    assert run("take-over", *other) == (0, "SUCCESS: the card is owned with token 1\n", "")
    before = contents(card, load_card(bench.manifest))
    code, said, error = run("release", "db", *mine)
    assert (code, said) == (2, "") and error.startswith("hardslice: the card is not in the state that this change")
    assert contents(card, load_card(bench.manifest)) == before
    assert run("release", "db", *other)[0] == 0
    assert run("assert", files[0], *other)[0] == 0
    assert card.say("reset") == "ok"
    code, said, _ = run("assert", files[0], *other)
    assert code == 1 and "identity.FENCE is 0x0, should be 0x1" in said
    assert run("release", "web", *other)[2].endswith("; it has been reset: `hardslice restore` brings its state back\n")
    assert run("restore", *other) == (0, "SUCCESS: the card has the state of generation 3 again\n", "")
    assert run("assert", files[0], *other)[0] == 0
    assert not (tmp_path / "operations.jsonl").exists()


def test_a_ram_that_is_killed_goes_on_or_is_succeeded(bench, card, tmp_path):
    """At any access of a change: in the end the card holds what it would hold otherwise, but for the owner's token."""
    described = load_card(bench.manifest)

    def start(path: Path) -> tuple[Journal, Manager]:
        assert card.say("reset") == "ok"
        journal = Journal(path, described)
        manager = Manager(described, journal.inventory)
        asyncio.run(journal.carry_out(manager, manager.apply(*definitions(WEB, DB)), card))
        return journal, manager

    def change(manager: Manager):
        web, db = definitions(WEB, DB)
        web = web.model_copy(update={"cores": (), "memory": ()})
        return manager.apply(web, db.model_copy(update={"cores": ("core0",), "pcie": ()}))

    journal, manager = start(tmp_path / "whole.json")
    asyncio.run(journal.carry_out(manager, change(manager), card))
    expected = contents(card, described)
    access, died = 3, True
    while died:
        path = tmp_path / f"{access}.json"
        journal, manager = start(path)
        try:
            asyncio.run(journal.carry_out(manager, change(manager), Mortal(card, access, late=access % 2 == 0)))
            died = False
        except Killed:
            again = Journal(path, described)
            token = 0 if access % 3 else 5
            if token:
                asyncio.run(again.take_over(Manager(described, again.inventory), token, card))
            else:
                assert asyncio.run(again.resume(card))
            assert contents(card, described) == expected | {"identity.FENCE": token}
        access += STEP
    assert access > 5 * STEP


def test_what_the_card_refuses_and_what_it_does_not_understand(bench, place, card):
    described = load_card(bench.manifest)
    with pytest.raises(AccessError, match="the card refused to write 0x"):
        asyncio.run(card.write(described.under(1, described.address("identity", 0, "GENERATION")), 1))
    assert asyncio.run(card.read(described.address("identity", 0, "GENERATION"))) == 0
    bits = described.fabric.register_bits + described.fabric.token_bits
    for line in ("", "read", "write 1", "read x", "do 1", "read 0 1"):
        assert card.say(line).startswith("say 'read ADDRESS'")
    for line in (f"read {1 << bits:#x}", "write 0 0x100000000", "read -4"):
        assert card.say(line) == f"an address has {bits} bits, a value has 32"
    with socket.socket(socket.AF_UNIX) as rude:  # it is disconnected, and nobody else notices
        rude.connect(str(place))
        rude.sendall(b"r" * 1000)
        assert rude.recv(1) == b""
    assert asyncio.run(card.read(0)) == described.registers["identity"].registers["MAGIC"].fields["value"].reset


def test_a_place_that_cannot_be(tmp_path, monkeypatch):
    """Each in one line; a socket that was left over is taken away."""
    with pytest.raises(Refusal, match="too long for a socket, 100 bytes at most"):
        check_free(Path("/" + "x" * 120))
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="this is something else"):
        check_free(tmp_path / "file")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)
        listener.bind("s")
        listener.listen()
        with pytest.raises(Refusal, match="a card is there already"):
            check_free(Path("s"))
    check_free(Path("s"))
    assert not Path("s").exists()
    with pytest.raises(RamRefusal, match="no card listens there"):
        SocketTransport(tmp_path / "s")
