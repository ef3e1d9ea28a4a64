"""What a target has been given and has not answered, by epoch, with strict isolation."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan, Target


class UnderWay(wiring.Component):
    """Counts the requests of each epoch behind a gate, for a drain.

    Answers come in any order, so a request's epoch stands in a table under its ID until its answer.

    Latency: a request is counted one cycle after `passes`; until then the gate itself sees it.

    Members
    -------
    stands : In(1), identity, stands_epoch : In
        A checked request stands at the gate: its ID, which is its own until it is answered or denied, and its epoch.
    passes : In(1), passes_epoch : In(1)
        It was given to the target in the cycle before.
    ends : In(1), answer_id : In
        The last beat of an answer is taken. `answer_id` is looked at in other cycles too.
    epoch : In(1)
        The current one.
    behind : Out(1)
        A request of the other epoch is not answered.
    """

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        super().__init__(
            {
                "stands": In(1),
                "identity": In(plan.target_id_bits),
                "stands_epoch": In(1),
                "passes": In(1),
                "passes_epoch": In(1),
                "ends": In(1),
                "answer_id": In(plan.target_id_bits),
                "epoch": In(1),
                "behind": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.epochs = epochs = Memory(shape=1, depth=1 << self.plan.target_id_bits, init=[])
        note, recall = epochs.write_port(), epochs.read_port(domain="comb")
        m.d.comb += [
            note.en.eq(self.stands),  # before it is known whether it passes: nobody else has this ID meanwhile
            note.addr.eq(self.identity),
            note.data.eq(self.stands_epoch),
            recall.addr.eq(self.answer_id),
        ]
        most = self.plan.outstanding * len(self.target.initiators)
        under_way = []
        for epoch in range(2):
            count = Signal(range(most + 1), name=f"under_way{epoch}")
            comes, goes = self.passes & (self.passes_epoch == epoch), self.ends & (recall.data == epoch)
            with m.If(comes & ~goes):
                m.d.sync += count.eq(count + 1)
            with m.Elif(goes & ~comes):
                m.d.sync += count.eq(count - 1)
            under_way.append(count != 0)
        m.d.comb += self.behind.eq(Mux(self.epoch, under_way[0], under_way[1]))
        return m
