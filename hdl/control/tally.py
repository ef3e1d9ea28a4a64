"""Small running counts of one plane of an initiator port, which the meter visits."""

from functools import cache

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..fabric import layouts
from ..plan.plan import Initiator, Plan, bits_for

MOST_LENGTH = 255
"""Largest AxLEN (IHI 0022H, A3.4.1)."""


@cache
def tally_layout(plan: Plan) -> data.StructLayout:
    """Counts of one context in one plane, wide enough for one rotation of the meter.

    `lengths` adds up AxLEN: the number of beats is `lengths` + `requests`.
    """
    events = bits_for(plan.meter_period + 1)
    lengths = bits_for(MOST_LENGTH * plan.meter_period + 1)
    return data.StructLayout({"lengths": lengths, "requests": events, "denials": events, "stalls": events})


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
    visited : In(contexts)
        The meter takes the counts of this context in this cycle.
    counts{c} : Out(tally_layout)
    longest{c} : Out(16)
        Longest latency of the responses since the last visit, in cycles modulo 2**16, as births have 16 bits.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.contexts = plan, len(initiator.contexts)
        super().__init__(
            {
                "events": In(layouts.meter_events(plan)),
                "now": In(layouts.BIRTH_BITS),
                "visited": In(self.contexts),
                **{f"counts{c}": Out(tally_layout(plan)) for c in range(self.contexts)},
                **{f"longest{c}": Out(layouts.BIRTH_BITS) for c in range(self.contexts)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        events = self.events
        done = Signal()
        done_denied = Signal()
        done_context = Signal.like(events.done_context)
        latency = Signal(layouts.BIRTH_BITS)
        m.d.sync += [
            done.eq(events.done),
            done_denied.eq(events.done_denied),
            done_context.eq(events.done_context),
            latency.eq(self.now - events.done_birth),
        ]
        for c in range(self.contexts):
            counts, longest = getattr(self, f"counts{c}"), getattr(self, f"longest{c}")

            def concerns(number, c=c):
                return number == c if self.contexts > 1 else 1

            with m.If(events.sent & concerns(events.sent_context)):
                m.d.sync += [
                    counts.lengths.eq(counts.lengths + events.sent_length),
                    counts.requests.eq(counts.requests + 1),
                ]
            with m.If(events.stalled & concerns(events.stalled_context)):
                m.d.sync += counts.stalls.eq(counts.stalls + 1)
            with m.If(done & done_denied & concerns(done_context)):
                m.d.sync += counts.denials.eq(counts.denials + 1)
            with m.If(done & concerns(done_context) & (self.visited[c] | (latency > longest))):
                m.d.sync += longest.eq(latency)
            with m.Elif(self.visited[c]):
                m.d.sync += longest.eq(0)
        return m
