"""Write data follows its request to the virtual queue that the request went to."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.plan import Initiator, Plan
from . import layouts

BEATS = 16
"""Beats of data that can wait in front of the switch; distributed RAM comes 16 deep."""


class Steer(wiring.Component):
    """Sends the beats of W where their requests went, with strict isolation, in the order of the requests.

    A request has its slot before it comes here, so there is room for it. The data of one that goes nowhere is
    swallowed. While the port is isolated, missing beats are made up with no strobe set, so that what is under way ends
    without the initiator.

    Latency: a beat that waits goes in the cycle in which its request enters, or later; a beat per cycle. In that first
    cycle, in which the request's target is known late, it goes only if every target has room.

    Members
    -------
    w : stream of layouts.write_data
    isolate : In(1)
    enters : In(1)
        A request enters in this cycle.
    target : In(targets)
        Where it goes, one-hot; zero is nowhere. It may come late in the cycle.
    length, slot : In
        Its AxLEN and its slot.
    beat : Out(layouts.write_beat)
    beat_valid : Out(targets)
        One-hot or zero: the beat goes to this target.
    beat_ready : In(targets)
        There is room; from a register.
    denied : Out(1), denied_slot : Out
        A request that went nowhere has given its last beat, one cycle ago.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.initiator = plan, initiator
        targets = len(plan.targets)
        self.request_layout = data.StructLayout({"target": targets, "length": 8, "slot": plan.slot_bits})
        super().__init__(
            {
                "w": In(stream.Signature(layouts.write_data(plan))),
                "isolate": In(1),
                "enters": In(1),
                "target": In(targets),
                "length": In(8),
                "slot": In(plan.slot_bits),
                "beat": Out(layouts.write_beat(plan)),
                "beat_valid": Out(targets),
                "beat_ready": In(targets),
                "denied": Out(1),
                "denied_slot": Out(plan.slot_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.beats = beats = Queue(layouts.write_data(self.plan), BEATS)
        m.submodules.requests = requests = Queue(self.request_layout, self.plan.outstanding, always_room=True)
        wiring.connect(m, wiring.flipped(self.w), beats.i)
        arriving = Signal(self.request_layout)
        request = Signal(self.request_layout)
        available = Signal()
        has_room = Signal()
        moves = Signal()
        last = Signal()
        number = Signal(8)
        waits = requests.o.valid
        targets = len(self.target)
        reachable = sum(1 << target for target in self.initiator.targets)
        m.d.comb += [
            beats.clear.eq(self.isolate),
            beats.o.ready.eq(moves),
            available.eq(beats.o.valid | self.isolate),
            arriving.target.eq(self.target),
            arriving.length.eq(self.length),
            arriving.slot.eq(self.slot),
            request.eq(Mux(waits, requests.o.payload.as_value(), arriving.as_value())),
            # Of the arriving request's target nothing but the valid bits depends: it comes from the window.
            has_room.eq(
                Mux(waits, ~(requests.o.payload.target & ~self.beat_ready).any(), (self.beat_ready | ~reachable).all())
            ),
            moves.eq((waits | self.enters) & available & has_room),
            last.eq(number == request.length),
            requests.i.valid.eq(self.enters & ~(~waits & moves & last)),
            requests.i.payload.eq(arriving),
            requests.o.ready.eq(moves & last),
            self.beat.data.eq(beats.o.payload.data),
            self.beat.strobe.eq(Mux(self.isolate, 0, beats.o.payload.strb)),
            self.beat.last.eq(last),
            # What comes late is combined with everything else at once.
            self.beat_valid.eq(
                (requests.o.payload.target & (waits & moves).replicate(targets))
                | (self.target & (~waits & moves).replicate(targets))
            ),
        ]
        with m.If(moves):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        m.d.sync += [
            self.denied.eq(moves & last & ~request.target.any()),
            self.denied_slot.eq(request.slot),
        ]
        return m
