"""The recorder writes down every handshake and every change at a card's ports, in its cycle, and nothing else."""

from pathlib import Path

import pytest

from hdl.plan import manifest, plan_card
from sim.build import build_simulation
from sim.recorder import adapted, axi_signals, lite_signals, side_signals, write_recorder

ROOT = Path(__file__).resolve().parents[2]
CARD = "mini"


def _stand_in(described: dict) -> str:
    """A card without a fabric: host's channels are bank's channels, everything else is silent."""
    signals = {"clk": 1, "rst": 1, **lite_signals(described)}
    for port in (*described["initiators"], *described["targets"]):
        signals |= axi_signals(described, port["name"])
    for side in side_signals(described).values():
        signals |= side
    targets = {target["name"] for target in described["targets"]}
    ports, drivers = [], []
    for name, width in signals.items():
        port, _, signal = name.partition("_")
        # The manager drives aw, w and ar except their ready, and the ready of b and r; the other side drives the rest.
        from_manager = signal.startswith(("aw", "w", "ar")) != signal.endswith("ready")
        output = name == "interrupt" or (port in targets) == from_manager or signal in ("reset", "hold", "boot_address")
        if name in ("clk", "rst"):
            output = False
        ports.append(f"{'output' if output else 'input'} wire [{width - 1}:0] {name}")
        if output:
            source = {"host": "bank", "bank": "host"}.get(port)
            value = (port, signal) == ("control", "awready")
            if source:
                drivers.append(f"assign {name} = {width}'({source}_{signal});")
            elif name == "core_boot_address":
                drivers.append(f"assign {name} = host_araddr;")
            else:
                drivers.append(f"assign {name} = {int(value)};")
    return f"module {described['card']} (\n" + ",\n".join(ports) + "\n);\n" + "\n".join(drivers) + "\nendmodule\n"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a run in which `recorder_pins.drive` moves the pins."""
    directory = tmp_path_factory.mktemp("recorder")
    described = manifest(plan_card(ROOT / "boards" / CARD / "card.yaml"))
    source = directory / f"{CARD}.sv"
    source.write_text(_stand_in(described))
    recorded = write_recorder(described, directory)
    probes = [(f"{CARD}_recorder", "cycle")]
    built = build_simulation([source, recorded], CARD, ROOT / "build" / "cache" / "verilator", probes=probes)
    output = directory / "trace"
    output.mkdir()
    plusargs = [f"+trace={output}", "+signals"]
    results = built.run("tests.sim.recorder_pins", directory=directory / "run", seed=1, plusargs=plusargs)
    assert results.passed, results.cases
    return output


def test_events(trace: Path) -> None:
    """Handshakes, one line each in their cycle; no line for valid without ready; changes once."""
    lines = (trace / "events.txt").read_text().splitlines()
    assert lines[:2] == ["0 - rst 1", "3 - rst 0"]
    assert "3 core boot_address 0" in lines
    handshakes = [line for line in lines if line.split()[2] in ("AR", "AW", "W", "R", "B")]
    assert handshakes == [
        "7 host AR 1 1234 3 2 1 0 0 2 1",
        "7 bank AR 1 1234 3 2 1 0 0 2 1",
        "9 control AW 14",
        "10 host R 1 deadbeef 0 1",
        "10 bank R 1 deadbeef 0 1",
    ]
    assert [line for line in lines if "boot_address" in line] == ["3 core boot_address 0", "5 core boot_address 1234"]


def test_unstable_offers(trace: Path) -> None:
    """What the card takes back or changes before it is taken is told, once in each cycle; what waits is not."""
    lines = (trace / "events.txt").read_text().splitlines()
    assert [line for line in lines if " unstable " in line] == ["12 host unstable 4", "13 host unstable 4"]


def test_signals(trace: Path) -> None:
    """A port's file names its signals and has a line for each cycle in which one of them changed."""
    header, *lines = (trace / "signals_host.txt").read_text().splitlines()
    fields = [field.split(":") for field in header.removeprefix("# ").split()]
    widths = [int(width) for _, width in fields]
    position = [name for name, _ in fields].index("arvalid")
    shift = sum(widths[position + 1 :])
    valid = {int(line.split()[0]): int(line.split()[1], 16) >> shift & 1 for line in lines}
    assert {cycle: level for cycle, level in valid.items() if cycle in (5, 8)} == {5: 1, 8: 0}
    assert sorted(valid) == sorted(set(valid)), "at most one line per cycle"
    assert 6 not in valid, "nothing changed in cycle 6"


def test_same_manifest_same_text(tmp_path: Path) -> None:
    """The recorder is reproducible, and bound to the card by name."""
    described = manifest(plan_card(ROOT / "boards" / "quad" / "card.yaml"))
    first = write_recorder(described, tmp_path).read_bytes()
    assert first == write_recorder(described, tmp_path).read_bytes()
    assert b"bind quad quad_recorder recorder (.*);" in first
    assert b"nvme0_lane_rx" in first


def test_behind_adapters(tmp_path: Path) -> None:
    """At a port that differs from the fabric, the recorder watches the wires of the data plane."""
    described = manifest(plan_card(Path(__file__).parent / "odd" / "card.yaml"))
    text = write_recorder(described, tmp_path).read_text()
    assert adapted(described) == ["slim", "broad", "tap", "core", "few", "wide", "thin", "uart"]
    for port in adapted(described):
        assert f".{port}_arvalid({port}_inside_arvalid)" in text
    assert "plain_inside" not in text
    assert "input wire [63:0] slim_rdata" in text, "as wide as the fabric"


def test_unknown_port() -> None:
    """There is no port that the manifest does not name."""
    described = manifest(plan_card(ROOT / "boards" / CARD / "card.yaml"))
    with pytest.raises(KeyError, match="bank9"):
        axi_signals(described, "bank9")
