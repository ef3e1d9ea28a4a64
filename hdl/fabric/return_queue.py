"""The way back from one target to one initiator."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.axi import Response
from ..bus.queue import Queue, following
from ..plan.plan import Plan
from . import layouts

FIRST = 1
"""Where the ring of answers starts; place 0 is not in it."""


def way_back(plan: Plan, *, write: bool) -> wiring.Signature:
    """What a return queue and the initiator's ingress tell each other, seen from the queue.

    valid : Out(1)
        A beat is offered.
    id, sequence : Out
        Whose it is, and its number in the order of its ID.
    whole, last : Out(1)
        Reads only: it is no denied answer that stands for several beats; it is the last of its answer, and whole.
    in_order : In(1)
        It is next in that order.
    show : In(1)
    beat : Out(layouts.returned)
        The beat while `show`, else zero; without its `last`.
    take : In(1)
    """
    note = layouts.note(plan)
    return wiring.Signature(
        {
            "valid": Out(1),
            **{name: Out(note[name].shape) for name in ("id", "sequence")},
            **({} if write else {"whole": Out(1), "last": Out(1)}),
            "in_order": In(1),
            "show": In(1),
            "beat": Out(layouts.returned(plan, write=write)),
            "take": In(1),
        }
    )


class ReturnQueue(wiring.Component):
    """Remembers what one initiator has asked of one target, and keeps the answers until the initiator takes them.

    A target sees one ID per initiator, so it answers each of them in order (IHI 0022H, A5.3). A note is taken when a
    request was granted; the gate's verdicts come in the same order. The oldest note whose request has passed tells whom
    an answer is for; a denied request becomes one beat that stands for its whole answer.

    What is not asked for reads as zero, so that the answers of several queues need only be ORed: the memory's place 0
    is never written.

    Room: of the requests that may wait for others at most ``outstanding - 1`` are here, see
    :class:`hdl.fabric.id_order.IdOrder`.

    Latency: an answer is offered in the next cycle. What walks is offered one cycle after `in_order`; everything else
    needs no order but that of this queue.

    Members
    -------
    granted : In(1)
        A request was granted in the cycle before; `note` is taken.
    decided, decided_denied, decided_epoch : In(1)
        The oldest granted request that was not decided about has left the gate in the cycle before.
    answer : stream of layouts.answer
    epoch : In(1)
    behind : Out(1)
        A request of the other epoch is not answered.
    and the members of :func:`way_back`
    """

    def __init__(self, plan: Plan, *, write: bool) -> None:
        self.plan, self.write = plan, write
        note = layouts.note(plan)
        super().__init__(
            {
                "granted": In(1),
                "note": In(note),
                "decided": In(1),
                "decided_denied": In(1),
                "decided_epoch": In(1),
                "answer": In(stream.Signature(layouts.answer(plan, write=write))),
                "epoch": In(1),
                "behind": Out(1),
                **way_back(plan, write=write).members,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        # Distributed RAM comes 16 deep; made of anything smaller, two bits would be flip-flops with multiplexers.
        depth = max(16, plan.outstanding)
        verdict_layout = data.StructLayout({"denied": 1, "epoch": 1})
        m.submodules.verdicts = verdicts = Queue(verdict_layout, depth, always_room=True, fall_through=True)
        m.submodules.notes = notes = Memory(shape=layouts.note(plan), depth=depth, init=[])
        write_note, read_note = notes.write_port(), notes.read_port(domain="comb")
        note_at = Signal(exact_log2(depth))
        with m.If(self.granted):
            m.d.sync += note_at.eq(following(note_at))

        # Room for everything that may have to wait for others.
        returned = layouts.returned(plan, write=self.write)
        heads_layout = data.StructLayout(
            {name: field.shape for name, field in returned if name != "answer"} | {"response": 2}
        )
        order_layout = data.StructLayout(
            {name: layouts.note(plan)[name].shape for name in ("id", "sequence", "walks")}
            | {"denied": 1, "whole": 1, "last": 1}
        )
        m.submodules.heads = heads = Memory(shape=heads_layout, depth=depth, init=[])
        m.submodules.order = order = Memory(shape=order_layout, depth=depth, init=[])
        write_head, read_head = heads.write_port(), heads.read_port(domain="comb")
        write_order, read_order = order.write_port(), order.read_port(domain="comb")
        read_following = order.read_port(domain="comb")
        write_at = Signal(exact_log2(depth), init=FIRST)
        read_at = Signal(exact_log2(depth), init=FIRST)
        full = Signal()
        denied = Signal()
        push = Signal()
        note = read_note.data
        last = self.answer.payload.last
        m.d.comb += [
            write_note.en.eq(self.granted),
            write_note.addr.eq(note_at),
            write_note.data.eq(self.note),
            read_note.addr.eq(verdicts.read_at),
            verdicts.i.valid.eq(self.decided),
            verdicts.i.payload.denied.eq(self.decided_denied),
            verdicts.i.payload.epoch.eq(self.decided_epoch),
            denied.eq(verdicts.o.valid & verdicts.o.payload.denied),
            self.answer.ready.eq(verdicts.o.valid & ~verdicts.o.payload.denied & ~full),
            push.eq((denied & ~full) | (self.answer.valid & self.answer.ready)),
            verdicts.o.ready.eq(push & (verdicts.o.payload.denied | last)),
            self.behind.eq(verdicts.o.valid & (verdicts.o.payload.epoch != self.epoch)),
            write_head.en.eq(push),
            write_head.addr.eq(write_at),
            *(write_head.data[name].eq(note[name]) for name in ("id", "context", "length")),
            write_head.data.denied.eq(verdicts.o.payload.denied),
            read_head.addr.eq(Mux(self.show, read_at, 0)),
            write_head.data.response.eq(Mux(verdicts.o.payload.denied, Response.SLVERR, self.answer.payload.response)),
            *(self.beat[name].eq(read_head.data[name]) for name, _ in heads_layout if name != "response"),
            self.beat.answer.response.eq(read_head.data.response),
            write_order.en.eq(push),
            write_order.addr.eq(write_at),
            *(write_order.data[name].eq(note[name]) for name in ("id", "sequence", "walks")),
            write_order.data.denied.eq(verdicts.o.payload.denied),
            write_order.data.whole.eq(~verdicts.o.payload.denied | (note.length == 0)),
            write_order.data.last.eq(Mux(verdicts.o.payload.denied, note.length == 0, last)),
            read_order.addr.eq(read_at),
            self.id.eq(read_order.data.id),
            self.sequence.eq(read_order.data.sequence),
            read_following.addr.eq(following(read_at, whole=False)),
        ]
        # What will be at the head in the next cycle, does it have to wait for others, and does it carry data?
        walks_next = Signal()
        any_next = Signal()
        several = Signal()
        one = Signal()
        any_now = Signal()
        m.d.comb += [
            several.eq(any_now & ~one),
            any_next.eq(push | several | (any_now & ~self.take)),
            walks_next.eq(
                Mux(
                    self.take,
                    Mux(several, read_following.data.walks, note.walks),
                    Mux(any_now, read_order.data.walks & ~self.in_order, note.walks),
                )
            ),
            one.eq(following(read_at, whole=False) == write_at),
        ]
        m.d.sync += [
            any_now.eq(any_next),
            full.eq(~self.take & (full | (push & (following(write_at, whole=False) == read_at)))),
            self.valid.eq(any_next & ~walks_next),
        ]
        with m.If(push):
            m.d.sync += write_at.eq(following(write_at, whole=False))
        with m.If(self.take):
            m.d.sync += read_at.eq(following(read_at, whole=False))
        if self.write:
            return m

        m.submodules.answers = answers = Memory(shape=plan.data_width, depth=depth, init=[])
        write_answer, read_answer = answers.write_port(), answers.read_port(domain="comb")
        # What the target's port carried when a denial was stored is never shown to anybody. Whether the head has data
        # is a register, so that between the choice whom to show and the data there is no more than an address.
        has_data = Signal()
        denied_next = Mux(several, read_following.data.denied, denied)
        m.d.sync += has_data.eq(~Mux(self.take | ~any_now, denied_next, read_order.data.denied))
        m.d.comb += [
            write_answer.en.eq(push),
            write_answer.addr.eq(write_at),
            write_answer.data.eq(self.answer.payload.data),
            read_answer.addr.eq(Mux(self.show & has_data, read_at, 0)),
            self.beat.answer.data.eq(read_answer.data),
            self.whole.eq(read_order.data.whole),
            self.last.eq(read_order.data.last),
        ]
        return m
