"""Room for every answer that one target may owe one initiator: a part of its reorder buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan
from . import layouts
from .splitter import LONGEST_WHOLE

BEAT_BITS = (LONGEST_WHOLE - 1).bit_length()
"""Bits of a beat's number in a piece."""


def beat_layout(plan: Plan) -> data.StructLayout:
    """What is kept of a beat of read data."""
    return data.StructLayout({"response": 2, "data": plan.data_width})


class LaneBuffer(wiring.Component):
    """Read data of one target for one initiator, by slot: room for a whole piece in each, so nothing is ever refused.

    The first beat of each slot is also in distributed RAM, which shows it at once; the others come from block RAM,
    whose output has a register. A target may interleave the beats of several slots.

    Latency: `head` is combinational. A beat asked for with `move` is in `behind` after the next `move`.

    Members
    -------
    lane : In(layouts.lane)
    clears, clears_slot : In
        The sweep after reset.
    slot : In
        The slot that is being delivered.
    head : Out
        Its first beat.
    denied : Out(1)
        Its request was denied by this target's gate.
    move : In(1)
        The delivery goes on by a beat.
    address : In
        Slot and beat to look up.
    keep : In(1)
        What was looked up last is wanted; else `behind` becomes zero.
    behind : Out
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "lane": In(layouts.lane(plan, write=False)),
                "clears": In(1),
                "clears_slot": In(plan.slot_bits),
                "slot": In(plan.slot_bits),
                "head": Out(beat_layout(plan)),
                "denied": Out(1),
                "move": In(1),
                "address": In(plan.slot_bits + BEAT_BITS),
                "keep": In(1),
                "behind": Out(beat_layout(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, lane = self.plan, self.lane
        slots = plan.outstanding
        ends = Signal()
        beat = Signal(beat_layout(plan))
        m.d.comb += [
            ends.eq(lane.denied | lane.answer.last),
            beat.response.eq(lane.answer.response),
            beat.data.eq(lane.answer.data),
        ]
        m.submodules.numbers = numbers = Memory(shape=BEAT_BITS, depth=slots, init=[])
        count, number = numbers.write_port(), numbers.read_port(domain="comb")
        m.d.comb += [
            number.addr.eq(lane.slot),
            count.en.eq(lane.valid | self.clears),
            count.addr.eq(Mux(self.clears, self.clears_slot, lane.slot)),
            count.data.eq(Mux(self.clears | ends, 0, number.data + 1)),
        ]
        m.submodules.heads = heads = Memory(shape=beat_layout(plan), depth=slots, init=[])
        put, get = heads.write_port(), heads.read_port(domain="comb")
        m.submodules.denials = denials = Memory(shape=1, depth=slots, init=[])
        deny, is_denied = denials.write_port(), denials.read_port(domain="comb")
        m.d.comb += [
            put.en.eq(lane.valid & (number.data == 0)),
            put.addr.eq(lane.slot),
            put.data.eq(beat),
            get.addr.eq(self.slot),
            self.head.eq(get.data),
            deny.en.eq(lane.valid & ends),
            deny.addr.eq(lane.slot),
            deny.data.eq(lane.denied),
            is_denied.addr.eq(self.slot),
            self.denied.eq(is_denied.data),
        ]
        # Nothing is looked up in the cycle in which it is stored; saying so spares a synthesiser to provide for it.
        m.submodules.beats = beats = Memory(
            shape=beat_layout(plan), depth=slots << BEAT_BITS, init=[], attrs={"no_rw_check": 1}
        )
        store, look = beats.write_port(), beats.read_port()
        m.d.comb += [
            store.en.eq(lane.valid),
            store.addr.eq(Cat(number.data, lane.slot)),
            store.data.eq(beat),
            look.en.eq(self.move),
            look.addr.eq(self.address),
        ]
        with m.If(self.move):
            m.d.sync += self.behind.eq(Mux(self.keep, look.data.as_value(), 0))
        return m
