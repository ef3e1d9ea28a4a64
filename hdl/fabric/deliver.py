"""Second half of an ingress: answers from all targets, and from the ingress's own denials, to the initiator."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan
from . import layouts
from .arbiter import RoundRobin


class Deliver(wiring.Component):
    """Takes beats from all return queues in turn. Beats of different IDs may interleave (IHI 0022H, A5.3.1).

    A denied answer is one beat at the input and as many beats of zeros as were asked for at the output.

    Latency: combinational; a beat per cycle.

    Members
    -------
    valid, show, take : one bit per source
        See :func:`hdl.fabric.return_queue.way_back`. The last source is the ingress's own denials.
    whole, last : one bit per source
        Reads only: see :func:`hdl.fabric.return_queue.way_back`.
    beat{n} : In(layouts.returned)
        Zero unless shown.
    o : stream of layouts.returned
    """

    def __init__(self, plan: Plan, sources: int, *, write: bool) -> None:
        self.plan, self.sources, self.write = plan, sources, write
        self.shape = layouts.returned(plan, write=write)
        super().__init__(
            {
                "valid": In(sources),
                **({} if write else {"whole": In(sources), "last": In(sources)}),
                "show": Out(sources),
                "take": Out(sources),
                **{f"beat{n}": In(self.shape) for n in range(sources)},
                "o": Out(stream.Signature(self.shape)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.turn = turn = RoundRobin(self.sources)
        taken = Signal()
        complete = Signal(init=1)
        beat = Signal(self.shape)
        beats = [Value.cast(getattr(self, f"beat{n}")) for n in range(self.sources)]
        # A choice stands until it is taken whole: AXI wants an offer to stay as it is (IHI 0022H, A3.2.1), and there is
        # one count for the beats of a denied answer.
        m.d.comb += [
            turn.candidates.eq(self.valid),
            self.show.eq(turn.grant),
            beat.eq(reduce(or_, beats)),
            self.o.valid.eq(self.valid.any()),
            taken.eq(self.o.valid & self.o.ready),
            turn.accept.eq(taken & complete),
            self.take.eq(turn.grant & turn.accept.replicate(self.sources)),
            self.o.payload.eq(beat),  # the data of a denied answer is zero
        ]
        if self.write:
            return m
        # A beat comes late. What the first one of a denied answer is, its queue tells early; of the others it is known.
        number = Signal(8)
        first = Signal(init=1)
        ends = Signal()
        m.d.comb += [
            complete.eq(Mux(first, (turn.grant & self.whole).any(), ends)),
            self.o.payload.answer.last.eq(Mux(first, (turn.grant & self.last).any(), ends)),
        ]
        with m.If(taken):
            m.d.sync += [
                first.eq(complete),
                number.eq(Mux(complete, 0, number + 1)),
                ends.eq(number + 1 == beat.length),
            ]
        return m
