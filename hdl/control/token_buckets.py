"""One token bucket for each slice, in one memory."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import FRACTION_BITS, Plan
from .slice_counters import addition_layout

RATE_BITS = 24
BURST_BITS = 16


def charge_bits(plan: Plan) -> int:
    """Bits of the beats that one visit charges: reads and writes of a context in one rotation."""
    return addition_layout(plan)["read_beats"].width + 1


def token_bits(plan: Plan) -> int:
    """Bits of a signed count that holds a full bucket and the deepest debt.

    A debt comes from requests that passed before their predecessors' charge was seen: at most one in each plane of each
    context in each cycle. The factor 2 leaves a rotation for the ingresses to take notice.
    """
    debt = len(plan.contexts) << charge_bits(plan) + 1 + FRACTION_BITS
    refilled = (1 << BURST_BITS + FRACTION_BITS) + (1 << RATE_BITS)
    return 1 + max(debt, refilled).bit_length()


class TokenBuckets(wiring.Component):
    """Charges or refills the bucket of one slice in each cycle. Tokens are 2**-FRACTION_BITS beats.

    Latency: `eligible` shows a charge or refill after 3 cycles. A bucket may be addressed in every cycle.

    Members
    -------
    slice : In
        Which slice the commands are for.
    charge : In(1)
        Takes `beats` out; what is left may be negative.
    refill : In(1)
        Puts `rate` in, up to `burst` beats; fills up a slice that is not limited.
    clear : In(1)
        With `refill`: the bucket was empty.
    beats : In
    rate : In(24)
        Tokens.
    burst : In(16)
        Beats.
    limited : In(1)
        With `refill`: from now on the slice has a limit.
    eligible : Out(slices)
        The slice had tokens, or no limit, when it was last charged or refilled.
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
                "eligible": Out(plan.slices),
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
            old.eq(Mux(clear_1, 0, read.data.tokens)),
            new.limited.eq(Mux(refill_1, limited_1, read.data.limited)),
            new.tokens.eq(old + change),
            write.addr.eq(slice_1),
            write.data.eq(new),
            write.en.eq(charge_1 | refill_1),
        ]
        with m.If(refill_1 & (~limited_1 | (overflow_above < old))):
            m.d.comb += new.tokens.eq(full)

        # Stage 3: the verdict.
        slice_2 = Signal.like(self.slice)
        changed = Signal()
        bucket_2 = Signal(bucket)
        m.d.sync += [slice_2.eq(slice_1), changed.eq(charge_1 | refill_1), bucket_2.eq(new)]
        with m.If(changed):
            m.d.sync += self.eligible.bit_select(slice_2, 1).eq((bucket_2.tokens > 0) | ~bucket_2.limited)
        return m
