"""Which complete answer is delivered next."""

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan
from .select import decode


class Pick(wiring.Component):
    """Picks one of the slots whose answer is complete and not blocked.

    Slots are served in batches: a slot that was served waits until all others that could be were served once, so every
    slot is served after at most two rounds. If no other slot can be served, the one behind the slot that is being
    delivered goes at once, so that an ID that is alone is delivered at full rate.

    Latency: a slot that is complete is delivered from the next cycle on.

    Members
    -------
    done{n}, done{n}_slot : In
        Source n has completed a slot's answer.
    blocked : In(slots)
    chain, chain_slot : In
        See :class:`hdl.fabric.slots.Slots`.
    valid, slot : Out
        The slot that is being delivered; `first` marks its first cycle.
    next : In(1)
        It is delivered in this cycle, or there is none: another one may follow.
    slot_next : Out
        The slot that will be delivered in the next cycle, if any.
    """

    def __init__(self, plan: Plan, sources: int) -> None:
        self.plan, self.sources = plan, sources
        slot = plan.slot_bits
        super().__init__(
            {
                **{f"done{n}": In(1) for n in range(sources)},
                **{f"done{n}_slot": In(slot) for n in range(sources)},
                "blocked": In(plan.outstanding),
                "chain": In(1),
                "chain_slot": In(slot),
                "valid": Out(1),
                "slot": Out(slot),
                "first": Out(1),
                "next": In(1),
                "slot_next": Out(slot),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots = self.plan.outstanding
        complete = Signal(slots)
        in_batch = Signal(slots, init=-1)
        taken = Signal(slots)
        ready = Signal(slots)
        candidates = Signal(slots)
        several = Signal()
        any_candidate = Signal()
        chained = Signal()
        done = [decode(getattr(self, f"done{n}_slot"), getattr(self, f"done{n}")) for n in range(self.sources)]
        m.d.comb += taken.eq(decode(self.slot, self.first))
        m.d.sync += complete.eq((complete & ~taken) | reduce(or_, done))
        m.d.comb += [
            ready.eq(complete & ~self.blocked & ~taken),
            candidates.eq(ready & in_batch),
            chained.eq(self.chain & Array(complete)[self.chain_slot]),
        ]
        index, some, more = _first(m, candidates)
        m.d.comb += [
            any_candidate.eq(some),
            several.eq(more),
            self.slot_next.eq(Mux(any_candidate, index, self.chain_slot)),
        ]
        with m.If(self.next):
            m.d.sync += [
                self.valid.eq(any_candidate | chained),
                self.first.eq(any_candidate | chained),
                self.slot.eq(self.slot_next),
            ]
        with m.Else():
            m.d.sync += self.first.eq(0)
        with m.If(self.next):
            m.d.sync += in_batch.eq(Mux(several, in_batch & ~taken, (1 << slots) - 1))
        with m.Else():
            m.d.sync += in_batch.eq(in_batch & ~taken)
        return m


def _first(m: Module, bits: Signal) -> tuple[Value, Value, Value]:
    """Index of the lowest bit that is set, whether there is one, and whether there are several: a tree of pairs."""
    level: list[tuple[Value, Value, Value]] = [(Const(0, 0), bit, Const(0, 1)) for bit in bits]
    depth = 0
    while len(level) > 1:
        above: list[tuple[Value, Value, Value]] = []
        for n in range(0, len(level), 2):
            (low, low_any, low_more), (high, high_any, high_more) = level[n], level[n + 1]
            index = Signal(depth + 1, name=f"index_{depth}_{n // 2}")
            some = Signal(name=f"some_{depth}_{n // 2}")
            more = Signal(name=f"more_{depth}_{n // 2}")
            m.d.comb += [
                index.eq(Cat(Mux(low_any, low, high), ~low_any) if depth else ~low_any),
                some.eq(low_any | high_any),
                more.eq(low_more | high_more | (low_any & high_any)),
            ]
            above.append((index, some, more))
        level, depth = above, depth + 1
    return level[0]
