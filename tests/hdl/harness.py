"""Runs one component in Amaranth's simulator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.sim import Simulator

from hdl.plan import Plan, plan_card

BOARDS = Path(__file__).parents[2] / "boards"
CYCLES_MAX = 20_000


def board(name: str) -> Plan:
    """Plan of one of the cards that ship."""
    return plan_card(BOARDS / name / "card.yaml")


def simulate(component: Elaboratable, bench: Callable[[Any], Any], *background: Callable[[Any], Any]) -> None:
    """Run a test bench to its end; fails if that takes more than `CYCLES_MAX` cycles.

    `background` are asynchronous functions too, such as a memory model; they may go on for ever.
    """
    ended = False

    async def judged(context: Any) -> None:
        nonlocal ended
        await bench(context)
        ended = True

    top = Module()
    top.submodules.dut = component
    alive = Signal()
    top.d.sync += alive.eq(~alive)  # a combinational component has no clock, and time would stand still after the bench
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(judged)
    for other in background:
        simulator.add_testbench(other, background=True)
    for step in range(1, 101):
        simulator.run_until(step * CYCLES_MAX * 1e-8)
        if ended:
            return
    raise AssertionError(f"the test bench did not end within {CYCLES_MAX} cycles")
