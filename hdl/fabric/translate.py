"""First half of an ingress: whose request is it, where does it go, and is it allowed to leave?"""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.blocks import FAULT_KINDS
from ..plan.plan import SEEN, Initiator, Plan, bits_for
from . import layouts
from .burst_check import BurstCheck
from .id_order import IdOrder
from .ports import fill_members, owner_members
from .splitter import BOUNDARY_BITS, Splitter

NO_SLICE, WINDOW, BURST = (FAULT_KINDS.index(kind) for kind in ("no_slice", "window", "burst"))
WAITING = 4
"""Requests that can stand between the port and the window's answer."""


class Translate(wiring.Component):
    """Context to slice, window look-up, burst check, order within the ID. One each for the reads and the writes.

    Three places in a row: requests wait in a queue; one has its answer arriving from the window; one asks. All that the
    switch looks at in the cycle in which a request asks comes from registers: a window entry holds the one-hot target
    already masked by permission and connectivity, so it is the request vector as it stands.

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
    enters_first : Out(1)
        And it is the first piece of its burst.
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
        See :class:`IdOrder`; without strict isolation.
    slot, room, idle : In
        See :class:`hdl.fabric.slots.Slots`; with strict isolation. A burst then asks in pieces: `first`, `final` tell
        which piece it is, `ask_target` which target it is for, whether it may go or not.
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        self.order: Any = None if plan.strict else IdOrder(plan, write=write)
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
                "enters_first": Out(1),
                "leave": In(1),
                "begins": In(1),
                "drained": Out(len(initiator.contexts)),
                "done": In(1),
                "done_id": In(plan.id_width),
                "done_context": In(plan.user_bits),
                "done_owned": In(1),
                **(self._order_members() if self.order else self._slot_members()),
            }
        )

    def _order_members(self) -> dict[str, wiring.Member]:
        order = self.order.signature.members
        heads = {name: member for name, member in order.items() if name.startswith(("head", "in_order"))}
        return {**heads, "done_sequence": Out(layouts.sequence_bits(self.plan))}

    def _slot_members(self) -> dict[str, wiring.Member]:
        slots = {"slot": In(self.plan.slot_bits), "room": In(1), "idle": In(1)}
        return {**slots, "first": Out(1), "final": Out(1), "ask_target": Out(len(self.plan.targets))}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, port = self.plan, self.initiator
        contexts = range(len(port.contexts))
        granule_bits = plan.granule_bits
        strict = plan.strict
        if self.order:
            m.submodules.order = self.order
        room = self.room if strict else self.order.room
        enters = Signal()
        final = Signal(init=1)

        # A request waits in `fields` until the window has answered, and in `indices` if it cannot be looked up at once:
        # the window's address comes straight from the port if nobody waits.
        index_layout = data.StructLayout({"granule": plan.window_bits, "context": plan.user_bits})
        m.submodules.fields = fields = Queue(layouts.address(plan), WAITING)
        m.submodules.indices = indices = Queue(index_layout, WAITING)
        accepted = Signal()
        valid1 = Signal()
        move1 = Signal()
        move2 = Signal()
        arriving_index = Signal(index_layout)
        index = Signal(index_layout)
        m.d.comb += [
            self.i.ready.eq(fields.i.ready),
            accepted.eq(self.i.valid & self.i.ready),
            fields.i.valid.eq(self.i.valid),
            fields.i.payload.eq(self.i.payload),
            fields.o.ready.eq(enters & final),
            fields.clear.eq(self.clear),
            arriving_index.granule.eq(self.i.payload.addr >> granule_bits),
            arriving_index.context.eq(self.i.payload.user),
            indices.i.valid.eq(accepted & (indices.o.valid | ~move1)),
            indices.i.payload.eq(arriving_index),
            indices.o.ready.eq(move1),
            indices.clear.eq(self.clear),
            index.eq(Mux(indices.o.valid, indices.o.payload.as_value(), arriving_index.as_value())),
        ]
        with m.If(move1):
            m.d.sync += valid1.eq((indices.o.valid | accepted) & ~self.clear)
        with m.If(self.clear):
            m.d.sync += valid1.eq(0)
        entry = self._window(m, index, move1)

        # Stage 1: the window's answer is arriving, the request gets its slice.
        arriving = fields.o.payload
        context = Signal(plan.user_bits)
        known = Signal()
        if len(contexts) > 1:
            m.d.comb += [context.eq(arriving.user), known.eq(arriving.user < len(contexts))]
        else:
            m.d.comb += known.eq(1)  # AxUSER of a port without contexts is not looked at: context stays 0.
        owned1 = Signal()
        accepted1 = Signal()
        legal = self._legal(m, arriving)
        address1, length1 = self._piece(m, arriving, enters, final) if strict else (arriving.addr, arriving.len)
        m.d.comb += [
            owned1.eq(known & self._of_context("owned", context)),
            accepted1.eq(owned1 & legal & ((arriving.addr >> granule_bits) < plan.window_granules)),
            move1.eq(~valid1 | (move2 & room & final)),
            move2.eq(~self.valid | self.leave),
            enters.eq(valid1 & move2 & room & ~self.clear),
            self.enters.eq(enters),
        ]

        # Stage 2: the request asks.
        target = Signal(len(plan.targets))
        nowhere = Signal()
        granule = Signal(plan.physical_granule_bits)
        address = Signal(plan.address_width)
        refused = Signal()
        illegal = Signal()
        may_go = Signal()
        request, note = self.request, self.note
        with m.If(move2):
            m.d.sync += [
                self.valid.eq(enters),
                target.eq(entry.target),
                nowhere.eq(entry.nowhere),
                granule.eq(entry.granule),
                address.eq(address1),
                refused.eq(~accepted1),
                illegal.eq(~legal),
                self.owned.eq(owned1),
                self.request_class.eq(self._of_context("class", context)),
                request.length.eq(length1),
                request.size.eq(arriving.size),
                request.burst.eq(arriving.burst),
                request.lock.eq(arriving.lock),
                request.cache.eq(arriving.cache),
                request.protection.eq(arriving.prot),
                note.id.eq(arriving.id),
                note.length.eq(length1),
                request.context.eq(context),
                request.slice.eq(self._of_context("slice", context)),
            ]
        # Budget is looked at one cycle ahead. A context that is handed over drains whatever its budget: else a slice
        # without tokens could keep it.
        budget1 = self._of_context("eligible", context)
        budget2 = self._of_context("eligible", request.context)
        if plan.slice_outstanding:
            rested = self._rested(m)
            budget1 &= ~self._of_context("spaced", context) | (rested & ~self.valid)
            budget2 &= ~self._of_context("spaced", request.context) | rested
        budget2 |= ~self._of_context("owned", request.context)
        blocked_next = Const(0, 1) if strict else self.order.blocked_next
        m.d.sync += may_go.eq(Mux(move2, enters & accepted1 & budget1, ~refused & budget2) & ~blocked_next)
        here = Signal()
        m.d.comb += [
            here.eq(nowhere | refused),
            self.origin.eq(address),
            self.request.address.eq(Cat(address[:granule_bits], granule)),
            note.context.eq(request.context),
            self.kind.eq(Mux(~self.owned, NO_SLICE, Mux(illegal, BURST, WINDOW))),
        ]
        asks = target & may_go.replicate(len(target))
        destination = Cat(target & ~refused.replicate(len(target)), here)
        if strict:
            m.d.comb += [
                self.ask.eq(asks),
                self.deny.eq(self.valid & here),
                self.ask_target.eq(destination[:-1]),
                request.slot.eq(self.slot),
                note.sequence.eq(self.slot),
            ]
        else:
            m.d.comb += [final.eq(1), self.enters_first.eq(enters)]
            self._keep_order(m, enters, arriving, asks, destination)
        self._drained(m, enters, owned1, context)
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

    def _legal(self, m: Module, arriving: data.View) -> Value:
        m.submodules.burst_check = check = BurstCheck(self.plan)
        m.d.comb += [
            check.address.eq(arriving.addr[:12]),
            check.length.eq(arriving.len),
            check.size.eq(arriving.size),
            check.burst.eq(arriving.burst),
        ]
        return check.legal

    def _piece(self, m: Module, arriving: data.View, enters: Signal, final: Signal) -> tuple[Value, Value]:
        """With strict isolation: address and length of the piece of the arriving burst that is next.

        All pieces lie in one granule, so the window's answer serves them all.
        """
        m.submodules.splitter = splitter = Splitter(self.plan)
        m.d.comb += [
            splitter.address.eq(arriving.addr),
            splitter.length.eq(arriving.len),
            splitter.size.eq(arriving.size),
            splitter.burst.eq(arriving.burst),
            splitter.lock.eq(arriving.lock),
            splitter.moves.eq(enters),
            splitter.clear.eq(self.clear),
            final.eq(splitter.final),
            self.enters_first.eq(enters & splitter.first),
        ]
        with m.If(enters):
            m.d.sync += [self.first.eq(splitter.first), self.final.eq(splitter.final)]
        return Cat(splitter.piece_address, arriving.addr[BOUNDARY_BITS:]), splitter.piece_length

    def _keep_order(self, m: Module, enters: Signal, arriving: data.View, asks: Value, destination: Value) -> None:
        """Without strict isolation: the request may have to wait for older ones of its ID."""
        order, note = self.order, self.note
        m.d.comb += [
            order.enter.eq(enters),
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

    def _of_context(self, what: str, context: Value) -> Value:
        """What is known of a context: its `owned`, `slice`, `class` or `eligible`."""
        values = [getattr(self, f"{what}{n}") for n in range(len(self.initiator.contexts))]
        return values[0] if len(values) == 1 else Array(values)[context]

    def _window(self, m: Module, index: data.View, enable: Signal) -> data.View:
        """The window: a block RAM; answers one cycle after `enable`. An entry never written has no target."""
        plan, targets = self.plan, len(self.plan.targets)
        contexts = len(self.initiator.contexts)
        layout = data.StructLayout({"target": targets, "nowhere": 1, "granule": plan.physical_granule_bits})
        granule_bits = (plan.window_granules - 1).bit_length()
        depth = max(2, plan.window_granules << (bits_for(contexts) if contexts > 1 else 0))
        empty = {"nowhere": 1}
        m.submodules.window = window = Memory(shape=layout, depth=depth, init=[empty] * depth)
        fill, lookup = window.write_port(), window.read_port()
        permitted = self.fill_entry.writable if self.write else self.fill_entry.readable
        reachable = sum(1 << target for target in self.initiator.targets)
        target = Signal(targets, name="fill_target")

        def address(context: Value, granule: Value) -> Value:
            return Cat(granule[:granule_bits], context[: bits_for(contexts)] if contexts > 1 else Const(0, 0))

        m.d.comb += [
            target.eq(self.fill_entry.target & reachable & permitted.replicate(targets)),
            fill.en.eq(self.fill_enable),
            fill.addr.eq(address(self.fill_context, self.fill_granule)),
            fill.data.target.eq(target),
            fill.data.nowhere.eq(~target.any()),
            fill.data.granule.eq(self.fill_entry.granule),
            lookup.addr.eq(address(index.context, index.granule)),
            lookup.en.eq(enable),
        ]
        return lookup.data

    def _drained(self, m: Module, enters: Signal, owned1: Signal, context: Signal) -> None:
        if self.initiator.has_reset:
            m.d.comb += self.drained.eq(self.order.idle if self.order else self.idle)
            return
        for n in range(len(self.initiator.contexts)):
            outstanding = Signal(range(self.plan.outstanding + 1), name=f"context{n}_outstanding")
            up = enters & owned1 & (context == n)
            down = self.done & self.done_owned & (self.done_context == n)
            m.d.sync += outstanding.eq(outstanding + up - down)
            m.d.comb += self.drained[n].eq(outstanding == 0)
