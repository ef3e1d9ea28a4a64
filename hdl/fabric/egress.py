"""Where requests leave the fabric, and answers enter it: one plane (reads or writes) of a target port."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Plan, Target
from . import layouts
from .gate import Gate
from .return_queue import ReturnQueue, way_back


class Egress(wiring.Component):
    """The gate of a target, and a return queue for each initiator that reaches it.

    Latency at no load: a request that asks is offered to the target 2 cycles later; an answer is offered to the
    initiator's ingress in the cycle after it came.

    Members
    -------
    address : stream of layouts.request
        To the target's AR or AW; `identity`, beside it, is the ID: the source.
    w : stream of layouts.write_beat
        Writes only.
    answer : stream of {id, answer}
        The target's R or B. An answer for an initiator that the target does not have is dropped.
    note{n} : In(layouts.note)
        Of what source n asked for in the cycle before.
    return{n} : In(way_back)
        Return queue of source n. A scrubber has none: `scrubbed` and `scrub_error` tell that a write of its was
        answered.
    behind : Out(1)
        A request of the other epoch is not answered.
    and those of :class:`Gate`
    """

    def __init__(self, plan: Plan, target: Target, *, write: bool) -> None:
        self.plan, self.target, self.write = plan, target, write
        self.gate = Gate(plan, target, write=write)
        inner = {"o", "source", "answered", "behind"} | {
            name for name in self.gate.signature.members if name.startswith(("stands", "decided"))
        }
        self.through = {name: member for name, member in self.gate.signature.members.items() if name not in inner}
        self.answer_layout = data.StructLayout({"id": plan.source_bits, "answer": layouts.answer(plan, write=write)})
        scrubs: dict[str, wiring.Member] = {"scrubbed": Out(1), "scrub_error": Out(1)} if self.gate.has_scrubber else {}
        super().__init__(
            {
                "address": Out(stream.Signature(layouts.request(plan))),
                "identity": Out(plan.target_id_bits),
                "answer": In(stream.Signature(self.answer_layout)),
                **{f"note{n}": In(layouts.note(plan)) for n in range(len(target.initiators))},
                **{f"return{n}": Out(way_back(plan, write=write)) for n in range(len(target.initiators))},
                **scrubs,
                "behind": Out(1),
                **self.through,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.gate = gate = self.gate
        for name, member in self.through.items():
            inside, outside = getattr(gate, name), getattr(self, name)
            if member.is_signature:
                wiring.connect(m, inside, wiring.flipped(outside))
            else:
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        wiring.connect(m, gate.o, wiring.flipped(self.address))
        m.d.comb += self.identity.eq(gate.source)

        granted = Signal(len(gate.sources))
        m.d.sync += granted.eq(gate.request_ready)
        answer = self.answer.payload
        ready = Signal(len(self.gate.sources))
        mine = Signal(len(self.gate.sources))
        queues = [ReturnQueue(self.plan, write=self.write) for _ in self.target.initiators]
        for n, queue in enumerate(queues):
            m.submodules[f"return_{n}"] = queue
            back = getattr(self, f"return{n}")
            m.d.comb += [
                mine[n].eq(answer.id == self.gate.sources[n]),
                ready[n].eq(queue.answer.ready),
                queue.granted.eq(granted[n]),
                queue.note.eq(getattr(self, f"note{n}")),
                queue.decided.eq(gate.decided[n]),
                queue.decided_denied.eq(gate.decided_denied),
                queue.decided_epoch.eq(gate.decided_epoch),
                queue.epoch.eq(self.epoch),
                queue.answer.valid.eq(self.answer.valid & mine[n]),
                queue.answer.payload.eq(answer.answer),
            ]
            for name, member in way_back(self.plan, write=self.write).members.items():
                inside, outside = getattr(queue, name), getattr(back, name)
                m.d.comb += outside.eq(inside) if member.flow == Out else inside.eq(outside)
        if gate.has_scrubber:
            m.d.comb += [
                mine[-1].eq(answer.id == self.gate.sources[-1]),
                ready[-1].eq(1),
                self.scrubbed.eq(self.answer.valid & mine[-1]),
                self.scrub_error.eq(answer.answer.response[1]),
            ]
        m.d.comb += [
            self.answer.ready.eq((mine & ready).any() | ~mine.any()),
            self.behind.eq(gate.behind | Cat(queue.behind for queue in queues).any()),
        ]
        if not self.write:
            m.d.comb += gate.answered.eq(self.answer.valid & self.answer.ready)
        return m
