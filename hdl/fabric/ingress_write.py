"""Where writes enter the fabric without strict isolation."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.plan import Initiator, Plan
from . import layouts
from .ingress import Ingress
from .steer import BEATS, write_layout
from .translate import Translate


class IngressWrite(Ingress):
    """Write plane of an initiator port; see :class:`Ingress`.

    A request asks the switch together with its first beat of data and keeps the target until its last. Which beat is
    the last is counted from AxLEN: WLAST of an initiator is not trusted. While the port is isolated, missing beats
    are made up with no strobe set, so that what is under way ends without the initiator.

    Members
    -------
    w : stream of {data, strb}
    beat : Out
        Broadcast to all targets; goes with its request, or while `beat_valid` to the target that has set `beat_ready`.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        members = {
            "w": In(stream.Signature(write_layout(plan))),
            "beat": Out(layouts.write_beat(plan)),
            "beat_valid": Out(1),
            "beat_ready": In(len(plan.targets)),
        }
        super().__init__(plan, initiator, write=True, members=members)

    def _send(self, m: Module, translate: Translate, begins: Signal, denied_here: Signal) -> None:
        m.submodules.beats = beats = Queue(write_layout(self.plan), BEATS)
        available = Signal()
        started = Signal()
        sent = Signal()
        number = Signal(8)
        m.d.comb += [
            beats.i.payload.eq(self.w.payload),
            beats.i.valid.eq(self.w.valid & ~self.isolate),
            self.w.ready.eq(beats.i.ready & ~self.isolate),
            beats.clear.eq(self.isolate),
            beats.o.ready.eq(sent),
            available.eq(beats.o.valid | self.isolate),
            self.beat.data.eq(beats.o.payload.data),
            self.beat.strobe.eq(Mux(self.isolate, 0, beats.o.payload.strb)),
            self.beat.last.eq(number == translate.note.length),
            self.beat_valid.eq(started & available),
            self.request_valid.eq(translate.ask & (available & ~started).replicate(len(translate.ask))),
            sent.eq(
                (self.request_valid & self.request_ready).any()
                | (self.beat_valid & self.beat_ready.any())
                | (translate.deny & available)
            ),
            begins.eq(sent & ~started),
            translate.leave.eq(sent & self.beat.last),
            denied_here.eq(translate.deny & translate.leave),
            self.events.stalled.eq(translate.valid & available & ~sent & translate.owned),
        ]
        with m.If(sent):
            m.d.sync += [started.eq(~self.beat.last), number.eq(Mux(self.beat.last, 0, number + 1))]
