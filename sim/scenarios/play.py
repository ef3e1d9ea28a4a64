"""The cocotb test: plays the scenario that the plusarg ``+run=<settings.json>`` names."""

import gc
import json
import time
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import First, Timer

from ram import load_card

from ..bench.card import Card, Stuck
from ..bench.coverage import write_hits
from ..bench.marks import CLOCK_PERIOD, Marks, now
from ..coverage import FILE as COVERAGE
from .definitions import definitions
from .setting import Setting

SILENCE = 100_000
"""Cycles without a mark after which a scenario has come to a standstill."""


async def _play(run: Coroutine[Any, Any, None], mark: Marks) -> None:
    """Run a scenario to its end; Stuck if it comes to a standstill, whatever it waits for."""
    task = cocotb.start_soon(run)
    while not task.done():
        await First(task.complete, Timer(SILENCE * CLOCK_PERIOD, "ns"))
        if now() - mark.latest > SILENCE:
            task.cancel()
            raise Stuck(f"nothing has come of what was done in cycle {mark.latest}")
    task.result()


@cocotb.test()
async def play(dut: object) -> None:
    """One scenario on one card; see :func:`sim.run.play` for the file."""
    # A run is too short to fill the memory: looking for cycles among the models' objects takes a seventh of its time.
    gc.disable()
    settings = json.loads(Path(str(cocotb.plusargs["run"])).read_text(encoding="utf-8"))
    manifest = json.loads(Path(settings["manifest"]).read_text(encoding="utf-8"))
    description = load_card(Path(settings["manifest"]))
    scenario = import_module(f"{__package__}.{settings['scenario']}")
    with Marks(Path(settings["marks"])) as mark:
        named = {name: settings[name] for name in ("scenario", "variant", "seed", "command")}
        mark("run", hash=manifest["hash"], **named)
        card = Card(dut, manifest, settings["seed"], mark)
        slices, divisor = definitions(Path(settings["card"]), description)
        setting = Setting(card, description, slices, settings["variant"], settings["until"])
        if divisor > 1:
            setting.skip("slices with all their memory", f"to scrub it takes too long, they have 1/{divisor} of it")
        started = time.monotonic()
        await _play(scenario.run(setting), mark)
        write_hits(Path(settings["marks"]).with_name(COVERAGE))
        mark("wall", cycles=now(), seconds=round(time.monotonic() - started, 3))
        mark("end")
