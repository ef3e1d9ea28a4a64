"""Where writes enter the fabric."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..bus.axi import Response
from ..bus.buffer import Skid
from ..plan.plan import Initiator, Plan
from . import layouts
from .ledger import Ledger
from .merge import Merge
from .ports import fill_members, ingress_members, owner_members, pass_members
from .translate import Translate, address_layout


class IngressWrite(wiring.Component):
    """Write plane of an initiator port.

    A request asks the switch together with its first beat of data and keeps the target until its last. Which beat is
    the last is counted from AxLEN: WLAST of an initiator is not trusted. While the port is isolated, missing beats
    are made up with no strobe set, so that what is under way ends without the initiator.

    Latency at no load: an accepted AW asks the switch 2 cycles later; a response passes in 1 cycle.

    Members
    -------
    aw : stream of an AXI address beat
    w : stream of {data, strb}
    b : stream of {id, resp}
    request, beat : Out
        Broadcast to all targets; `request_valid[t]` offers a beat to target t, `request_ready[t]` takes it.
    request_class : Out
        Class of the request's slice.
    response{t} : stream of write responses from target t
    and the members of :func:`hdl.fabric.ports.ingress_members`
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.initiator = plan, initiator
        targets = len(plan.targets)
        responses = {f"response{t}": In(stream.Signature(layouts.response(plan))) for t in range(targets)}
        self.w_layout = data.StructLayout({"data": plan.data_width, "strb": plan.data_bytes})
        self.b_layout = data.StructLayout({"id": plan.id_width, "resp": 2})
        super().__init__(
            {
                "aw": In(stream.Signature(address_layout(plan))),
                "w": In(stream.Signature(self.w_layout)),
                "b": Out(stream.Signature(self.b_layout)),
                "request": Out(layouts.request(plan)),
                "beat": Out(layouts.write_beat(plan)),
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
        m.submodules.translate = translate = Translate(plan, self.initiator, write=True)
        m.submodules.ledger = ledger = Ledger(plan, self.initiator)
        m.submodules.merge = merge = Merge(layouts.response(plan), targets + 1)
        m.submodules.data_skid = data_skid = Skid(self.w_layout)
        pass_members(m, self, translate, {**owner_members(plan, self.initiator), **fill_members(plan)})
        m.d.comb += [
            translate.i.payload.eq(self.aw.payload),
            translate.i.valid.eq(self.aw.valid & ~self.isolate),
            self.aw.ready.eq(translate.i.ready & ~self.isolate),
            translate.clear.eq(self.isolate),
            translate.now.eq(self.now),
            data_skid.i.payload.eq(self.w.payload),
            data_skid.i.valid.eq(self.w.valid & ~self.isolate),
            self.w.ready.eq(data_skid.i.ready & ~self.isolate),
            data_skid.clear.eq(self.isolate),
        ]

        # To the switch, or to the denials, beat by beat.
        routed = translate.o.payload
        request = routed.request
        denied = Signal()
        has_budget = Signal()
        stays = Signal()
        started = Signal()
        may_go = Signal()
        sent = Signal()
        sent_last = Signal()
        number = Signal(8)
        data_valid = Signal()
        denial_layout = layouts.response(plan)
        m.submodules.denials = denials = SyncFIFOBuffered(width=denial_layout.size, depth=4)
        denial_in = Signal(denial_layout)
        m.d.comb += [
            denied.eq(routed.kind != 0),
            # A context that is handed over drains whatever its budget: else a slice without tokens could keep it.
            stays.eq(Array(getattr(self, f"owned{n}") for n in range(len(self.initiator.contexts)))[request.context]),
            has_budget.eq(self.eligible.bit_select(request.slice, 1) | ~stays),
            data_valid.eq(data_skid.o.valid | self.isolate),
            ledger.id.eq(request.id),
            ledger.destination.eq(Cat(routed.destination, denied)),
            # Once the first beat has left, the rest of the burst follows whatever the budget says.
            may_go.eq(translate.o.valid & data_valid & (started | (ledger.may_go & (denied | has_budget)))),
            self.request.eq(request),
            self.request_class.eq(routed["class"]),
            self.request_valid.eq(routed.destination & may_go.replicate(targets)),
            self.beat.last.eq(number == request.length),
            sent.eq((self.request_valid & self.request_ready).any() | (may_go & denied & denials.w_rdy)),
            sent_last.eq(sent & self.beat.last),
            denials.w_en.eq(may_go & denied & self.beat.last),
            denials.w_data.eq(denial_in),
            denial_in.id.eq(request.id),
            denial_in.response.eq(Response.DECERR),
            denial_in.last.eq(1),
            denial_in.context.eq(request.context),
            denial_in.owned.eq(routed.owned),
            denial_in.denied.eq(1),
            denial_in.birth.eq(request.birth),
            data_skid.o.ready.eq(sent),
            translate.o.ready.eq(sent_last),
            ledger.sent.eq(sent & ~started),
            ledger.tagged.eq(translate.tagged),
            ledger.tagged_context.eq(translate.tagged_context),
            self.drained.eq(ledger.drained),
        ]
        with m.If(~self.isolate):
            m.d.comb += [
                self.beat.data.eq(data_skid.o.payload.data),
                self.beat.strobe.eq(data_skid.o.payload.strb),
            ]
        with m.If(sent):
            m.d.sync += [started.eq(~self.beat.last), number.eq(Mux(self.beat.last, 0, number + 1))]

        # Responses.
        local = getattr(merge, f"i{targets}")
        m.d.comb += [
            local.valid.eq(denials.r_rdy),
            local.payload.eq(denials.r_data),
            denials.r_en.eq(local.ready),
        ]
        for t in range(targets):
            wiring.connect(m, wiring.flipped(getattr(self, f"response{t}")), getattr(merge, f"i{t}"))
        response = merge.o.payload
        done = Signal()
        m.d.comb += [
            self.b.valid.eq(merge.o.valid & ~self.isolate),
            self.b.payload.id.eq(response.id),
            self.b.payload.resp.eq(response.response),
            merge.o.ready.eq(self.b.ready | self.isolate),
            done.eq(merge.o.valid & merge.o.ready),
            ledger.done.eq(done),
            ledger.done_id.eq(response.id),
            ledger.done_context.eq(response.context),
            ledger.done_tagged.eq(response.owned | self.initiator.has_reset),
        ]

        fault, events = self.fault, self.events
        m.d.comb += [
            self.fault_valid.eq(sent & denied & ~started),
            fault.kind.eq(routed.kind),
            fault.write.eq(1),
            fault.context.eq(request.context),
            fault.slice.eq(request.slice),
            fault.owned.eq(routed.owned),
            fault.address.eq(routed.origin),
            events.sent.eq(sent & ~denied & ~started),
            events.sent_context.eq(request.context),
            events.sent_length.eq(request.length),
            events.done.eq(done & response.owned),
            events.done_context.eq(response.context),
            events.done_denied.eq(response.denied),
            events.done_birth.eq(response.birth),
            events.stalled.eq(translate.o.valid & data_valid & ~sent & routed.owned),
            events.stalled_context.eq(request.context),
        ]
        return m
