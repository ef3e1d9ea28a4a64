"""Faults that Yosys plants in the netlist of a block: a wire stuck, inverted, or crossed with another.

`python -m tests.formal.netlist` prints how many of them the proofs of each block find, and which they do not: what is
not found is no fault, or nobody claims it.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hdl.control.register_store import RegisterStore
from hdl.fabric.gate import Gate
from hdl.fabric.return_queue import ReturnQueue
from hdl.plan import plan_card
from hdl.plan.blocks import register_map
from sim.prove import gate, gate_data, register_port, return_queue
from sim.prove.card import proofs
from sim.prove.harness import Harness
from sim.prove.prover import Proof, holds, job, tool_folder

ROOT = Path(__file__).parents[2]
PLAN = plan_card(ROOT / "boards" / "mini" / "card.yaml")
NUMBER, SEED = 8, 1
"""Faults in each block, and where Yosys begins to choose them."""


def _write_gate() -> Harness:
    """With both proofs of it."""
    h = Harness()
    box = h.place(Gate(PLAN, PLAN.targets[0], write=True))
    gate.follow(h.part("requests"), box)
    gate_data.follow(h.part("data"), box)
    return h


def _return_queue() -> Harness:
    h = Harness()
    box = h.place(ReturnQueue(PLAN, write=False))
    return_queue.follow(h.part("requests"), box)
    return_queue.follow_beats(h.part("beats"), box)
    return h


def _register_store() -> Harness:
    h = Harness()
    box = h.place(RegisterStore(register_map(PLAN).address_bits))
    h.without_contents.append("values")
    register_port.accesses(h.part("accesses"), box)
    register_port.contents(h.part("contents"), box)
    return h


PROOFS = {proof.name: proof.build for proof in proofs(PLAN)}
BLOCKS: dict[str, Callable[[], Harness]] = {
    "write gate of bank": _write_gate,
    "return queue, reads": _return_queue,
    "register store": _register_store,
    **{
        name: PROOFS[name]
        for name in (
            "read gate of bank",
            "window fill",
            "look-up of host, reads",
            "translation of host, writes",
            "tenure of 2 contexts",
            "queue of 16, always room, fall through",
            "queues of 2 contexts, reads",
            "data of 2 contexts",
            "order of IDs, reads",
            "delivery, reads",
            "delivery, writes",
            "arbiter of 3 with scrubber",
            "epochs",
            "barrier",
            "rekey of bank",
            "hand-over of host",
            "hand-over of core",
        )
    },
}


@dataclass(frozen=True)
class Fault:
    """A fault as Yosys' command `mutate` has it, without the clock, which a proof does not have."""

    command: str

    @property
    def place(self) -> str:
        """What is changed how, without numbers that change with every other line of the sources."""
        found = dict(re.findall(r"-(\w+) (\S+)", self.command))
        wire = found.get("wire", found["port"])
        bit = found.get("wirebit", found["portbit"])
        source = re.findall(r"-src \S*/hdl/(\S+):\d+", self.command)
        return f"{found['mode']} {wire}[{bit}] in {source[-1] if source else 'a process'}"


class Netlist:
    """A block's harness as Yosys has it, with its faults."""

    def __init__(self, name: str, folder: Path, tools: Path, number: int = NUMBER) -> None:
        self.folder, self.tools = folder.resolve(), tools
        self.job = job(Proof(name, "", "", BLOCKS[name]))
        self.folder.mkdir(parents=True)
        (self.folder / "design.il").write_text(self.job.design)
        prepare = "read_rtlil design.il; hierarchy -top top; proc -norom; opt_expr; opt_clean"
        # Of some more than are wanted, since some concern the clock. What a memory holds at first is no logic.
        logic = "=top.dut =top.dut/t:$meminit* %d"
        self._yosys(f"{prepare}; mutate -list {2 * number} -seed {SEED} -o list {logic}; write_rtlil netlist.il")
        lines = (self.folder / "list").read_text().splitlines()
        self.faults = [Fault(line) for line in lines if " -port CLK " not in line][:number]

    def _yosys(self, script: str) -> None:
        command = [str(self.tools / "yosys"), "-q", "-p", script]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def proved(self, number: int) -> bool:
        """Whether all proofs of the block hold with this fault."""
        place = self.folder / f"fault{number}"
        place.mkdir()
        self._yosys(f"read_rtlil netlist.il; {self.faults[number].command}; write_rtlil {place.name}/design.il")
        return holds(self.job, place, self.tools)


def survivors(name: str, folder: Path, number: int = NUMBER, workers: int = 1) -> tuple[int, list[str]]:
    """How many faults were planted in a block, and the places of those that no proof of it finds."""
    netlist = Netlist(name, folder / "netlist", tool_folder(folder / "tools"), number)
    with ThreadPoolExecutor(workers) as pool:
        proved = list(pool.map(netlist.proved, range(len(netlist.faults))))
    return len(proved), [fault.place for fault, held in zip(netlist.faults, proved, strict=True) if held]


def main(names: list[str]) -> None:
    print("| block | faults | found | not found |\n|---|---|---|---|")
    for name in names or BLOCKS:
        with TemporaryDirectory() as folder:
            planted, left = survivors(name, Path(folder), workers=2)
        print(f"| {name} | {planted} | {planted - len(left)} | {', '.join(left)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
