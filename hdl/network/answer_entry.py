"""Where answers enter a network."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..fabric import layouts
from ..fabric.gate import DEPTH, count_between
from ..fabric.select import select
from ..plan.plan import Plan, Target
from .link import flit_layout, link_signature

WAITING = 32
"""Answers that wait for the link."""
HELD = WAITING - DEPTH - 8
"""Answers that wait from which on the egress is held: all that the gate has granted may still be denied."""


def answer_flit(plan: Plan, *, write: bool) -> data.StructLayout:
    """A flit of the network of answers: a beat for a slot, or its denial."""
    payload = data.StructLayout({"denied": 1, "slot": plan.slot_bits, "answer": layouts.answer(plan, write=write)})
    return flit_layout(len(plan.targets), len(plan.initiators), 0, payload)


class AnswerEntry(wiring.Component):
    """Between an egress (one plane of a target port) and the network of answers. Initiators have room for all of them.

    Latency: 1 cycle to the link; an answer per cycle.

    Parameters
    ----------
    plan : Plan
    target : Target
    write : bool

    Members
    -------
    source : In
        Number of the target, a constant.
    lane{n} : In(layouts.lane)
        Of the egress, to its source n; one at a time.
    hold : Out(1)
        Neither answers nor grants may follow, but for what is under way; a register.
    o : Out(link_signature)
    """

    def __init__(self, plan: Plan, target: Target, *, write: bool) -> None:
        self.plan, self.target, self.write = plan, target, write
        lane, flit = layouts.lane(plan, write=write), answer_flit(plan, write=write)
        super().__init__(
            {
                "source": In(flit["source"].shape),
                **{f"lane{n}": In(lane) for n in range(len(target.initiators))},
                "hold": Out(1),
                "o": Out(link_signature(flit)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        flit = answer_flit(self.plan, write=self.write)
        m.submodules.waiting = waiting = Queue(flit, WAITING)
        lanes = [getattr(self, f"lane{n}") for n in range(len(self.target.initiators))]
        valid = Cat(lane.valid for lane in lanes)
        numbers = [Const(index, len(self.o.flit.sink)) for index in self.target.initiators]
        comes = waiting.i.payload
        level = count_between(m, WAITING, waiting.i.valid, waiting.o.valid & waiting.o.ready, "level")
        m.d.sync += self.hold.eq(level >= HELD)
        m.d.comb += [
            waiting.i.valid.eq(valid.any()),
            comes.source.eq(self.source),
            comes.sink.eq(select(valid, numbers)),
            comes.payload.denied.eq(reduce(or_, (lane.valid & lane.denied for lane in lanes))),
            comes.payload.slot.eq(select(valid, [lane.slot for lane in lanes])),
            comes.payload.answer.eq(select(valid, [lane.answer for lane in lanes])),
            self.o.flit.eq(waiting.o.payload),
            self.o.valid.eq(waiting.o.valid),
            waiting.o.ready.eq(self.o.ready),
        ]
        return m
