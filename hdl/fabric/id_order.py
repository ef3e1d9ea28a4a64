"""AXI's order within an ID: which request may leave, and which response may be delivered."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan
from . import layouts


class IdOrder(wiring.Component):
    """Order of one plane (reads or writes) of an initiator, per ID.

    AXI orders by ID alone (IHI 0022H, A5.3), so contexts that must not wait for each other use different IDs.

    Requests of an ID are numbered. One *walks* if an older one of its ID is outstanding at another destination; it is
    delivered when its number is next. All others are in order by themselves, since a destination answers an initiator
    in order. Who may walk: every write, and reads of one beat while nothing longer is outstanding, so that every
    response that has to wait for others has room to wait in. Other reads wait for their ID's older ones. A read of more
    beats waits until nobody walks any more. With ``ordering: stall`` nobody walks.

    The numbers are cleared by a sweep after reset, one ID a cycle; nothing may enter meanwhile.

    Latency: `free`, `previous` are registers; a delivery is seen two cycles later.

    Members
    -------
    enter, enter_id, enter_single : In
        A request takes the place of the one that asks; `single` means one beat.
    valid, id, single, destination, sent : In
        The request that asks; `destination` is one-hot, its last bit is the ingress's own denial.
    free : Out(1)
        It may go anywhere.
    previous : Out(destinations)
        Where its ID's last request went: it may always go there.
    blocked_next : Out(1)
        What asks in the next cycle must wait until nobody else is outstanding.
    sequence, walks : Out
        To travel with the request.
    done, done_id : In
        A last response is delivered.
    done_sequence : Out
        Its number, one cycle later.
    head{n}_id, head{n}_sequence : In
        First response from destination n.
    in_order{n} : Out(1)
        It is next in its ID's order.
    room : Out(1)
        Another request may enter; low while the sweep runs.
    idle : Out(1)
        Nothing is outstanding.
    """

    def __init__(self, plan: Plan, *, write: bool) -> None:
        self.plan, self.write = plan, write
        self.destinations = len(plan.targets) + 1
        heads: dict[str, wiring.Member] = {}
        for n in range(self.destinations):
            heads |= {
                f"head{n}_id": In(plan.id_width),
                f"head{n}_sequence": In(layouts.sequence_bits(plan)),
                f"in_order{n}": Out(1),
            }
        super().__init__(
            {
                "enter": In(1),
                "enter_id": In(plan.id_width),
                "enter_single": In(1),
                "valid": In(1),
                "id": In(plan.id_width),
                "single": In(1),
                "destination": In(self.destinations),
                "sent": In(1),
                "free": Out(1),
                "previous": Out(self.destinations),
                "blocked_next": Out(1),
                "sequence": Out(layouts.sequence_bits(plan)),
                "walks": Out(1),
                "done": In(1),
                "done_id": In(plan.id_width),
                "done_sequence": Out(layouts.sequence_bits(plan)),
                **heads,
                "room": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, bits = self.plan, layouts.sequence_bits(self.plan)
        ids = 1 << plan.id_width

        # After reset all numbers are made equal.
        sweep = Signal(plan.id_width + 1)
        sweeping = Signal()
        m.d.comb += sweeping.eq(~sweep[-1])
        m.d.sync += sweep.eq(sweep + sweeping)

        # The next number to give, and the next to deliver.
        m.submodules.given = given = Memory(shape=bits, depth=ids, init=[])
        m.submodules.delivered = delivered = Memory(shape=bits, depth=ids, init=[])
        give, given_next = given.write_port(), given.read_port(domain="comb")
        deliver, delivered_done = delivered.write_port(), delivered.read_port(domain="comb")
        delivered_enter, delivered_here = delivered.read_port(domain="comb"), delivered.read_port(domain="comb")
        done = Signal()
        done_id = Signal(plan.id_width)
        m.d.sync += [done.eq(self.done), done_id.eq(self.done_id)]
        m.d.comb += [
            given_next.addr.eq(self.enter_id),
            give.en.eq(self.enter | sweeping),
            give.addr.eq(Mux(sweeping, sweep, self.enter_id)),
            give.data.eq(Mux(sweeping, 0, given_next.data + 1)),
            delivered_done.addr.eq(done_id),
            self.done_sequence.eq(delivered_done.data),
            deliver.en.eq(done | sweeping),
            deliver.addr.eq(Mux(sweeping, sweep, done_id)),
            deliver.data.eq(Mux(sweeping, 0, delivered_done.data + 1)),
            delivered_enter.addr.eq(self.enter_id),
            delivered_here.addr.eq(self.id),
        ]
        for n in range(self.destinations):
            head = delivered.read_port(domain="comb")
            m.d.comb += [
                head.addr.eq(getattr(self, f"head{n}_id")),
                getattr(self, f"in_order{n}").eq(head.data == getattr(self, f"head{n}_sequence")),
            ]

        # How many are outstanding, the one that asks included.
        outstanding = Signal(range(plan.outstanding + 1))
        alone_here = Signal()
        m.d.sync += outstanding.eq(outstanding + self.enter - done)
        m.d.comb += [
            self.room.eq(~outstanding[-1] & ~sweeping),
            self.idle.eq(outstanding == 0),
            alone_here.eq(outstanding == self.valid),
        ]

        # Where the ID's last request went.
        m.submodules.last = last = Memory(shape=self.destinations, depth=ids, init=[])
        note, recall = last.write_port(), last.read_port(domain="comb")
        same_id = Signal()
        m.d.comb += [
            note.en.eq(self.valid),
            note.addr.eq(self.id),
            note.data.eq(self.destination),
            recall.addr.eq(self.enter_id),
            same_id.eq(self.valid & (self.id == self.enter_id)),
        ]

        # Whether it may go anywhere.
        alone = Signal()
        walks_enter = Signal()
        walks_here = Signal()
        m.d.comb += self.walks.eq(~alone & ~(self.previous & self.destination).any())
        if plan.ordering == "stall":
            m.d.comb += [walks_enter.eq(0), walks_here.eq(0)]
        elif self.write:
            m.d.comb += [walks_enter.eq(1), walks_here.eq(1)]
        else:
            self._reads(m, alone_here, walks_enter, walks_here)
        is_next_enter = Signal()
        is_next_here = Signal()
        m.d.comb += [
            is_next_enter.eq(given_next.data == delivered_enter.data),
            is_next_here.eq(self.sequence == delivered_here.data),
        ]
        with m.If(self.enter):
            m.d.sync += [
                self.sequence.eq(given_next.data),
                self.previous.eq(Mux(same_id, self.destination, recall.data)),
            ]
        # No multiplexer: Yosys would let both choices share one read port, behind the choice, which comes late.
        m.d.sync += [
            alone.eq((self.enter & is_next_enter) | (~self.enter & is_next_here)),
            self.free.eq((self.enter & (is_next_enter | walks_enter)) | (~self.enter & (is_next_here | walks_here))),
        ]
        return m

    def _reads(self, m: Module, alone_here: Signal, walks_enter: Signal, walks_here: Signal) -> None:
        """Reads of one beat walk while nothing longer is outstanding, and the other way round."""
        longer = Signal()
        walked = Signal()
        walked_next = Signal()
        m.d.comb += [
            walked_next.eq((walked & ~alone_here) | (self.sent & self.walks)),
            walks_enter.eq(self.enter_single & ~longer),
            walks_here.eq(self.single & ~longer),
            self.blocked_next.eq(walked_next & ~Mux(self.enter, self.enter_single, self.single)),
        ]
        m.d.sync += [
            walked.eq(walked_next),
            longer.eq((longer & ~alone_here) | (self.valid & ~self.single) | (self.enter & ~self.enter_single)),
        ]
