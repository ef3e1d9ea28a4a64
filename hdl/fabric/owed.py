"""What a target owes: which requests it was given and has not answered, and whether one of them waits too long."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..plan.plan import Plan, Target


class Owed(wiring.Component):
    """One plane (reads or writes) of a target port that can be cut off, with strict isolation.

    A request is owed from its offer to the end of its answer, by its ID, which is its own as long. Two bits for each ID
    tell: one changes with each request, the other follows it with each answer. So an answer to nothing is recognised.

    A walk visits each ID once in `timeout` cycles. A request is stamped with the parity of the round in which its ID
    is visited next. At the visit after that one it is overdue: it is at least `timeout` and at most ``2 * timeout``
    cycles old. While the port is cut off the walk goes through all IDs once and has each one that is owed answered.
    After reset it makes all IDs free.

    Latency: `owes` and `whole` are combinational.

    Members
    -------
    offers : In(1), identity : In
        A request with this ID stands in front of the target; held until `leaves`.
    leaves : In(1)
    answered : In(1), answer_id : In
        An answer's last beat is taken; `answer_id` is looked at in other cycles too.
    owes, whole : Out(1)
        A request with the ID `answer_id` is owed; the target has been given it whole.
    ready : Out(1)
        Low until all IDs are free after reset. Nothing may be offered before.
    overdue : Out(1)
    cut : In(1)
        The port is cut off.
    o : stream of ID
        To be answered instead of the target, while the port is cut off.
    swept : Out(1)
        All have been, since the port was cut off.
    """

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        self.bits = plan.target_id_bits
        super().__init__(
            {
                "offers": In(1),
                "identity": In(self.bits),
                "leaves": In(1),
                "answered": In(1),
                "answer_id": In(self.bits),
                "owes": Out(1),
                "whole": Out(1),
                "ready": Out(1),
                "overdue": Out(1),
                "cut": In(1),
                "o": Out(stream.Signature(self.bits)),
                "swept": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        asked_layout = data.StructLayout({"changes": 1, "stamp": 1})
        m.submodules.asked = asked = Memory(shape=asked_layout, depth=1 << self.bits, init=[])
        m.submodules.replied = replied = Memory(shape=1, depth=1 << self.bits, init=[])
        ask, asked_there, asked_at = asked.write_port(), asked.read_port(domain="comb"), asked.read_port(domain="comb")
        reply, replied_there = replied.write_port(), replied.read_port(domain="comb")
        replied_at, replied_here = replied.read_port(domain="comb"), replied.read_port(domain="comb")
        at = Signal(self.bits)
        odd = Signal()  # round of the walk
        clears = Signal(init=1)  # after reset, once through all IDs
        moves = Signal()
        stood = Signal()
        fresh = Signal()
        visits = Signal()
        owed_at = Signal()
        m.d.comb += [
            fresh.eq(self.offers & ~stood),
            replied_here.addr.eq(self.identity),
            ask.en.eq(fresh),
            ask.addr.eq(self.identity),
            ask.data.changes.eq(~replied_here.data),
            ask.data.stamp.eq(odd ^ (self.identity < at)),
            asked_there.addr.eq(Mux(clears, at, self.answer_id)),
            replied_there.addr.eq(self.answer_id),
            reply.en.eq(self.answered | clears),
            reply.addr.eq(Mux(clears, at, self.answer_id)),
            reply.data.eq(asked_there.data.changes),
            self.ready.eq(~clears),
            self.owes.eq(asked_there.data.changes != replied_there.data),
            self.whole.eq(~(self.offers & (self.identity == self.answer_id))),
            asked_at.addr.eq(at),
            replied_at.addr.eq(at),
            owed_at.eq(asked_at.data.changes != replied_at.data),
        ]
        m.d.sync += stood.eq(self.offers & ~self.leaves)

        # The walk: an ID in every `step` cycles; one a cycle after reset and while what is owed is answered. The latter
        # begins at the first ID, so that none is left out.
        step = self.target.timeout >> self.bits
        waited = Signal(exact_log2(step))
        begun = Signal()
        sweeps = Signal()
        m.d.comb += [
            visits.eq((waited == 0) & ~clears & ~self.cut),
            sweeps.eq(self.cut & begun & ~self.swept & ~clears),
            self.overdue.eq(visits & owed_at & (asked_at.data.stamp != odd)),
            self.o.valid.eq(sweeps & owed_at),
            self.o.payload.eq(at),
            moves.eq(clears | visits | (sweeps & (~owed_at | self.o.ready))),
        ]
        m.d.sync += [begun.eq(self.cut), waited.eq(waited + 1)]
        with m.If(moves):
            m.d.sync += [at.eq(at + 1), odd.eq(odd ^ at.all())]
        with m.If(moves & at.all()):
            m.d.sync += clears.eq(0)
        with m.If(self.cut & ~begun):
            m.d.sync += at.eq(0)
        with m.If(~self.cut):
            m.d.sync += self.swept.eq(0)
        with m.Elif(sweeps & moves & at.all()):
            m.d.sync += self.swept.eq(1)
        return m
