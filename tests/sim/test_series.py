"""Two cards in series, each the other's initiator and target: no request waits in a circle."""

import re
from pathlib import Path

from hdl.generate import generate
from sim.build import build_simulation

ROOT = Path(__file__).resolve().parents[2]
CARDS = Path(__file__).parent / "series"
PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", re.MULTILINE)
OUTBOUND, INBOUND = "outbound_", "inbound_"


def connect(*verilog: tuple[str, str]) -> str:
    """The module `series` around two cards, of which each name and Verilog are given.

    Its ports are those of the cards, but for the register ports, before whose names stands the card's, and for
    `outbound` and `inbound`, which are connected with each other.
    """
    outer, inner, instances = [], [], []
    for (name, text), (other, _) in zip(verilog, reversed(verilog), strict=True):
        body = re.search(rf"^module {name} ?\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
        assert body, name
        pins = []
        for way, high, port in PORT.findall(body[0]):
            bits = f"[{high}:0] " if high else ""
            wire = port
            if port.startswith(OUTBOUND):
                wire = f"{name}_{port}"
                inner.append(f"wire {bits}{wire};")
            elif port.startswith(INBOUND):
                wire = f"{other}_{OUTBOUND}{port.removeprefix(INBOUND)}"
            elif port not in ("clk", "rst"):
                wire = f"{name}_{port}" if port.startswith(("control_", "interrupt")) else port
                outer.append(f"{way} {bits}{wire}")
            pins.append(f".{port}({wire})")
        instances.append(f"{name} {name}_card ({', '.join(pins)});")
    ports = ",\n  ".join(["input clk", "input rst", *outer])
    content = "\n  ".join(inner + instances)
    return f"module series (\n  {ports}\n);\n  {content}\nendmodule\n"


def test_both_ways_at_once(tmp_path: Path) -> None:
    names = ("near", "far")
    for name in names:
        generate(CARDS / name / "card.yaml", tmp_path / name)
    files = [tmp_path / name / f"{name}.v" for name in names]
    around = tmp_path / "series.v"
    around.write_text(connect(*((name, file.read_text()) for name, file in zip(names, files, strict=True))))
    built = build_simulation([*files, around], "series", ROOT / "build" / "cache" / "verilator")
    plusargs = [f"+{name}={tmp_path / name / 'manifest.json'}" for name in names]
    results = built.run("tests.sim.series_bench", directory=tmp_path / "run", seed=1, plusargs=[*plusargs, "+seed=1"])
    assert results.passed, [case.message for case in results.cases]
