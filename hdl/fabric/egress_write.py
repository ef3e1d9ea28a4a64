"""Where writes leave the fabric."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Response
from ..bus.buffer import Buffer
from ..plan.plan import Plan, Target, bits_for
from . import layouts
from .egress_read import gate_members, pass_gate
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
        sources = gate.sources
        m.submodules.order = order = OrderTable(self.plan, len(sources))
        m.submodules.address_buffer = address_buffer = Buffer(passed_layout(self.plan, write=False))
        m.submodules.data_buffer = data_buffer = Buffer(layouts.write_beat(self.plan))
        pass_gate(m, self, gate)
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
            gate.room.eq(order.room),
            order.reserve.eq(gate.reserve),
            order.push.eq(gate.decided),
            order.push_source.eq(gate.decided_source),
            order.push_entry.eq(gate.entry),
        ]

        known = Signal()
        with m.Switch(self.b.payload.id):
            for n, source in enumerate(sources):
                with m.Case(source):
                    m.d.comb += [known.eq(1), order.answer_source.eq(n)]

        turn = Signal()
        denial_turn = Signal()
        answer_valid = Signal()
        taken = Signal()
        ready = Signal()
        where = Signal(bits_for(len(sources)))
        entry = Mux(denial_turn, order.denial_entry.as_value(), order.answer_entry.as_value())
        chosen = data.View(order.denial_entry.shape(), entry)
        out = Signal(layouts.response(self.plan))
        m.d.sync += turn.eq(~turn)
        m.d.comb += [
            answer_valid.eq(self.b.valid & known & order.answer_valid),
            denial_turn.eq(order.denial_valid & (turn | ~answer_valid)),
            where.eq(Mux(denial_turn, order.denial_source, order.answer_source)),
            out.id.eq(chosen.id),
            out.response.eq(Mux(denial_turn, Response.SLVERR, self.b.payload.resp)),
            out.last.eq(1),
            out.context.eq(chosen.context),
            out.owned.eq(1),
            out.denied.eq(denial_turn),
            out.birth.eq(chosen.birth),
            taken.eq((denial_turn | answer_valid) & ready),
            self.b.ready.eq((taken & ~denial_turn) | ~known),
            order.answer_done.eq(taken & ~denial_turn),
            order.denial_done.eq(taken & denial_turn),
            self.done.eq(order.answer_done),
            self.done_epoch.eq(order.answer_entry.epoch),
        ]
        for n in range(len(sources)):
            response = getattr(self, f"response{n}")
            m.d.comb += [response.payload.eq(out), response.valid.eq((denial_turn | answer_valid) & (where == n))]
            with m.If(where == n):
                m.d.comb += ready.eq(response.ready)
        return m
