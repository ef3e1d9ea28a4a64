"""Whose is a request, where does its window lead, and is it a legal burst? The way in of every ingress."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.blocks import FAULT_KINDS
from ..plan.plan import Initiator, Plan, bits_for
from . import layouts
from .burst_check import BurstCheck
from .ports import fill_members, may_send, sender_members

NO_SLICE, WINDOW, BURST = (FAULT_KINDS.index(kind) for kind in ("no_slice", "window", "burst"))
WAITING = 4
"""Requests that can stand between the port and the window's answer."""


def entry_layout(plan: Plan) -> data.StructLayout:
    """What a window holds for one plane: the one-hot target, already masked by permission and connectivity."""
    return data.StructLayout({"target": len(plan.targets), "nowhere": 1, "granule": plan.physical_granule_bits})


class Lookup(wiring.Component):
    """Context to slice, window look-up, burst check. One each for the reads and the writes of a port.

    What is known of a request by itself is found out before it is stored, while the window is looked up.

    Latency: an accepted request has its answer in the next cycle; a request per cycle.

    Members
    -------
    i : stream of layouts.arriving
    clear : In(1)
        Drops what has been accepted: the initiator is in reset.
    and the members of :func:`hdl.fabric.ports.sender_members` : In
        Owner of context n, its class, and whether it has budget.
    fill_enable, fill_context, fill_granule, fill_entry : In
        Write port of the window.
    valid : Out(1)
        There is a request that has its answer: all below is about it.
    next : In(1)
        It goes on.
    request : Out(layouts.address)
    entry : Out(entry_layout)
        What the window says, straight from the block RAM: it comes late in the cycle. An entry never written leads
        nowhere.
    context, slice, request_class, piece : Out
        Its context and what that has.
    owned, eligible, spaced : Out(1)
        Whether the context has the slice that the request was sent for, and budget. `spaced`, if the card limits
        outstanding requests: it may go only when all that has left here is counted.
    accepted : Out(1)
        The slice is known, the burst is legal and inside the window: only the window's entry can be against it.
    kind : Out(3)
        Why it is denied, if it is.
    mark : Out(layouts.MARK), current : In(1)
        On a port that is not isolated in a hand-over: the request's mark, and whether that is of its context's present
        owner; see :class:`Tenure`.
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        super().__init__(
            {
                "i": In(stream.Signature(layouts.arriving(plan, initiator))),
                "clear": In(1),
                **sender_members(plan, initiator),
                **fill_members(plan),
                "valid": Out(1),
                "next": In(1),
                "request": Out(layouts.address(plan)),
                "entry": Out(entry_layout(plan)),
                "context": Out(plan.user_bits),
                "slice": Out(plan.slice_bits),
                "request_class": Out(plan.class_bits),
                **({"piece": Out(plan.piece_bits)} if plan.piece_bits else {}),
                "owned": Out(1),
                "eligible": Out(1),
                **({"spaced": Out(1)} if plan.slice_outstanding else {}),
                "accepted": Out(1),
                "kind": Out(3),
                **({} if initiator.has_reset else {"mark": Out(layouts.MARK), "current": In(1)}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        granule_bits = plan.granule_bits

        # A request waits in `fields` until it goes on, and in `indices` if it cannot be looked up at once: the window's
        # address comes straight from the port if nobody waits.
        index_layout = data.StructLayout({"granule": plan.window_bits, "context": plan.user_bits})
        arriving_layout = layouts.arriving(plan, self.initiator)
        fields_layout = data.StructLayout({"arriving": arriving_layout, "legal": 1, "inside": 1})
        m.submodules.fields = fields = Queue(fields_layout, WAITING)
        m.submodules.indices = indices = Queue(index_layout, WAITING)
        m.submodules.burst_check = check = BurstCheck(plan)
        taken = Signal()
        moves = Signal()
        inside = Signal()
        arriving = Signal(index_layout)
        index = Signal(index_layout)
        at_port = self.i.payload.request
        m.d.comb += [
            self.i.ready.eq(fields.i.ready),
            taken.eq(self.i.valid & self.i.ready),
            fields.i.valid.eq(self.i.valid),
            check.address.eq(at_port.addr[:12]),
            check.length.eq(at_port.len),
            check.size.eq(at_port.size),
            check.burst.eq(at_port.burst),
            inside.eq((at_port.addr >> granule_bits) < plan.window_granules),
            # In one piece: Verilator takes a vector of which parts are assigned for a loop.
            Value.cast(fields.i.payload).eq(Cat(self.i.payload, check.legal, inside)),
            fields.o.ready.eq(self.next),
            fields.clear.eq(self.clear),
            arriving.granule.eq(at_port.addr >> granule_bits),
            arriving.context.eq(at_port.user),
            indices.i.valid.eq(taken & (indices.o.valid | ~moves)),
            indices.i.payload.eq(arriving),
            indices.o.ready.eq(moves),
            indices.clear.eq(self.clear),
            index.eq(Mux(indices.o.valid, indices.o.payload.as_value(), arriving.as_value())),
            moves.eq(~self.valid | self.next),
        ]
        with m.If(moves):
            m.d.sync += self.valid.eq((indices.o.valid | taken) & ~self.clear)
        with m.If(self.clear):
            m.d.sync += self.valid.eq(0)
        self._window(m, index, moves)

        request = self.request
        known_before = fields.o.payload
        current: Value = Const(1)
        if not self.initiator.has_reset:
            current = self.current
            m.d.comb += self.mark.eq(known_before.arriving.mark)
        m.d.comb += [
            self.context.eq(self._context(request)),
            request.eq(known_before.arriving.request),
            self.slice.eq(self._of_context("slice", self.context)),
            self.request_class.eq(self._of_context("class", self.context)),
            *([self.piece.eq(self._of_context("piece", self.context))] if plan.piece_bits else ()),
            self.eligible.eq(may_send(self, plan, self.initiator, self.context)),
            self.owned.eq(self._known(request) & current & self._of_context("owned", self.context)),
            self.kind.eq(Mux(~self.owned, NO_SLICE, Mux(known_before.legal, WINDOW, BURST))),
            self.accepted.eq(self.owned & known_before.legal & known_before.inside),
        ]
        if plan.slice_outstanding:
            m.d.comb += self.spaced.eq(self._of_context("spaced", self.context))
        return m

    def _context(self, request: data.View) -> Value:
        """AxUSER of a port without contexts is not looked at."""
        return request.user if len(self.initiator.contexts) > 1 else Const(0, self.plan.user_bits)

    def _known(self, request: data.View) -> Value:
        return self._context(request) < len(self.initiator.contexts)

    def _of_context(self, what: str, context: Value) -> Value:
        """What is known of a context: one of its owner members."""
        values = [getattr(self, f"{what}{n}") for n in range(len(self.initiator.contexts))]
        return values[0] if len(values) == 1 else Array(values)[context]

    def _window(self, m: Module, index: data.View, enable: Signal) -> None:
        """The window: a block RAM; answers one cycle after `enable`."""
        plan, targets = self.plan, len(self.plan.targets)
        contexts = len(self.initiator.contexts)
        granule_bits = (plan.window_granules - 1).bit_length()
        depth = max(2, plan.window_granules << (bits_for(contexts) if contexts > 1 else 0))
        empty = {"nowhere": 1}
        m.submodules.window = window = Memory(shape=entry_layout(plan), depth=depth, init=[empty] * depth)
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
            self.entry.eq(lookup.data),
        ]
