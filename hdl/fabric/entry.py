"""The way from an initiator's port into one plane of its ingress."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Initiator, Plan
from . import layouts
from .context_queues import ContextQueues, places
from .lookup import WAITING
from .tenure import Tenure


def standing_places(initiator: Initiator) -> int:
    """Requests of one plane that can stand between a port and where they get their slice."""
    contexts = len(initiator.contexts)
    return WAITING + (contexts * places(contexts) if contexts > 1 else 0)


class Entry(wiring.Component):
    """Takes requests and write data from a port: none while it is isolated, and each marked with its context's tenure.

    On a port with several contexts those that have no budget stand aside here, see :class:`ContextQueues`. What passes
    is not asked about its budget again.

    Latency: none, unless a context stands aside.

    Members
    -------
    i : stream of layouts.address, o : stream of layouts.arriving
    isolate : In(1)
        The initiator is in reset.
    owned : In(contexts), eligible : In(contexts)
        Which contexts have an owner, and budget.
    w, o_w : stream of layouts.write_data
        Writes only.
    stands : Out(1), standing_context : Out
        A request of this context stands aside; never on a port with one context.
    leaves : In(1), leaving_context : In, leaving : In(layouts.MARK)
        A request gets its slice, or is about to. Not on a port that is isolated in a hand-over, as the next ones.
    current : Out(1)
        It was sent by its context's present owner.
    waits : Out(contexts)
        Whose hand-over must not end yet.
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        contexts = len(initiator.contexts)
        beats: dict[str, wiring.Member] = {
            "w": In(stream.Signature(layouts.write_data(plan))),
            "o_w": Out(stream.Signature(layouts.write_data(plan))),
        }
        tenure: dict[str, wiring.Member] = {
            "leaves": In(1),
            "leaving_context": In(plan.user_bits),
            "leaving": In(layouts.MARK),
            "current": Out(1),
            "waits": Out(contexts),
        }
        super().__init__(
            {
                "i": In(stream.Signature(layouts.address(plan))),
                "o": Out(stream.Signature(layouts.arriving(plan, initiator))),
                "isolate": In(1),
                "owned": In(contexts),
                "eligible": In(contexts),
                "stands": Out(1),
                "standing_context": Out(plan.user_bits),
                **(beats if write else {}),
                **({} if initiator.has_reset else tenure),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        request = Signal(layouts.arriving(self.plan, self.initiator))
        accepted = Signal()
        m.d.comb += [request.request.eq(self.i.payload), accepted.eq(self.i.valid & self.i.ready)]
        if not self.initiator.has_reset:
            m.d.comb += request.mark.eq(self._tenure(m, accepted))
        if len(self.initiator.contexts) > 1:
            self._queues(m, request)
            return m
        m.d.comb += [
            self.o.payload.eq(request),
            self.o.valid.eq(self.i.valid & ~self.isolate),
            self.i.ready.eq(self.o.ready & ~self.isolate),
        ]
        if self.write:
            m.d.comb += [
                self.o_w.payload.eq(self.w.payload),
                self.o_w.valid.eq(self.w.valid & ~self.isolate),
                self.w.ready.eq(self.o_w.ready & ~self.isolate),
            ]
        return m

    def _tenure(self, m: Module, accepted: Signal) -> Value:
        """The mark of the request at the port."""
        contexts = len(self.initiator.contexts)
        several = contexts > 1
        m.submodules.tenure = tenure = Tenure(self.plan, self.initiator, standing_places(self.initiator))
        m.d.comb += [
            tenure.owned.eq(self.owned),
            tenure.arrives.eq(accepted & (~several | (self.i.payload.user < contexts))),
            tenure.arriving_context.eq(self.i.payload.user if several else 0),
            tenure.leaves.eq(self.leaves & (self.leaving_context < contexts)),
            tenure.leaving_context.eq(self.leaving_context),
            tenure.leaving.eq(self.leaving),
            self.current.eq(tenure.current),
            self.waits.eq(tenure.waits),
        ]
        return Value.cast(tenure.arriving)

    def _queues(self, m: Module, request: data.View) -> None:
        m.submodules.queues = queues = ContextQueues(self.plan, self.initiator, write=self.write)
        wiring.connect(m, queues.o, wiring.flipped(self.o))
        m.d.comb += [
            queues.i.valid.eq(self.i.valid),
            queues.i.payload.eq(request),
            self.i.ready.eq(queues.i.ready),
            # A context that is handed over drains whatever its budget: else a slice without tokens could keep it.
            queues.may_go.eq(self.eligible | ~self.owned),
            self.stands.eq(queues.stands),
            self.standing_context.eq(queues.standing_context),
        ]
        if self.write:
            wiring.connect(m, wiring.flipped(self.w), queues.w)
            wiring.connect(m, queues.o_w, wiring.flipped(self.o_w))


def connect_entry(m: Module, ingress: Any, entry: Entry, lookup: Any, leaves: Value, context: Value) -> Value:
    """Between an ingress's port and what looks its requests up; returns which contexts may be handed over.

    `leaves` says that a request of `context` gets its slice.
    """
    contexts = range(len(entry.initiator.contexts))
    wiring.connect(m, wiring.flipped(ingress.address), entry.i)
    wiring.connect(m, entry.o, lookup.i)
    if entry.write:
        wiring.connect(m, wiring.flipped(ingress.w), entry.w)
    m.d.comb += [
        entry.isolate.eq(ingress.isolate),
        entry.owned.eq(Cat(getattr(ingress, f"owned{n}") for n in contexts)),
        entry.eligible.eq(Cat(getattr(ingress, f"eligible{n}") for n in contexts)),
    ]
    if entry.initiator.has_reset:
        return Const(-1, len(contexts))
    m.d.comb += [
        entry.leaves.eq(leaves),
        entry.leaving_context.eq(context),
        entry.leaving.eq(lookup.mark),
        lookup.current.eq(entry.current),
    ]
    return ~entry.waits
