"""Where writes leave the fabric."""

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.buffer import Buffer
from ..plan.plan import Plan, Target
from . import layouts
from .egress import connect_answers, connect_gate, gate_members
from .gate import Gate, passed_layout
from .order_table import OrderTable


class EgressWrite(wiring.Component):
    """Write plane of a target port.

    Latency at no load: a beat that asks is at the target 2 cycles later. Responses pass combinationally.

    Members
    -------
    aw : stream of {source, request}
    w : stream of write beats
    b : stream of {id, resp}
        `id` is the source's index.
    response{n} : stream of write responses to source n
    done, done_epoch : Out
        A request that had passed was answered.
    and those of :class:`Gate` but for the ones towards the order table
    """

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        self.gate = Gate(plan, target, write=True)
        self.b_layout = data.StructLayout({"id": plan.source_bits, "resp": 2})
        count = len(self.gate.sources)
        super().__init__(
            {
                "aw": Out(stream.Signature(passed_layout(plan, write=False))),
                "w": Out(stream.Signature(layouts.write_beat(plan))),
                "b": In(stream.Signature(self.b_layout)),
                **{f"response{n}": Out(stream.Signature(layouts.response(plan))) for n in range(count)},
                "done": Out(1),
                "done_epoch": Out(1),
                **gate_members(self.gate),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.gate = gate = self.gate
        m.submodules.order = order = OrderTable(self.plan, len(gate.sources))
        m.submodules.address_buffer = address_buffer = Buffer(passed_layout(self.plan, write=False))
        m.submodules.data_buffer = data_buffer = Buffer(layouts.write_beat(self.plan))
        connect_gate(m, self, gate, order)
        wiring.connect(m, address_buffer.o, wiring.flipped(self.aw))
        wiring.connect(m, data_buffer.o, wiring.flipped(self.w))
        passed = gate.o.payload
        m.d.comb += [
            # A beat leaves the gate when both buffers can take their part, so AW and W never wait for each other.
            gate.o.ready.eq(data_buffer.i.ready & (~passed.head | address_buffer.i.ready)),
            address_buffer.i.valid.eq(gate.o.valid & gate.o.ready & passed.head),
            data_buffer.i.valid.eq(gate.o.valid & gate.o.ready),
            data_buffer.i.payload.eq(passed.beat),
            address_buffer.i.payload.request.eq(passed.request),
            address_buffer.i.payload.source.eq(passed.source),
            address_buffer.i.payload.head.eq(passed.head),
        ]
        out = Signal(layouts.response(self.plan))
        one_beat = Const(1)
        connect_answers(m, self, gate, order, channel=self.b, out=out, head=out, last=one_beat, denial_last=one_beat)
        return m
