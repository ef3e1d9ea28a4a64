"""`hardslice soak`: traffic by the million while slices change, and changes compared with undisturbed twins."""

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hdl.errors import Refusal
from hdl.files import build_folder
from hdl.generate import generate, harness_verilog
from hdl.plan import plan_card
from ram import Card, load_card

from .build import BuiltSimulation, build_simulation
from .cocotb_run import SimulationError
from .traffic.compare import Outcome, compare

CACHE = Path("cache", "verilator")
TRANSACTIONS = 10_000_000
CHANGES = 200
CHANGES_OF_A_PAIR = 25
SPREAD = 1000
"""Seeds of the parts of one run are this times the run's seed, plus 0, 1, 2 and so on."""
SIDE_BY_SIDE = "cycles per second"
"""Of all parts together: as many run at once as there are processors."""
OF_ONE = "cycles per second of processor time"
"""Of the slowest part."""


class Red(Exception):
    """A run found something wrong; ``str()`` says what, and names the log."""


@dataclass(frozen=True)
class Bench:
    """A card in its harness, ready to run.

    Members
    -------
    built : BuiltSimulation
    manifest : Path
    folder : Path
        Where runs leave their files.
    plusargs : tuple of str
        Further arguments of the simulation.
    """

    built: BuiltSimulation
    manifest: Path
    folder: Path
    plusargs: tuple[str, ...] = ()

    @property
    def card(self) -> Card:
        """The card as the RAM knows it."""
        return load_card(self.manifest)

    def play(self, module: str, name: str, **settings: Any) -> dict[str, Any]:
        """Run one cocotb test; returns what it writes. Red if it fails."""
        run = self.folder / name
        run.mkdir(parents=True, exist_ok=True)
        result = run / "result.json"
        result.unlink(missing_ok=True)
        content = settings | {"manifest": str(self.manifest), "result": str(result)}
        (run / "settings.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        try:
            outcome = self.built.run(
                f"sim.traffic.{module}",
                directory=run,
                seed=settings["seed"],
                plusargs=[f"+run={run / 'settings.json'}", *self.plusargs],
                environment={"PYTHONWARNINGS": "ignore"},
            )
        except SimulationError as error:
            raise Red(str(error)) from error
        for case in outcome.cases:
            if not case.passed:
                raise Red(f"seed {settings['seed']}: {case.message.splitlines()[0]}; log: {outcome.log}")
        return dict(json.loads(result.read_text(encoding="utf-8")))

    def soak(self, seed: int, *, cycles: int = 0, transactions: int = 0) -> dict[str, Any]:
        """At least so many cycles and transactions of random traffic and changes, see :mod:`sim.traffic.soak`."""
        return self.play("soak", f"soak-{seed}", seed=seed, cycles=cycles, transactions=transactions)

    def twins(self, seed: int, changes: int) -> Outcome:
        """A run with so many changes against its twin without, see :mod:`sim.traffic.twins`."""
        changed = self.play("twins", f"twins-{seed}-changed", seed=seed, changes=changes, cycles=0)
        quiet = self.play("twins", f"twins-{seed}-quiet", seed=seed, changes=0, cycles=changed["cycles"])
        return compare(self.card, changed, quiet)


def prepare(card: Path, folder: Path) -> Bench:
    """Generate a card and its harness into `folder`, and build them."""
    plan = plan_card(card)
    generate(card, folder)
    harness = folder / "harness.v"
    harness.write_text(harness_verilog(plan), encoding="utf-8")
    built = build_simulation([folder / f"{plan.card}.v", harness], "harness", folder.parent.parent / CACHE)
    return Bench(built, folder / "manifest.json", folder)


def added(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The results of several soaks as one."""
    total: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if name.startswith("longest"):
                total[name] = max(total.get(name, 0), value)
            elif name == SIDE_BY_SIDE:
                total[name] = total.get(name, 0) + value
            elif name == OF_ONE:
                total[name] = min(total.get(name, value), value)
            elif isinstance(value, dict):
                total[name] = {key: total.get(name, {}).get(key, 0) + value.get(key, 0)
                               for key in total.get(name, {}) | value}  # fmt: skip
            else:
                total[name] = value + total.get(name, type(value)())
    return total


def hitless(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The outcomes of several pairs as one."""
    effect: dict[str, list[int]] = {}
    for outcome in outcomes:
        for kind, values in outcome.effect.items():
            effect.setdefault(kind, []).extend(values)
    return {
        "pairs": len(outcomes),
        "changes": sum(outcome.changes for outcome in outcomes),
        "port cycles compared": sum(outcome.compared for outcome in outcomes),
        "leaks": [leak for outcome in outcomes for leak in outcome.leaks],
        "beats lost": [lost for outcome in outcomes for lost in outcome.lost],
        "longest added stall": max(outcome.added for outcome in outcomes),
        "bound": min(outcome.bound for outcome in outcomes),
        "cycles from commit to effect": {
            kind: {"changes": len(values), "mean": round(sum(values) / len(values)), "longest": max(values)}
            for kind, values in sorted(effect.items())
        },
    }


def main(card: Path, seed: int, transactions: int = TRANSACTIONS, changes: int = CHANGES) -> int:
    """Soak a card and compare twins; prints the figures and writes ``build/<card>/soak.json``.

    Parameters
    ----------
    card : Path
        The card description.
    seed : int
        Of everything random.
    transactions, changes : int
        How many at least; 0 leaves that part out.

    Returns
    -------
    int
        0 if nothing was wrong, otherwise 1.

    Raises
    ------
    Refusal
        The card is wrong, or its ports share links, and twins are asked for.
    """
    console = Console(soft_wrap=True)
    started = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - started:4.0f} s  {text}", highlight=False, markup=False)

    plan = plan_card(card)
    name = plan.card
    if plan.network and changes:
        raise Refusal(f"{card}: ports of a {plan.topology} share links, so twins differ; soak it with --changes 0")
    out = build_folder(name).resolve()
    say(f"{name}: generating and building (seed {seed})")
    bench = prepare(card, out / "soak")
    processors = os.cpu_count() or 1
    command = f"make soak CARD={name if card.parent.name == name else card} SEED={seed}"
    content: dict[str, Any] = {"command": command}
    good = True
    try:
        with ThreadPoolExecutor(processors) as pool:
            if changes:
                say(f"{changes} changes, each with its undisturbed twin")
                pairs = range(-(-changes // CHANGES_OF_A_PAIR))
                content["hitless"] = hitless(
                    list(pool.map(lambda n: bench.twins(SPREAD * seed + n, CHANGES_OF_A_PAIR), pairs))
                )
                good &= all(_holds(content["hitless"]))
            if transactions:
                say(f"{transactions} transactions in {processors} runs")
                share = -(-transactions // processors)
                content["soak"] = added(
                    list(pool.map(lambda n: bench.soak(SPREAD * seed + n, transactions=share), range(processors)))
                )
    except Red as red:
        content["red"] = str(red)
        good = False
    (out / "soak.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(_table(content))
    say(f"{'PASS' if good else 'FAIL'}, written to {out / 'soak.json'}; reproduce with: {command}")
    return 0 if good else 1


def _holds(figures: dict[str, Any]) -> list[bool]:
    """What must hold of the figures of all pairs."""
    return [not figures["leaks"], not figures["beats lost"], figures["longest added stall"] <= figures["bound"]]


def _table(content: dict[str, Any]) -> Table:
    table = Table("part", "figure", "value")
    for part, figures in content.items():
        rows = figures.items() if isinstance(figures, dict) else [("", figures)]
        for name, value in rows:
            table.add_row(part, name, f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value))
    return table
