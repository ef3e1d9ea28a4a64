"""Did a context's present owner send a request, or one from before a hand-over?"""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Initiator, Plan
from . import layouts


class Tenure(wiring.Component):
    """Tells requests of a context's owner from those that stood at the port when the context was handed over.

    A tenure ends when the context loses its owner. Requests of the one before the last could be taken for those of the
    next, so while there are any, `waits` holds up the hand-over.

    Latency: combinational; a tenure ends one cycle after `owned` has fallen.

    Members
    -------
    owned : In(contexts)
        Which contexts have an owner.
    arrives : In(1), arriving_context : In, arriving : Out(layouts.MARK)
        A request is accepted, and its mark.
    leaves : In(1), leaving_context : In, leaving : In(layouts.MARK)
        A request goes on, and the mark that it got.
    current : Out(1)
        The request that leaves, or is about to, was sent by the context's present owner.
    waits : Out(contexts)
        Whose hand-over must not end yet.
    """

    def __init__(self, plan: Plan, initiator: Initiator, places: int) -> None:
        self.places = places
        contexts = len(initiator.contexts)
        super().__init__(
            {
                "owned": In(contexts),
                "arrives": In(1),
                "arriving_context": In(plan.user_bits),
                "arriving": Out(layouts.MARK),
                "leaves": In(1),
                "leaving_context": In(plan.user_bits),
                "leaving": In(layouts.MARK),
                "current": Out(1),
                "waits": Out(contexts),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contexts = len(self.owned)
        parity = Signal(contexts)
        before = Signal(contexts)
        m.d.sync += [before.eq(self.owned), parity.eq(parity ^ (before & ~self.owned))]
        m.d.comb += [
            self.arriving.owned.eq(Array(self.owned)[self.arriving_context]),
            self.arriving.tenure.eq(Array(parity)[self.arriving_context]),
            self.current.eq(self.leaving.owned & (self.leaving.tenure == Array(parity)[self.leaving_context])),
        ]
        for n in range(contexts):
            standing = []
            for value in range(2):
                count = Signal(range(self.places + 1), name=f"context{n}_standing{value}")
                up = self.arrives & self.arriving.owned & (self.arriving.tenure == value)
                down = self.leaves & self.leaving.owned & (self.leaving.tenure == value)
                m.d.sync += count.eq(count + (up & (self.arriving_context == n)) - (down & (self.leaving_context == n)))
                standing.append(count != 0)
            m.d.comb += self.waits[n].eq((Cat(standing) >> parity[n])[0])
        return m
