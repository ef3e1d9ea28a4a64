"""Faults that Yosys plants in the netlist of a block: a wire stuck, inverted, or crossed with another.

`python -m tests.formal.netlist` prints how many of them the proofs of each block find, how many change nothing, and
which are neither: of these nobody claims what they change.
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
from hdl.fabric.slots import Slots
from hdl.plan import plan_card
from hdl.plan.blocks import register_map
from hdl.plan.plan import Plan
from hdl.plan.registers import TOKEN_BITS
from sim.prove import gate, gate_data, pick, register_port, return_queue, slots
from sim.prove.card import proofs
from sim.prove.harness import Harness
from sim.prove.prover import Proof, holds, job, tool_folder

from .equivalence import changes_nothing

ROOT = Path(__file__).parents[2]
PLAN, STRICT = (plan_card(ROOT / "boards" / name / "card.yaml") for name in ("mini", "quad"))
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
    box = h.place(RegisterStore(register_map(PLAN).address_bits, TOKEN_BITS))
    h.without_contents.append("values")
    register_port.accesses(h.part("accesses"), box)
    register_port.contents(h.part("contents"), box)
    return h


def _slots() -> Harness:
    h = Harness()
    box = h.place(Slots(STRICT))
    slots.follow_slot(h.part("a slot"), box, STRICT)
    slots.follow_id(h.part("an ID"), box, STRICT)
    return h


def _pick() -> Harness:
    h = Harness()
    box = pick.place(h, STRICT)
    pick.follow(h.part("what"), box, STRICT)
    pick.follow_rounds(h.part("how soon"), box, STRICT)
    return h


def _built(plan: Plan, *names: str) -> dict[str, Callable[[], Harness]]:
    found = {proof.name: proof.build for proof in proofs(plan)}
    return {name: found[name] for name in names}


BLOCKS: dict[str, Callable[[], Harness]] = {
    "write gate of bank": _write_gate,
    "return queue, reads": _return_queue,
    "register store": _register_store,
    **_built(
        PLAN,
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
    ),
    # With strict isolation.
    "slots": _slots,
    "choice of an answer": _pick,
    **_built(
        STRICT,
        "splitter",
        "data from host0",
        "virtual queue",
        "delivery from slots, reads",
        "delivery from slots, writes",
        "requests under way to bank0",
        "what bank0 owes",
        "cut-off of bank0",
        "table of time slots of bank0",
    ),
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
        harness = BLOCKS[name]()
        self.job = job(Proof(name, "", "", lambda: harness))
        self.folder.mkdir(parents=True)
        (self.folder / "design.il").write_text(harness.rtlil(outputs=True))
        prepare = "read_rtlil design.il; hierarchy -top top; proc -norom; opt_expr; opt_clean"
        # What a memory holds at first is no logic. Of more than are wanted: some concern the clock, what only a proof
        # looks at, or a wire to one of the block's parts, which are blocks of their own.
        logic = "=top.dut =top.dut/t:$meminit* %d"
        self._yosys(f"{prepare}; mutate -list {6 * number} -seed {SEED} -o list {logic}; write_rtlil netlist.il")
        lines = (self.folder / "list").read_text().splitlines()
        own = (line for line in lines if " -cell $" in line and not re.search(r" -port CLK |/sim/prove/", line))
        self.faults = [Fault(line) for line in own][:number]

    def _yosys(self, script: str) -> None:
        command = [str(self.tools / "yosys"), "-q", "-p", script]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def found(self, number: int) -> bool:
        """Whether a proof of the block fails with this fault."""
        place = self.folder / f"fault{number}"
        place.mkdir()
        self._yosys(f"read_rtlil netlist.il; {self.faults[number].command}; write_rtlil {place.name}/design.il")
        return not holds(self.job, place, self.tools)

    def changes_nothing(self, number: int) -> bool:
        """Whether the block does with this fault what it does without."""
        place = self.folder / f"fault{number}"
        place.mkdir(exist_ok=True)
        return changes_nothing(self.folder / "netlist.il", self.faults[number].command, place, self.tools)


@dataclass
class Outcome:
    """What became of the faults in a block: the places of those that a proof finds, that are none, and of the rest."""

    found: list[str]
    none: list[str]
    left: list[str]


def outcome(name: str, folder: Path, number: int = NUMBER, workers: int = 1) -> Outcome:
    """Plant faults in a block, one at a time."""
    netlist = Netlist(name, folder / "netlist", tool_folder(folder / "tools"), number)
    result = Outcome([], [], [])

    def judge(fault: int) -> list[str]:
        if netlist.found(fault):
            return result.found
        return result.none if netlist.changes_nothing(fault) else result.left

    with ThreadPoolExecutor(workers) as pool:
        for fault, kind in zip(netlist.faults, pool.map(judge, range(len(netlist.faults))), strict=True):
            kind.append(fault.place)
    return result


def main(names: list[str]) -> None:
    print("| block | found | change nothing | left |\n|---|---|---|---|")
    for name in names or BLOCKS:
        with TemporaryDirectory() as folder:
            of = outcome(name, Path(folder), workers=2)
        print(f"| {name} | {len(of.found)} | {len(of.none)} | {', '.join(of.left)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
