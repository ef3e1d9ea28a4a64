"""Where requests leave the fabric with strict isolation: virtual queues, the gate, and the lanes back to the slots."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan, Target
from . import layouts
from .gate import Gate
from .owed import Owed
from .under_way import UnderWay
from .virtual_queue import VirtualQueue


class StrictEgress(wiring.Component):
    """One plane (reads or writes) of a target port.

    The target sees the slot and the source as ID, so it may answer in any order and interleave; each answer goes to its
    slot, which has room for it. A denial takes the place of a beat. The target is held for a cycle only if a denial and
    an answer are for the same initiator.

    Latency at no load: a request that comes is offered to the target 3 cycles later; an answer passes combinationally.

    Members
    -------
    address : stream of layouts.request
        To the target's AR or AW; `identity`, beside it, is the ID.
    w : stream of layouts.write_beat
        Writes only.
    answer : stream of {id, answer}
        The target's R or B. An answer for an initiator that the target does not have is dropped.
    lane{n} : Out(layouts.lane)
        To source n. A scrubber has none: `scrubbed` and `scrub_error` tell that a write of its was answered.
    behind : Out(1)
        A request of the other epoch is not answered.
    hold : In(1)
        If answers go through a network, which has one lane in all: no answer of the target is taken in this cycle, and
        nothing is granted soon.
    cut, overdue, swept
        If the target can be cut off. `cut` : In(1), it is: it sees no request, and what it owes is answered with
        SLVERR. `overdue`, `swept` : Out(1), see :class:`Owed`. An answer to nothing that it owes is dropped.
    asking{n}, rest{n}, class{n}, beat{n} : In
        With strict isolation they come together with `request_valid` and `beat_valid`, see :class:`VirtualQueue`.
    and those of :class:`Gate` that are not between gate and virtual queues
    """

    def __init__(self, plan: Plan, target: Target, *, write: bool) -> None:
        self.plan, self.target, self.write = plan, target, write
        self.gate = Gate(plan, target, write=write)
        inner = {"o", "source", "answered", "behind", "cut", "offers", "leaves"}
        inner |= {f"last{n}" for n in range(len(target.initiators))}
        inner |= {name for name in self.gate.signature.members if name.startswith(("stands", "decided"))}
        self.through = {name: member for name, member in self.gate.signature.members.items() if name not in inner}
        self.answer_layout = data.StructLayout({"id": plan.target_id_bits, "answer": layouts.answer(plan, write=write)})
        scrubs: dict[str, wiring.Member] = {"scrubbed": Out(1), "scrub_error": Out(1)} if self.gate.has_scrubber else {}
        lane = layouts.lane(plan, write=write)
        cuts: dict[str, wiring.Member] = {"cut": In(1), "overdue": Out(1), "swept": Out(1)} if target.timeout else {}
        super().__init__(
            {
                "address": Out(stream.Signature(layouts.request(plan))),
                "identity": Out(plan.target_id_bits),
                "answer": In(stream.Signature(self.answer_layout)),
                **{f"lane{n}": Out(lane) for n in range(len(target.initiators))},
                **scrubs,
                "behind": Out(1),
                **cuts,
                **self.through,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        gate = self.gate
        m.submodules.gate = gate
        queued = {"request_valid", "request_ready", "beat_valid", "beat_ready"}
        for n in range(len(self.target.initiators)):
            self._queue(m, n)
            queued |= {f"asking{n}", f"rest{n}", f"class{n}", f"beat{n}"}
        if gate.has_scrubber:
            for name in ("request_valid", "beat_valid"):
                m.d.comb += getattr(gate, name)[-1].eq(getattr(self, name)[-1])
            for name in ("request_ready", "beat_ready"):
                m.d.comb += getattr(self, name)[-1].eq(getattr(gate, name)[-1])
        for name, member in self.through.items():
            if name in queued:
                continue
            inside, outside = getattr(gate, name), getattr(self, name)
            if member.is_signature:
                wiring.connect(m, inside, wiring.flipped(outside))
            else:
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        wiring.connect(m, gate.o, wiring.flipped(self.address))
        m.d.comb += self.identity.eq(Cat(gate.source, gate.o.payload.slot))
        self._answers(m)
        return m

    def _queue(self, m: Module, n: int) -> None:
        """Source n's virtual queue."""
        gate = self.gate
        m.submodules[f"queue_{n}"] = queue = VirtualQueue(self.plan, write=self.write)
        m.d.comb += [
            queue.i_asking.eq(getattr(self, f"asking{n}")),
            queue.i_rest.eq(getattr(self, f"rest{n}")),
            queue.i_class.eq(getattr(self, f"class{n}")),
            queue.i_valid.eq(self.request_valid[n]),
            self.request_ready[n].eq(1),
            getattr(gate, f"asking{n}").eq(queue.o_asking),
            getattr(gate, f"rest{n}").eq(queue.o_rest),
            getattr(gate, f"class{n}").eq(queue.o_class),
            gate.request_valid[n].eq(queue.o_valid),
            queue.o_ready.eq(gate.request_ready[n]),
        ]
        if self.write:
            m.d.comb += [
                queue.i_beat.eq(getattr(self, f"beat{n}")),
                queue.i_beat_valid.eq(self.beat_valid[n]),
                self.beat_ready[n].eq(queue.i_beat_ready),
                getattr(gate, f"last{n}").eq(queue.o_last),
                getattr(gate, f"beat{n}").eq(queue.o_beat),
                gate.beat_valid[n].eq(queue.o_beat_valid),
                queue.o_beat_ready.eq(gate.beat_ready[n]),
            ]

    def _answers(self, m: Module) -> None:
        """What comes back, from the target or in its stead, goes to its slot."""
        plan, gate = self.plan, self.gate
        answer = Signal(self.answer_layout)
        comes = Signal()
        source, slot = answer.id[: plan.source_bits], answer.id[plan.source_bits :]
        denies = Signal(len(self.target.initiators))
        known = Signal(len(self.target.initiators))
        free = Signal()
        taken = Signal()
        is_cut = self.cut if self.target.timeout else Const(0, 1)
        m.d.comb += [
            denies.eq(gate.decided & gate.decided_denied.replicate(len(denies))),
            free.eq(self._free(denies, known)),
            taken.eq(comes & free),
        ]
        # On a lane of its own an answer is held only by a denial, which has it then.
        goes = taken if plan.network else comes
        for n, index in enumerate(self.target.initiators):
            lane = getattr(self, f"lane{n}")
            m.d.comb += [
                known[n].eq(source == index),
                lane.valid.eq(denies[n] | (goes & known[n])),
                lane.denied.eq(denies[n] | is_cut),
                lane.slot.eq(Mux(denies[n], gate.decided_slot, slot)),
                lane.answer.eq(answer.answer),
            ]
        is_scrub = Signal()
        if gate.has_scrubber:
            m.d.comb += [
                is_scrub.eq(self.answer.payload.id[: plan.source_bits] == self.gate.sources[-1]),
                self.scrubbed.eq(self.answer.valid & is_scrub),
                self.scrub_error.eq(self.answer.payload.answer.response[1]),
            ]
        if not self.write:
            m.d.comb += gate.answered.eq(taken)
        ends = Signal()
        m.d.comb += ends.eq(taken & known.any() & (1 if self.write else answer.answer.last | is_cut))
        self._count(m, ends, answer.id)
        if not self.target.timeout:
            m.d.comb += [answer.eq(self.answer.payload), comes.eq(self.answer.valid), self.answer.ready.eq(free)]
            return

        m.submodules.owed = owed = Owed(plan, self.target)
        by_scrubber = gate.source == gate.sources[-1] if gate.has_scrubber else 0
        m.d.comb += [
            gate.cut.eq(self.cut | ~owed.ready),
            owed.cut.eq(self.cut),
            owed.offers.eq(gate.offers & ~by_scrubber),
            owed.identity.eq(self.identity),
            owed.leaves.eq(gate.leaves),
            owed.answered.eq(ends),
            owed.answer_id.eq(answer.id),
            owed.o.ready.eq(free),
            self.overdue.eq(owed.overdue),
            self.swept.eq(owed.swept),
            answer.eq(self.answer.payload),
            comes.eq(self.answer.valid & owed.owes & owed.whole),
            self.answer.ready.eq(~owed.owes | (owed.whole & free)),
        ]
        with m.If(self.cut):
            m.d.comb += [answer.id.eq(owed.o.payload), comes.eq(owed.o.valid), self.answer.ready.eq(1)]
            # Towards the target all is still; what the gate still has goes away.
            m.d.comb += [self.address.valid.eq(0), gate.o.ready.eq(1)]
            if self.write:
                m.d.comb += [self.w.valid.eq(0), gate.w.ready.eq(1)]
            if gate.has_scrubber:
                m.d.comb += self.scrubbed.eq(0)

    def _free(self, denies: Signal, known: Signal) -> Value:
        """Whether an answer may go. Through a network one does in a cycle, to whomever; a scrubber's goes nowhere."""
        if self.plan.network:
            return ~(known.any() & (denies.any() | self.hold))
        return ~(denies & known).any()

    def _count(self, m: Module, ends: Signal, answer_id: Value) -> None:
        """What the target has not answered; the scrubber's writes do not count."""
        gate = self.gate
        m.submodules.under_way = under_way = UnderWay(self.plan, self.target)
        by_scrubber = gate.decided[-1] if gate.has_scrubber else 0
        m.d.comb += [
            under_way.stands.eq(gate.stands),
            under_way.identity.eq(self.identity),
            under_way.stands_epoch.eq(gate.stands_epoch),
            under_way.passes.eq(gate.decided.any() & ~gate.decided_denied & ~by_scrubber),
            under_way.passes_epoch.eq(gate.decided_epoch),
            under_way.ends.eq(ends),
            under_way.answer_id.eq(answer_id),
            under_way.epoch.eq(gate.epoch),
            self.behind.eq(gate.behind | under_way.behind),
        ]
