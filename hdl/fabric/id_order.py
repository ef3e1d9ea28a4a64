"""AXI's order within an ID: which request may leave, and which response may be delivered."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan
from . import layouts


def order_layout(plan: Plan) -> data.StructLayout:
    """What its ID's order asks of a request: one of one beat is `single`; its number; where it goes, one-hot, the last
    bit is the ingress's own denial; and where the request of this ID before it went."""
    destinations = len(plan.targets) + 1
    return data.StructLayout(
        {
            "id": plan.id_width,
            "single": 1,
            "sequence": layouts.sequence_bits(plan),
            "destination": destinations,
            "previous": destinations,
        }
    )


class IdOrder(wiring.Component):
    """Order of one plane (reads or writes) of an initiator port, per ID.

    AXI orders by ID alone (IHI 0022H, A5.3), so contexts that must not wait for each other use different IDs.

    Requests of an ID are numbered when they enter, and leave in the order in which they entered. One *walks* if an
    older one of its ID is outstanding at another destination; it is delivered when its number is next. All others are
    in order by themselves, since a destination answers an initiator in order. Who may walk: every write, and reads of
    one beat while nothing longer is outstanding, so that every response that has to wait for others has room to wait
    in. Other reads wait for their ID's older ones. A read of more beats waits until nobody walks any more. With
    ``ordering: stall`` nobody walks.

    The numbers are cleared by a sweep after reset, one ID a cycle; nothing may enter meanwhile.

    Latency: number and previous destination in the same cycle; `free` is a register; a delivery is seen two cycles
    later.

    Members
    -------
    enter, enter_id, enter_destination : In
        A request enters; where it goes may come late in the cycle.
    sequence, previous : Out
        Its number, and where its ID's last request went.
    valid, head : In
        The request that asks.
    moves, coming : In
        In the next cycle this one asks, if there is one.
    sent : In
        The request that asks leaves.
    free : Out(1)
        It may go anywhere; it may always go where the one before it went.
    walks : Out(1)
        If it goes now, it walks.
    blocked_next : Out(1)
        What asks in the next cycle must wait until nobody else is outstanding.
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
        All that entered is delivered.
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
                "enter_destination": In(self.destinations),
                "sequence": Out(layouts.sequence_bits(plan)),
                "previous": Out(self.destinations),
                "valid": In(1),
                "head": In(order_layout(plan)),
                "moves": In(1),
                "coming": In(order_layout(plan)),
                "sent": In(1),
                "free": Out(1),
                "walks": Out(1),
                "blocked_next": Out(1),
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
        # Distributed RAM is 4 bits wide; of anything narrower synthesis makes flip-flops and multiplexers, six times as
        # many look-up tables.
        count = max(4, bits)
        m.submodules.given = given = Memory(shape=count, depth=ids, init=[])
        m.submodules.delivered = delivered = Memory(shape=count, depth=ids, init=[])
        give, given_next = given.write_port(), given.read_port(domain="comb")
        deliver, delivered_done = delivered.write_port(), delivered.read_port(domain="comb")
        delivered_coming, delivered_here = delivered.read_port(domain="comb"), delivered.read_port(domain="comb")
        done = Signal()
        done_id = Signal(plan.id_width)
        m.d.sync += [done.eq(self.done), done_id.eq(self.done_id)]
        m.d.comb += [
            given_next.addr.eq(self.enter_id),
            self.sequence.eq(given_next.data),
            give.en.eq(self.enter | sweeping),
            give.addr.eq(Mux(sweeping, sweep, self.enter_id)),
            give.data.eq(Mux(sweeping, 0, given_next.data + 1)),
            delivered_done.addr.eq(done_id),
            self.done_sequence.eq(delivered_done.data),
            deliver.en.eq(done | sweeping),
            deliver.addr.eq(Mux(sweeping, sweep, done_id)),
            deliver.data.eq(Mux(sweeping, 0, delivered_done.data + 1)),
            delivered_coming.addr.eq(self.coming.id),
            delivered_here.addr.eq(self.head.id),
        ]
        for n in range(self.destinations):
            head = delivered.read_port(domain="comb")
            m.d.comb += [
                head.addr.eq(getattr(self, f"head{n}_id")),
                getattr(self, f"in_order{n}").eq(head.data[:bits] == getattr(self, f"head{n}_sequence")),
            ]
        outstanding = Signal(range(plan.outstanding + 1))
        m.d.sync += outstanding.eq(outstanding + self.enter - done)
        m.d.comb += [self.room.eq(~outstanding[-1] & ~sweeping), self.idle.eq(outstanding == 0)]

        # Where the ID's last request went.
        m.submodules.last = last = Memory(shape=self.destinations, depth=ids, init=[])
        note, recall = last.write_port(), last.read_port(domain="comb")
        m.d.comb += [
            note.en.eq(self.enter),
            note.addr.eq(self.enter_id),
            note.data.eq(self.enter_destination),
            recall.addr.eq(self.enter_id),
            self.previous.eq(recall.data),
        ]

        # Whether it may go anywhere.
        alone = Signal()
        may_walk_coming = Signal()
        may_walk_here = Signal()
        m.d.comb += self.walks.eq(~alone & ~(self.head.previous & self.head.destination).any())
        if plan.ordering == "stall":
            m.d.comb += [may_walk_coming.eq(0), may_walk_here.eq(0)]
        elif self.write:
            m.d.comb += [may_walk_coming.eq(1), may_walk_here.eq(1)]
        else:
            self._reads(m, done, may_walk_coming, may_walk_here)
        is_next_coming = Signal()
        is_next_here = Signal()
        m.d.comb += [
            is_next_coming.eq(self.coming.sequence == delivered_coming.data[:bits]),
            is_next_here.eq(self.head.sequence == delivered_here.data[:bits]),
        ]
        # No multiplexer: Yosys would let both choices share one read port, behind the choice, which comes late.
        m.d.sync += [
            alone.eq((self.moves & is_next_coming) | (~self.moves & is_next_here)),
            self.free.eq(
                (self.moves & (is_next_coming | may_walk_coming)) | (~self.moves & (is_next_here | may_walk_here))
            ),
        ]
        return m

    def _reads(self, m: Module, done: Signal, may_walk_coming: Signal, may_walk_here: Signal) -> None:
        """Reads of one beat walk while nothing longer is outstanding, and the other way round."""
        away = Signal(range(self.plan.outstanding + 1))
        was_sent = Signal()
        nobody_away = Signal()
        longer = Signal()
        longer_before = Signal()
        walked = Signal()
        walked_next = Signal()
        m.d.sync += [was_sent.eq(self.sent), away.eq(away + was_sent - done)]
        m.d.comb += [
            nobody_away.eq((away == 0) & ~was_sent),
            longer_before.eq(longer | (self.valid & ~self.head.single)),
            walked_next.eq((walked & ~nobody_away) | (self.sent & self.walks)),
            may_walk_coming.eq(self.coming.single & ~longer_before),
            may_walk_here.eq(self.head.single & ~longer_before),
            self.blocked_next.eq(walked_next & ~Mux(self.moves, self.coming.single, self.head.single)),
        ]
        m.d.sync += [
            walked.eq(walked_next),
            longer.eq((longer & ~nobody_away) | (self.valid & ~self.head.single)),
        ]
