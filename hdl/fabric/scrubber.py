"""The scrubber's port at the write gate of a memory: it writes zeros over whole granules, in bursts of one kind."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.axi import Burst
from ..plan.plan import SCRUB_BEATS, Plan


def scrub_bits(plan: Plan) -> int:
    """Bits of an address inside a scrub burst."""
    return exact_log2(SCRUB_BEATS * plan.data_bytes)


def scrubber_members(plan: Plan) -> dict[str, wiring.Member]:
    """The port, seen from the gate.

    scrub_burst : In
        Number of the burst in the target.
    scrub_valid : In(1), scrub_ready : Out(1)
        A beat is to be written; it is taken.
    scrub_first, scrub_last : In(1)
        It is the burst's first, its last.
    """
    return {
        "scrub_burst": In(plan.physical_granule_bits + plan.granule_bits - scrub_bits(plan)),
        "scrub_valid": In(1),
        "scrub_first": In(1),
        "scrub_last": In(1),
        "scrub_ready": Out(1),
    }


def connect_scrubber(m: Module, plan: Plan, scrubber: Any, gate: Any, source: int) -> None:
    """Let it be input `source` of a write gate. All but the address is constant, so that hardly any logic is needed."""
    asking, rest, beat = (getattr(gate, f"{name}{source}") for name in ("asking", "rest", "beat"))
    address = Cat(Const(0, scrub_bits(plan)), scrubber.scrub_burst)  # stands still for a whole burst
    last = Signal(name=f"scrub_last{source}")
    m.d.sync += last.eq(scrubber.scrub_last)
    m.d.comb += [
        asking.granule.eq(address >> plan.granule_bits),
        asking.length.eq(SCRUB_BEATS - 1),
        rest.offset.eq(address),
        rest.length.eq(SCRUB_BEATS - 1),
        rest.size.eq(plan.size_max),
        rest.burst.eq(Burst.INCR),
        getattr(gate, f"last{source}").eq(scrubber.scrub_last),
        beat.strobe.eq(Const(-1, plan.data_bytes)),
        beat.last.eq(last),
        gate.request_valid[source].eq(scrubber.scrub_valid & scrubber.scrub_first),
        gate.beat_valid[source].eq(scrubber.scrub_valid & ~scrubber.scrub_first),
        scrubber.scrub_ready.eq(
            (gate.request_ready[source] & scrubber.scrub_first) | (gate.beat_ready[source] & ~scrubber.scrub_first)
        ),
    ]
