"""First half of an ingress without strict isolation: where does a request go, and is it allowed to leave?"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.queue import Queue, following
from ..plan.plan import SEEN, Initiator, Plan
from . import layouts
from .id_order import IdOrder
from .lookup import WAITING as BEFORE
from .lookup import Lookup, entry_layout
from .ports import fill_members, owner_members, pass_members

WAITING = 2
"""Requests that can stand between the window's answer and the one that asks."""
assert BEFORE + WAITING + 2 <= layouts.ACCEPTED_MAX, "one asks, and of one it is told in this cycle that it was sent"
PLACES = 4
"""Of the ring of what is shown late: those that wait, the one that asks, and the one that asked before."""


def head_layout(plan: Plan) -> data.StructLayout:
    """What is needed of a request while it asks."""
    return data.StructLayout(
        {
            "entry": entry_layout(plan),
            "refused": 1,
            "id": plan.id_width,
            "length": 8,
            "context": plan.user_bits,
            "slice": plan.slice_bits,
            "class": plan.class_bits,
            "owned": 1,
        }
    )


def tail_layout(plan: Plan) -> data.StructLayout:
    """What is needed of it later."""
    return data.StructLayout({"request": layouts.address(plan), "slice": plan.slice_bits, "owned": 1, "kind": 3})


class Translate(wiring.Component):
    """Window look-up, then order within the ID. One each for the reads and the writes.

    A request that has its answer from the window asks in the next cycle. All that the switch looks at in the cycle in
    which it asks comes from registers: a window entry holds the one-hot target already masked by permission and
    connectivity, so it is the request vector as it stands. All else stands in distributed RAM and is shown in the
    cycle after that. Between the window and the request that asks there is a queue whose ready is a register, so that
    no grant is waited for further up.

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
        The request asks to be denied here.
    head, asking : Out
        The request that asks, or waits to.
    valid : Out(1)
        There is one.
    tail, rest, note : Out
        The request that asked, or waited to, in the cycle before.
    enters : Out(1)
        A request gets its slice now.
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
                "head": Out(head_layout(plan)),
                "asking": Out(layouts.asking(plan)),
                "valid": Out(1),
                "tail": Out(tail_layout(plan)),
                "rest": Out(layouts.rest(plan)),
                "note": Out(layouts.note(plan)),
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
        m.submodules.order = order = self.order
        m.submodules.lookup = lookup = Lookup(plan, self.initiator, write=self.write)
        m.submodules.waiting = waiting = Queue(head_layout(plan), WAITING, fall_through=True)
        pass_members(m, self, lookup, {**owner_members(plan, self.initiator), **fill_members(plan)})
        wiring.connect(m, wiring.flipped(self.i), lookup.i)
        arriving, coming, head = waiting.i.payload, waiting.o.payload, self.head
        moves = Signal()
        steps = Signal()
        may_go = Signal()
        m.d.comb += [
            lookup.clear.eq(self.clear),
            self.enters.eq(lookup.valid & waiting.i.ready & ~self.clear),
            lookup.next.eq(self.enters),
            waiting.i.valid.eq(self.enters),
            arriving.entry.eq(lookup.entry),
            arriving.refused.eq(~lookup.accepted),
            arriving.id.eq(lookup.request.id),
            arriving.length.eq(lookup.request.len),
            arriving.context.eq(lookup.context),
            arriving.slice.eq(lookup.slice),
            arriving["class"].eq(lookup.request_class),
            arriving.owned.eq(lookup.owned),
            moves.eq(~self.valid | self.leave),
            steps.eq(waiting.o.valid & moves & order.room),
            waiting.o.ready.eq(moves & order.room),
            self.asking.granule.eq(head.entry.granule),
            self.asking.slice.eq(head.slice),
            self.asking.length.eq(head.length),
        ]
        with m.If(moves):
            m.d.sync += [self.valid.eq(steps), head.eq(coming)]

        # Budget is looked at one cycle ahead. A context that is handed over drains whatever its budget: else a slice
        # without tokens could keep it.
        budget_next = self._of_context("eligible", coming.context)
        budget = self._of_context("eligible", head.context)
        if plan.slice_outstanding:
            rested = self._rested(m)
            budget_next &= ~self._of_context("spaced", coming.context) | (rested & ~self.valid)
            budget &= ~self._of_context("spaced", head.context) | rested
        budget |= ~self._of_context("owned", head.context)
        allowed = Mux(moves, steps & ~coming.refused & budget_next, ~head.refused & budget)
        m.d.sync += may_go.eq(allowed & ~order.blocked_next)

        target = head.entry.target
        here = head.entry.nowhere | head.refused
        m.d.comb += [
            order.enter.eq(steps),
            order.enter_id.eq(coming.id),
            order.enter_single.eq(coming.length == 0),
            order.valid.eq(self.valid),
            order.id.eq(head.id),
            order.single.eq(head.length == 0),
            order.destination.eq(Cat(target & ~head.refused.replicate(len(target)), here)),
            order.sent.eq(self.begins),
            self.ask.eq(
                target & may_go.replicate(len(target)) & (order.previous[:-1] | order.free.replicate(len(target)))
            ),
            self.deny.eq(self.valid & here & (order.free | order.previous[-1])),
            order.done.eq(self.done),
            order.done_id.eq(self.done_id),
            self.done_sequence.eq(order.done_sequence),
        ]
        for name, member in order.signature.members.items():
            if name.startswith(("head", "in_order")):
                inside, outside = getattr(order, name), getattr(self, name)
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        self._show_late(m, lookup)
        self._drained(m, lookup, waiting.o.valid)
        return m

    def _show_late(self, m: Module, lookup: Lookup) -> None:
        """What is needed of a request a cycle after it asks."""
        tail, rest, note, order = self.tail, self.rest, self.note, self.order
        m.submodules.tails = tails = Memory(shape=tail_layout(self.plan), depth=PLACES, init=[])
        write, read = tails.write_port(), tails.read_port(domain="comb")
        write_at = Signal(exact_log2(PLACES))
        read_at = Signal(exact_log2(PLACES))
        left = Signal()
        sequence = Signal.like(order.sequence)
        walks = Signal()
        m.d.sync += [left.eq(self.leave), sequence.eq(order.sequence), walks.eq(order.walks)]
        with m.If(self.enters):
            m.d.sync += write_at.eq(following(write_at))
        with m.If(left):
            m.d.sync += read_at.eq(following(read_at))
        m.d.comb += [
            write.en.eq(self.enters),
            write.addr.eq(write_at),
            write.data.request.eq(lookup.request),
            write.data.slice.eq(lookup.slice),
            write.data.owned.eq(lookup.owned),
            write.data.kind.eq(lookup.kind),
            read.addr.eq(read_at),
            tail.eq(read.data),
        ]
        request = tail.request
        context = request.user if len(self.initiator.contexts) > 1 else 0
        m.d.comb += [
            rest.offset.eq(request.addr),
            rest.length.eq(request.len),
            rest.size.eq(request.size),
            rest.burst.eq(request.burst),
            rest.lock.eq(request.lock),
            rest.cache.eq(request.cache),
            rest.protection.eq(request.prot),
            rest.context.eq(context),
            note.id.eq(request.id),
            note.length.eq(request.len),
            note.context.eq(context),
            note.sequence.eq(sequence),
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

    def _drained(self, m: Module, lookup: Lookup, waits: Value) -> None:
        if self.initiator.has_reset:
            m.d.comb += self.drained.eq(self.order.idle & ~waits)
            return
        for n in range(len(self.initiator.contexts)):
            outstanding = Signal(range(self.plan.outstanding + WAITING + 1), name=f"context{n}_outstanding")
            up = self.enters & lookup.owned & (lookup.context == n)
            down = self.done & self.done_owned & (self.done_context == n)
            m.d.sync += outstanding.eq(outstanding + up - down)
            m.d.comb += self.drained[n].eq(outstanding == 0)
