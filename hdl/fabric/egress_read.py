"""Where reads leave the fabric."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.buffer import Buffer
from ..plan.plan import Plan, Target
from .egress import connect_answers, connect_gate, gate_members
from .gate import Gate, passed_layout
from .ingress_read import read_response
from .order_table import OrderTable


class EgressRead(wiring.Component):
    """Read plane of a target port.

    Latency at no load: a request that asks is at the target 2 cycles later. Responses pass combinationally.

    Members
    -------
    ar : stream of {source, request}
    r : stream of {id, data, resp, last}
        `id` is the source's index.
    response{n} : stream of read responses to source n
    done, done_epoch : Out
        A request that had passed was answered.
    and those of :class:`Gate` but for the ones towards the order table
    """

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        self.gate = Gate(plan, target, write=False)
        self.r_layout = data.StructLayout({"id": plan.source_bits, "data": plan.data_width, "resp": 2, "last": 1})
        count = len(self.gate.sources)
        super().__init__(
            {
                "ar": Out(stream.Signature(passed_layout(plan, write=False))),
                "r": In(stream.Signature(self.r_layout)),
                **{f"response{n}": Out(stream.Signature(read_response(plan))) for n in range(count)},
                "done": Out(1),
                "done_epoch": Out(1),
                **gate_members(self.gate),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.gate = gate = self.gate
        m.submodules.order = order = OrderTable(self.plan, len(gate.sources))
        m.submodules.buffer = buffer = Buffer(passed_layout(self.plan, write=False))
        connect_gate(m, self, gate, order)
        wiring.connect(m, gate.o, buffer.i)
        wiring.connect(m, buffer.o, wiring.flipped(self.ar))

        # A denial has as many beats of zeros as were asked for.
        beat = Signal(8)
        denial_last = Signal()
        out = Signal(read_response(self.plan))
        denial_turn, taken = connect_answers(
            m, self, gate, order, channel=self.r, out=out, head=out.head,
            last=self.r.payload.last, denial_last=denial_last,
        )  # fmt: skip
        m.d.comb += [
            denial_last.eq(beat == order.denial_entry.length),
            out.data.eq(Mux(denial_turn, Const(0, self.plan.data_width), self.r.payload.data)),
        ]
        with m.If(taken & denial_turn):
            m.d.sync += beat.eq(Mux(denial_last, 0, beat + 1))
        return m
