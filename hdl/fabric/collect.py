"""The way back with strict isolation: answers wait in their slots, and leave in AXI's order."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.axi import Response
from ..plan.plan import Plan
from . import layouts
from .lane_buffer import BEAT_BITS, LaneBuffer, beat_layout
from .pick import Pick


def info_layout(plan: Plan) -> data.StructLayout:
    """What is known of a slot's request; `lane` is the target, one-hot, and zero if the ingress itself denies it."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "context": plan.user_bits,
            "owned": 1,
            "length": 8,
            "first": 1,
            "final": 1,
            "lane": len(plan.targets),
        }
    )


def answer_layout(plan: Plan, *, write: bool) -> data.StructLayout:
    """A beat of the port's R or B."""
    return data.StructLayout({"id": plan.id_width, "answer": layouts.answer(plan, write=write)})


class Collect(wiring.Component):
    """Collects the answers of all targets and of the ingress's own denials, and delivers them.

    An answer leaves when it is complete; pieces of a burst leave one after the other and look like one answer: RLAST is
    set on the last beat of the last piece, and BRESP is the worst of all pieces (DECERR over SLVERR over OKAY).

    Latency: an answer whose last beat comes in cycle 0 is offered from cycle 2 on; then a beat per cycle.

    Members
    -------
    lane{t} : In(layouts.lane)
        From target t.
    info : In(info_layout), info_slot, info_write : In
        What is known of a request that enters.
    denied : In(1), denied_slot : In
        The ingress denies the request of this slot, which entered before this cycle.
    clears, clears_slot, blocked, chain, chain_slot, picked, picked_slot, picked_id, freed, freed_slot
        See :class:`hdl.fabric.slots.Slots`.
    o : stream of {id, answer}
    done, done_info, done_denied : Out
        A slot's answer is delivered to its last beat.
    """

    def __init__(self, plan: Plan, *, write: bool) -> None:
        self.plan, self.write = plan, write
        slot = plan.slot_bits
        super().__init__(
            {
                **{f"lane{t}": In(layouts.lane(plan, write=write)) for t in range(len(plan.targets))},
                "info": In(info_layout(plan)),
                "info_slot": In(slot),
                "info_write": In(1),
                "denied": In(1),
                "denied_slot": In(slot),
                "clears": In(1),
                "clears_slot": In(slot),
                "blocked": In(plan.outstanding),
                "chain": In(1),
                "chain_slot": In(slot),
                "picked": Out(1),
                "picked_slot": Out(slot),
                "picked_id": Out(plan.id_width),
                "freed": Out(1),
                "freed_slot": Out(slot),
                "o": Out(stream.Signature(answer_layout(plan, write=write))),
                "done": Out(1),
                "done_info": Out(info_layout(plan)),
                "done_denied": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, targets = self.plan, len(self.plan.targets)
        lanes = [getattr(self, f"lane{t}") for t in range(targets)]
        m.submodules.pick = pick = Pick(plan, targets + 1)
        for n, lane in enumerate(lanes):
            ends = lane.denied | (Const(1) if self.write else lane.answer.last)
            m.d.comb += [
                getattr(pick, f"done{n}").eq(lane.valid & ends),
                getattr(pick, f"done{n}_slot").eq(lane.slot),
            ]
        m.submodules.infos = infos = Memory(shape=info_layout(plan), depth=plan.outstanding, init=[])
        note, recall = infos.write_port(), infos.read_port(domain="comb")
        info = recall.data
        leaves = Signal()
        m.d.comb += [
            getattr(pick, f"done{targets}").eq(self.denied),
            getattr(pick, f"done{targets}_slot").eq(self.denied_slot),
            pick.blocked.eq(self.blocked),
            pick.chain.eq(self.chain),
            pick.chain_slot.eq(self.chain_slot),
            note.en.eq(self.info_write),
            note.addr.eq(self.info_slot),
            note.data.eq(self.info),
            recall.addr.eq(pick.slot),
            self.picked.eq(pick.first),
            self.picked_slot.eq(pick.slot),
            self.picked_id.eq(info.id),
            self.freed.eq(leaves),
            self.freed_slot.eq(pick.slot),
            self.done.eq(leaves),
            self.done_info.eq(info),
            # What nobody is offered reads as zero: nothing of an earlier owner stays on the wires.
            self.o.payload.id.eq(Mux(self.o.valid, info.id, 0)),
        ]
        if self.write:
            self._responses(m, lanes, pick, info, leaves)
        else:
            self._beats(m, lanes, pick, info, leaves)
        return m

    def _beats(self, m: Module, lanes: list[data.View], pick: Pick, info: data.View, leaves: Signal) -> None:
        """Read data: the first beat from distributed RAM, the others looked up ahead in block RAM."""
        move = Signal()
        more = Signal()
        number = Signal(8)
        at_head = Signal(init=1)
        refused = Signal(len(lanes))
        shown: list[Value] = []
        m.d.comb += [
            more.eq(pick.valid & (number != info.length)),
            move.eq(~pick.valid | self.o.ready),
            pick.next.eq(move & ~more),
            leaves.eq(pick.valid & self.o.ready & ~more),
        ]
        with m.If(move):
            m.d.sync += [at_head.eq(~more), number.eq(Mux(more, number + 1, 0))]
        ahead = Cat((number + 2)[:BEAT_BITS], pick.slot)
        for t, lane in enumerate(lanes):
            m.submodules[f"lane_{t}"] = buffer = LaneBuffer(self.plan)
            mine = Signal(name=f"mine_{t}")
            m.d.comb += [
                mine.eq(pick.valid & info.lane[t] & ~buffer.denied),
                refused[t].eq(info.lane[t] & buffer.denied),
                buffer.lane.eq(lane),
                buffer.clears.eq(self.clears),
                buffer.clears_slot.eq(self.clears_slot),
                buffer.slot.eq(pick.slot),
                buffer.move.eq(move),
                buffer.address.eq(Mux(more, ahead, Cat(Const(1, BEAT_BITS), pick.slot_next))),
                buffer.keep.eq(more & mine),
            ]
            head = Value.cast(buffer.head)
            shown += [head & (mine & at_head).replicate(len(head)), Value.cast(buffer.behind)]
        beat = Signal(beat_layout(self.plan))
        answer = self.o.payload.answer
        m.d.comb += [
            beat.eq(reduce(or_, shown)),
            self.o.valid.eq(pick.valid),
            answer.data.eq(beat.data),
            answer.last.eq(pick.valid & ~more & info.final),
            answer.response.eq(beat.response | Mux(pick.valid, self._denial(info, refused), 0)),
            self.done_denied.eq(self._denial(info, refused).any()),
        ]

    def _responses(self, m: Module, lanes: list[data.View], pick: Pick, info: data.View, leaves: Signal) -> None:
        """Write responses: those of a burst's pieces become one."""
        plan = self.plan
        shown: list[Value] = []
        refused = Signal(len(lanes))
        for t, lane in enumerate(lanes):
            kept = Memory(shape=data.StructLayout({"response": 2, "denied": 1}), depth=plan.outstanding, init=[])
            m.submodules[f"lane_{t}"] = kept
            put, get = kept.write_port(), kept.read_port(domain="comb")
            m.d.comb += [
                put.en.eq(lane.valid),
                put.addr.eq(lane.slot),
                put.data.response.eq(lane.answer.response),
                put.data.denied.eq(lane.denied),
                get.addr.eq(pick.slot),
                refused[t].eq(info.lane[t] & get.data.denied),
            ]
            shown.append(get.data.response & (info.lane[t] & ~get.data.denied).replicate(2))
        m.submodules.worst = worst = Memory(shape=2, depth=1 << plan.id_width, init=[])
        keep, so_far = worst.write_port(), worst.read_port(domain="comb")
        own = Signal(2)
        merged = Signal(2)
        m.d.comb += [
            own.eq(reduce(or_, shown) | self._denial(info, refused)),
            so_far.addr.eq(info.id),
            merged.eq(Mux(info.first | (own > so_far.data), own, so_far.data)),
            keep.en.eq(leaves),
            keep.addr.eq(info.id),
            keep.data.eq(merged),
            self.o.valid.eq(pick.valid & info.final),
            self.o.payload.answer.response.eq(Mux(self.o.valid, merged, 0)),
            self.o.payload.answer.last.eq(1),
            leaves.eq(pick.valid & (self.o.ready | ~info.final)),
            pick.next.eq(~pick.valid | leaves),
            self.done_denied.eq(self._denial(info, refused).any()),
        ]

    def _denial(self, info: data.View, refused: Value) -> Value:
        """The response to a denied request; zero if it is not denied."""
        return Mux(info.lane.any(), Mux(refused.any(), Response.SLVERR, 0), Response.DECERR)
