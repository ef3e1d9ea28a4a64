"""Where requests enter the fabric with strict isolation: each with a slot, straight into its virtual queue."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import SEEN, Initiator, Plan
from . import layouts
from .collect import Collect, answer_layout
from .entry import Entry, connect_entry
from .lookup import Lookup
from .ports import fill_members, ingress_members, pass_members, sender_members
from .slots import Slots
from .splitter import BOUNDARY_BITS, Splitter
from .steer import Steer

PICKED = ("picked", "picked_slot", "picked_id")
FREED = ("freed", "freed_slot")
CHAINED = ("blocked", "chain", "chain_slot")
CLEARED = ("clears", "clears_slot")
"""Members by which :class:`Slots` and :class:`Collect` know of each other."""


class StrictIngress(wiring.Component):
    """One plane (reads or writes) of an initiator port.

    A request enters when there is a slot for it and its slice has budget. Its virtual queue has room by the slot, so it
    is never asked to wait after that. A burst enters in pieces: all of them lie in one granule, so the window's answer
    serves them all. What is denied here enters too, for its answer needs a place in the order, but goes to no queue.

    Latency at no load: an accepted request goes into its virtual queue in the next cycle, a write's beat with it; a
    complete answer is offered from the second cycle after its last beat on.

    Members
    -------
    address : stream of an AXI address beat
    o : stream of {id, answer}
        The port's R or B.
    asking : Out(layouts.asking), rest : Out(layouts.rest), request_class : Out
        Broadcast to all targets, with the class of the request's slice.
    request_valid : Out(targets)
        One-hot or zero: it goes to this target.
    w : stream of layouts.write_data; beat, beat_valid, beat_ready
        Writes only. See :class:`Steer`.
    lane{t} : In(layouts.lane)
        From target t.
    and the members of :func:`hdl.fabric.ports.ingress_members`
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.initiator, self.write = plan, initiator, write
        targets = len(plan.targets)
        beats: dict[str, wiring.Member] = {
            "w": In(stream.Signature(layouts.write_data(plan))),
            "beat": Out(layouts.write_beat(plan)),
            "beat_valid": Out(targets),
            "beat_ready": In(targets),
        }
        super().__init__(
            {
                "address": In(stream.Signature(layouts.address(plan))),
                "o": Out(stream.Signature(answer_layout(plan, write=write))),
                "asking": Out(layouts.asking(plan)),
                "rest": Out(layouts.rest(plan)),
                "request_class": Out(plan.class_bits),
                "request_valid": Out(targets),
                **(beats if write else {}),
                **{f"lane{t}": In(layouts.lane(plan, write=write)) for t in range(targets)},
                **ingress_members(plan, initiator),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        m.submodules.lookup = lookup = Lookup(plan, self.initiator, write=self.write)
        m.submodules.splitter = splitter = Splitter(plan)
        m.submodules.slots = slots = Slots(plan)
        m.submodules.collect = collect = Collect(plan, write=self.write)
        arriving, asking, rest = lookup.request, self.asking, self.rest
        enters = Signal()
        target = Signal(len(plan.targets))
        m.submodules.entry = entry = Entry(plan, self.initiator, write=self.write)
        pass_members(m, self, lookup, {**sender_members(plan, self.initiator), **fill_members(plan)})
        drained = connect_entry(m, self, entry, lookup, lookup.next, lookup.context)
        m.d.comb += [
            lookup.clear.eq(self.isolate),
            lookup.next.eq(enters & splitter.final),
            splitter.address.eq(arriving.addr),
            splitter.length.eq(arriving.len),
            splitter.size.eq(arriving.size),
            splitter.burst.eq(arriving.burst),
            splitter.lock.eq(arriving.lock),
            # Of nobody's requests the card's chunk decides, not that of who had the context before.
            *([splitter.piece.eq(lookup.piece | ~lookup.owned.replicate(plan.piece_bits))] if plan.piece_bits else ()),
            splitter.moves.eq(enters),
            splitter.clear.eq(self.isolate),
            enters.eq(lookup.valid & slots.room & self._may_go(m, lookup, enters) & ~self.isolate),
            # A window entry holds the one-hot target already masked by permission and connectivity.
            target.eq(lookup.entry.target & lookup.accepted.replicate(len(target))),
            self.request_valid.eq(target & enters.replicate(len(target))),
            self.request_class.eq(lookup.request_class),
            asking.granule.eq(lookup.entry.granule),
            asking.slice.eq(lookup.slice),
            asking.length.eq(splitter.piece_length),
            rest.offset.eq(Cat(splitter.piece_address, arriving.addr[BOUNDARY_BITS : plan.granule_bits])),
            rest.length.eq(splitter.piece_length),
            rest.size.eq(arriving.size),
            rest.burst.eq(arriving.burst),
            rest.lock.eq(arriving.lock),
            rest.cache.eq(arriving.cache),
            rest.protection.eq(arriving.prot),
            rest.context.eq(lookup.context),
            rest.slot.eq(slots.slot),
        ]
        if self.write:
            self._steer(m, entry, enters, target, splitter.piece_length, slots.slot, collect)
        else:
            m.d.sync += [collect.denied.eq(enters & ~target.any()), collect.denied_slot.eq(slots.slot)]
        self._collect(m, enters, target, lookup, splitter, slots, collect)
        self._tell(m, entry, enters, target, lookup, splitter, slots, collect)
        self._drained(m, drained, enters, lookup, slots, collect)
        return m

    def _may_go(self, m: Module, lookup: Lookup, enters: Signal) -> Value:
        """A request of a slice may go that has budget; one that is denied costs nothing."""
        may_go = lookup.eligible
        if self.plan.slice_outstanding:
            # What enters is counted before a request of a slice that is near its limit may go.
            since = Signal(range(SEEN))
            with m.If(enters):
                m.d.sync += since.eq(SEEN - 1)
            with m.Elif(since != 0):
                m.d.sync += since.eq(since - 1)
            may_go = may_go & (~lookup.spaced | (since == 0))
        return may_go | ~lookup.accepted

    def _steer(
        self, m: Module, entry: Entry, enters: Signal, target: Signal, length: Signal, slot: Signal, collect: Collect
    ) -> None:
        m.submodules.steer = steer = Steer(self.plan, self.initiator)
        wiring.connect(m, entry.o_w, steer.w)
        m.d.comb += [
            steer.isolate.eq(self.isolate),
            steer.enters.eq(enters),
            steer.target.eq(target),
            steer.length.eq(length),
            steer.slot.eq(slot),
            self.beat.eq(steer.beat),
            self.beat_valid.eq(steer.beat_valid),
            steer.beat_ready.eq(self.beat_ready),
            collect.denied.eq(steer.denied),
            collect.denied_slot.eq(steer.denied_slot),
        ]

    def _collect(
        self,
        m: Module,
        enters: Signal,
        target: Signal,
        lookup: Lookup,
        splitter: Splitter,
        slots: Slots,
        collect: Collect,
    ) -> None:
        """What comes back goes to its slot, and from there to the initiator."""
        info = collect.info
        m.d.comb += [
            slots.enter.eq(enters),
            slots.id.eq(lookup.request.id),
            *(getattr(slots, name).eq(getattr(collect, name)) for name in (*PICKED, *FREED)),
            *(getattr(collect, name).eq(getattr(slots, name)) for name in (*CHAINED, *CLEARED)),
            *(getattr(collect, f"lane{t}").eq(getattr(self, f"lane{t}")) for t in range(len(target))),
            info.id.eq(lookup.request.id),
            info.context.eq(lookup.context),
            info.owned.eq(lookup.owned),
            info.length.eq(splitter.piece_length),
            info.first.eq(splitter.first),
            info.final.eq(splitter.final),
            info.lane.eq(target),
            collect.info_slot.eq(slots.slot),
            collect.info_write.eq(enters),
            self.o.valid.eq(collect.o.valid & ~self.isolate),
            self.o.payload.eq(collect.o.payload),
            collect.o.ready.eq(self.o.ready | self.isolate),
        ]

    def _tell(
        self,
        m: Module,
        entry: Entry,
        enters: Signal,
        target: Signal,
        lookup: Lookup,
        splitter: Splitter,
        slots: Slots,
        collect: Collect,
    ) -> None:
        """Accounts and faults. The window's answer comes late, so the meter is told a cycle later what became of it."""
        fault, events = self.fault, self.events
        stalled = lookup.valid & ~enters & lookup.owned
        m.d.comb += [
            events.accepted.eq(lookup.i.valid & lookup.i.ready),
            events.dropped.eq(self.isolate),
            self.fault_valid.eq(enters & ~target.any()),
            fault.kind.eq(lookup.kind),
            fault.write.eq(int(self.write)),
            fault.context.eq(lookup.context),
            fault.slice.eq(lookup.slice),
            fault.owned.eq(lookup.owned),
            fault.address.eq(Cat(splitter.piece_address, lookup.request.addr[BOUNDARY_BITS:])),
        ]
        m.d.sync += [
            events.entered.eq(enters & splitter.first),
            events.sent.eq(enters),
            events.sent_first.eq(splitter.first),
            events.sent_through.eq(target.any()),
            events.sent_owned.eq(lookup.owned),
            events.sent_context.eq(lookup.context),
            events.sent_length.eq(splitter.piece_length),
            events.sent_ticket.eq(Cat(slots.slot, lookup.request.id)),
            events.stalled.eq(stalled | entry.stands),
            events.stalled_context.eq(Mux(stalled, lookup.context, entry.standing_context)),
            events.done.eq(collect.done),
            events.done_owned.eq(collect.done_info.owned),
            events.done_context.eq(collect.done_info.context),
            events.done_denied.eq(collect.done_denied),
            events.done_ticket.eq(Cat(collect.freed_slot, collect.done_info.id)),
        ]

    def _drained(self, m: Module, entry: Value, enters: Signal, lookup: Lookup, slots: Slots, collect: Collect) -> None:
        if self.initiator.has_reset:
            m.d.comb += self.drained.eq(slots.idle)
            return
        for n in range(len(self.initiator.contexts)):
            outstanding = Signal(range(self.plan.outstanding + 1), name=f"context{n}_outstanding")
            up = enters & lookup.owned & (lookup.context == n)
            down = collect.done & collect.done_info.owned & (collect.done_info.context == n)
            m.d.sync += outstanding.eq(outstanding + up - down)
            m.d.comb += self.drained[n].eq((outstanding == 0) & entry[n])
