"""Small running counts of one plane of an initiator port, which the meter visits."""

from functools import cache

from amaranth.hdl import Module, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..fabric import layouts
from ..plan.plan import Initiator, Plan, bits_for
from .cells import Cells
from .latencies import Latencies

MOST_LENGTH = 255
"""Largest AxLEN (IHI 0022H, A3.4.1)."""
RUNNING = ("lengths", "requests", "denials", "stalls")
"""Counts that run on from visit to visit."""


@cache
def tally_layout(plan: Plan) -> data.StructLayout:
    """Counts of one context in one plane, wide enough for one rotation of the meter.

    `lengths` adds up AxLEN: the number of beats is `lengths` + `requests`.
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
        }
    )


class Tally(wiring.Component):
    """Counts the events of one plane (reads or writes) of a port, for each of its contexts.

    The counts run on for ever and wrap; the meter takes the difference to its last visit, so a visit that meets an
    event loses nothing. Only the longest latency starts anew with a visit.

    Latency: events are counted in the second cycle after them, latencies in the fifth one: they come late in theirs
    and are taken into registers first.

    Members
    -------
    events : In(layouts.meter_events)
        On a port with one context the context numbers are ignored.
    now, then : In(16)
        Time stamps of this cycle and of the one `latencies.READ_CYCLES` before.
    visited : In(1), visited_context : In
        The meter takes the counts of this context in this cycle.
    counts : Out(tally_layout)
        What the meter has taken, in the cycle after; else zero, so that those of several tallies need only be ORed.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.initiator, self.contexts = plan, initiator, len(initiator.contexts)
        super().__init__(
            {
                "events": In(layouts.meter_events(plan)),
                "now": In(layouts.BIRTH_BITS),
                "then": In(layouts.BIRTH_BITS),
                "visited": In(1),
                "visited_context": In(plan.user_bits),
                "counts": Out(tally_layout(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, layout = self.plan, tally_layout(self.plan)
        events = Signal(layouts.meter_events(plan), name="events_before")
        m.d.sync += events.eq(self.events)

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
        sent = cells("sent", sent_layout, events.sent_context, events.sent & events.sent_through)
        stalled = cells("stalled", layout["stalls"].shape, events.stalled_context, events.stalled)
        denial = events.done & events.done_owned & events.done_denied
        denied = cells("denied", layout["denials"].shape, events.done_context, denial)
        m.submodules.latencies = latencies = Latencies(plan, self.initiator)
        m.d.comb += [
            sent.new.lengths.eq(sent.old.lengths + events.sent_length),
            sent.new.requests.eq(sent.old.requests + 1),
            stalled.new.eq(stalled.old + 1),
            denied.new.eq(denied.old + 1),
            latencies.events.eq(events),
            latencies.now.eq(self.now),
            latencies.then.eq(self.then),
            latencies.visited.eq(self.visited),
            latencies.visited_context.eq(self.visited_context),
        ]
        m.d.sync += self.counts.eq(0)
        with m.If(self.visited):
            m.d.sync += [
                self.counts.lengths.eq(sent.shown.lengths),
                self.counts.requests.eq(sent.shown.requests),
                self.counts.denials.eq(denied.shown),
                self.counts.stalls.eq(stalled.shown),
                self.counts.longest.eq(latencies.longest),
            ]
        return m
