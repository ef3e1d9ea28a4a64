"""P7 at the register port: AXI4-Lite, whatever is read and written."""

from __future__ import annotations

from hdl.control.register_store import RegisterStore

from .axi import Port
from .harness import Harness

MOST = 3
"""Reads, and writes, that the checker can tell apart; the port takes no more than two."""


def registers(address_bits: int) -> Harness:
    """Any accesses, and a decoder that says what it likes."""
    h = Harness()
    box = h.place(RegisterStore(address_bits))
    h.without_contents.append("values")
    bus = box.bus
    port = Port(h, bus, "registers")
    port.offers_stay()
    port.answers_belong(MOST)
    counts, writes = port.counts, box.signal("writes")
    address_held, data_held = box.signal("address_held"), box.signal("data_held")
    busy = ~box.state("access", "IDLE") & ~box.state("access", "SWEEP")
    nothing = ~(address_held | data_held | bus.bvalid | bus.rvalid)
    h.invariant("nothing is taken before all registers have their value", nothing, when=box.state("access", "SWEEP"))
    h.invariant("one read at a time", ~bus.rvalid, when=busy & ~writes)
    h.invariant("a write begins when it is whole", address_held & data_held & ~bus.bvalid, when=busy & writes)
    h.invariant("reads", counts["reads"] == bus.rvalid + (busy & ~writes))
    h.invariant("addresses", counts["addresses"] + counts["due"] == address_held + bus.bvalid)
    h.invariant("data", counts["data"] + counts["due"] == data_held + bus.bvalid)
    h.invariant("writes", counts["writes"] == counts["addresses"] + counts["known"])
    return h
