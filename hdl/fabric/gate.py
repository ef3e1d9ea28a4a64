"""The gate in front of a target: arbitration, key look-up, rights check. The one security boundary of the fabric."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.queue import Queue, following
from ..plan.blocks import FAULT_KINDS
from ..plan.plan import KEY_NOBODY, Plan, Target, bits_for
from . import layouts
from .arbiter import Arbiter
from .load_level import Waiting, sample_layout
from .select import Later, decode, select
from .time_slots import Starts, turn_layout

KEY, REVOKED, CUT_OFF = (FAULT_KINDS.index(kind) for kind in ("key", "revoked", "cut_off"))
verdict_layout = data.StructLayout({"denied": 1, "revoked": 1})
DEPTH = 16
"""Requests that can stand between arbitration and the target; distributed RAM comes 16 deep."""
LONG = 4
"""A read of more beats than these, a power of two, counts as long."""
HIGH_WATER = 12
"""Places taken at which arbitration stops: what is granted before that takes effect still finds room."""


def stage_layout(plan: Plan) -> data.StructLayout:
    """A request that was granted; `source` is where it came from by the grant, whatever it says of itself."""
    return data.StructLayout({"request": layouts.request(plan), "source": plan.source_bits, "epoch": 1})


def sources_of(plan: Plan, target: Target, *, write: bool) -> tuple[int, ...]:
    """Indices of who asks at a target's gate; the scrubber, if it writes there, is last."""
    scrubber = (len(plan.initiators),) if write and target.kind == "memory" else ()
    return (*target.initiators, *scrubber)


def guard_members(plan: Plan) -> dict[str, wiring.Member]:
    """What guards a target: the range that a rekey has taken out of everybody's hands, and the tables' write ports."""
    granule = plan.physical_granule_bits
    return {
        "revoke": In(1),
        "revoke_first": In(granule),
        "revoke_last": In(granule),
        "key_write": In(1),
        "key_granule": In(granule),
        "key_value": In(plan.key_bits),
        "rights_write": In(1),
        "rights_key": In(plan.key_bits),
        "rights_slices": In(plan.slices),
    }


def is_long(length: Value) -> Value:
    """Whether a read of this AxLEN counts as long."""
    return (length >> exact_log2(LONG)).any()


def count_between(m: Module, depth: int, up: Value, down: Value, name: str) -> Signal:
    """A count of what is between two places."""
    level = Signal(range(depth), name=name)
    with m.If(up ^ down):
        m.d.sync += level.eq(level + Cat(1, down.replicate(len(level) - 1)))
    return level


class Gate(wiring.Component):
    """Reads or writes of one target.

    A grant looks at what the check needs of a request; the rest is looked at in the next cycle, from a registered
    choice, so that the wide multiplexers are no part of the arbitration's path.

    A request that is granted goes into a queue and is checked while it stands there: it passes if its slice has the
    right on its granule's key and no rekey has revoked the granule. The check takes two cycles, never waits, and is
    not repeated, since AXI does not let an offer be taken back (IHI 0022H, A3.2.1). So what an engine changes is
    complete when all requests that were granted before the change have left and are answered: then neither an old
    right nor an old key is in use. Hence epochs count from the grant.

    A write keeps the grant until its last beat. The scrubber is trusted by its grant, not by what it says of itself.

    Latency: 2 cycles from request to offer; a request and a beat per cycle.

    Members
    -------
    request_valid, request_ready : one bit per source (see :func:`sources_of`)
        A write comes with its first beat, which is taken with it.
    asking{n}, class{n} : In
        Of source n; the scrubber has the lowest class.
    rest{n} : In
        Of what source n asked for in the cycle before.
    beat_valid, beat_ready : one bit per source
        Writes only: beats after the first.
    last{n} : In(1)
        Writes only: the beat that source n shows with its request, or after it, is the last.
    beat{n} : In
        Writes only: that beat, one cycle later.
    rights_write, rights_key, rights_slices : In
        Slices that have the right on a key from now on; key 0 has none whatever is written.
    epoch : In(1)
        Current epoch.
    o : stream of layouts.request, with `source` beside it
        Requests that have passed.
    w : stream of layouts.write_beat
        Writes only. Offered together with or after its request.
    stands, stands_epoch : Out(1)
        The oldest request, which `source` and `o` show, was checked; its epoch.
    decided : Out(one bit per source)
        It has left in the cycle before, and was the oldest of this source; `decided_denied` tells how, `decided_epoch`
        when it was granted, `decided_slot` its slot with strict isolation.
    behind : Out(1)
        A request of the other epoch has not been decided about, or was in the cycle before.
    fault_valid, fault : Out
        The same for the fault log; the target's own number is left out of it.
    answered : In(1)
        Reads only: a beat of data came back.
    turn : In(turn_layout)
        If the target has time slots: whose turn it is. What is granted in a slot has its data in it.
    sample : Out(sample_layout)
        If the card has load levels: the grant in the cycle before; the scrubber's do not count.
    hold : In(1)
        If answers go through a network: nothing is granted from the third cycle after it on.
    cut, leaves, offers
        If the target can be cut off. `cut` : In(1), it is: whatever has not been offered yet is denied. `offers` :
        Out(1), the oldest request has passed. `leaves` : Out(1), it leaves.
    """

    def __init__(self, plan: Plan, target: Target, *, write: bool) -> None:
        self.plan, self.target, self.write = plan, target, write
        self.sources = sources_of(plan, target, write=write)
        self.has_scrubber = self.sources[-1] == len(plan.initiators)
        count = len(self.sources)
        inputs: dict[str, wiring.Member] = {}
        for n in range(count):
            inputs[f"asking{n}"] = In(layouts.asking(plan))
            inputs[f"rest{n}"] = In(layouts.rest(plan))
            if n < len(target.initiators):
                inputs[f"class{n}"] = In(plan.class_bits)
            if write:
                inputs |= {f"last{n}": In(1), f"beat{n}": In(layouts.write_beat(plan))}
        writes: dict[str, wiring.Member] = {
            "beat_valid": In(count),
            "beat_ready": Out(count),
            "w": Out(stream.Signature(layouts.write_beat(plan))),
        }
        super().__init__(
            {
                "request_valid": In(count),
                "request_ready": Out(count),
                **inputs,
                **(writes if write else {"answered": In(1)}),
                **guard_members(plan),
                **({"turn": In(turn_layout(plan))} if target.time_slots else {}),
                **({"sample": Out(sample_layout(plan))} if plan.load_unit else {}),
                **({"cut": In(1), "offers": Out(1), "leaves": Out(1)} if target.timeout else {}),
                **({"hold": In(1)} if plan.network else {}),
                "epoch": In(1),
                "o": Out(stream.Signature(layouts.request(plan))),
                "source": Out(plan.source_bits),
                "stands": Out(1),
                "stands_epoch": Out(1),
                "decided": Out(count),
                "decided_denied": Out(1),
                "decided_epoch": Out(1),
                **({"decided_slot": Out(plan.slot_bits)} if plan.strict else {}),
                "behind": Out(1),
                "fault_valid": Out(1),
                "fault": Out(layouts.fault(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, count = self.plan, len(self.sources)
        self.timed = Signal()
        self.may_start = Signal()
        m.submodules.arbiter = arbiter = Arbiter(count, plan.classes, classless=int(self.has_scrubber))
        may_grant = Signal()
        grant = Signal(count)
        granted = Signal()
        taking = Signal(count)
        asked = Signal(layouts.asking(plan))
        if self.target.time_slots:
            self._take_turns(m, arbiter, may_grant, grant, granted, asked.length)
        else:
            m.d.comb += [arbiter.request.eq(self.request_valid), grant.eq(arbiter.grant)]
        for n in range(count - self.has_scrubber):
            m.d.comb += getattr(arbiter, f"class{n}").eq(getattr(self, f"class{n}"))
        m.d.comb += [
            arbiter.enable.eq(may_grant),
            granted.eq(grant.any()),
            self.request_ready.eq(grant),
            asked.eq(select(grant, [getattr(self, f"asking{n}") for n in range(count)])),
            taking.eq(grant | (self.beat_ready & self.beat_valid) if self.write else grant),
        ]
        if plan.load_unit:
            m.submodules.waiting = waiting = Waiting(plan, len(self.target.initiators))
            m.d.comb += [
                waiting.request.eq(self.request_valid),
                waiting.grant.eq(grant),
                waiting.slice.eq(asked.slice),
                self.sample.eq(waiting.sample),
            ]

        # One cycle after the grant.
        given = Signal()
        granule = Signal(plan.physical_granule_bits)
        number = Signal(plan.slice_bits)
        epoch = Signal()
        incoming = Signal(stage_layout(plan))
        rest = Signal(layouts.rest(plan))
        later = Later(m, taking, "choice")
        m.d.sync += [
            given.eq(granted),
            granule.eq(asked.granule),
            number.eq(asked.slice),
            epoch.eq(self.epoch),
        ]
        m.d.comb += [
            incoming.epoch.eq(epoch),
            rest.eq(later([getattr(self, f"rest{n}") for n in range(count)])),
            incoming.source.eq(later([Const(source, plan.source_bits) for source in self.sources])),
            incoming.request.address.eq(Cat(rest.offset, granule)),
            incoming.request.slice.eq(number),
            *(incoming.request[name].eq(rest[name]) for name in layouts.rest(plan).members if name != "offset"),
        ]

        # Requests wait in the queue while they are checked, and until the target takes them.
        m.submodules.stage = stage = Memory(shape=stage_layout(plan), depth=DEPTH, init=[])
        stage_write, stage_read = stage.write_port(), stage.read_port(domain="comb")
        stage_at = Signal(range(DEPTH))
        leave = Signal()
        left = Signal()
        room = Signal()
        level = count_between(m, DEPTH, granted, left, "level")
        few = level < HIGH_WATER
        m.d.sync += [left.eq(leave), room.eq(few & ~self.hold if plan.network else few)]
        with m.If(given):
            m.d.sync += stage_at.eq(following(stage_at))
        m.d.comb += [
            stage_write.en.eq(given),
            stage_write.addr.eq(stage_at),
            stage_write.data.eq(incoming),
        ]
        m.submodules.verdicts = verdicts = Queue(verdict_layout, DEPTH, always_room=True, fall_through=True)
        self._check(m, asked.granule, given, incoming, granule, verdicts.i)
        m.d.comb += [stage_read.addr.eq(verdicts.read_at), verdicts.o.ready.eq(leave)]
        valid, verdict = verdicts.o.valid, verdicts.o.payload
        denied = Signal()
        m.d.comb += denied.eq(verdict.denied)
        kind = Mux(verdict.revoked, REVOKED, KEY)
        if self.target.timeout:
            offered = Signal()  # since the cycle before
            m.d.sync += offered.eq(self.offers & ~leave)
            m.d.comb += [
                denied.eq(verdict.denied | (self.cut & ~offered)),
                self.offers.eq(valid & ~denied),
                self.leaves.eq(leave),
            ]
            kind = Mux(verdict.denied, kind, CUT_OFF)
        head = stage_read.data
        request = head.request
        if self.write:
            self._beats(m, grant, taking, later, may_grant, room, valid, denied, leave)
        else:
            passes = Signal()
            m.d.comb += [
                self.o.valid.eq(valid & ~denied),
                passes.eq(self.o.valid & self.o.ready),
                leave.eq(passes | (valid & denied)),
            ]
            # Who is long is known before who is granted.
            grant_long = select(grant, [is_long(getattr(self, f"asking{n}").length) for n in range(count)])
            self._ahead(m, grant_long, leave & is_long(request.length), passes, request.length, may_grant, room)

        m.d.comb += [
            self.o.payload.eq(request),
            self.source.eq(head.source),
            self.stands.eq(valid),
            self.stands_epoch.eq(head.epoch),
            self.behind.eq(
                (valid & (head.epoch != self.epoch)) | (self.decided.any() & (self.decided_epoch != self.epoch))
            ),
            self.fault_valid.eq(leave & denied),
            self.fault.kind.eq(kind),
            self.fault.write.eq(int(self.write)),
            self.fault.initiator.eq(head.source),
            self.fault.context.eq(request.context),
            self.fault.slice.eq(request.slice),
            self.fault.owned.eq(1),
            self.fault.address.eq(request.address),
        ]
        m.d.sync += [
            *(self.decided[n].eq(leave & (head.source == source)) for n, source in enumerate(self.sources)),
            self.decided_denied.eq(denied),
            self.decided_epoch.eq(head.epoch),
        ]
        if plan.strict:
            m.d.sync += self.decided_slot.eq(request.slot)
        return m

    def _take_turns(
        self, m: Module, arbiter: Arbiter, may_grant: Signal, grant: Signal, granted: Signal, length: Value
    ) -> None:
        """Time slots: an arbiter for those that are open, and one for those of a slice, so that they share no state."""
        turn = self.turn
        ports = len(self.target.initiators)
        m.submodules.own_arbiter = own = Arbiter(ports, 1)
        m.submodules.starts = starts = Starts()
        owned = Signal()
        m.d.comb += owned.eq(self.timed & turn.owned)
        m.d.sync += self.timed.eq(turn.timed.any())
        for n in range(ports):
            number = getattr(self, f"asking{n}").slice
            m.d.comb += [
                own.request[n].eq(self.request_valid[n] & owned & (number == turn.slice)),
                arbiter.request[n].eq(self.request_valid[n] & ~owned & ~turn.timed.bit_select(number, 1)),
            ]
        if self.has_scrubber:
            m.d.comb += arbiter.request[-1].eq(self.request_valid[-1] & ~owned)
        m.d.comb += [
            own.enable.eq(may_grant),
            grant.eq(arbiter.grant | own.grant),
            starts.elapsed.eq(turn.elapsed),
            starts.granted.eq(granted),
            starts.length.eq(length),
            self.may_start.eq(starts.may_next),
        ]

    def _check(
        self, m: Module, asked: Value, given: Signal, incoming: data.View, granule: Signal, checked: stream.Interface
    ) -> None:
        """Two cycles for each request, without a stop: key and range of its granule, then the right."""
        plan = self.plan
        own_right = Signal(1 << plan.slice_bits)
        holds = Signal(len(own_right) // 2)
        by_scrubber = incoming.source == self.sources[-1] if self.has_scrubber else 0
        trusted = Signal()
        key = Signal(plan.key_bits)
        keyed = Signal()
        in_range = Signal()
        revoked = Signal()
        has_right = Signal()
        check_pass = Signal()
        m.submodules.rights = rights = Memory(shape=plan.slices, depth=plan.keys, init=[])
        write, read = rights.write_port(), rights.read_port(domain="comb")
        m.d.comb += [
            key.eq(self._look_up_key(m, asked)),
            write.en.eq(self.rights_write),
            write.addr.eq(self.rights_key),
            write.data.eq(self.rights_slices),
            read.addr.eq(key),
            own_right.eq(read.data & decode(incoming.request.slice, Const(1))),
        ]
        m.d.sync += [
            checked.valid.eq(given),
            # The key comes late from its block RAM: of the one bit that counts, what one look-up table can find.
            holds.eq(Cat(own_right[n : n + 2].any() for n in range(0, len(own_right), 2))),
            trusted.eq(by_scrubber),
            keyed.eq(key != KEY_NOBODY),
            revoked.eq(self.revoke & in_range),
        ]
        if self.target.kind == "memory":
            m.d.comb += in_range.eq((granule >= self.revoke_first) & (granule <= self.revoke_last))
        else:
            m.d.comb += in_range.eq(1)
        m.d.comb += [
            has_right.eq(holds.any() & keyed),
            check_pass.eq(trusted | (has_right & ~revoked)),
            checked.payload.denied.eq(~check_pass),
            checked.payload.revoked.eq(revoked),
        ]

    def _look_up_key(self, m: Module, granule: Value) -> Value:
        """Key of the granule, one cycle later: from a block RAM for memory, from one register for anything else."""
        if self.target.kind != "memory":
            single_key = Signal(self.plan.key_bits)
            with m.If(self.key_write):
                m.d.sync += single_key.eq(self.key_value)
            return single_key
        # Whoever reads a key while it is written is denied, whatever comes out: its granule is revoked until everything
        # is answered that was granted before the write. So no logic has to watch for that.
        m.submodules.key_table = table = Memory(
            shape=self.plan.key_bits, depth=1 << bits_for(self.target.keyed), init=[], attrs={"no_rw_check": 1}
        )
        write, read = table.write_port(), table.read_port()
        m.d.comb += [
            write.en.eq(self.key_write),
            write.addr.eq(self.key_granule),
            write.data.eq(self.key_value),
            read.addr.eq(granule),
        ]
        return read.data

    def _ahead(
        self,
        m: Module,
        grant_long: Value,
        leaves_long: Value,
        passes: Signal,
        length: Value,
        may_grant: Signal,
        room: Signal,
    ) -> None:
        """Hold reads back while the target owes `ahead` beats or more, so that what comes next is decided late."""
        owed = Signal(range(self.target.ahead + DEPTH * LONG + 256))
        long_pending = Signal()
        change = Signal(len(owed))
        m.d.comb += change.eq(Mux(passes, length, self.answered.replicate(len(owed))))  # a burst, or -1
        m.d.sync += [
            # A burst has one beat more than its length says; the carry makes it so.
            owed.eq((Cat(1, owed) + Cat(passes & ~self.answered, change))[1:]),
            # Of what the target has not been asked for yet, only one may be long.
            long_pending.eq(grant_long | (long_pending & ~leaves_long)),
        ]
        # In time slots the data of all that was granted has its place already.
        late = (owed < self.target.ahead) & ~grant_long & ~long_pending
        m.d.sync += may_grant.eq(room & (Mux(self.timed, self.may_start, late) if self.target.time_slots else late))
        if self.target.timeout:
            with m.If(self.cut):
                m.d.sync += owed.eq(0)

    def _beats(
        self,
        m: Module,
        grant: Signal,
        taking: Signal,
        later: Later,
        may_grant: Signal,
        room: Signal,
        valid: Value,
        denied: Signal,
        leave: Signal,
    ) -> None:
        """A write's data: behind its grant into a queue of its own, then beside its request to the target, or away."""
        count = len(self.sources)
        m.submodules.beats = beats = Queue(layouts.write_beat(self.plan), DEPTH, always_room=True)
        gone = Signal()
        taken = Signal()
        level = count_between(m, DEPTH, taking.any(), gone, "beats_level")
        holder = Signal(count)
        held = Signal()
        held_next = Signal()
        beat_room = Signal()
        ends = select(taking, [getattr(self, f"last{n}") for n in range(count)])
        m.d.comb += [
            self.beat_ready.eq(holder & beat_room.replicate(count)),
            beats.i.valid.eq(taken),
            beats.i.payload.eq(later([getattr(self, f"beat{n}") for n in range(count)])),
            held_next.eq(Mux(taking.any(), ~ends, held)),
        ]
        m.d.sync += [
            taken.eq(taking.any()),
            held.eq(held_next),
            holder.eq(Mux(held, holder, grant) & held_next.replicate(count)),
            gone.eq(beats.o.valid & beats.o.ready),
            beat_room.eq(level < HIGH_WATER),
        ]
        may_start = ~self.timed | self.may_start if self.target.time_slots else 1
        m.d.sync += may_grant.eq(room & (level < HIGH_WATER) & ~held_next & may_start)

        # AW and W are offered together and taken one by one; the request leaves when both are done.
        address_taken = Signal()
        data_taken = Signal()
        last = Signal()
        last_taken = Signal()
        m.d.comb += [
            self.o.valid.eq(valid & ~denied & ~address_taken),
            self.w.valid.eq(valid & ~denied & beats.o.valid & ~data_taken),
            self.w.payload.eq(beats.o.payload),
            beats.o.ready.eq(valid & ~data_taken & (denied | self.w.ready)),
            last.eq(beats.o.valid & beats.o.payload.last),
            last_taken.eq(beats.o.ready & last),
            # The verdict comes late: it only chooses.
            leave.eq(
                valid
                & Mux(
                    denied,
                    data_taken | last,
                    (address_taken | self.o.ready) & (data_taken | (last & self.w.ready)),
                )
            ),
        ]
        m.d.sync += [
            address_taken.eq((address_taken | (self.o.valid & self.o.ready)) & ~leave),
            data_taken.eq((data_taken | last_taken) & ~leave),
        ]
