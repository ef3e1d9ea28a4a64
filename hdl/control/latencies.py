"""How long the requests of one plane of an initiator port take: births, and the longest time of each context."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.queue import following
from ..fabric import layouts
from ..plan.plan import Initiator, Plan
from .cells import Cells

READ_CYCLES = 2
"""Cycles from `done` to the birth at the subtractor: a block RAM whose output has a register."""


class Latencies(wiring.Component):
    """The longest latency of each context since its last visit.

    A burst's birth stands in a queue until its first piece is sent, since bursts are sent in the order in which they
    were accepted, and from then on, for each piece, in a block RAM under the piece's ticket.

    Latency: a response counts for the visits of the fourth cycle after it and later ones.

    Members
    -------
    events : In(layouts.meter_events)
        On a port with one context the context numbers are ignored.
    now : In(16)
        Time stamp of this cycle.
    then : In(16)
        Time stamp of the cycle `READ_CYCLES` before.
    visited : In(1), visited_context : In
        The meter takes the longest latency of this context in this cycle, and the next one starts.
    longest : Out(16)
        Of `visited_context`, 0 if nothing was answered.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.contexts = plan, len(initiator.contexts)
        super().__init__(
            {
                "events": In(layouts.meter_events(plan)),
                "now": In(layouts.BIRTH_BITS),
                "then": In(layouts.BIRTH_BITS),
                "visited": In(1),
                "visited_context": In(plan.user_bits),
                "longest": Out(layouts.BIRTH_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        done = Signal()
        latency = Signal(layouts.BIRTH_BITS)
        context = Signal(self.plan.user_bits)
        self._measure(m, done, latency, context)
        if self.contexts == 1:
            # Without a response `latency` is 0, so one that comes with a visit is where the next longest one starts.
            with m.If(self.visited | (self.longest < latency)):
                m.d.sync += self.longest.eq(latency)
        else:
            self._longest_of_several(m, done, latency, context)
        return m

    def _measure(self, m: Module, done: Signal, latency: Signal, context: Signal) -> None:
        """From the events to the latency of an answered request, three cycles after its response."""
        events = self.events
        m.submodules.accepted = accepted = Memory(shape=layouts.BIRTH_BITS, depth=layouts.ACCEPTED_MAX, init=[])
        ticket_bits = len(events.sent_ticket)
        m.submodules.sent = sent = Memory(
            shape=layouts.BIRTH_BITS, depth=1 << ticket_bits, init=[], attrs={"no_rw_check": 1}
        )  # no request is answered in the cycle in which it is sent; without a word about it Yosys adds a bypass
        arrive, leave = accepted.write_port(), accepted.read_port(domain="comb")
        keep, find = sent.write_port(), sent.read_port()
        newest = Signal(range(layouts.ACCEPTED_MAX))
        entering = Signal(range(layouts.ACCEPTED_MAX))
        oldest = Signal(range(layouts.ACCEPTED_MAX))
        of_burst = Signal(layouts.BIRTH_BITS)
        m.d.comb += [
            arrive.en.eq(events.accepted),
            arrive.addr.eq(newest),
            arrive.data.eq(self.now),
            leave.addr.eq(oldest),
            keep.en.eq(events.sent),
            keep.addr.eq(events.sent_ticket),
            keep.data.eq(Mux(events.sent_first, leave.data, of_burst)),
            find.en.eq(1),
            find.addr.eq(events.done_ticket),
        ]
        entering_next = Mux(events.entered, following(entering), entering)
        m.d.sync += entering.eq(entering_next)
        with m.If(events.sent & events.sent_first):
            m.d.sync += [oldest.eq(following(oldest)), of_burst.eq(leave.data)]
        with m.If(events.dropped):
            m.d.sync += newest.eq(entering_next)
        with m.Elif(events.accepted):
            m.d.sync += newest.eq(following(newest))

        found = Signal()
        registered = Signal()
        birth = Signal(layouts.BIRTH_BITS)
        found_context = Signal.like(context)
        registered_context = Signal.like(context)
        m.d.sync += [
            found.eq(events.done & events.done_owned),
            found_context.eq(events.done_context),
            registered.eq(found),
            registered_context.eq(found_context),
            birth.eq(find.data),  # the block RAM's own output is slow
            done.eq(registered),
            context.eq(registered_context),
            latency.eq(Mux(registered, self.then - birth, 0)),
        ]

    def _longest_of_several(self, m: Module, done: Signal, latency: Signal, context: Signal) -> None:
        """The same in distributed RAM; a bit for each context tells whether its value is newer than the last visit."""
        m.submodules.longest = longest = Cells(layouts.BIRTH_BITS, self.contexts, self.plan.user_bits)
        answered = Signal(1 << self.plan.user_bits)
        first = Signal()
        m.d.comb += [
            first.eq(~answered.bit_select(context, 1) | (self.visited & (context == self.visited_context))),
            longest.context.eq(context),
            longest.new.eq(latency),
            longest.change.eq(done & (first | (longest.old < latency))),
            longest.shown_context.eq(self.visited_context),
            self.longest.eq(Mux(answered.bit_select(self.visited_context, 1), longest.shown, 0)),
        ]
        with m.If(self.visited):
            m.d.sync += answered.bit_select(self.visited_context, 1).eq(0)
        with m.If(done):
            m.d.sync += answered.bit_select(context, 1).eq(1)
