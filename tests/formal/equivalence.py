"""Whether a fault in a block's netlist changes anything, in any state that the block's claims allow.

Two of the block with its harness, one of them with the fault, are given the same. Those bits of their registers that
are the same in both at reset, and in a next cycle whenever they were in this one, are the same for ever, by induction;
they are found by leaving out what differs until nothing does. If then nothing that the block says can differ, the fault
is none. The claims are proved of the one without the fault, and assumed of it here. What a stream offers does not
matter while it offers nothing. (C. A. J. van Eijk, Sequential equivalence checking based on structural similarities,
IEEE TCAD 19(7), 2000.)
"""

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PLANTED = "planted_fault"
"""The input that switches the fault on."""
# Small memories become registers, so that single bits of them can be left out.
SCRIPT = """\
read_rtlil {netlist}
{fault} -ctrl {planted} 1 1
memory_map -rom-only
prep -top top -flatten
memory_map t:$mem_v2 r:SIZE<=16 %i
opt -full
memory_nordff
async2sync
chformal -live -fair -cover -remove
setundef -undriven -anyseq
opt -fast
opt_clean
formalff -assume
dffunmap
write_smt2 -wires {model}
"""
MACHINES = ("good", "faulty", "good_next", "faulty_next")


def changes_nothing(netlist: Path, fault: str, folder: Path, tools: Path) -> bool:
    """Whether the fault, a command `mutate`, is none.

    Parameters
    ----------
    netlist : Path
        A harness whose block is `dut`, as RTLIL, with all outputs of that.
    fault : str
    folder : Path
        For the model.
    tools : Path
        From :func:`sim.prove.prover.tool_folder`.
    """
    file = folder / "model.smt2"
    script = SCRIPT.format(netlist=netlist, fault=fault, planted=PLANTED, model=file)
    command = [str(tools / "yosys"), "-q", "-p", "; ".join(script.splitlines())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    model = Model(file.read_text())
    alike = model.registers
    while True:
        question = model.question(alike)
        done = subprocess.run([tools / "bitwuzla"], input=question, text=True, check=False, capture_output=True)
        answer, *values = done.stdout.split("\n", 1)
        if answer == "unsat":
            return True
        if answer != "sat":
            raise RuntimeError(f"{file}: the solver says {answer!r} {done.stderr}")
        differ = [value == "true" for value in re.findall(r"(true|false)\)", values[0])]
        asked = [*alike, *model.outputs]
        apart = {term for term, differs in zip(asked, differ, strict=True) if differs}
        if not apart.isdisjoint(model.outputs):
            return False
        alike = [term for term in alike if term not in apart]


@dataclass(frozen=True)
class Model:
    """A harness as Yosys writes it in SMT-LIB; a fault in it is switched on by an input."""

    text: str

    @cached_property
    def symbols(self) -> dict[str, tuple[str, str]]:
        """Inputs, free values, registers and memories: their sort, and the names that Yosys has for them."""
        found = re.findall(r"^\(declare-fun \|([^|]+)\| \(\|top_s\|\) (.+?)\) ; (.*)$", self.text, re.MULTILINE)
        return {symbol: (sort, name) for symbol, sort, name in found if symbol != "top_is"}

    @cached_property
    def registers(self) -> list[str]:
        """Bits of the block's registers, and its memories, as terms with a machine left open."""
        step = self.text[self.text.index("(define-fun |top_t|") :]
        terms = []
        for symbol in re.findall(r"\|(top#[\d#]+)\| next_state", step):
            sort, name = self.symbols[symbol]
            width = re.fullmatch(r"\(_ BitVec (\d+)\)", sort)
            if "dut." in name and width:
                terms += [f"((_ extract {n} {n}) (|{symbol}| {{}}))" for n in range(int(width[1]))]
            elif "dut." in name:
                terms.append(f"(|{symbol}| {{}})")
        return terms

    @cached_property
    def outputs(self) -> list[str]:
        """Conditions under which one of the block's outputs differs."""
        boolean = set(
            re.findall(r"^\(define-fun \|top_n ([^|]+)\| \(\(state \|top_s\|\)\) Bool", self.text, re.MULTILINE)
        )
        widths = dict(re.findall(r"^; yosys-smt2-output (\S+) (\d+)$", self.text, re.MULTILINE))
        found = []
        for name in widths:
            apart = f"(distinct (|top_n {name}| good) (|top_n {name}| faulty))"
            valid = f"{name.removesuffix('__payload')}{'__' if name.endswith('__payload') else '_'}valid"
            if valid in widths:
                offered = f"(|top_n {valid}| good)"
                offered = offered if valid in boolean else f"(distinct {offered} (_ bv0 {widths[valid]}))"
                apart = f"(and {apart} {offered})"
            found.append(apart)
        return found

    def question(self, alike: list[str]) -> str:
        """Satisfiable if, when these are the same in both, one of them or an output can differ; and which does."""
        planted = next(symbol for symbol, (_, name) in self.symbols.items() if name == f"\\{PLANTED}")
        switched = ("false", "true") if self.symbols[planted][0] == "Bool" else ("#b0", "#b1")
        inner = {symbol for term in self.registers for symbol in re.findall(r"\|(top#[\d#]+)\|", term)}
        assumed = [f"(= (|{s}| good) (|{s}| faulty))" for s in self.symbols if s not in inner and s != planted]
        assumed += [f"(= {term.format('good')} {term.format('faulty')})" for term in alike]
        for machine in MACHINES[:3]:
            assumed.append(f"(= (|{planted}| {machine}) {switched[machine == 'faulty']})")
        assumed += [f"(|top_{what}| {machine})" for machine in ("good", "good_next") for what in "ua"]
        assumed += ["(|top_t| good good_next)", "(|top_t| faulty faulty_next)"]
        differ = [f"(distinct {term.format('good_next')} {term.format('faulty_next')})" for term in alike]
        differ += self.outputs
        lines = [f"(declare-fun {machine} () |top_s|)" for machine in MACHINES]
        lines += [f"(assert {what})" for what in (*assumed, f"(or false {' '.join(differ)})")]
        return "\n".join(["(set-logic ALL)", self.text, *lines, "(check-sat)", f"(get-value ({' '.join(differ)}))", ""])
