"""Where reads enter the fabric."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..bus.axi import Response
from ..plan.plan import Initiator, Plan
from . import layouts
from .ledger import Ledger
from .merge import Merge
from .ports import fill_members, ingress_members, owner_members, pass_members
from .translate import Translate, address_layout


def read_response(plan: Plan) -> data.StructLayout:
    """A beat of read data on its way to the initiator."""
    return data.StructLayout({"head": layouts.response(plan), "data": plan.data_width})


class IngressRead(wiring.Component):
    """Read plane of an initiator port.

    Latency at no load: an accepted AR asks the switch 2 cycles later; a response passes in 1 cycle.

    Members
    -------
    ar : stream of an AXI address beat
    r : stream of {id, data, resp, last}
    request : Out
        Broadcast to all targets; `request_valid[t]` asks target t, `request_ready[t]` takes it.
    request_class : Out
        Class of the request's slice.
    response{t} : stream of read responses from target t
    and the members of :func:`hdl.fabric.ports.ingress_members`
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.initiator = plan, initiator
        targets = len(plan.targets)
        responses = {f"response{t}": In(stream.Signature(read_response(plan))) for t in range(targets)}
        self.r_layout = data.StructLayout({"id": plan.id_width, "data": plan.data_width, "resp": 2, "last": 1})
        super().__init__(
            {
                "ar": In(stream.Signature(address_layout(plan))),
                "r": Out(stream.Signature(self.r_layout)),
                "request": Out(layouts.request(plan)),
                "request_class": Out(plan.class_bits),
                "request_valid": Out(targets),
                "request_ready": In(targets),
                **responses,
                **ingress_members(plan, initiator),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, targets = self.plan, len(self.plan.targets)
        m.submodules.translate = translate = Translate(plan, self.initiator, write=False)
        m.submodules.ledger = ledger = Ledger(plan, self.initiator)
        m.submodules.merge = merge = Merge(read_response(plan), targets + 1)
        pass_members(m, self, translate, {**owner_members(plan, self.initiator), **fill_members(plan)})
        m.d.comb += [
            translate.i.payload.eq(self.ar.payload),
            translate.i.valid.eq(self.ar.valid & ~self.isolate),
            self.ar.ready.eq(translate.i.ready & ~self.isolate),
            translate.clear.eq(self.isolate),
            translate.now.eq(self.now),
        ]

        # To the switch, or to the denials.
        routed = translate.o.payload
        request = routed.request
        denied = Signal()
        has_budget = Signal()
        stays = Signal()
        may_go = Signal()
        sent = Signal()
        denial_layout = data.StructLayout({"head": layouts.response(plan), "length": 8})
        m.submodules.denials = denials = SyncFIFOBuffered(width=denial_layout.size, depth=4)
        denial_in = Signal(denial_layout)
        denial = data.View(denial_layout, denials.r_data)
        m.d.comb += [
            denied.eq(routed.kind != 0),
            # A context that is handed over drains whatever its budget: else a slice without tokens could keep it.
            stays.eq(Array(getattr(self, f"owned{n}") for n in range(len(self.initiator.contexts)))[request.context]),
            has_budget.eq(self.eligible.bit_select(request.slice, 1) | ~stays),
            ledger.id.eq(request.id),
            ledger.destination.eq(Cat(routed.destination, denied)),
            may_go.eq(translate.o.valid & ledger.may_go & (denied | has_budget)),
            self.request.eq(request),
            self.request_class.eq(routed["class"]),
            self.request_valid.eq(routed.destination & may_go.replicate(targets)),
            denials.w_en.eq(may_go & denied),
            denials.w_data.eq(denial_in),
            denial_in.head.id.eq(request.id),
            denial_in.head.response.eq(Response.DECERR),
            denial_in.head.context.eq(request.context),
            denial_in.head.owned.eq(routed.owned),
            denial_in.head.denied.eq(1),
            denial_in.head.birth.eq(request.birth),
            denial_in.length.eq(request.length),
            sent.eq((self.request_valid & self.request_ready).any() | (denials.w_en & denials.w_rdy)),
            translate.o.ready.eq(sent),
            ledger.sent.eq(sent),
            ledger.tagged.eq(translate.tagged),
            ledger.tagged_context.eq(translate.tagged_context),
            self.drained.eq(ledger.drained),
        ]

        # Denied here: as many beats of zeros as were asked for.
        local = getattr(merge, f"i{targets}")
        beat = Signal(8)
        m.d.comb += [
            local.valid.eq(denials.r_rdy),
            local.payload.head.eq(denial.head),
            local.payload.head.last.eq(beat == denial.length),
            denials.r_en.eq(local.ready & local.payload.head.last),
        ]
        with m.If(local.valid & local.ready):
            m.d.sync += beat.eq(Mux(local.payload.head.last, 0, beat + 1))

        # Responses.
        for t in range(targets):
            wiring.connect(m, wiring.flipped(getattr(self, f"response{t}")), getattr(merge, f"i{t}"))
        response = merge.o.payload
        done = Signal()
        m.d.comb += [
            self.r.valid.eq(merge.o.valid & ~self.isolate),
            self.r.payload.id.eq(response.head.id),
            self.r.payload.data.eq(response.data),
            self.r.payload.resp.eq(response.head.response),
            self.r.payload.last.eq(response.head.last),
            merge.o.ready.eq(self.r.ready | self.isolate),
            done.eq(merge.o.valid & merge.o.ready & response.head.last),
            ledger.done.eq(done),
            ledger.done_id.eq(response.head.id),
            ledger.done_context.eq(response.head.context),
            ledger.done_tagged.eq(response.head.owned | self.initiator.has_reset),
        ]

        fault, events = self.fault, self.events
        m.d.comb += [
            self.fault_valid.eq(denials.w_en & denials.w_rdy),
            fault.kind.eq(routed.kind),
            fault.write.eq(0),
            fault.context.eq(request.context),
            fault.slice.eq(request.slice),
            fault.owned.eq(routed.owned),
            fault.address.eq(routed.origin),
            events.sent.eq(sent & ~denied),
            events.sent_context.eq(request.context),
            events.sent_length.eq(request.length),
            events.done.eq(done & response.head.owned),
            events.done_context.eq(response.head.context),
            events.done_denied.eq(response.head.denied),
            events.done_birth.eq(response.head.birth),
            events.stalled.eq(translate.o.valid & ~sent & routed.owned),
            events.stalled_context.eq(request.context),
        ]
        return m
