"""First half of an ingress without strict isolation: where does a request go, and is it allowed to leave?"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import SEEN, Initiator, Plan
from . import layouts
from .id_order import IdOrder
from .lookup import Lookup
from .ports import fill_members, owner_members, pass_members


class Translate(wiring.Component):
    """Window look-up, then order within the ID. One each for the reads and the writes.

    A request that has its answer from the window asks in the next cycle. All that the switch looks at in the cycle in
    which it asks comes from registers: a window entry holds the one-hot target already masked by permission and
    connectivity, so it is the request vector as it stands.

    Latency: an accepted request asks 2 cycles later; a request per cycle.

    Members
    -------
    i : stream of an AXI address beat
    clear : In(1)
        Drops what has been accepted but has no slice yet: the initiator is in reset.
    slice{n}, owned{n}, class{n}, eligible{n} : In
        Owner of context n, its class, and whether it has budget. If the card limits outstanding requests, `spaced{n}`
        too: one may go only when all that has left here is counted.
    fill_enable, fill_context, fill_granule, fill_entry : In
        Write port of the window.
    ask : Out(targets)
        One-hot or zero: the request asks this target.
    deny : Out(1)
        The request asks to be denied here, for the reason `kind`.
    request, note, request_class, owned, kind, origin : Out
        The request that asks, or waits to.
    valid : Out(1)
        There is one.
    enters : Out(1)
        There will be another one in the next cycle; it gets its slice now.
    leave : In(1)
        It leaves.
    begins : In(1)
        Its first beat leaves.
    drained : Out(contexts)
        Nothing is outstanding that a hand-over of the context must wait for: on a host port the requests of an owned
        context (denied ones may go on for ever there), on a port that is isolated in the hand-over all of them.
    done, done_id, done_context, done_owned : In
        A last response is delivered.
    done_sequence, head{n}_id, head{n}_sequence, in_order{n}
        See :class:`IdOrder`.
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        self.order = IdOrder(plan, write=write)
        order = self.order.signature.members
        heads = {name: member for name, member in order.items() if name.startswith(("head", "in_order"))}
        super().__init__(
            {
                "i": In(stream.Signature(layouts.address(plan))),
                "clear": In(1),
                **owner_members(plan, initiator),
                **fill_members(plan),
                "ask": Out(len(plan.targets)),
                "deny": Out(1),
                "request": Out(layouts.request(plan)),
                "note": Out(layouts.note(plan)),
                "request_class": Out(plan.class_bits),
                "owned": Out(1),
                "kind": Out(3),
                "origin": Out(plan.address_width),
                "valid": Out(1),
                "enters": Out(1),
                "leave": In(1),
                "begins": In(1),
                "drained": Out(len(initiator.contexts)),
                "done": In(1),
                "done_id": In(plan.id_width),
                "done_context": In(plan.user_bits),
                "done_owned": In(1),
                "done_sequence": Out(layouts.sequence_bits(plan)),
                **heads,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        granule_bits = plan.granule_bits
        m.submodules.order = order = self.order
        m.submodules.lookup = lookup = Lookup(plan, self.initiator, write=self.write)
        pass_members(m, self, lookup, {**owner_members(plan, self.initiator), **fill_members(plan)})
        arriving, entry = lookup.request, lookup.entry
        moves = Signal()
        wiring.connect(m, wiring.flipped(self.i), lookup.i)
        m.d.comb += [
            lookup.clear.eq(self.clear),
            moves.eq(~self.valid | self.leave),
            self.enters.eq(lookup.valid & moves & order.room & ~self.clear),
            lookup.next.eq(self.enters),
        ]

        target = Signal(len(plan.targets))
        nowhere = Signal()
        granule = Signal(plan.physical_granule_bits)
        address = Signal(plan.address_width)
        refused = Signal()
        may_go = Signal()
        request, note = self.request, self.note
        with m.If(moves):
            m.d.sync += [
                self.valid.eq(self.enters),
                target.eq(entry.target),
                nowhere.eq(entry.nowhere),
                granule.eq(entry.granule),
                address.eq(arriving.addr),
                refused.eq(~lookup.accepted),
                self.kind.eq(lookup.kind),
                self.owned.eq(lookup.owned),
                self.request_class.eq(lookup.request_class),
                request.length.eq(arriving.len),
                request.size.eq(arriving.size),
                request.burst.eq(arriving.burst),
                request.lock.eq(arriving.lock),
                request.cache.eq(arriving.cache),
                request.protection.eq(arriving.prot),
                note.id.eq(arriving.id),
                note.length.eq(arriving.len),
                request.context.eq(lookup.context),
                request.slice.eq(lookup.slice),
            ]
        # Budget is looked at one cycle ahead. A context that is handed over drains whatever its budget: else a slice
        # without tokens could keep it.
        budget_next: Value = lookup.eligible
        budget: Value = self._of_context("eligible")
        if plan.slice_outstanding:
            rested = self._rested(m)
            budget_next &= ~lookup.spaced | (rested & ~self.valid)
            budget &= ~self._of_context("spaced") | rested
        budget |= ~self._of_context("owned")
        allowed = Mux(moves, self.enters & lookup.accepted & budget_next, ~refused & budget)
        m.d.sync += may_go.eq(allowed & ~order.blocked_next)
        here = Signal()
        m.d.comb += [
            here.eq(nowhere | refused),
            self.origin.eq(address),
            request.address.eq(Cat(address[:granule_bits], granule)),
            note.context.eq(request.context),
        ]
        self._keep_order(
            m, lookup, target & may_go.replicate(len(target)), Cat(target & ~refused.replicate(len(target)), here)
        )
        self._drained(m, lookup)
        return m

    def _rested(self, m: Module) -> Signal:
        """All that has left here is counted: a request of a slice that is near its limit may leave."""
        rested = Signal(init=1)
        since = Signal(range(SEEN))
        m.d.sync += [
            since.eq(Mux(self.begins, SEEN - 3, Mux(since == 0, 0, since - 1))),
            rested.eq(~self.begins & (since == 0)),
        ]
        return rested

    def _keep_order(self, m: Module, lookup: Lookup, asks: Value, destination: Value) -> None:
        """The request may have to wait for older ones of its ID."""
        order, note, arriving = self.order, self.note, lookup.request
        m.d.comb += [
            order.enter.eq(self.enters),
            order.enter_id.eq(arriving.id),
            order.enter_single.eq(arriving.len == 0),
            self.ask.eq(asks & (order.previous[:-1] | order.free.replicate(len(asks)))),
            self.deny.eq(self.valid & destination[-1] & (order.free | order.previous[-1])),
            note.sequence.eq(order.sequence),
            note.walks.eq(order.walks),
            order.valid.eq(self.valid),
            order.id.eq(note.id),
            order.single.eq(note.length == 0),
            order.destination.eq(destination),
            order.sent.eq(self.begins),
            order.done.eq(self.done),
            self.done_sequence.eq(order.done_sequence),
            order.done_id.eq(self.done_id),
        ]
        for n in range(order.destinations):
            m.d.comb += [
                getattr(order, f"head{n}_id").eq(getattr(self, f"head{n}_id")),
                getattr(order, f"head{n}_sequence").eq(getattr(self, f"head{n}_sequence")),
                getattr(self, f"in_order{n}").eq(getattr(order, f"in_order{n}")),
            ]

    def _of_context(self, what: str) -> Value:
        """What is known of the context of the request that asks: one of its owner members."""
        values = [getattr(self, f"{what}{n}") for n in range(len(self.initiator.contexts))]
        return values[0] if len(values) == 1 else Array(values)[self.request.context]

    def _drained(self, m: Module, lookup: Lookup) -> None:
        if self.initiator.has_reset:
            m.d.comb += self.drained.eq(self.order.idle)
            return
        for n in range(len(self.initiator.contexts)):
            outstanding = Signal(range(self.plan.outstanding + 1), name=f"context{n}_outstanding")
            up = self.enters & lookup.owned & (lookup.context == n)
            down = self.done & self.done_owned & (self.done_context == n)
            m.d.sync += outstanding.eq(outstanding + up - down)
            m.d.comb += self.drained[n].eq(outstanding == 0)
