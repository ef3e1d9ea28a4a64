"""`hardslice sim`: generates a card, builds it, plays all scenarios on it, and judges."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hdl.errors import Refusal
from hdl.files import build_folder
from hdl.generate import generate
from hdl.plan import plan_card

from . import coverage
from .build import BuiltSimulation, build_simulation
from .cocotb_run import SimulationError
from .judge import Judgement, judge
from .judge.figures import figure
from .judge.verdicts import table, write_json
from .recorder import write_recorder
from .report import write_report
from .scenarios import SCENARIOS, STOPPED

DEFAULT_SEED = 1
CACHE = Path("cache", "verilator")
TRACES = "traces"
TWINS = "+signals"
"""Makes the recorder write every signal of the initiators' ports, so that twins can be compared cycle by cycle."""
HEARTBEAT_SECONDS = 10
LOG_COLUMNS = 150
"""Width of the table where nobody's terminal gives one."""
MAKE_STARTED = "HARDSLICE_STARTED"
"""Environment variable in which `make` tells when it started, in seconds since the epoch."""
PROCESS_STARTED = time.time()


@dataclass(frozen=True)
class Run:
    """One simulation: a scenario in one of its variants, below `traces`; it begins when the run `after` has ended."""

    scenario: str
    variant: str | None
    traces: Path
    after: "Run | None" = None

    @property
    def name(self) -> str:
        """Name of the run, and of its folder."""
        return f"{self.scenario}-{self.variant}" if self.variant else self.scenario

    @property
    def directory(self) -> Path:
        """Where its trace goes."""
        return self.traces / self.name

    @property
    def marks(self) -> Path:
        """What the scenario notes."""
        return self.directory / "marks.jsonl"

    def noted(self) -> list[dict[str, Any]]:
        """What the scenario has noted so far."""
        if not self.marks.is_file():
            return []
        lines = self.marks.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def stopped(self) -> int | None:
        """Cycle in which its traffic was told to stop."""
        return next((mark["cycle"] for mark in self.noted() if mark["kind"] == STOPPED), None)

    def stage(self) -> str:
        """Where the scenario is, for people."""
        noted = self.noted()
        named = [mark["name"] for mark in noted if mark["kind"] in ("phase_begin", "transition_begin")]
        return f"cycle {noted[-1]['cycle']}: {named[-1]}" if named else "starts"


def runs(scenarios: Sequence[str] | None, traces: Path) -> list[Run]:
    """The simulations to run, those that take longest first; Refusal if a scenario is unknown."""
    for name in scenarios or ():
        if name not in SCENARIOS:
            raise Refusal(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    result: list[Run] = []
    for name in SCENARIOS:
        first = None
        for variant in SCENARIOS[name] if not scenarios or name in scenarios else ():
            result.append(Run(name, variant, traces, first))
            first = first or result[-1]
    return result


def play(built: BuiltSimulation, run: Run, settings: dict[str, Any], plusargs: Sequence[str] = ()) -> str:
    """Run one simulation; returns what went wrong, or nothing.

    The scenario finds its settings in a file: `scenario`, `variant`, `seed`, `command`, and the paths `manifest`,
    `card` (the description, beside which the slices stand) and `marks`, and `until`, the cycle in which an earlier
    variant stopped its traffic, or null.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    file = run.directory / "settings.json"
    until = run.after.stopped() if run.after else None
    if run.after and until is None:
        return f"not run, since {run.after.name} did not come to its end"
    content = settings | {"scenario": run.scenario, "variant": run.variant, "marks": str(run.marks), "until": until}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    plusargs = [f"+run={file}", f"+trace={run.directory}", *([TWINS] if run.variant else []), *plusargs]
    environment = {"PYTHONWARNINGS": "ignore"}
    try:
        results = built.run(
            "sim.scenarios.play",
            directory=run.directory,
            seed=settings["seed"],
            environment=environment,
            plusargs=plusargs,
        )
    except SimulationError as error:
        return str(error)
    return "; ".join(
        f"{' '.join(case.message.split())}, log: {results.log}" for case in results.cases if not case.passed
    )


def play_all(
    built: BuiltSimulation,
    todo: list[Run],
    settings: dict[str, Any],
    console: Console,
    plusargs: Sequence[str] = (),
) -> bool:
    """Run all simulations, as many at once as there are processors; returns whether all came to their end."""
    started = time.monotonic()
    good = True
    processors = os.cpu_count() or 1
    waiting, ended = list(todo), set[str]()
    with ThreadPoolExecutor(processors) as pool:
        playing: dict[Future[str], Run] = {}
        while waiting or playing:
            ready = [run for run in waiting if run.after is None or run.after.name in ended]
            for run in ready[: processors - len(playing)]:
                waiting.remove(run)
                playing[pool.submit(play, built, run, settings, plusargs)] = run
            done, _ = wait(playing, timeout=HEARTBEAT_SECONDS, return_when="FIRST_COMPLETED")
            lines = [(run, run.stage()) for run in playing.values()] if not done else []
            for future in done:
                run = playing.pop(future)
                ended.add(run.name)
                wrong = future.result()
                good &= not wrong
                lines.append((run, wrong or f"done, {run.stage()}"))
            for run, text in lines:
                console.print(f"{time.monotonic() - started:4.0f} s  {run.name}: {text}", highlight=False, markup=False)
    return good


def _set_up_seconds() -> float:
    """What `make` had needed until this process started: the virtual environment, the first time."""
    begun = os.environ.get(MAKE_STARTED)
    return max(0.0, PROCESS_STARTED - float(begun)) if begun else 0.0


def _note_seconds(judgement: Judgement, out: Path, seconds: float, *, first: bool) -> None:
    """Add the wall time of this run, and of the last run of the other kind, to the figures."""
    file = out / "seconds.json"
    noted = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    noted["the first time, set-up and build included" if first else "again"] = round(seconds)
    file.write_text(json.dumps(noted) + "\n", encoding="utf-8")
    shown = next(verdict for verdict in judgement.verdicts if verdict.check == "figures")
    shown.figures += [figure(f"make sim, {kind}", value, "s") for kind, value in noted.items()]
    write_json(judgement.verdicts, out / "sim.json")


def _variety(manifest: dict[str, Any], out: Path) -> dict[str, Any]:
    """Functional coverage of all runs together; written to the card's folder."""
    numbers = coverage.Numbers(manifest["fabric"]["data_width"] // 8, manifest["fabric"]["chunk"])
    result = coverage.collect(sorted((out / TRACES).glob(f"*/{coverage.FILE}")), numbers)
    (out / coverage.FILE).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def main(card: Path, seed: int | None = None, waves: bool = False, scenarios: Sequence[str] | None = None) -> int:
    """Generate, build, simulate and judge a card; write ``sim.json`` and ``report.html`` into its build folder.

    Parameters
    ----------
    card : Path
        The card description.
    seed : int, optional
        Of everything random; 1 if it is not given.
    waves : bool
        Keep waveforms (VCD) of every simulation.
    scenarios : sequence of str, optional
        Only these.

    Returns
    -------
    int
        0 if every verdict is green, otherwise 1.

    Raises
    ------
    Refusal
        The card is wrong, or a tool is missing.
    """
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console = Console(soft_wrap=True, width=LOG_COLUMNS)
    started = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - started:4.0f} s  {text}", highlight=False, markup=False)

    seed = DEFAULT_SEED if seed is None else seed
    name = plan_card(card).card
    out = build_folder(name).resolve()
    todo = runs(scenarios, out / TRACES)
    say(f"{name}: generating (seed {seed})")
    generate(card, out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    for port in (*manifest["initiators"], *manifest["targets"]):
        if port["protocol"] != "axi4":
            raise Refusal(f"{card}: the scenarios know no {port['protocol']}, which {port['name']!r} has; make it axi4")
    sources = [out / f"{name}.v", write_recorder(manifest, out)]
    say(f"{name}: building the simulation")
    built = build_simulation(sources, name, out.parent / CACHE, waves=waves)
    say(f"{name}: built in {built.seconds:.0f} s" if built.seconds else f"{name}: the build is there already")
    shutil.rmtree(out / TRACES, ignore_errors=True)
    command = f"make sim CARD={name if card.parent.name == name else card} SEED={seed}"
    settings = {
        "seed": seed, "command": command, "manifest": str(out / "manifest.json"), "card": str(card.resolve()),
    }  # fmt: skip
    complete = play_all(built, todo, settings, console)
    say("judging")
    judgement = judge(manifest, out / TRACES, out, command)
    _note_seconds(judgement, out, time.monotonic() - started + _set_up_seconds(), first=bool(built.seconds))
    variety = _variety(manifest, out)
    report = write_report(manifest, judgement, out / "report.html", variety)
    console.print(table(judgement.verdicts))
    say(f"random traffic: {variety['hit']} of {variety['bins']} bins hit, holes in {out / coverage.FILE}")
    say(f"report: {report}")
    say(f"reproduce with: {command}")
    return 0 if complete and judgement.passed else 1
