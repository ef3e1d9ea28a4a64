"""First half of an ingress without strict isolation: where does a request go, and is it allowed to leave?"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.queue import following
from ..plan.plan import SEEN, Initiator, Plan
from . import layouts
from .id_order import IdOrder, order_layout
from .lookup import WAITING as BEFORE
from .lookup import Lookup
from .ports import fill_members, may_send, pass_members, sender_members

PLACES = 4
"""Of the ring of requests that have their answer from the window: one is kept for the one that asked before."""
assert BEFORE + PLACES <= layouts.ACCEPTED_MAX, "of one it is told in this cycle that it was sent"


def request_layout(plan: Plan) -> data.StructLayout:
    """A request with its answer from the window; `granule` is inside the target."""
    return data.StructLayout(
        {
            "order": order_layout(plan),
            "granule": plan.physical_granule_bits,
            "slice": plan.slice_bits,
            "class": plan.class_bits,
            "owned": 1,
            "kind": 3,
            "context": plan.user_bits,
            "request": layouts.address(plan),
        }
    )


class Translate(wiring.Component):
    """Window look-up, then order within the ID. One each for the reads and the writes.

    A request that has its answer from the window goes into a ring in distributed RAM and asks in the next cycle, or
    when those before it have left. Which target it asks stands in registers: a window entry holds the one-hot target
    already masked by permission and connectivity, so it is the request vector as it stands. All else is read from the
    ring, what the switch does not look at a cycle later. Who enters the ring waits for nothing but registers, so no
    grant is waited for further up.

    Latency: an accepted request asks 2 cycles later; a request per cycle.

    Members
    -------
    i : stream of layouts.arriving
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
        The request asks to be denied here.
    head, asking : Out
        The request that asks, or waits to.
    valid : Out(1)
        There is one.
    tail, rest, note : Out
        The request that asked, or waited to, in the cycle before.
    enters : Out(1), entering_context : Out
        A request gets its slice now; without `enters` it is about to.
    mark : Out(layouts.MARK), current : In(1)
        Of the same request, on a port that is not isolated in a hand-over; see :class:`Tenure`.
    leave : In(1)
        The request that asks leaves.
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
        ways_back = {name: self.order.signature.members[name] for name in self._ways_back(len(plan.targets) + 1)}
        super().__init__(
            {
                "i": In(stream.Signature(layouts.arriving(plan, initiator))),
                "clear": In(1),
                **sender_members(plan, initiator),
                **fill_members(plan),
                "ask": Out(len(plan.targets)),
                "deny": Out(1),
                "head": Out(request_layout(plan)),
                "asking": Out(layouts.asking(plan)),
                "valid": Out(1),
                "tail": Out(request_layout(plan)),
                "rest": Out(layouts.rest(plan)),
                "note": Out(layouts.note(plan)),
                "enters": Out(1),
                **({} if initiator.has_reset else {"mark": Out(layouts.MARK), "current": In(1)}),
                "entering_context": Out(plan.user_bits),
                "leave": In(1),
                "begins": In(1),
                "drained": Out(len(initiator.contexts)),
                "done": In(1),
                "done_id": In(plan.id_width),
                "done_context": In(plan.user_bits),
                "done_owned": In(1),
                "done_sequence": Out(layouts.sequence_bits(plan)),
                **ways_back,
            }
        )

    @staticmethod
    def _ways_back(destinations: int) -> list[str]:
        """Members of the order that concern what comes back."""
        names = ("head{}_id", "head{}_sequence", "in_order{}")
        return [name.format(n) for n in range(destinations) for name in names]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        m.submodules.order = order = self.order
        m.submodules.lookup = lookup = Lookup(plan, self.initiator, write=self.write)
        pass_members(m, self, lookup, {**sender_members(plan, self.initiator), **fill_members(plan)})
        wiring.connect(m, wiring.flipped(self.i), lookup.i)
        if not self.initiator.has_reset:
            m.d.comb += [self.mark.eq(lookup.mark), lookup.current.eq(self.current)]
        arriving = Signal(request_layout(plan))
        accepted = lookup.accepted.replicate(len(plan.targets))
        target = Signal(len(plan.targets))
        m.d.comb += [
            lookup.clear.eq(self.clear),
            lookup.next.eq(self.enters),
            self.entering_context.eq(lookup.context),
            target.eq(lookup.entry.target & accepted),
            arriving.granule.eq(lookup.entry.granule),
            arriving.slice.eq(lookup.slice),
            arriving["class"].eq(lookup.request_class),
            arriving.owned.eq(lookup.owned),
            arriving.kind.eq(lookup.kind),
            arriving.context.eq(lookup.context),
            arriving.request.eq(lookup.request),
            arriving.order.id.eq(lookup.request.id),
            arriving.order.single.eq(lookup.request.len == 0),
            arriving.order.sequence.eq(order.sequence),
            arriving.order.destination.eq(Cat(target, lookup.entry.nowhere | ~lookup.accepted)),
            arriving.order.previous.eq(order.previous),
        ]

        # One bit for each request that stands in the ring, or would if there were more.
        stands = Signal(PLACES - 1)
        moves = Signal()
        comes = Signal()
        coming_order = Signal(order_layout(plan))
        coming_context = Signal(plan.user_bits)
        following_one = self._ring(m, arriving)
        several = stands[1]
        m.d.comb += [
            self.valid.eq(stands[0]),
            self.enters.eq(lookup.valid & ~stands[-1] & order.room & ~self.clear),
            moves.eq(~self.valid | self.leave),
            comes.eq(several | self.enters),
            coming_order.eq(Mux(several, following_one.order.as_value(), arriving.order.as_value())),
            coming_context.eq(Mux(several, following_one.context, arriving.context)),
        ]
        with m.If(self.enters & ~self.leave):
            m.d.sync += stands.eq(Cat(1, stands))
        with m.Elif(self.leave & ~self.enters):
            m.d.sync += stands.eq(stands >> 1)

        # Budget is looked at one cycle ahead. A context that is handed over drains whatever its budget: else a slice
        # without tokens could keep it.
        head = self.head
        may_go = Signal()
        budget_next = may_send(self, plan, self.initiator, coming_context)
        budget = may_send(self, plan, self.initiator, head.context)
        if plan.slice_outstanding:
            rested = self._rested(m)
            budget_next &= ~self._of_context("spaced", coming_context) | (rested & ~self.valid)
            budget &= ~self._of_context("spaced", head.context) | rested
        budget |= ~self._of_context("owned", head.context)
        m.d.sync += may_go.eq(Mux(moves, comes & budget_next, budget) & ~order.blocked_next)
        destination = Signal(len(plan.targets) + 1)
        previous = Signal(len(destination))
        with m.If(moves):
            m.d.sync += [destination.eq(coming_order.destination), previous.eq(coming_order.previous)]

        may_ask = may_go.replicate(len(self.ask)) & (previous[:-1] | order.free.replicate(len(self.ask)))
        m.d.comb += [
            self.ask.eq(destination[:-1] & may_ask),
            self.deny.eq(self.valid & destination[-1] & (order.free | previous[-1])),
            self.asking.granule.eq(head.granule),
            self.asking.slice.eq(head.slice),
            self.asking.length.eq(head.request.len),
            order.enter.eq(self.enters),
            order.enter_id.eq(lookup.request.id),
            order.enter_destination.eq(arriving.order.destination),
            order.valid.eq(self.valid),
            *(order.head[name].eq(head.order[name]) for name in ("id", "single", "sequence")),
            order.head.destination.eq(destination),
            order.head.previous.eq(previous),
            order.moves.eq(moves),
            order.coming.eq(coming_order),
            order.sent.eq(self.begins),
            order.done.eq(self.done),
            order.done_id.eq(self.done_id),
            self.done_sequence.eq(order.done_sequence),
        ]
        for name in self._ways_back(order.destinations):
            inside, outside = getattr(order, name), getattr(self, name)
            m.d.comb += inside.eq(outside) if name.startswith("head") else outside.eq(inside)
        self._show_late(m)
        self._drained(m, lookup)
        return m

    def _ring(self, m: Module, arriving: data.View) -> data.View:
        """Requests in the order in which they entered; returns the one after the head."""
        m.submodules.ring = ring = Memory(shape=request_layout(self.plan), depth=PLACES, init=[])
        write = ring.write_port()
        head, after, tail = (ring.read_port(domain="comb") for _ in range(3))
        write_at = Signal(exact_log2(PLACES))
        read_at = Signal(exact_log2(PLACES))
        read_before = Signal(exact_log2(PLACES))
        with m.If(self.enters):
            m.d.sync += write_at.eq(following(write_at))
        with m.If(self.leave):
            m.d.sync += read_at.eq(following(read_at))
        m.d.sync += read_before.eq(read_at)
        m.d.comb += [
            write.en.eq(self.enters),
            write.addr.eq(write_at),
            write.data.eq(arriving),
            head.addr.eq(read_at),
            after.addr.eq(following(read_at)),
            tail.addr.eq(read_before),
            self.head.eq(head.data),
            self.tail.eq(tail.data),
        ]
        return after.data

    def _show_late(self, m: Module) -> None:
        """What is needed of a request a cycle after it asks."""
        tail, rest, note = self.tail, self.rest, self.note
        walks = Signal()
        m.d.sync += walks.eq(self.order.walks)
        request = tail.request
        m.d.comb += [
            rest.offset.eq(request.addr),
            rest.length.eq(request.len),
            rest.size.eq(request.size),
            rest.burst.eq(request.burst),
            rest.lock.eq(request.lock),
            rest.cache.eq(request.cache),
            rest.protection.eq(request.prot),
            rest.context.eq(tail.context),
            note.id.eq(request.id),
            note.length.eq(request.len),
            note.context.eq(tail.context),
            note.sequence.eq(tail.order.sequence),
            note.walks.eq(walks),
        ]

    def _rested(self, m: Module) -> Signal:
        """All that has left here is counted: a request of a slice that is near its limit may leave."""
        rested = Signal(init=1)
        since = Signal(range(SEEN))
        m.d.sync += [
            since.eq(Mux(self.begins, SEEN - 3, Mux(since == 0, 0, since - 1))),
            rested.eq(~self.begins & (since == 0)),
        ]
        return rested

    def _of_context(self, what: str, context: Value) -> Value:
        """What is known of a context: one of its owner members."""
        values = [getattr(self, f"{what}{n}") for n in range(len(self.initiator.contexts))]
        return values[0] if len(values) == 1 else Array(values)[context]

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
