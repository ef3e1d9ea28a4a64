"""Cycles and throughput in Verilator, between traffic generators in RTL."""

from pathlib import Path

from hdl.plan import Plan

from .harness import HARNESS, run_in_harness


def cycles(plan: Plan, folder: Path) -> dict[str, float]:
    """All figures of :mod:`sim.traffic.measure`; the card's Verilog and manifest are in `folder`."""
    (folder / HARNESS).unlink(missing_ok=True)
    return run_in_harness(plan, folder, "measure", folder / "measure", folder.parent)
