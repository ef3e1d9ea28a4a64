"""Runs one component in Amaranth's simulator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

from hdl.plan import Plan, plan_card

BOARDS = Path(__file__).parents[2] / "boards"


def board(name: str) -> Plan:
    """Plan of one of the cards that ship."""
    return plan_card(BOARDS / name / "card.yaml")


def simulate(component: Elaboratable, *benches: Callable[[Any], Any]) -> None:
    """Run test benches to their end; each is an asynchronous function of the simulator's context."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6, if_exists=True)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()
