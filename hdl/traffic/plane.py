"""One plane (reads or writes) of a traffic generator."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Burst
from ..bus.queue import Queue
from ..plan.plan import Plan
from .bursts import Random, beat_offset, bytes_differ, lanes, shape_layout, word
from .rings import Rings
from .settings import BUCKETS, REGIONS, SLOTS, STATISTICS, settings_layout

DEPTH = 32
"""Requests of one ID that can be outstanding."""
WAITING = 64
"""Requests that can be due and not made; what falls due then is given up."""
SEED_BITS = 9
ERRORS = ("response", "data", "last", "unasked")


def place_bits() -> int:
    """Bits of a place's number over all regions."""
    return (REGIONS * SLOTS - 1).bit_length()


def address_layout(plan: Plan) -> data.StructLayout:
    """What goes out on AR or AW."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "page": plan.address_width - 12,
            "access": shape_layout(),
            "place": place_bits(),
            "user": plan.user_bits,
        }
    )


class TrafficPlane(wiring.Component):
    """Makes requests, times them, and checks what comes back.

    In each cycle a request is proposed at random; it is made if the port takes one, nobody uses its place, and, for a
    checked read, something was written there. A checked read asks for what the last write of its place wrote. With the
    setting `rate` requests fall due at random, whether earlier ones were made or not, and are timed from then on.

    Members
    -------
    settings : In
    measure : In(1)
        Statistics count.
    clear : In(1)
        Statistics become 0.
    tag : In
        Who writes, as it stands in the data.
    seed : In
        Constant; planes with different ones make different traffic.
    address : stream of address_layout
        The request; made in the cycle in which it is first offered.
    data : stream of {data, strobe, last}
        Writes only.
    answer : stream of {id, response, data, last}
    proposed : Out
        Place of the proposed request; `known`, `busy`, `written` tell what is known of it.
    makes : Out(1)
        The proposed request is made.
    ends, ended : Out
        A request of this place is answered.
    permitted : In(1)
        The other plane does not make a request of the same place now.
    replay_place, replay_ready : In
        With the setting `replay` a request is made of this place and at no other time, not at random.
    statistic, value
        The statistic that is asked for, and its value.
    """

    def __init__(self, plan: Plan, *, write: bool) -> None:
        self.plan, self.write = plan, write
        answer = {"id": plan.id_width, "response": 2, "last": 1}
        beat = {"data": plan.data_width, "strobe": plan.data_bytes, "last": 1}
        members: dict[str, wiring.Member] = {"data": Out(stream.Signature(data.StructLayout(beat)))} if write else {}
        super().__init__(
            {
                "settings": In(settings_layout(plan)),
                "measure": In(1),
                "clear": In(1),
                "tag": In(4),
                "seed": In(SEED_BITS),
                "address": Out(stream.Signature(address_layout(plan))),
                **members,
                "answer": In(
                    stream.Signature(data.StructLayout(answer if write else answer | {"data": plan.data_width}))
                ),
                "proposed": Out(place_bits()),
                "known": In(shape_layout()),
                "busy": In(1),
                "written": In(1),
                "makes": Out(1),
                "shape": Out(shape_layout()),
                "ends": Out(1),
                "ended": Out(place_bits()),
                "permitted": In(1),
                "replay_place": In(place_bits()),
                "replay_ready": In(1),
                "statistic": In(5),
                "value": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, settings = self.plan, self.settings
        self.random = Random(m, (self.seed << 1) + 1, "random_a")
        self.other = Random(m, (self.seed << 1) + 2, "random_b")
        now = Signal(32)
        m.d.sync += now.eq(now + 1)

        proposal = Signal(address_layout(plan))
        self._propose(m, proposal)
        due, birth = self._due(m, now)
        pause = Signal(8)
        outstanding = Signal(range(64))
        m.d.comb += [
            self.proposed.eq(proposal.place),
            self.shape.eq(proposal.access),
            self.makes.eq(
                settings.run
                & (self.replay_ready | ~settings.replay)
                & due
                & (~self.address.valid | self.address.ready)
                & (pause == 0)
                & (outstanding < settings.limit)
                & (~settings.check | (~self.busy & self.permitted & (Const(1) if self.write else self.written)))
            ),
        ]
        with m.If(self.makes):
            m.d.sync += [
                self.address.valid.eq(1),
                self.address.payload.eq(proposal),
                pause.eq(self.other.bits(8, 8) & settings.pause_mask),
            ]
        with m.Else():
            with m.If(self.address.ready):
                m.d.sync += self.address.valid.eq(0)
            with m.If(pause != 0):
                m.d.sync += pause.eq(pause - 1)
        m.d.sync += outstanding.eq(outstanding + self.makes - self.ends)
        if self.write:
            self._send(m, proposal)
        self._receive(m, proposal, now, birth)
        return m

    def _due(self, m: Module, now: Signal) -> tuple[Value, Value]:
        """Whether a request is due, and in which cycle it could have been offered first."""
        settings = self.settings
        m.submodules.due = due = Queue(32, WAITING)
        m.d.comb += [
            due.i.valid.eq(self.other.bits(23, 8) < settings.rate),
            due.i.payload.eq(now + 2),
            due.o.ready.eq(self.makes),
            due.clear.eq(~settings.run),
        ]
        always = settings.rate == 0
        return always | due.o.valid, Mux(always, now + 1, due.o.payload)

    def _propose(self, m: Module, proposal: data.View) -> None:
        plan, settings, random, other = self.plan, self.settings, self.random, self.other
        count = Signal(16)
        turn = Signal(16)
        with m.If(self.makes):
            m.d.sync += [count.eq(count + 1), turn.eq(turn + 1)]
        region = Signal(range(REGIONS))
        slot = Signal(range(SLOTS))
        drawn = random.bits(0, 6)
        shape = Signal(shape_layout())
        entry = Signal(range(REGIONS))
        m.d.comb += [
            entry.eq(
                (Mux(settings.region_walk, turn, random.bits(6, 3)) & settings.region_mask) + settings.region_first
            ),
            region.eq(settings.route.word_select(entry, 3)),
            proposal.id.eq(settings.id_first + (Mux(settings.id_walk, turn, random.bits(9, 8)) & settings.id_mask)),
        ]
        with m.Switch(settings.pattern):
            with m.Case(0):
                m.d.comb += slot.eq(count & settings.slot_mask)
            with m.Case(1):
                m.d.comb += slot.eq(drawn & settings.slot_mask)
            with m.Case(2):
                m.d.comb += slot.eq((count * settings.stride)[:6] & settings.slot_mask)
            with m.Case(3):  # three of four requests go to two places
                m.d.comb += slot.eq(Mux(other.bits(30, 2) == 0, drawn, drawn & 1) & settings.slot_mask)

        with m.If(settings.replay):
            m.d.comb += Cat(slot, region).eq(self.replay_place)

        full = plan.size_max
        less = other.bits(0, 3) & settings.size_mask
        kind = other.bits(3, 2)
        wraps = Array([1, 3, 7, 15])[other.bits(5, 2)]
        length = (settings.length + (other.bits(7, 8) & settings.length_mask))[:8]
        offset = other.bits(15, 12) & settings.offset_mask
        allowed = settings.bursts.bit_select(kind, 1) & (kind != 3)
        slot_offset = (slot << settings.slot_bits)[: 12 + 6]
        aligned = (offset >> shape.size << shape.size)[:12]
        m.d.comb += [
            shape.size.eq(Mux(less > full, 0, full - less)),
            shape.burst.eq(Mux(allowed, kind, Burst.INCR)),
            shape.version.eq(self.known.version + 1),
            shape.partial.eq(settings.partial & other.bits(31, 1)),
            shape.length.eq(length),
            shape.offset.eq(slot_offset[:12] | offset),
        ]
        with m.If(shape.burst == Burst.FIXED):
            m.d.comb += shape.length.eq(length & 15)
        with m.Elif(shape.burst == Burst.WRAP):
            m.d.comb += [shape.length.eq(wraps), shape.offset.eq(slot_offset[:12] | aligned)]
        base = Array(settings[f"base{n}"] for n in range(REGIONS))[region]
        granule = base << (plan.granule_bits - 12)
        m.d.comb += [
            proposal.place.eq(Cat(slot, region)),
            proposal.page.eq(granule + (slot_offset >> 12)),
            proposal.access.eq(shape),
            proposal.user.eq(Array(settings[f"user{n}"] for n in range(REGIONS))[region]),
        ]
        if not self.write:
            with m.If(settings.check):
                m.d.comb += proposal.access.eq(self.known)

    def _send(self, m: Module, proposal: data.View) -> None:
        """The data of what was made, in order; the first beat is offered together with its request."""
        plan = self.plan
        m.submodules.to_send = queue = Queue(address_layout(plan), 64)
        request = queue.o.payload
        number = Signal(8)
        offset = Signal(12)
        last = Signal()
        sent = Signal()
        m.d.comb += [
            queue.i.valid.eq(self.makes),
            queue.i.payload.eq(proposal),
            offset.eq(beat_offset(request.access, number)),
            last.eq(number == request.access.length),
            self.data.valid.eq(queue.o.valid),
            self.data.payload.data.eq(
                word(plan, Cat(offset, request.page), self.tag, request.user, request.access.version)
            ),
            self.data.payload.strobe.eq(lanes(plan, request.access, offset)),
            self.data.payload.last.eq(last),
            sent.eq(self.data.valid & self.data.ready),
            queue.o.ready.eq(sent & last),
        ]
        with m.If(sent):
            m.d.sync += number.eq(Mux(last, 0, number + 1))

    def _receive(self, m: Module, proposal: data.View, now: Signal, birth: Value) -> None:
        """Match answers with what was made: a ring for each ID."""
        plan, ids = self.plan, 1 << self.plan.id_width
        made = data.StructLayout({"request": address_layout(plan), "birth": 32})
        m.submodules.made = rings = Rings(made, ids, DEPTH)
        answer = self.answer.payload
        taken = Signal()
        last = Signal()
        latency = Signal(32)
        asked, number, request = rings.known, rings.number, rings.head.request
        m.d.comb += [
            rings.push.eq(self.makes),
            rings.push_at.eq(proposal.id),
            rings.request.request.eq(proposal),
            rings.request.birth.eq(birth),
            rings.at.eq(answer.id),
            rings.beat.eq(taken & asked),
            rings.pop.eq(self.ends),
            self.answer.ready.eq(self.random.bits(24, 8) >= self.settings.reluctance),
            taken.eq(self.answer.valid & self.answer.ready),
            latency.eq(now - rings.head.birth),
            last.eq(Const(1) if self.write else number == request.access.length),
            self.ends.eq(taken & asked & last),
            self.ended.eq(request.place),
        ]

        wrong = Signal(len(ERRORS))
        m.d.comb += [wrong[0].eq(taken & (answer.response != self.settings.expect)), wrong[3].eq(taken & ~asked)]
        if not self.write:
            offset = Signal(12)
            expected = Signal(plan.data_width)
            differ = bytes_differ(plan, answer.data, expected, lanes(plan, request.access, offset))
            m.d.comb += [
                expected.eq(word(plan, Cat(offset, request.page), self.tag, request.user, request.access.version)),
                offset.eq(beat_offset(request.access, number)),
                wrong[1].eq(taken & asked & self.settings.check & differ),
                wrong[2].eq(taken & asked & (answer.last != last)),
            ]
        moved = self.data.valid & self.data.ready if self.write else taken
        self._count(m, moved, wrong, latency, request.place)

    def _count(self, m: Module, moved: Value, wrong: Signal, latency: Signal, place: Value) -> None:
        # They outlive the reset of a core that changes hands.
        counters = {name: Signal(32, name=name, reset_less=True) for name in STATISTICS}
        histogram = [Signal(32, name=f"bucket{n}", reset_less=True) for n in range(BUCKETS)]
        bucket = Signal(range(BUCKETS))
        for n in range(1, BUCKETS):
            with m.If(latency >> n != 0):
                m.d.comb += bucket.eq(n)
        with m.If(self.measure):
            m.d.sync += [
                counters["issued"].eq(counters["issued"] + self.makes),
                counters["completed"].eq(counters["completed"] + self.ends),
                counters["beats"].eq(counters["beats"] + moved),
            ]
            with m.If(self.ends):
                m.d.sync += counters["latency_sum"].eq(counters["latency_sum"] + latency)
                with m.If(counters["latency_max"] < latency):
                    m.d.sync += counters["latency_max"].eq(latency)
                for n, value in enumerate(histogram):
                    with m.If(bucket == n):
                        m.d.sync += value.eq(value + 1)
        with m.If(wrong.any() & ~self.settings.mute):
            m.d.sync += [
                counters["errors"].eq(counters["errors"] + 1),
                counters["last_error_id"].eq(self.answer.payload.id),
            ]
            with m.If(counters["errors"] == 0):
                m.d.sync += [counters["first_error"].eq(wrong), counters["first_place"].eq(place)]
        with m.If(self.clear):
            m.d.sync += [value.eq(0) for value in (*counters.values(), *histogram)]
        shown = [*counters.values(), *histogram]
        m.d.comb += self.value.eq(Array([*shown, *[Const(0, 32)] * (32 - len(shown))])[self.statistic])
