"""What both planes of an ingress without strict isolation do around their own way of sending."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Response
from ..bus.queue import Queue
from ..plan.plan import Initiator, Plan
from . import layouts
from .collect import answer_layout
from .deliver import Deliver
from .entry import Entry, connect_entry
from .ports import fill_members, ingress_members, pass_members, sender_members
from .return_queue import way_back
from .translate import Translate


class Ingress(wiring.Component):
    """One plane (reads or writes) of an initiator port; a plane adds how a request leaves in :meth:`_send`.

    Latency at no load: an accepted request asks the switch 2 cycles later; a response passes combinationally.

    Members
    -------
    address : stream of an AXI address beat
    o : stream of {id, answer}
        The port's R or B.
    asking : Out(layouts.asking), request_class : Out
        Broadcast to all targets; `request_valid[t]` asks target t, `request_ready[t]`, which nobody sets who is not
        asked, takes it.
    rest : Out(layouts.rest), note : Out(layouts.note)
        Of the request that asked in the cycle before.
    return{t} : In(way_back)
        From target t.
    and the members of :func:`hdl.fabric.ports.ingress_members`
    """

    def __init__(
        self, plan: Plan, initiator: Initiator, *, write: bool, members: dict[str, wiring.Member] | None = None
    ) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        targets = len(plan.targets)
        super().__init__(
            {
                "address": In(stream.Signature(layouts.address(plan))),
                "o": Out(stream.Signature(answer_layout(plan, write=write))),
                "asking": Out(layouts.asking(plan)),
                "rest": Out(layouts.rest(plan)),
                "request_class": Out(plan.class_bits),
                "request_valid": Out(targets),
                "request_ready": In(targets),
                **{f"return{t}": In(way_back(plan, write=write)) for t in range(targets)},
                "note": Out(layouts.note(plan)),
                **ingress_members(plan, initiator),
                **(members or {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        m.submodules.translate = translate = Translate(plan, self.initiator, write=self.write)
        m.submodules.entry = entry = Entry(plan, self.initiator, write=self.write)
        pass_members(m, self, translate, {**sender_members(plan, self.initiator), **fill_members(plan)})
        drained = connect_entry(m, self, entry, translate, translate.enters, translate.entering_context)
        m.d.comb += [
            translate.clear.eq(self.isolate),
            self.asking.eq(translate.asking),
            self.request_class.eq(translate.head["class"]),
            self.rest.eq(translate.rest),
            self.note.eq(translate.note),
            self.drained.eq(translate.drained & drained),
        ]
        begins = Signal()
        denied_here = Signal()
        stalled = Signal()
        self._send(m, entry, translate, begins, denied_here, stalled)
        m.d.comb += translate.begins.eq(begins)

        # All accounts are a cycle late, as is what they are about.
        sent = Signal()
        denied = Signal()
        denied_whole = Signal()
        was_stalled = Signal()
        m.d.sync += [sent.eq(begins), denied.eq(translate.deny), denied_whole.eq(denied_here), was_stalled.eq(stalled)]
        self._receive(m, translate, denied_whole)

        fault, events, tail, note = self.fault, self.events, translate.tail, translate.note
        m.d.comb += [
            self.fault_valid.eq(sent & denied),
            fault.kind.eq(tail.kind),
            fault.write.eq(int(self.write)),
            fault.context.eq(note.context),
            fault.slice.eq(tail.slice),
            fault.owned.eq(tail.owned),
            fault.address.eq(tail.request.addr),
            events.accepted.eq(translate.i.valid & translate.i.ready),
            events.entered.eq(translate.enters),
            events.dropped.eq(self.isolate),
            events.sent.eq(sent),
            events.sent_first.eq(1),
            events.sent_through.eq(~denied),
            events.sent_owned.eq(tail.owned),
            events.sent_context.eq(note.context),
            events.sent_length.eq(note.length),
            events.sent_ticket.eq(Cat(note.sequence, note.id)),
            events.stalled.eq(was_stalled | entry.stands),
            events.stalled_context.eq(Mux(was_stalled, note.context, entry.standing_context)),
        ]
        return m

    def _send(
        self, m: Module, entry: Entry, translate: Translate, begins: Signal, denied_here: Signal, stalled: Signal
    ) -> None:
        """Drive `request_valid`, `translate.leave`; say when a request begins to leave, is denied whole, is held up."""
        raise NotImplementedError

    def _receive(self, m: Module, translate: Translate, denied: Signal) -> None:
        """Deliver what comes back; `denied` puts a denial of the request that `note` shows among it."""
        plan, targets = self.plan, len(self.plan.targets)
        m.submodules.deliver = deliver = Deliver(plan, targets + 1, write=self.write)

        # Denials wait here until all older requests of their ID are answered.
        denial_layout = data.StructLayout({"note": layouts.note(plan), "owned": 1})
        m.submodules.denials = denials = Queue(denial_layout, plan.outstanding, always_room=True)
        denial = denials.o.payload
        denial_shown = getattr(deliver, f"beat{targets}")
        in_turn = Signal()
        shows = deliver.show[targets]
        m.d.comb += [
            denials.i.valid.eq(denied),
            denials.i.payload.note.eq(translate.note),
            denials.i.payload.owned.eq(translate.tail.owned),
            denials.o.ready.eq(deliver.take[targets]),
            deliver.valid[targets].eq(in_turn),
            denial_shown.denied.eq(shows),
            denial_shown.answer.response.eq(Mux(shows, Response.DECERR, 0)),
            *(
                denial_shown[name].eq(Value.cast(denial.note[name]) & shows.replicate(len(denial.note[name])))
                for name in ("id", "context", "length")
            ),
        ]
        m.d.sync += in_turn.eq(denials.o.valid & getattr(translate, f"in_order{targets}") & ~denials.o.ready)
        backs = [getattr(self, f"return{t}") for t in range(targets)]
        for t, head in enumerate([*backs, denial.note]):
            m.d.comb += [
                getattr(translate, f"head{t}_id").eq(head.id),
                getattr(translate, f"head{t}_sequence").eq(head.sequence),
            ]
        if not self.write:
            one_beat = denial.note.length == 0
            m.d.comb += [
                deliver.whole.eq(Cat(*(back.whole for back in backs), one_beat)),
                deliver.last.eq(Cat(*(back.last for back in backs), one_beat)),
            ]
        for t, back in enumerate(backs):
            m.d.comb += [
                deliver.valid[t].eq(back.valid),
                back.show.eq(deliver.show[t]),
                back.take.eq(deliver.take[t]),
                back.in_order.eq(getattr(translate, f"in_order{t}")),
                getattr(deliver, f"beat{t}").eq(back.beat),
            ]

        out = deliver.o.payload
        last = Signal()
        owned = Signal()
        done = Signal()
        done_owned = Signal()
        done_denied = Signal()
        done_id = Signal(plan.id_width)
        done_context = Signal(plan.user_bits)
        m.d.comb += [
            self.o.valid.eq(deliver.o.valid & ~self.isolate),
            self.o.payload.id.eq(out.id),
            self.o.payload.answer.eq(out.answer),
            deliver.o.ready.eq(self.o.ready | self.isolate),
            last.eq(deliver.take.any()) if self.write else last.eq(deliver.take.any() & out.answer.last),
            owned.eq(~shows | denial.owned),
            translate.done.eq(last),
            translate.done_id.eq(out.id),
            translate.done_context.eq(out.context),
            translate.done_owned.eq(owned),
        ]
        m.d.sync += [
            done.eq(last),
            done_owned.eq(owned),
            done_denied.eq(out.denied),
            done_id.eq(out.id),
            done_context.eq(out.context),
        ]
        m.d.comb += [
            self.events.done.eq(done),
            self.events.done_owned.eq(done_owned),
            self.events.done_context.eq(done_context),
            self.events.done_denied.eq(done_denied),
            self.events.done_ticket.eq(Cat(translate.done_sequence, done_id)),
        ]
