"""cocotb tests of the counter in test_build.py: they run inside the simulator."""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles


async def count(dut, cycles):
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await ClockCycles(dut.clk, cycles + 1)
    return int(dut.count.value)


@cocotb.test()
async def counts_by_step(dut):
    step = int(os.environ.get("STEP", "1"))
    assert await count(dut, 10) == 10 * step


@cocotb.test()
async def draws_a_number(dut):
    cocotb.log.info("drawn: %d", random.getrandbits(32))


@cocotb.test()
async def sees_the_probe_and_nothing_else(dut):
    await count(dut, 3)
    assert int(dut.adder.next.value) == 4
    assert not hasattr(dut.adder, "hidden")
