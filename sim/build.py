"""Builds Verilog into a simulation once, and runs cocotb tests in it as often as wanted.

Builds are kept by what they are made from: sources, options and tool versions give the name of the folder. So two cards
or tests with the same RTL share a build, and a build that does not match its sources is noticed.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cocotb_tools.config

from hdl.errors import Refusal
from sim.cocotb_run import Results, run_tests
from sim.verilator import (
    MAKE_VARIABLES,
    VERILATOR_OPTIONS,
    WAIVERS,
    tool_versions,
    verilator_environment,
    visible_signals,
)

__all__ = ["BuiltSimulation", "build_simulation"]

RECORD = "build.json"
LOG = "build.log"


@dataclass(frozen=True)
class _Recipe:
    """Everything that decides about the executable; its hash names the build."""

    top: str
    sources: list[str]  # hashes
    visible: str  # Verilator control file
    options: list[str]
    make: list[str]
    tools: dict[str, str]

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def run_time_digest(self) -> str:
        """Hash of what decides about Verilator's run-time library alone."""
        return replace(self, top="", sources=[], visible="").digest()


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
        recorded = _read_record(self.directory).get("sources")
        if recorded != [_digest(path) if path.is_file() else None for path in self.sources]:
            names = ", ".join(str(path) for path in self.sources)
            raise Refusal(f"stale: {self.directory} was not built from {names} as they are now: build it again")
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
    environment = verilator_environment()
    macros = [f"-D{name}={value}" for name, value in (defines or {}).items()]
    recipe = _Recipe(
        top=top,
        sources=[_digest(path) for path in resolved],
        visible=visible_signals(resolved, top, probes),
        options=[*VERILATOR_OPTIONS, *macros, *options, *(["--trace"] if waves else [])],
        make=list(MAKE_VARIABLES),
        tools={**tool_versions(), "waivers": _digest(WAIVERS)},
    )
    final = directory.resolve() / recipe.digest()
    final.parent.mkdir(parents=True, exist_ok=True)
    seconds = 0.0
    with _lock(final.with_suffix(".lock")):  # whoever comes second waits, and finds the build of the first
        if final.exists() and _read_record(final) != _record(recipe, final / top):
            print(f"stale: {final} is not what was built there, building it again", file=sys.stderr)
            shutil.rmtree(final)
        if not final.exists():
            started = time.monotonic()
            _build(resolved, recipe, environment, final)
            seconds = time.monotonic() - started
    return BuiltSimulation(final, top, resolved, waves, seconds)


def _build(sources: Sequence[Path], recipe: _Recipe, environment: Mapping[str, str], final: Path) -> None:
    """Build beside the final place, and rename when all is done. Only the holder of the lock calls this."""
    partial, log_file = final.with_suffix(".partial"), final.with_suffix(".log")
    shutil.rmtree(partial, ignore_errors=True)
    objects = partial / "objects"
    objects.mkdir(parents=True)
    control = objects / "visible.vlt"
    control.write_text(recipe.visible)
    library = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    verilate = ["verilator", "--cc", "--exe", "--vpi", "--prefix", "Vtop", "--top-module", recipe.top, *recipe.options]
    verilate += ["-Mdir", str(objects), "-o", str(partial / recipe.top)]
    verilate += ["-LDFLAGS", f"-Wl,-rpath,{library} -L{library} -lcocotbvpi_verilator"]
    verilate += [str(path) for path in (main, WAIVERS, control, *sources)]
    jobs = min(os.cpu_count() or 1, 4)
    compile_all = ["make", f"-j{jobs}", "-C", str(objects), "-f", "Vtop.mk", *recipe.make]
    with log_file.open("w") as log:
        for command in (verilate, compile_all):
            if command is compile_all:
                _reuse_run_time(final.parent / f"run-time-{recipe.run_time_digest()}", objects)
            print("+", *command, file=log, flush=True)
            done = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                lines = [line for line in log_file.read_text().splitlines() if re.match(r"%|.*\berror\b", line)]
                what = lines[0].removeprefix("%Error: ") if lines else f"status {done.returncode}"
                shutil.rmtree(partial)
                raise Refusal(f"{command[0]} refused {recipe.top}: {what}; the whole log is {log_file}")
    _keep_run_time(objects, final.parent / f"run-time-{recipe.run_time_digest()}")
    shutil.rmtree(objects)
    log_file.rename(partial / LOG)
    (partial / RECORD).write_text(json.dumps(_record(recipe, partial / recipe.top), indent=1))
    partial.rename(final)


def _reuse_run_time(kept: Path, objects: Path) -> None:
    """Take Verilator's compiled run-time library from an earlier build: it is half of the time of a small one."""
    for path in kept.glob("*.o"):
        shutil.copyfile(path, objects / path.name)  # is newer than its source then, so that make leaves it


def _keep_run_time(objects: Path, kept: Path) -> None:
    kept.mkdir(exist_ok=True)
    for path in objects.glob("verilated*.o"):
        if not (kept / path.name).exists():
            # By way of a name of its own, so that no other build finds half a file.
            path.rename(kept / f"{path.name}.{os.getpid()}").rename(kept / path.name)


def _record(recipe: _Recipe, executable: Path) -> dict[str, object]:
    return asdict(recipe) | {"executable": _digest(executable) if executable.is_file() else None}


def _read_record(build: Path) -> dict[str, object]:
    """Return what is recorded in a build's folder; nothing if that cannot be read, which no build equals."""
    try:
        return dict(json.loads((build / RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the file is closed, also by a crash
        yield
