"""Runs a cocotb test of :mod:`sim.traffic` on a card in its harness of traffic generators and memories."""

import json
import warnings
from pathlib import Path
from typing import Any

from amaranth.hdl import UnusedElaboratable

from hdl.files import write_text
from hdl.generate import harness_verilog
from hdl.plan import Plan

from ..build import build_simulation
from ..cocotb_run import SimulationError

HARNESS = "harness.v"
CACHE = Path("cache", "verilator")


def run_in_harness(plan: Plan, folder: Path, test: str, run: Path, out: Path, **settings: Any) -> dict[str, Any]:
    """Build the card and its harness, and run a test there.

    Parameters
    ----------
    plan : Plan
    folder : Path
        It has the card's Verilog and manifest. A harness that is there is taken as it is, so one of another card must
        not be.
    test : str
        Module of `sim.traffic`.
    run : Path
        Folder of the run's files.
    out : Path
        Folder of the card's generated files; builds are kept beside it.
    settings
        What the test is told beside the names of the manifest and of its result.

    Returns
    -------
    dict
        What the test wrote.

    Raises
    ------
    Refusal
        There is no harness for the card, or a tool is missing.
    SimulationError
        The test failed or did not come to its end; the message names the log.
    """
    harness, told, result = folder / HARNESS, run / "settings.json", run / "result.json"
    if not harness.is_file():
        # The harness asks the card for its ports and does not build it.
        warnings.simplefilter("ignore", UnusedElaboratable)
        write_text(harness, harness_verilog(plan))
    built = build_simulation([folder / f"{plan.card}.v", harness], "harness", out.parent / CACHE)
    run.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    content = settings | {"manifest": str(folder / "manifest.json"), "result": str(result)}
    told.write_text(json.dumps(content), encoding="utf-8")
    outcome = built.run(
        f"sim.traffic.{test}", directory=run, seed=1, plusargs=[f"+run={told}"],
        environment={"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    for case in outcome.cases:
        if not case.passed:
            raise SimulationError(f"{' '.join(case.message.split())}; log: {outcome.log}")
    return dict(json.loads(result.read_text(encoding="utf-8")))
