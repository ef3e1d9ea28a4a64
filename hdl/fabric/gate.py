"""The gate in front of a target: arbitration, key look-up, rights check. The one security boundary of the fabric."""

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..plan.blocks import FAULT_KINDS
from ..plan.plan import Plan, Target, bits_for
from . import layouts
from .arbiter import Arbiter

KEY, REVOKED = FAULT_KINDS.index("key"), FAULT_KINDS.index("revoked")


def passed_layout(plan: Plan, *, write: bool) -> data.StructLayout:
    """A beat that has passed the check; `head` marks the first of a request, `source` is its origin."""
    beat = {"beat": layouts.write_beat(plan)} if write else {}
    return data.StructLayout({"request": layouts.request(plan), "source": plan.source_bits, "head": 1, **beat})


def entry_layout(plan: Plan) -> data.StructLayout:
    """What the order table remembers of a request that the gate has decided about."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "context": plan.user_bits,
            "length": 8,
            "birth": layouts.BIRTH_BITS,
            "denied": 1,
            "epoch": 1,
        }
    )


def sources_of(plan: Plan, target: Target, *, write: bool) -> tuple[int, ...]:
    """Indices of who asks at a target's gate; the scrubber, if it writes there, is last."""
    scrubber = (len(plan.initiators),) if write and target.kind == "memory" else ()
    return (*target.initiators, *scrubber)


def revoke_members(plan: Plan) -> dict[str, wiring.Member]:
    """The range that a rekey has taken out of everybody's hands, and the write port of the key table."""
    granule = plan.physical_granule_bits
    return {
        "revoke": In(1),
        "revoke_first": In(granule),
        "revoke_last": In(granule),
        "key_write": In(1),
        "key_granule": In(granule),
        "key_value": In(plan.key_bits),
    }


class Gate(wiring.Component):
    """Reads or writes of one target.

    A request passes if its slice has the right on the key of its granule and no rekey has revoked the granule, both
    in the cycle in which it leaves the stage. The key was looked up one cycle earlier; a request that stood here
    while its granule was revoked is denied, so that no key from before a rekey is ever used after it.

    The source's index is the scrubber's only if the grant was the scrubber's own: nothing that an initiator sends can
    claim it. Latency: 1 cycle from grant to `o`; a beat per cycle. Writes keep the grant until their last beat.

    Members
    -------
    request_valid, request_ready : one bit per source (see :func:`sources_of`)
    request{n}, class{n}, beat{n} : In
        Of source n; the beat on the write gate only.
    room : In
        The order table can take another request of the source.
    reserve : Out
        A request of the source was granted: it takes a place in the order table.
    rights{k} : In(slices)
        Slices that have the right on key k.
    epoch : In(1)
        Current epoch.
    o : stream of beats that have passed
    passed : Out(1)
        A request passed in this cycle.
    decided, decided_source, entry : Out
        The last beat of a request leaves the gate, passed or swallowed: the order table takes it.
    fault_valid, fault : Out
        A request was denied in this cycle; the target's own number is left out of it.
    """

    def __init__(self, plan: Plan, target: Target, *, write: bool) -> None:
        self.plan, self.target, self.write = plan, target, write
        self.sources = sources_of(plan, target, write=write)
        count = len(self.sources)
        inputs: dict[str, wiring.Member] = {}
        for n in range(count):
            inputs[f"request{n}"] = In(layouts.request(plan))
            inputs[f"class{n}"] = In(plan.class_bits)
            if write:
                inputs[f"beat{n}"] = In(layouts.write_beat(plan))
        super().__init__(
            {
                "request_valid": In(count),
                "request_ready": Out(count),
                **inputs,
                "room": In(count),
                "reserve": Out(count),
                **{f"rights{k}": In(plan.slices) for k in range(plan.keys)},
                **revoke_members(plan),
                "epoch": In(1),
                "o": Out(stream.Signature(passed_layout(plan, write=write))),
                "passed": Out(1),
                "decided": Out(1),
                "decided_source": Out(bits_for(count)),
                "entry": Out(entry_layout(plan)),
                "fault_valid": Out(1),
                "fault": Out(layouts.fault(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, count = self.plan, len(self.sources)
        m.submodules.arbiter = arbiter = Arbiter(count, plan.classes)

        # Arbitration: `grant` is one-hot; a write keeps it until its last beat has gone in.
        grant = Signal(count)
        held = Signal()
        holder = Signal(count)
        take = Signal()
        incoming_valid = Signal()
        incoming_last = Signal(init=1)
        number = Signal(bits_for(count))
        incoming = Signal(layouts.request(plan))
        m.d.comb += [
            arbiter.request.eq(self.request_valid & self.room),
            arbiter.accept.eq(take & ~held & incoming_valid),
            grant.eq(Mux(held, holder & self.request_valid, arbiter.grant)),
            incoming_valid.eq(grant.any()),
            self.request_ready.eq(grant & take.replicate(count)),
            self.reserve.eq(grant & (take & ~held).replicate(count)),
        ]
        beat = Signal(layouts.write_beat(plan))
        for n in range(count):
            m.d.comb += getattr(arbiter, f"class{n}").eq(getattr(self, f"class{n}"))
            with m.If(grant[n]):
                m.d.comb += [number.eq(n), incoming.eq(getattr(self, f"request{n}"))]
                if self.write:
                    m.d.comb += [beat.eq(getattr(self, f"beat{n}")), incoming_last.eq(getattr(self, f"beat{n}").last)]
        with m.If(take & incoming_valid):
            m.d.sync += [held.eq(~incoming_last), holder.eq(grant)]

        # The stage: request and key side by side.
        valid = Signal()
        head = Signal()
        last = Signal()
        leave = Signal()
        request = Signal(layouts.request(plan))
        source = Signal(bits_for(count))
        stage_beat = Signal(layouts.write_beat(plan))
        m.d.comb += take.eq(~valid | leave)
        with m.If(take):
            m.d.sync += [
                valid.eq(incoming_valid),
                request.eq(incoming),
                source.eq(number),
                head.eq(~held),
                last.eq(incoming_last),
                stage_beat.eq(beat),
            ]
        granule = Signal(plan.physical_granule_bits)
        m.d.comb += granule.eq(request.address >> plan.granule_bits)
        key = self._key_table(m, incoming, take)

        # The check.
        in_range = Signal()
        was_revoked = Signal()
        revoked = Signal()
        has_right = Signal()
        trusted = Signal()
        check_pass = Signal()
        follow_denied = Signal()
        denied = Signal()
        rights = Array(
            [Const(0, plan.slices), *(getattr(self, f"rights{k}") for k in range(1, plan.keys))]
        )  # key 0: nobody, ever
        if self.target.kind == "memory":
            m.d.comb += in_range.eq((granule >= self.revoke_first) & (granule <= self.revoke_last))
        else:
            m.d.comb += in_range.eq(1)
        if self.sources[-1] == len(plan.initiators):
            m.d.comb += trusted.eq(source == count - 1)
        m.d.comb += [
            revoked.eq((self.revoke & in_range) | was_revoked),
            has_right.eq(rights[key].bit_select(request.slice, 1)),
            check_pass.eq(trusted | (has_right & ~revoked)),
            denied.eq(Mux(head, ~check_pass, follow_denied)),
            leave.eq(valid & (denied | self.o.ready)),
            self.o.valid.eq(valid & ~denied),
            self.o.payload.request.eq(request),
            self.o.payload.source.eq(Array(self.sources)[source]),
            self.o.payload.head.eq(head),
            self.passed.eq(leave & head & ~denied),
        ]
        if self.write:
            m.d.comb += self.o.payload.beat.eq(stage_beat)
        with m.If(take):
            m.d.sync += was_revoked.eq(0)
        with m.Elif(self.revoke & in_range):
            m.d.sync += was_revoked.eq(1)
        epoch = Signal()
        with m.If(leave & head):
            m.d.sync += [follow_denied.eq(denied), epoch.eq(self.epoch)]

        m.d.comb += [
            self.decided.eq(leave & last),
            self.decided_source.eq(source),
            self.entry.id.eq(request.id),
            self.entry.context.eq(request.context),
            self.entry.length.eq(request.length),
            self.entry.birth.eq(request.birth),
            self.entry.denied.eq(denied),
            self.entry.epoch.eq(Mux(head, self.epoch, epoch)),
            self.fault_valid.eq(leave & head & denied),
            self.fault.kind.eq(Mux(revoked, REVOKED, KEY)),
            self.fault.write.eq(int(self.write)),
            self.fault.initiator.eq(self.o.payload.source),
            self.fault.context.eq(request.context),
            self.fault.slice.eq(request.slice),
            self.fault.owned.eq(1),
            self.fault.address.eq(request.address),
        ]
        return m

    def _key_table(self, m: Module, incoming: data.View, take: Signal) -> Signal:
        """Key of the request in the stage: a block RAM for memory, one register for anything else."""
        key = Signal(self.plan.key_bits, name="key")
        if self.target.kind != "memory":
            m.d.comb += key.eq(self._single_key(m))
            return key
        bits = bits_for(self.target.keyed)
        m.submodules.keys = keys = Memory(shape=self.plan.key_bits, depth=1 << bits, init=[])
        write, read = keys.write_port(), keys.read_port()
        m.d.comb += [
            write.en.eq(self.key_write),
            write.addr.eq(self.key_granule),
            write.data.eq(self.key_value),
            read.en.eq(take),
            read.addr.eq(incoming.address >> self.plan.granule_bits),
            key.eq(read.data),
        ]
        return key

    def _single_key(self, m: Module) -> Signal:
        key = Signal(self.plan.key_bits, name="single_key")
        with m.If(self.key_write):
            m.d.sync += key.eq(self.key_value)
        return key
