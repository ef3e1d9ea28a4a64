"""Requests of a context without budget step aside, so that the other contexts of its port go on."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..plan.plan import Initiator, Plan, bits_for
from . import layouts
from .arbiter import RoundRobin
from .context_data import ContextData
from .select import decode

PLACES = 64
"""Requests that can stand aside on one port; its contexts have equal parts."""


def places(contexts: int) -> int:
    """Requests that each context may have aside: a power of two."""
    return min(16, max(4, PLACES >> (contexts - 1).bit_length()))


class ContextQueues(wiring.Component):
    """Holds back requests of contexts that may not go, with their data, while those of other contexts pass.

    As long as all contexts may go, requests and data pass straight through. When one may not, its request goes into
    the queue of its context, and from then on all requests do, until all queues are empty: those that may go leave in
    turn, a request per cycle. Requests of one ID never overtake each other (IHI 0022H, A5.3): while there are queues,
    all of an ID are in the one that the first of them is in, whatever their context.

    A context whose queue is full, of requests or of data, holds up the port. If each of *n* contexts has IDs of its own
    and fewer than ``places(n)`` requests and no more than ``context_data.beats(n)`` beats outstanding, nobody waits for
    anybody else's budget.

    A write's data passes with its request or after it: AXI tells in no other way where it belongs.

    Latency: none while all may go, for data too; else 2 cycles, and 4 for data.

    Members
    -------
    i, o : stream of layouts.arriving
    may_go : In(contexts)
        From registers. What belongs to no context may always go.
    stands : Out(1), standing_context : Out
        A request stands aside since this context may not go.
    w, o_w : stream of layouts.write_data
        Writes only.
    """

    def __init__(self, plan: Plan, initiator: Initiator, *, write: bool) -> None:
        self.plan, self.write = plan, write
        self.contexts, self.places = len(initiator.contexts), places(len(initiator.contexts))
        self.request = layouts.arriving(plan, initiator)
        beats: dict[str, wiring.Member] = {
            "w": In(stream.Signature(layouts.write_data(plan))),
            "o_w": Out(stream.Signature(layouts.write_data(plan))),
        }
        super().__init__(
            {
                "i": In(stream.Signature(self.request)),
                "o": Out(stream.Signature(self.request)),
                "may_go": In(self.contexts),
                "stands": Out(1),
                "standing_context": Out(plan.user_bits),
                **(beats if write else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arriving = self.i.payload.request
        apart = Signal()  # requests go through the queues
        passes = Signal()
        push = Signal()
        into = Signal(bits_for(self.contexts))
        offers = Signal()
        pop = Signal()
        turn = Signal(bits_for(self.contexts))
        has, several, full = self._counts(m, push, into, pop, turn)
        head = self._heads(m, push, into, pop, turn)
        note_room, may_leave, ended = self._data(m, passes, into, pop, turn, head)
        chosen = self._turns(m, has, several, offers, pop, turn, may_leave)
        m.d.comb += [
            passes.eq(~apart & self._may_go(arriving)),
            self.i.ready.eq(Mux(passes, self.o.ready, ~full) & note_room),
            push.eq(self.i.valid & self.i.ready & ~passes),
            into.eq(self._queue_of(m, arriving, push, apart)),
            offers.eq(chosen & self._may_go(head.request) & Array(may_leave)[turn]),
            pop.eq(offers & self.o.ready),
            self.o.valid.eq(Mux(apart, offers, self.i.valid & passes & note_room)),
            # In one piece: Verilator takes a vector of which parts are assigned for a loop.
            Value.cast(self.o.payload).eq(Mux(apart, Value.cast(head), Value.cast(self.i.payload))),
        ]
        with m.If(push):
            m.d.sync += apart.eq(1)
        with m.Elif(~has.any() & ended):
            m.d.sync += apart.eq(0)
        blocked = has & ~self.may_go
        m.d.sync += self.stands.eq(blocked.any())
        for n in reversed(range(self.contexts)):
            with m.If(blocked[n]):
                m.d.sync += self.standing_context.eq(n)
        return m

    def _known(self, request: data.View) -> Value:
        return request.user < self.contexts

    def _may_go(self, request: data.View) -> Value:
        return Array(self.may_go)[request.user] | ~self._known(request)

    def _counts(self, m: Module, push: Value, into: Value, pop: Value, turn: Value) -> tuple[Signal, Signal, Signal]:
        """Which queues have a request, which have several, and whether one is full; from registers."""
        has = Signal(self.contexts)
        several = Signal(self.contexts)
        full = Signal()
        full_next = []
        for n in range(self.contexts):
            count = Signal(range(self.places + 1), name=f"count{n}")
            count_next = Signal(range(self.places + 1), name=f"count{n}_next")
            m.d.comb += count_next.eq(count + (push & (into == n)) - (pop & (turn == n)))
            m.d.sync += [count.eq(count_next), has[n].eq(count_next != 0), several[n].eq(count_next[1:].any())]
            full_next.append(count_next[-1])
        m.d.sync += full.eq(Cat(full_next).any())
        return has, several, full

    def _heads(self, m: Module, push: Value, into: Value, pop: Value, turn: Value) -> data.View:
        """All queues in one memory; the request at the head of the one whose turn it is."""
        place_bits = exact_log2(self.places)
        m.submodules.requests = requests = Memory(shape=self.request, depth=self.places << len(into), init=[])
        write, read = requests.write_port(), requests.read_port(domain="comb")
        write_at = Array(Signal(place_bits, name=f"write{n}_at") for n in range(self.contexts))
        read_at = Array(Signal(place_bits, name=f"read{n}_at") for n in range(self.contexts))
        m.d.comb += [
            write.en.eq(push),
            write.addr.eq(Cat(write_at[into], into)),
            write.data.eq(self.i.payload),
            read.addr.eq(Cat(read_at[turn], turn)),
        ]
        with m.If(push):
            m.d.sync += write_at[into].eq(write_at[into] + 1)
        with m.If(pop):
            m.d.sync += read_at[turn].eq(read_at[turn] + 1)
        return read.data

    def _turns(
        self, m: Module, has: Value, several: Value, offers: Value, pop: Value, turn: Signal, may_leave: Value
    ) -> Signal:
        """Whether it is a queue's turn; the next one's comes when its request has left, or may not go after all."""
        m.submodules.next = turns = RoundRobin(self.contexts)
        chosen = Signal()
        moves = Signal()
        left = Cat(Mux(pop & (turn == n), several[n], has[n]) for n in range(self.contexts))
        m.d.comb += [
            moves.eq(pop | ~offers),
            turns.candidates.eq(left & self.may_go & may_leave),
            turns.accept.eq(moves),
        ]
        with m.If(moves):
            m.d.sync += chosen.eq(turns.grant.any())
            for n in range(self.contexts):
                with m.If(turns.grant[n]):
                    m.d.sync += turn.eq(n)
        return chosen

    def _queue_of(self, m: Module, request: data.View, push: Value, apart: Value) -> Value:
        """Where a request goes: to those of its ID that were pushed since the queues were empty, or to its context."""
        ids = 1 << self.plan.id_width
        m.submodules.holders = holders = Memory(shape=bits_for(self.contexts), depth=ids, init=[])
        note, holder = holders.write_port(), holders.read_port(domain="comb")
        held = Signal(ids)
        own = Mux(self._known(request), request.user, 0)
        into = Mux(held.bit_select(request.id, 1), holder.data, own)
        m.d.sync += held.eq((held & apart.replicate(ids)) | decode(request.id, push))
        m.d.comb += [note.en.eq(push), note.addr.eq(request.id), note.data.eq(into), holder.addr.eq(request.id)]
        return into

    def _data(
        self, m: Module, passes: Value, into: Value, pop: Value, turn: Value, head: data.View
    ) -> tuple[Value, Value, Value]:
        """As far as data goes: may a request be accepted, may those of which queues leave, and has all gone on?"""
        if not self.write:
            return Const(1), Const(-1, self.contexts), Const(1)
        m.submodules.data = beats = ContextData(self.plan, self.contexts)
        wiring.connect(m, wiring.flipped(self.w), beats.w)
        wiring.connect(m, beats.o, wiring.flipped(self.o_w))
        m.d.comb += [
            beats.comes.eq(self.i.valid & self.i.ready),
            beats.coming.passes.eq(passes),
            beats.coming.queue.eq(into),
            beats.coming.length.eq(self.i.payload.request.len),
            beats.leaves.eq(pop),
            beats.leaving.queue.eq(turn),
            beats.leaving.length.eq(head.request.len),
        ]
        return beats.room, beats.may_leave, beats.empty
