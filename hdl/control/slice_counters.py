"""Counters of all slices in one memory, and a second memory that shows them as they were at a snapshot."""

from functools import cache

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..fabric.layouts import BIRTH_BITS
from ..plan.plan import Plan, bits_for
from .tally import tally_layout

COUNTERS = ("read_beats", "write_beats", "read_requests", "write_requests", "denials", "stalls", "longest_latency")
"""Words of a slice, in the order of the register map."""


@cache
def counters_layout() -> data.StructLayout:
    """All counters of a slice."""
    return data.StructLayout({name: BIRTH_BITS if name == "longest_latency" else 32 for name in COUNTERS})


@cache
def addition_layout(plan: Plan) -> data.StructLayout:
    """What one visit of a context brings."""
    tally = tally_layout(plan)
    beats, events = tally["lengths"].width + 1, tally["requests"].width
    return data.StructLayout(
        {
            "read_beats": beats,
            "write_beats": beats,
            "read_requests": events,
            "write_requests": events,
            "denials": events + 1,
            "stalls": events + 1,
            "longest_latency": BIRTH_BITS,
        }
    )


class SliceCounters(wiring.Component):
    """Adds to the counters of one slice in each cycle; counts are modulo 2**32, the longest latency is a maximum.

    Latency: an addition and a copy take effect in the next cycle, so a slice may be addressed in every cycle.

    Members
    -------
    slice : In
        Which slice the three commands are for.
    add : In(1)
        Adds `addition`, which is zero in all other cycles.
    clear : In(1)
        Sets the counters and their copy to zero.
    copy : In(1)
        Copies the counters to the second memory, and starts the longest latency anew.
    addition : In(addition_layout)
    external_enable, external_member, external_word : In
        Which slice, and which counter in the order of the register map, is asked for.
    external_data : Out(32)
        The copy, one cycle later; 0 if none was asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "slice": In(plan.slice_bits),
                "add": In(1),
                "clear": In(1),
                "copy": In(1),
                "addition": In(addition_layout(plan)),
                "external_enable": In(1),
                "external_member": In(plan.slice_bits),
                "external_word": In(bits_for(len(COUNTERS))),
                "external_data": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, depth = counters_layout(), 1 << self.plan.slice_bits
        m.submodules.live = live = Memory(shape=layout, depth=depth, init=[])
        m.submodules.copied = copied = Memory(shape=layout, depth=depth, init=[])
        live_write, live_read = live.write_port(), live.read_port(domain="comb")
        copied_write, copied_read = copied.write_port(), copied.read_port(domain="comb")

        old = Signal(layout)
        new = Signal(layout)
        m.d.comb += [
            live_read.addr.eq(self.slice),
            old.eq(Mux(self.clear, 0, live_read.data.as_value())),
            live_write.addr.eq(self.slice),
            live_write.data.eq(new),
            live_write.en.eq(self.add | self.copy | self.clear),
            copied_write.addr.eq(self.slice),
            copied_write.data.eq(old),
            copied_write.en.eq(self.copy | self.clear),
            copied_read.addr.eq(self.external_member),
        ]
        for name in COUNTERS[:-1]:
            m.d.comb += new[name].eq(old[name] + self.addition[name])
        with m.If(old.longest_latency < self.addition.longest_latency):
            m.d.comb += new.longest_latency.eq(self.addition.longest_latency)
        with m.Elif(~self.copy):
            m.d.comb += new.longest_latency.eq(old.longest_latency)

        m.d.sync += self.external_data.eq(0)
        with m.If(self.external_enable):
            with m.Switch(self.external_word):
                for number, name in enumerate(COUNTERS):
                    with m.Case(number):
                        m.d.sync += self.external_data.eq(copied_read.data[name])
        return m
