"""What an ingress has outstanding: per ID, for AXI's ordering, and per context, for the hand-over."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Initiator, Plan, bits_for


class Ledger(wiring.Component):
    """Counts outstanding requests of one plane (reads or writes) of an initiator.

    A request may go if its ID has nothing outstanding at another destination: responses of one destination come back
    in order, so this alone keeps AXI's order within an ID (IHI 0022H, A5.3). Latency: counts change in the next cycle.

    Members
    -------
    id, destination : In
        The request that asks; `destination` is one-hot, its last bit is the ingress's own denial.
    may_go : Out(1)
    sent : In(1)
        The request that asks has left.
    tagged, tagged_context : In
        A request has got its slice: from here on the context's hand-over waits for it.
    done, done_id, done_context, done_tagged : In
        A last response has been delivered.
    drained : Out(contexts)
        Nothing of the context is on its way.
    """

    def __init__(self, plan: Plan, initiator: Initiator) -> None:
        self.plan, self.contexts = plan, len(initiator.contexts)
        self.destinations = len(plan.targets) + 1
        super().__init__(
            {
                "id": In(plan.id_width),
                "destination": In(self.destinations),
                "may_go": Out(1),
                "sent": In(1),
                "tagged": In(1),
                "tagged_context": In(plan.user_bits),
                "done": In(1),
                "done_id": In(plan.id_width),
                "done_context": In(plan.user_bits),
                "done_tagged": In(1),
                "drained": Out(self.contexts),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        most_per_id = plan.outstanding + 4  # a target's limit, or the ingress's own queue of denials
        ids = range(1 << plan.id_width)
        count = Array(Signal(bits_for(most_per_id + 1), name=f"id{n}_count") for n in ids)
        where = Array(Signal(self.destinations, name=f"id{n}_destination") for n in ids)
        m.d.comb += self.may_go.eq(
            (count[self.id] == 0) | ((where[self.id] == self.destination) & (count[self.id] < most_per_id))
        )
        for n in ids:
            up = Signal(name=f"id{n}_up")
            down = Signal(name=f"id{n}_down")
            m.d.comb += [up.eq(self.sent & (self.id == n)), down.eq(self.done & (self.done_id == n))]
            m.d.sync += count[n].eq(count[n] + up - down)
            with m.If(up):
                m.d.sync += where[n].eq(self.destination)

        most = len(plan.targets) * plan.outstanding + 16
        for n in range(self.contexts):
            outstanding = Signal(bits_for(most), name=f"context{n}_outstanding")
            up = self.tagged & (self.tagged_context == n)
            down = self.done & self.done_tagged & (self.done_context == n)
            m.d.sync += outstanding.eq(outstanding + up - down)
            m.d.comb += self.drained[n].eq(outstanding == 0)
        return m
