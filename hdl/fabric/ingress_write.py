"""Where writes enter the fabric without strict isolation."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.plan import Initiator, Plan
from . import layouts
from .entry import Entry
from .ingress import Ingress
from .steer import BEATS
from .translate import Translate


class IngressWrite(Ingress):
    """Write plane of an initiator port; see :class:`Ingress`.

    A request asks the switch together with its first beat of data and keeps the target until its last. Which beat is
    the last is counted from AxLEN: WLAST of an initiator is not trusted. While the port is isolated, missing beats
    are made up with no strobe set, so that what is under way ends without the initiator.

    Members
    -------
    w : stream of {data, strb}
    last : Out(1)
        Broadcast to all targets: the beat is its request's last one. It goes with its request, or while `beat_valid` to
        the target that has set `beat_ready`.
    beat : Out
        That beat, one cycle later.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        members = {
            "w": In(stream.Signature(layouts.write_data(plan))),
            "last": Out(1),
            "beat": Out(layouts.write_beat(plan)),
            "beat_valid": Out(1),
            "beat_ready": In(len(plan.targets)),
        }
        super().__init__(plan, initiator, write=True, members=members)

    def _send(
        self, m: Module, entry: Entry, translate: Translate, begins: Signal, denied_here: Signal, stalled: Signal
    ) -> None:
        m.submodules.beats = beats = Queue(layouts.write_data(self.plan), BEATS, recalls=True)
        wiring.connect(m, entry.o_w, beats.i)
        available = Signal()
        started = Signal()
        sent = Signal()
        number = Signal(8)
        made_up = Signal()
        was_last = Signal()
        m.d.sync += [made_up.eq(self.isolate), was_last.eq(self.last)]
        m.d.comb += [
            beats.clear.eq(self.isolate),
            beats.o.ready.eq(sent),
            available.eq(beats.o.valid | self.isolate),
            self.last.eq(number == translate.head.request.len),
            self.beat.data.eq(beats.before.data),
            self.beat.strobe.eq(Mux(made_up, 0, beats.before.strb)),
            self.beat.last.eq(was_last),
            self.beat_valid.eq(started & available),
            self.request_valid.eq(translate.ask & (available & ~started).replicate(len(translate.ask))),
            sent.eq(
                self.request_ready.any() | (self.beat_valid & self.beat_ready.any()) | (translate.deny & available)
            ),
            begins.eq(sent & ~started),
            translate.leave.eq(sent & self.last),
            denied_here.eq(translate.deny & translate.leave),
            stalled.eq(translate.valid & available & ~sent & translate.head.owned),
        ]
        with m.If(sent):
            m.d.sync += [started.eq(~self.last), number.eq(Mux(self.last, 0, number + 1))]
