"""Cycles and throughput in Verilator, between traffic generators in RTL."""

import json
from pathlib import Path

from hdl.generate import harness_verilog
from hdl.plan import Plan

from ..build import build_simulation

CACHE = Path("cache", "verilator")


def cycles(plan: Plan, folder: Path) -> dict[str, float]:
    """All figures of :mod:`sim.traffic.measure`; the card's Verilog and manifest are in `folder`."""
    harness = folder / "harness.v"
    harness.write_text(harness_verilog(plan), encoding="utf-8")
    built = build_simulation([folder / f"{plan.card}.v", harness], "harness", folder.parent.parent / CACHE)
    run, result = folder / "measure", folder / "measure" / "result.json"
    run.mkdir(exist_ok=True)
    settings = {"manifest": str(folder / "manifest.json"), "result": str(result)}
    (run / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    result.unlink(missing_ok=True)
    outcome = built.run(
        "sim.traffic.measure",
        directory=run,
        seed=1,
        plusargs=[f"+run={run / 'settings.json'}"],
        environment={"PYTHONWARNINGS": "ignore"},
    )
    for case in outcome.cases:
        assert case.passed, f"{case.message}; log: {outcome.log}"
    return dict(json.loads(result.read_text(encoding="utf-8")))
