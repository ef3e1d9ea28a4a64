"""`hardslice prove`: prove the guarantees of a card, block by block, at the card's own parameters."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.errors import Refusal
from hdl.files import BUILD, build_folder, write_text
from hdl.plan import manifest, plan_card

from .axi_rules import kept
from .card import proofs
from .prover import Job, Proof, Verdict, job, run, tool_folder

CACHE = Path("cache", "prove")


def open_assumptions(verdicts: Iterable[Verdict]) -> list[str]:
    """What is assumed somewhere, a claim or a whole proof, and claimed nowhere among these."""
    verdicts = list(verdicts)
    claimed = {claim for verdict in verdicts if verdict.proved for claim in (verdict.name, *verdict.claims)}
    return sorted({claim for verdict in verdicts for claim in verdict.assumed} - claimed)


def prove(wanted: Sequence[Proof], out: Path, say: Console | None = None) -> list[Verdict]:
    """Run proofs, as many at a time as there are processors, and equal ones once; verdicts in the order asked for.

    Raises
    ------
    Refusal
        A tool fails.
    """
    started = time.monotonic()
    tools, cache = tool_folder(out / "tools"), (BUILD / CACHE).resolve()
    verdicts: dict[str, Verdict] = {}
    alike: dict[str, list[Job]] = {}
    solved: dict[str, Verdict] = {}
    running: dict[Future[Verdict], str] = {}

    def note(work: Job, found: Verdict) -> None:
        # What was found is common to all that are alike; what they are called, and rest on, is each one's own.
        result = {name: getattr(found, name) for name in ("proved", "seconds", "failed", "trace", "waves")}
        verdict = verdicts[work.proof.name] = replace(work.verdict(), **result)
        if say:
            passed = "[green]proved[/green]" if verdict.proved else "[red]NOT PROVED[/red]"
            elapsed = time.monotonic() - started
            say.print(f"{elapsed:5.0f} s  {len(verdicts):3d} of {len(wanted)}  {passed}  {verdict.name}")

    def collect(done: Iterable[Future[Verdict]]) -> None:
        for future in done:
            key = running.pop(future)
            solved[key] = future.result()
            for work in alike[key]:
                note(work, solved[key])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for proof in wanted:  # the next ones are made while the first ones are solved
                work = job(proof)
                if work.key in solved:
                    note(work, solved[work.key])
                elif work.key in alike:
                    alike[work.key].append(work)
                else:
                    alike[work.key] = [work]
                    folder = out / proof.name.replace(" ", "_").replace(",", "")
                    running[pool.submit(run, work, folder, tools, cache)] = work.key
                collect([future for future in running if future.done()])
            collect(as_completed(list(running)))
        except Refusal:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [verdicts[proof.name] for proof in wanted]


def _tell(verdict: Verdict, console: Console) -> None:
    """Why it failed."""
    console.print(f"\n[red]{verdict.guarantee}: {verdict.name}[/red]: {verdict.says}")
    for reason in verdict.failed:
        console.print(f"  {reason}", markup=False)
    if verdict.trace:
        console.print(f"  how it comes about, in hexadecimal; all signals are in {verdict.waves}", markup=False)
        console.print("\n".join(f"    {line}" for line in verdict.trace.splitlines()), markup=False)


def main(card: Path, only: Sequence[str] = ()) -> int:
    """Prove a card's guarantees; write ``build/<card>/proofs.json``. Returns 1 if something is not proved.

    Parameters
    ----------
    card : Path
        The card description.
    only : sequence of str
        Prove what has one of these in its name; everything otherwise.

    Raises
    ------
    Refusal
        The card is wrong, nothing is called like that, or a tool is missing or fails.
    """
    console = Console(soft_wrap=True, highlight=False)
    plan = plan_card(card)
    wanted = [proof for proof in proofs(plan) if not only or any(name in proof.name for name in only)]
    if not wanted:
        raise Refusal(f"no proof of {plan.card} has {' or '.join(map(repr, only))} in its name")
    out = build_folder(plan.card)
    verdicts = prove(wanted, out.resolve() / "proofs", console)
    table = Table("", "proof", "claims", "helping", "reached", "seconds")
    for verdict in verdicts:
        counts = (len(verdict.claims), verdict.invariants, verdict.covers, f"{verdict.seconds:.0f}")
        table.add_row(verdict.guarantee, verdict.name, *map(str, counts))
    console.print(table)
    failed = [verdict for verdict in verdicts if not verdict.proved]
    for verdict in failed:
        _tell(verdict, console)
    unproved = open_assumptions(verdicts)
    for claim in unproved if not only else ():
        console.print(f"assumed and not proved: {claim}", markup=False)
    if not only:
        result = {
            "manifest": manifest(plan)["hash"],
            "command": f"make prove CARD={plan.card}",
            "proofs": [asdict(verdict) for verdict in verdicts],
            "open": unproved,
            "axi": kept(plan, verdicts),
        }
        for rule in result["axi"]:
            if rule["missing"]:
                console.print(f"AXI, not proved: {rule['says']}: {'; '.join(rule['missing'])}", markup=False)
        write_text(out / "proofs.json", json.dumps(result, indent=2) + "\n")
    console.print(f"{len(verdicts) - len(failed)} of {len(verdicts)} proved")
    return 1 if failed else 0
