"""Where reads leave the fabric."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Response
from ..bus.buffer import Buffer
from ..plan.plan import Plan, Target, bits_for
from .gate import Gate, passed_layout
from .ingress_read import read_response
from .order_table import OrderTable


def gate_members(gate: Gate) -> dict[str, wiring.Member]:
    """The members that an egress hands through to its gate."""
    inner = {"o", "room", "reserve", "decided", "decided_source", "entry"}
    return {name: member for name, member in gate.signature.members.items() if name not in inner}


def pass_gate(m: Module, outer: wiring.Component, gate: Gate) -> None:
    """Connect an egress's members to its gate's members of the same name."""
    for name, member in gate_members(gate).items():
        inside, outside = getattr(gate, name), getattr(outer, name)
        m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)


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
        sources = gate.sources
        m.submodules.order = order = OrderTable(self.plan, len(sources))
        m.submodules.buffer = buffer = Buffer(passed_layout(self.plan, write=False))
        pass_gate(m, self, gate)
        wiring.connect(m, gate.o, buffer.i)
        wiring.connect(m, buffer.o, wiring.flipped(self.ar))
        m.d.comb += [
            gate.room.eq(order.room),
            order.reserve.eq(gate.reserve),
            order.push.eq(gate.decided),
            order.push_source.eq(gate.decided_source),
            order.push_entry.eq(gate.entry),
        ]

        # A target's ID becomes a position in the table; one that no source has is answered to nobody.
        known = Signal()
        with m.Switch(self.r.payload.id):
            for n, source in enumerate(sources):
                with m.Case(source):
                    m.d.comb += [known.eq(1), order.answer_source.eq(n)]

        # The target's answer and a denial's beats share the way out and alternate when both want it.
        turn = Signal()
        denial_turn = Signal()
        answer_valid = Signal()
        beat = Signal(8)
        denial_last = Signal()
        taken = Signal()
        ready = Signal()
        where = Signal(bits_for(len(sources)))
        entry = Mux(denial_turn, order.denial_entry.as_value(), order.answer_entry.as_value())
        chosen = data.View(order.denial_entry.shape(), entry)
        out = Signal(read_response(self.plan))
        m.d.sync += turn.eq(~turn)
        m.d.comb += [
            answer_valid.eq(self.r.valid & known & order.answer_valid),
            denial_turn.eq(order.denial_valid & (turn | ~answer_valid)),
            where.eq(Mux(denial_turn, order.denial_source, order.answer_source)),
            denial_last.eq(beat == order.denial_entry.length),
            out.head.id.eq(chosen.id),
            out.head.response.eq(Mux(denial_turn, Response.SLVERR, self.r.payload.resp)),
            out.head.last.eq(Mux(denial_turn, denial_last, self.r.payload.last)),
            out.head.context.eq(chosen.context),
            out.head.owned.eq(1),
            out.head.denied.eq(denial_turn),
            out.head.birth.eq(chosen.birth),
            out.data.eq(Mux(denial_turn, Const(0, self.plan.data_width), self.r.payload.data)),
            taken.eq((denial_turn | answer_valid) & ready),
            # An answer that nobody waits for is dropped; one whose turn has not come waits.
            self.r.ready.eq((taken & ~denial_turn) | ~known),
            order.answer_done.eq(taken & ~denial_turn & self.r.payload.last),
            order.denial_done.eq(taken & denial_turn & denial_last),
            self.done.eq(order.answer_done),
            self.done_epoch.eq(order.answer_entry.epoch),
        ]
        with m.If(taken & denial_turn):
            m.d.sync += beat.eq(Mux(denial_last, 0, beat + 1))
        for n in range(len(sources)):
            response = getattr(self, f"response{n}")
            m.d.comb += [response.payload.eq(out), response.valid.eq((denial_turn | answer_valid) & (where == n))]
            with m.If(where == n):
                m.d.comb += ready.eq(response.ready)
        return m
