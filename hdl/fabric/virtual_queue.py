"""Requests of one initiator wait for one target in a queue of their own, so that nobody waits behind them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.plan import Plan
from . import layouts
from .splitter import LONGEST_WHOLE


def beats_of(plan: Plan) -> int:
    """Beats of write data for which it has room: a piece is sent while the next one comes in; the longest fits too.

    From a network come as many pieces as are under way there and back.
    """
    return 64 if plan.network else max(LONGEST_WHOLE, 2 * plan.chunk)


class VirtualQueue(wiring.Component):
    """A virtual output queue, with strict isolation (Y. Tamir and G. L. Frazier, ISCA 1988).

    It has room for all requests that the initiator can have outstanding. A write is shown to the gate when all its data
    is here, so a grant never waits for an initiator.

    Latency: 1 cycle for a read; a write is shown in the cycle after its last beat came, which comes with its request or
    later. A request and a beat per cycle.

    Members
    -------
    i_asking, i_rest, i_class : In
    i_valid : In(1)
    o_asking, o_class : Out
    o_valid : Out(1), o_ready : In(1)
    o_rest : Out
        Of the request that was shown in the cycle before.
    i_beat, i_beat_valid, i_beat_ready
        Writes only. A beat is sent only when there is room for it; `i_beat_ready` is a register.
    o_last, o_beat_valid, o_beat_ready
        Writes only: a beat, which goes with a request or follows it, and whether it is the last.
    o_beat : Out
        Writes only: the beat that was shown in the cycle before.
    """

    def __init__(self, plan: Plan, *, write: bool) -> None:
        self.plan, self.write = plan, write
        beats: dict[str, wiring.Member] = {
            "i_beat": In(layouts.write_beat(plan)),
            "i_beat_valid": In(1),
            "i_beat_ready": Out(1),
            "o_last": Out(1),
            "o_beat": Out(layouts.write_beat(plan)),
            "o_beat_valid": Out(1),
            "o_beat_ready": In(1),
        }
        super().__init__(
            {
                "i_asking": In(layouts.asking(plan)),
                "i_rest": In(layouts.rest(plan)),
                "i_class": In(plan.class_bits),
                "i_valid": In(1),
                "o_asking": Out(layouts.asking(plan)),
                "o_rest": Out(layouts.rest(plan)),
                "o_class": Out(plan.class_bits),
                "o_valid": Out(1),
                "o_ready": In(1),
                **(beats if write else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        layout = data.StructLayout(
            {"class": plan.class_bits, "asking": layouts.asking(plan), "rest": layouts.rest(plan)}
        )
        m.submodules.requests = requests = Queue(layout, plan.outstanding, always_room=True, recalls=True)
        m.d.comb += [
            requests.i.valid.eq(self.i_valid),
            requests.i.payload.asking.eq(self.i_asking),
            requests.i.payload.rest.eq(self.i_rest),
            requests.i.payload["class"].eq(self.i_class),
            self.o_asking.eq(requests.o.payload.asking),
            self.o_class.eq(requests.o.payload["class"]),
            self.o_rest.eq(requests.before.rest),
            requests.o.ready.eq(self.o_ready),
        ]
        if not self.write:
            m.d.comb += self.o_valid.eq(requests.o.valid)
            return m

        m.submodules.beats = beats = Queue(layouts.write_beat(plan), beats_of(plan), recalls=True)
        m.d.comb += [
            self.i_beat_ready.eq(beats.i.ready),
            beats.i.valid.eq(self.i_beat_valid),
            beats.i.payload.eq(self.i_beat),
            self.o_last.eq(beats.o.payload.last),
            self.o_beat.eq(beats.before),
            self.o_beat_valid.eq(beats.o.valid),
            beats.o.ready.eq(self.o_ready | self.o_beat_ready),
        ]
        # Requests whose data is here and that were not granted. A beat comes late in its cycle, so the request that it
        # completes is counted a cycle later.
        complete = Signal()
        completed = Signal()
        whole = Signal(range(plan.outstanding))
        whole_next = Signal.like(whole)
        m.d.comb += [
            complete.eq(self.i_beat_valid & self.i_beat.last),
            whole_next.eq(whole + completed - (self.o_ready & self.o_valid)),
        ]
        m.d.sync += [
            completed.eq(complete),
            whole.eq(whole_next),
            self.o_valid.eq(complete | (whole_next != 0)),
        ]
        return m
