"""Moves the pins of the card that `test_recorder` records; runs inside the simulator."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge


@cocotb.test()
async def drive(dut) -> None:
    """One read with a waiting address channel, an answer that does not stand, and one register write's address."""
    for handle in dut:
        if handle._path.count(".") == 1 and handle._name not in ("clk", "rst", "recorder"):
            try:
                handle.value = 0
            except (AttributeError, TypeError):
                continue
    dut.rst.value = 1
    dut.clk.value = 0
    Clock(dut.clk, 10, unit="ns").start(start_high=False)
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)  # edges 3 and 4
    dut.host_arvalid.value = 1
    for name, value in {"id": 1, "addr": 0x1234, "len": 3, "size": 2, "burst": 1, "prot": 2, "user": 1}.items():
        getattr(dut, f"host_ar{name}").value = value
    await ClockCycles(dut.clk, 2)
    dut.bank_arready.value = 1  # taken at edge 7
    await RisingEdge(dut.clk)
    dut.host_arvalid.value = 0
    dut.bank_rvalid.value = 1
    dut.bank_rid.value = 1
    dut.bank_rdata.value = 0xDEADBEEF
    dut.bank_rlast.value = 1
    await RisingEdge(dut.clk)
    dut.control_awaddr.value = 0x14
    dut.control_awvalid.value = 1
    await RisingEdge(dut.clk)
    dut.control_awvalid.value = 0
    dut.host_rready.value = 1
    await RisingEdge(dut.clk)
    assert int(dut.recorder.cycle.value) == 10
    dut.host_rready.value = 0
    await RisingEdge(dut.clk)
    dut.bank_rdata.value = 1  # changed while it waits
    await RisingEdge(dut.clk)
    dut.bank_rvalid.value = 0  # taken back
    await ClockCycles(dut.clk, 2)
