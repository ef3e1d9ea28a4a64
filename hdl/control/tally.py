"""Small running counts of one plane of an initiator port, which the meter visits."""

from functools import cache

from amaranth.hdl import Module, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..fabric import layouts
from ..plan.plan import Initiator, Plan, bits_for

MOST_LENGTH = 255
"""Largest AxLEN (IHI 0022H, A3.4.1)."""
RUNNING = ("lengths", "requests", "denials", "stalls")
"""Counts that run on from visit to visit."""


@cache
def tally_layout(plan: Plan) -> data.StructLayout:
    """Counts of one context in one plane, wide enough for one rotation of the meter.

    `lengths` adds up AxLEN: the number of beats is `lengths` + `requests`. `longest` means something if `answered`.
    """
    events = bits_for(plan.meter_period + 1)
    lengths = bits_for(MOST_LENGTH * plan.meter_period + 1)
    return data.StructLayout(
        {
            "lengths": lengths,
            "requests": events,
            "denials": events,
            "stalls": events,
            "longest": layouts.BIRTH_BITS,
            "answered": 1,
        }
    )


class Cells(wiring.Component):
    """One value for each context, which an event changes and a visit looks at.

    A port with one context has a register, and does not look at context numbers; others have distributed RAM, which a
    reset leaves as it is.

    Members
    -------
    context : In
        Whose value the event changes.
    old, new : Out, In
        Its value, and what it becomes.
    change : In(1)
    shown_context : In
    shown : Out
        Value of that context.
    """

    def __init__(self, shape: Shape | data.StructLayout, contexts: int, context_bits: int) -> None:
        self.shape, self.contexts, self.context_bits = shape, contexts, context_bits
        super().__init__(
            {
                "context": In(context_bits),
                "old": Out(shape),
                "new": In(shape),
                "change": In(1),
                "shown_context": In(context_bits),
                "shown": Out(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.contexts == 1:
            value = Signal(self.shape)
            m.d.comb += [self.old.eq(value), self.shown.eq(value)]
            with m.If(self.change):
                m.d.sync += value.eq(self.new)
            return m
        m.submodules.values = values = Memory(shape=self.shape, depth=1 << self.context_bits, init=[])
        write, read, show = values.write_port(), values.read_port(domain="comb"), values.read_port(domain="comb")
        m.d.comb += [
            read.addr.eq(self.context),
            self.old.eq(read.data),
            write.addr.eq(self.context),
            write.data.eq(self.new),
            write.en.eq(self.change),
            show.addr.eq(self.shown_context),
            self.shown.eq(show.data),
        ]
        return m


class Tally(wiring.Component):
    """Counts the events of one plane (reads or writes) of a port, for each of its contexts.

    The counts run on for ever and wrap; the meter takes the difference to its last visit, so a visit that meets an
    event loses nothing. Only the longest latency starts anew with a visit.

    Latency: requests and stalls are counted in the next cycle, responses in the one after it.

    Members
    -------
    events : In(layouts.meter_events)
        On a port with one context the context numbers are ignored.
    now : In(16)
        Time stamp of this cycle.
    visited : In(1), visited_context : In
        The meter takes the counts of this context in this cycle.
    counts : Out(tally_layout)
        Counts of `visited_context`.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.contexts = plan, len(initiator.contexts)
        super().__init__(
            {
                "events": In(layouts.meter_events(plan)),
                "now": In(layouts.BIRTH_BITS),
                "visited": In(1),
                "visited_context": In(plan.user_bits),
                "counts": Out(tally_layout(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, events, layout = self.plan, self.events, tally_layout(self.plan)

        def cells(name: str, shape: Shape | data.StructLayout, context: Value, change: Value) -> Cells:
            result = Cells(shape, self.contexts, plan.user_bits)
            m.submodules[name] = result
            m.d.comb += [
                result.context.eq(context),
                result.change.eq(change),
                result.shown_context.eq(self.visited_context),
            ]
            return result

        sent_layout = data.StructLayout({name: layout[name].shape for name in ("lengths", "requests")})
        sent = cells("sent", sent_layout, events.sent_context, events.sent)
        stalled = cells("stalled", layout["stalls"].shape, events.stalled_context, events.stalled)
        m.d.comb += [
            sent.new.lengths.eq(sent.old.lengths + events.sent_length),
            sent.new.requests.eq(sent.old.requests + 1),
            stalled.new.eq(stalled.old + 1),
        ]

        done = Signal()
        done_denied = Signal()
        done_context = Signal(plan.user_bits)
        latency = Signal(layouts.BIRTH_BITS)
        m.d.sync += [
            done.eq(events.done),
            done_denied.eq(events.done_denied),
            done_context.eq(events.done_context),
            latency.eq(self.now - events.done_birth),
        ]
        denied = cells("denied", layout["denials"].shape, done_context, done & done_denied)
        m.d.comb += denied.new.eq(denied.old + 1)

        # A bit for each context tells whether its longest latency is from after the last visit.
        answered = Signal(1 << plan.user_bits if self.contexts > 1 else 1)
        done_bit = done_context if self.contexts > 1 else 0
        visited_bit = self.visited_context if self.contexts > 1 else 0
        first = Signal()
        longer = Signal()
        longest = cells("longest", layout["longest"].shape, done_context, done & (first | longer))
        m.d.comb += [
            first.eq(~answered.bit_select(done_bit, 1) | (self.visited & (done_bit == visited_bit))),
            longer.eq(longest.old < latency),
            longest.new.eq(latency),
        ]
        with m.If(self.visited):
            m.d.sync += answered.bit_select(visited_bit, 1).eq(0)
        with m.If(done):
            m.d.sync += answered.bit_select(done_bit, 1).eq(1)

        m.d.comb += [
            self.counts.lengths.eq(sent.shown.lengths),
            self.counts.requests.eq(sent.shown.requests),
            self.counts.denials.eq(denied.shown),
            self.counts.stalls.eq(stalled.shown),
            self.counts.longest.eq(longest.shown),
            self.counts.answered.eq(answered.bit_select(visited_bit, 1)),
        ]
        return m
