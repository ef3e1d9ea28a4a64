"""A memory behind a target port: answers in one cycle, or late, in stretches, out of order and interleaved."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from ..bus import axi
from ..bus.queue import Queue
from ..plan.plan import Plan
from .bursts import Random, beat_offset, shape_layout
from .rings import Rings

WAITING = 64
"""Requests that one source can have here."""
SCATTERED_SLOT_BITS = 1
"""Low bits of a slot that choose a queue of their own: requests of one source that differ in them may overtake."""


def request_layout(address_bits: int) -> data.StructLayout:
    """What a target has to know of a request."""
    return data.StructLayout({"page": address_bits - 12, "access": shape_layout()})


class TrafficMemory(wiring.Component):
    """An AXI4 memory of `words` words; addresses beyond them wrap.

    Requests of one ID are answered in order. Without `scatter` all are, and a burst is given whole; with it each beat
    of a read comes from a queue chosen at random. There is one for each source, and two, for even and odd slots, if the
    target's IDs have slots.

    Latency: a request that is taken in cycle 0 is answered from cycle 1 on, a beat per cycle. A write is answered in
    the cycle after its last beat.

    Members
    -------
    seed : In(8)
        Constant; memories with different ones have different habits.
    port : AXI4, as a subordinate
    scatter : In(1)
    pauses : In(8)
        How many cycles in 256 the memory does nothing, in each direction.
    dead : In(1)
        It neither takes nor gives anything.
    """

    def __init__(self, plan: Plan, address_bits: int, words: int) -> None:
        self.plan, self.address_bits, self.words = plan, address_bits, words
        port = axi.Signature(
            data_width=plan.data_width,
            address_width=address_bits,
            id_width=plan.target_id_bits,
            user_width=plan.slice_bits,
        )
        super().__init__({"seed": In(8), "port": In(port), "scatter": In(1), "pauses": In(8), "dead": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, port = self.plan, self.port
        random = Random(m, self.seed, "random")
        m.submodules.words = words = Memory(shape=plan.data_width, depth=self.words, init=[])
        paused = [(random.bits(8 * n, 8) < self.pauses) | self.dead for n in range(3)]
        self._reads(m, words, random, paused[0])
        self._writes(m, words, paused[1], paused[2])
        m.d.comb += port.arready.eq(~self.dead)
        return m

    def _word(self, request: data.View, number: Signal):
        """Word that a beat touches."""
        address = Cat(beat_offset(request.access, number), request.page)
        return (address >> self.plan.size_max)[: (self.words - 1).bit_length()]

    def _request(self, m: Module, prefix: str, request: data.View) -> None:
        port = self.port
        m.d.comb += [
            request.page.eq(getattr(port, f"{prefix}addr")[12:]),
            request.access.offset.eq(getattr(port, f"{prefix}addr")[:12]),
            request.access.length.eq(getattr(port, f"{prefix}len")),
            request.access.size.eq(getattr(port, f"{prefix}size")),
            request.access.burst.eq(getattr(port, f"{prefix}burst")),
        ]

    def _reads(self, m: Module, words: Memory, random: Random, paused) -> None:
        plan, port = self.plan, self.port
        # Some low bits of the ID: the source is lowest, the slot above it.
        queue_bits = min(plan.source_bits + SCATTERED_SLOT_BITS, plan.target_id_bits)
        queues = 1 << queue_bits
        layout = request_layout(self.address_bits)
        whole = data.StructLayout({"id": plan.target_id_bits, "request": layout})
        arriving = Signal(whole)
        self._request(m, "ar", arriving.request)
        m.d.comb += arriving.id.eq(port.arid)
        place = port.arid[:queue_bits]
        # The order in which requests came, and a ring for each queue.
        order = Queue(queue_bits, WAITING)
        m.submodules.read_order = order
        taken = Signal()
        m.d.comb += [taken.eq(port.arvalid & port.arready), order.i.valid.eq(taken), order.i.payload.eq(place)]
        m.submodules.reads = rings = Rings(whole, queues, WAITING)
        valids = rings.waiting
        # In order: the queue whose turn it is. Scattered: the first one from a random place on; kept while it waits.
        chosen = Signal(queue_bits)
        held = Signal()
        kept = Signal(queue_bits)
        candidate = Signal(queue_bits)
        turned = Signal(queues)
        start = random.bits(24, queue_bits)
        m.d.comb += turned.eq(Cat(valids, valids) >> start)
        for n in reversed(range(queues)):
            with m.If(turned[n]):
                m.d.comb += candidate.eq(start + n)
        # A later assignment wins, so go on from the farthest to the nearest.
        m.d.comb += chosen.eq(Mux(held, kept, Mux(self.scatter, candidate, order.o.payload)))
        offered = Signal()
        given = Signal()
        last = Signal()
        head = rings.head
        read = words.read_port(domain="comb")
        m.d.comb += [
            rings.push.eq(taken),
            rings.push_at.eq(place),
            rings.request.eq(arriving),
            rings.at.eq(chosen),
            rings.beat.eq(given),
            rings.pop.eq(given & last),
            offered.eq(Mux(self.scatter, valids.any(), order.o.valid)),
            port.rvalid.eq((offered & ~paused) | held),
            port.rid.eq(head.id),
            port.rlast.eq(last),
            last.eq(rings.number == head.request.access.length),
            read.addr.eq(self._word(head.request, rings.number)),
            port.rdata.eq(read.data),
            given.eq(port.rvalid & port.rready),
            order.o.ready.eq(given & last),
        ]
        m.d.sync += [held.eq(port.rvalid & ~port.rready), kept.eq(chosen)]

    def _writes(self, m: Module, words: Memory, paused_data, paused_answer) -> None:
        plan, port = self.plan, self.port
        layout = request_layout(self.address_bits)
        whole = data.StructLayout({"id": plan.target_id_bits, "request": layout})
        m.submodules.writes = writes = Queue(whole, WAITING)
        m.submodules.answers = answers = Queue(plan.target_id_bits, WAITING)
        # W may come before its AW: the beats wait in a queue of their own.
        beat = data.StructLayout({"data": plan.data_width, "strobe": plan.data_bytes})
        m.submodules.beats = beats = Queue(beat, WAITING)
        arriving = Signal(whole)
        current = Signal(whole)
        self._request(m, "aw", arriving.request)
        number = Signal(8)
        write = words.write_port(granularity=8)
        done = Signal()
        last = Signal()
        through = Signal()
        has_request = Signal()
        m.d.comb += [
            port.awready.eq(writes.i.ready & ~self.dead),
            port.wready.eq(beats.i.ready & ~self.dead & ~paused_data),
            arriving.id.eq(port.awid),
            # The request in this cycle serves at once if none is older.
            through.eq(port.awvalid & port.awready & ~writes.o.valid),
            has_request.eq(writes.o.valid | through),
            current.eq(Mux(writes.o.valid, writes.o.payload, arriving)),
            last.eq(number == current.request.access.length),
            writes.i.payload.eq(arriving),
        ]
        beat_valid = Signal()
        incoming = Signal(beat)
        taken = Signal()
        m.d.comb += [
            taken.eq(port.wvalid & port.wready),
            beat_valid.eq(beats.o.valid | taken),
            incoming.data.eq(Mux(beats.o.valid, beats.o.payload.data, port.wdata)),
            incoming.strobe.eq(Mux(beats.o.valid, beats.o.payload.strobe, port.wstrb)),
            beats.i.payload.data.eq(port.wdata),
            beats.i.payload.strobe.eq(port.wstrb),
            done.eq(beat_valid & has_request),
            beats.o.ready.eq(done),
            beats.i.valid.eq(taken & (beats.o.valid | ~done)),
            writes.o.ready.eq(done & last),
            writes.i.valid.eq(port.awvalid & port.awready & ~(through & done & last)),
            write.addr.eq(self._word(current.request, number)),
            write.data.eq(incoming.data),
            write.en.eq(incoming.strobe & done.replicate(plan.data_bytes)),
            answers.i.valid.eq(done & last),
            answers.i.payload.eq(current.id),
        ]
        with m.If(done):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        held = Signal()
        m.d.comb += [
            port.bvalid.eq((answers.o.valid & ~paused_answer) | held),
            port.bid.eq(answers.o.payload),
            port.bresp.eq(Const(0, 2)),
            answers.o.ready.eq(port.bvalid & port.bready),
        ]
        m.d.sync += held.eq(port.bvalid & ~port.bready)
