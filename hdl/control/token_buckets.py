"""One token bucket for each slice, in one memory."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import FRACTION_BITS, Plan
from .slice_counters import addition_layout
from .tally import MOST_LENGTH

RATE_BITS = 24
BURST_BITS = 16
SETTLING = 6
"""A charge is seen by the context that it is for at most ``meter_period + SETTLING`` cycles after its request."""


def charge_bits(plan: Plan) -> int:
    """Bits of the beats that one visit charges: reads and writes of a context in one rotation."""
    return addition_layout(plan)["read_beats"].width + 1


def token_bits(plan: Plan) -> int:
    """Bits of a signed count that holds a full bucket and the deepest debt.

    A debt comes from requests that passed before their predecessors' charge was seen: at most one in each plane of each
    port in each cycle, for less than two rotations and `SETTLING` cycles; and a few more that had passed the check of
    the budget and not been sent, or that a hand-over lets go without one.
    """
    unchecked = 16
    debt = len(plan.initiators) * 2 * (MOST_LENGTH + 1) * (2 * plan.meter_period + SETTLING + unchecked)
    refilled = (1 << BURST_BITS + FRACTION_BITS) + (1 << RATE_BITS)
    return 1 + max(debt << FRACTION_BITS, refilled).bit_length()


class TokenBuckets(wiring.Component):
    """Charges or refills the bucket of one slice in each cycle. Tokens are 2**-FRACTION_BITS beats.

    Latency: `eligible` shows a charge or refill 2 cycles later. A bucket may be addressed in every cycle.

    Members
    -------
    slice : In
        Which slice the commands are for.
    charge : In(1)
        Takes `beats` out; what is left may be negative.
    refill : In(1)
        Puts `rate` in, up to `burst` beats; fills up a slice that is not limited.
    clear : In(1)
        With `refill`: whatever the bucket had, it is full.
    beats : In
        0 without `charge`.
    rate : In(24)
        Tokens.
    burst : In(16)
        Beats.
    limited : In(1)
        With `refill`: from now on the slice has a limit.
    eligible : Out(1)
        The slice that was addressed 2 cycles before has tokens, or no limit.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "slice": In(plan.slice_bits),
                "charge": In(1),
                "refill": In(1),
                "clear": In(1),
                "beats": In(charge_bits(plan)),
                "rate": In(RATE_BITS),
                "burst": In(BURST_BITS),
                "limited": In(1),
                "eligible": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = signed(token_bits(self.plan))
        bucket = data.StructLayout({"tokens": count, "limited": 1})
        m.submodules.tokens = buckets = Memory(shape=bucket, depth=1 << self.plan.slice_bits, init=[])
        write, read = buckets.write_port(), buckets.read_port(domain="comb")

        # Stage 1: what is to change, and the level above which a refill would overflow.
        slice_1 = Signal.like(self.slice)
        charge_1 = Signal()
        refill_1 = Signal()
        clear_1 = Signal()
        limited_1 = Signal()
        change = Signal(count)
        full = Signal(count)
        overflow_above = Signal(count)
        m.d.sync += [
            slice_1.eq(self.slice),
            charge_1.eq(self.charge),
            refill_1.eq(self.refill),
            clear_1.eq(self.clear),
            limited_1.eq(self.limited),
            change.eq(Mux(self.refill, self.rate, -(self.beats << FRACTION_BITS))),
            full.eq(self.burst << FRACTION_BITS),
            overflow_above.eq((self.burst << FRACTION_BITS) - self.rate),
        ]

        # Stage 2: read, add, write.
        old = Signal(count)
        new = Signal(bucket)
        m.d.comb += [
            read.addr.eq(slice_1),
            old.eq(read.data.tokens),
            new.limited.eq(Mux(refill_1, limited_1, read.data.limited)),
            new.tokens.eq(old + change),
            write.addr.eq(slice_1),
            write.data.eq(new),
            write.en.eq(charge_1 | refill_1),
        ]
        with m.If(refill_1 & (~limited_1 | clear_1 | (overflow_above < old))):
            m.d.comb += new.tokens.eq(full)

        # Stage 3: the verdict.
        bucket_2 = Signal(bucket)
        m.d.sync += bucket_2.eq(new)
        m.d.comb += self.eligible.eq((bucket_2.tokens > 0) | ~bucket_2.limited)
        return m
