"""Which slot a request gets, and when AXI's order lets its answer go: the order of one plane of an initiator."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..plan.plan import Plan
from .select import decode


class Slots(wiring.Component):
    """Slots of a plane's reorder buffer.

    A request gets a free slot when it enters, and its answer's room with it. Requests of one ID are a chain: a slot is
    *blocked* until the slot of the ID's request before it was picked for delivery (IHI 0022H, A5.3). So nobody waits
    for requests of another ID, wherever they go.

    Slot 0 is never given: what is read there is zero.

    After reset a sweep makes all slots free and all IDs idle, one a cycle; nothing may enter meanwhile.

    Latency: a request that enters is in the chain two cycles later; the slot behind a picked one can be picked in the
    cycle after the next, and by `chain` in the next.

    Members
    -------
    enter : In(1), id : In
        A request of this ID enters.
    room : Out(1)
        There is a slot; low while the sweep runs.
    slot : Out
        Its slot, if it enters in this cycle.
    freed, freed_slot : In
        A slot's answer is delivered to the last beat.
    picked, picked_slot, picked_id : In
        First cycle in which a slot is being delivered.
    chain, chain_slot : Out
        The slot behind the picked one, if there is any, in the same cycle.
    blocked : Out(slots)
    clears : Out(1), clears_slot : Out
        The sweep is at this slot.
    idle : Out(1)
        Nothing is outstanding.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        slot = plan.slot_bits
        super().__init__(
            {
                "enter": In(1),
                "room": Out(1),
                "id": In(plan.id_width),
                "slot": Out(slot),
                "freed": In(1),
                "freed_slot": In(slot),
                "picked": In(1),
                "picked_slot": In(slot),
                "picked_id": In(plan.id_width),
                "chain": Out(1),
                "chain_slot": Out(slot),
                "blocked": Out(plan.outstanding),
                "clears": Out(1),
                "clears_slot": Out(slot),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        slots, ids = plan.outstanding, 1 << plan.id_width
        sweep = Signal(max(plan.slot_bits, plan.id_width) + 1)
        m.d.comb += [self.clears.eq(~sweep[-1]), self.clears_slot.eq(sweep)]
        m.d.sync += sweep.eq(sweep + self.clears)

        # Free slots wait in a queue.
        m.submodules.free = free = Queue(plan.slot_bits, slots, always_room=True)
        outstanding = Signal(range(slots))
        m.d.sync += outstanding.eq(outstanding + self.enter - self.freed)
        m.d.comb += [
            free.i.valid.eq(self.freed | (self.clears & (sweep != 0) & (sweep < slots))),
            free.i.payload.eq(Mux(self.clears, sweep, self.freed_slot)),
            free.o.ready.eq(self.enter),
            self.slot.eq(free.o.payload),
            self.room.eq(free.o.valid & ~self.clears),
            self.idle.eq(outstanding == 0),
        ]

        # Chains. An ID is active while it has a slot that was not picked.
        linking = Signal()
        entered_slot = Signal(plan.slot_bits)
        entered_id = Signal(plan.id_width)
        m.d.sync += [linking.eq(self.enter), entered_slot.eq(self.slot), entered_id.eq(self.id)]
        m.submodules.linked = linked = Memory(shape=plan.slot_bits, depth=ids, init=[])
        m.submodules.picks = picks = Memory(shape=plan.slot_bits, depth=ids, init=[])
        m.submodules.last = last = Memory(shape=plan.slot_bits, depth=ids, init=[])
        m.submodules.behind = behind = Memory(shape=plan.slot_bits, depth=slots, init=[])
        link, linked_here = linked.write_port(), linked.read_port(domain="comb")
        linked_done = linked.read_port(domain="comb")
        pick, picks_here, picks_done = (
            picks.write_port(),
            picks.read_port(domain="comb"),
            picks.read_port(domain="comb"),
        )
        note, before = last.write_port(), last.read_port(domain="comb")
        follow, follower = behind.write_port(), behind.read_port(domain="comb")
        active = Signal()
        picks_after = Signal(plan.slot_bits)
        m.d.comb += [
            linked_here.addr.eq(entered_id),
            picks_here.addr.eq(entered_id),
            active.eq(linked_here.data != picks_here.data),
            link.en.eq(linking | self.clears),
            link.addr.eq(Mux(self.clears, sweep, entered_id)),
            link.data.eq(Mux(self.clears, 0, linked_here.data + 1)),
            picks_done.addr.eq(self.picked_id),
            pick.en.eq(self.picked | self.clears),
            pick.addr.eq(Mux(self.clears, sweep, self.picked_id)),
            pick.data.eq(Mux(self.clears, 0, picks_after)),
            note.en.eq(linking),
            note.addr.eq(entered_id),
            note.data.eq(entered_slot),
            before.addr.eq(entered_id),
            follow.en.eq(linking & active),
            follow.addr.eq(before.data),
            follow.data.eq(entered_slot),
            follower.addr.eq(self.picked_slot),
            self.chain_slot.eq(follower.data),
            linked_done.addr.eq(self.picked_id),
            picks_after.eq(picks_done.data + 1),
            self.chain.eq(self.picked & (linked_done.data != picks_after)),
        ]
        blocks = Signal()
        m.d.comb += blocks.eq(active & ~(self.picked & (self.picked_slot == before.data)))
        blocking, freeing = decode(entered_slot, linking & blocks), decode(self.chain_slot, self.chain)
        m.d.sync += self.blocked.eq((self.blocked | blocking) & ~freeing)
        return m
