"""Runs cocotb tests in a built simulation, in a process of its own, and reads their outcome."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import find_libpython

from hdl.errors import Refusal

__all__ = ["Case", "Results", "SimulationError", "run_tests"]


class SimulationError(Exception):
    """The simulator ended without results. ``str()`` is one line that names the log."""


@dataclass(frozen=True)
class Case:
    """Outcome of one cocotb test.

    Members
    -------
    name : str
        Name of the test.
    passed : bool
        Whether it passed. A skipped test has not.
    message : str
        What failed; empty if it passed.
    simulated : float
        Simulated time, in nanoseconds.
    seconds : float
        Wall time.
    """

    name: str
    passed: bool
    message: str
    simulated: float
    seconds: float


@dataclass(frozen=True)
class Results:
    """Outcome of one run of the simulator; ``waves`` is the VCD file, if the build can write one."""

    cases: tuple[Case, ...]
    seed: int
    log: Path
    waves: Path | None

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return all(case.passed for case in self.cases)


def run_tests(
    executable: Path,
    test_module: str,
    *,
    directory: Path,
    seed: int,
    testcase: str | None = None,
    environment: Mapping[str, str] | None = None,
    plusargs: Sequence[str] = (),
    log_file: Path | None = None,
    waves: bool = False,
) -> Results:
    """Run the tests of a module; see `sim.build.BuiltSimulation.run`, which checks first that the build is current."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    log_file = log_file or directory / "simulation.log"
    results = directory / "results.xml"
    results.unlink(missing_ok=True)
    waves_file = directory / "waves.vcd" if waves else None
    variables = os.environ | _cocotb_environment(executable.name, test_module, testcase)
    variables |= {"COCOTB_RESULTS_FILE": str(results), "COCOTB_RANDOM_SEED": str(seed), **(environment or {})}
    command = [str(executable), *(["--trace", "--trace-file", str(waves_file)] if waves_file else []), *plusargs]
    with log_file.open("w") as log:
        status = subprocess.run(
            command, cwd=directory, env=variables, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    cases = _read_cases(results) if results.is_file() else ()
    # Failed tests leave the status at 0: another one is a crash, even if it came after the last test.
    if not cases or status != 0:
        ended = f"status {status}" if status else "no such test"
        raise SimulationError(f"the simulation of {executable.name} gave no results ({ended}), its log is {log_file}")
    return Results(cases, seed, log_file, waves_file)


def _cocotb_environment(top: str, test_module: str, testcase: str | None) -> dict[str, str]:
    """Return what cocotb reads in the simulator's process to find Python, the tests and the design."""
    library = find_libpython.find_libpython()
    if library is None:
        raise Refusal("this Python has no shared library, which cocotb needs: apt-get install libpython3-dev")
    return {
        "GPI_USERS": f"{library};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": test_module,
        "COCOTB_TEST_FILTER": rf"\.{re.escape(testcase)}$" if testcase else "",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",  # Verilator writes inputs when cocotb expects it: no copy of every value
        "COCOTB_ANSI_OUTPUT": "0",
    }


def _read_cases(results: Path) -> tuple[Case, ...]:
    """Read the JUnit file that cocotb writes."""
    cases = []
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        properties = {found.get("name"): found.get("value") for found in case.iter("property")}
        wrong = next((found for found in case if found.tag in {"failure", "error", "skipped"}), None)
        message = "" if wrong is None else (wrong.get("message") or wrong.get("error_msg") or wrong.tag)
        simulated = float(properties.get("sim_time_duration") or 0)
        cases.append(Case(case.get("name", ""), wrong is None, message, simulated, float(case.get("time", 0))))
    return tuple(cases)
