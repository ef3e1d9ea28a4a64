"""The meter: budgets and counters of all slices, kept by one rotating sequencer."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Member, Out

from ..fabric import layouts
from ..plan.plan import Plan, bits_for
from .latencies import READ_CYCLES
from .slice_counters import COUNTERS, SliceCounters, addition_layout
from .tally import RUNNING, Tally, tally_layout
from .token_buckets import BURST_BITS, RATE_BITS, TokenBuckets

HALVINGS_BIT = 8
"""Of register QOS, lowest bit."""
LIMITED_BIT = 31
"""Of registers RATE and WRITE_RATE."""
SEPARATE_BIT = 30
"""Of register WRITE_RATE."""
VISIT = ("slice", "charge", "refill", "clear")
"""Inputs of both buckets of a slice that are the same."""


def visited_layout(plan: Plan) -> data.StructLayout:
    """What the sequencer visits: a context, with its slice, or a slice."""
    context = bits_for(len(plan.contexts))
    return data.StructLayout(
        {"slice": plan.slice_bits, "owned": 1, "is_slice": 1, "clear": 1, "copy": 1, "context": context}
    )


def told_layout(plan: Plan) -> data.StructLayout:
    """What a visited context is told of its slice's contract."""
    piece = {"piece": plan.piece_bits} if plan.piece_bits else {}
    return data.StructLayout(
        {"context": bits_for(len(plan.contexts)), "is_context": 1, "class": plan.class_bits, **piece}
    )


class Meter(wiring.Component):
    """Budgets and counters per slice, over all ports.

    In each cycle the sequencer visits one context or one slice, contexts first; a rotation takes ``plan.meter_period``
    cycles. At a context it takes what the context has counted since its last visit, charges its slice's tokens with
    the beats, adds to its slice's counters, and tells the context its slice's class and whether it has tokens. At a
    slice it refills the tokens by `rate`, up to `burst`.

    A request is let through while its slice has tokens, and its whole length is charged, so tokens may go negative:
    the rate is exact in the long run. A charge is seen by the context that sent the request at most
    ``meter_period + SETTLING`` cycles after the request, by the other contexts of its slice less than a rotation later;
    a refill, a changed contract and a new owner within ``meter_period + SETTLING``. So in any number of rotations n a
    limited slice moves at most ``burst + n * rate`` beats and what its ports send in
    ``2 * meter_period + SETTLING`` cycles. A slice without limit has a full bucket.
    A burst of 0 beats stops a limited slice; a burst below one refill makes the burst the rate.

    With separate budgets each slice has a second bucket, of its writes. While a slice's `separate` is 0 that bucket has
    no limit and the first one is charged for reads and writes; while it is 1 each is charged for its own plane.

    A snapshot copies the counters while the sequencer visits the slices, when none of them changes. All counts of a
    context are of one cycle; those of two contexts differ by less than a rotation. The longest latency starts anew with
    each snapshot. Events of a context without owner count nowhere. A context's owner must stay for
    ``meter_period + SETTLING`` cycles after its last event, so that the event counts for the slice that caused it.

    Counters and tokens are cleared in the first rotation after reset, in which there are no owners. Contracts are kept
    in distributed RAM: they are what was last written, also after a reset.

    Members
    -------
    read{i}, write{i} : In(layouts.meter_events)
        Events of initiator i. On a port with one context the context numbers are ignored.
    owner_slice{c}, owner_owned{c} : In
        Owner of context c, an index in the card's list of contexts.
    qos_write, rate_write, burst_write : In(1)
        `contract_value` is the new value of this register of slice `contract_slice`. With separate budgets there are
        `write_rate_write` and `write_burst_write` too.
    contract_slice : In
    contract_value : In(32)
    class{c} : Out
        Class of the slice of context c. Registered.
    piece{c} : Out
        If bursts are split: AxLEN of a full piece of the slice's bursts. Registered.
    read_eligible{c}, write_eligible{c} : Out(1)
        The slice of context c has tokens for reads, for writes, or no limit. Registered; 0 after reset.
    snapshot : In(1)
        Starts a snapshot; ignored while busy.
    busy : Out(1)
        A snapshot is being taken, for at most two rotations and 3 cycles.
    external_enable, external_member, external_word : In
        Which slice, and which counter in the order of the register map, is asked for.
    external_data : Out(32)
        Value of the last snapshot, one cycle later; 0 if none was asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        events = layouts.meter_events(plan)
        members: dict[str, Member] = {}
        for initiator in plan.initiators:
            members |= {f"read{initiator.index}": In(events), f"write{initiator.index}": In(events)}
        for c in range(len(plan.contexts)):
            members |= {f"owner_slice{c}": In(plan.slice_bits), f"owner_owned{c}": In(1)}
            members |= {f"class{c}": Out(plan.class_bits)}
            members |= {f"piece{c}": Out(plan.piece_bits)} if plan.piece_bits else {}
            members |= {f"read_eligible{c}": Out(1), f"write_eligible{c}": Out(1)}
        super().__init__(
            {
                **members,
                "qos_write": In(1),
                "rate_write": In(1),
                "burst_write": In(1),
                **({"write_rate_write": In(1), "write_burst_write": In(1)} if plan.separate_budgets else {}),
                "contract_slice": In(plan.slice_bits),
                "contract_value": In(32),
                "snapshot": In(1),
                "busy": Out(1),
                "external_enable": In(1),
                "external_member": In(plan.slice_bits),
                "external_word": In(bits_for(len(COUNTERS))),
                "external_data": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, contexts = self.plan, len(self.plan.contexts)

        # The sequencer. What a rotation does at the slices is decided before it gets there.
        visit = Signal(range(plan.meter_period))
        clearing = Signal(init=1)
        copy_requested = Signal()
        copying = Signal()
        m.d.sync += visit.eq(visit + 1)
        with m.If(visit == contexts - 1):
            m.d.sync += [copying.eq(copy_requested), copy_requested.eq(0)]
        with m.If(visit == plan.meter_period - 1):
            m.d.sync += [visit.eq(0), clearing.eq(0), copying.eq(0)]
        with m.If(self.snapshot & ~self.busy):
            m.d.sync += copy_requested.eq(1)

        # Stage 1: the visited context with its counts, or the visited slice.
        who = visited_layout(plan)
        tally = tally_layout(plan)
        sampled = Signal(who)
        sampled_read = Signal(tally)
        sampled_write = Signal(tally)
        m.d.sync += [
            sampled.slice.eq(visit - contexts),
            sampled.owned.eq(0),
            sampled.is_slice.eq(visit >= contexts),
            sampled.clear.eq((visit >= contexts) & clearing),
            sampled.copy.eq(copying),
            sampled.context.eq(visit),
        ]
        with m.Switch(visit):
            for context in plan.contexts:
                with m.Case(context.index):
                    m.d.sync += [
                        sampled.slice.eq(getattr(self, f"owner_slice{context.index}")),
                        sampled.owned.eq(getattr(self, f"owner_owned{context.index}")),
                    ]
        tallies = self._tallies(m, visit)
        m.d.comb += [
            sampled_read.eq(reduce(or_, [read.counts.as_value() for read, _ in tallies])),
            sampled_write.eq(reduce(or_, [write.counts.as_value() for _, write in tallies])),
        ]

        # Stage 2: what has come since the last visit.
        running = data.StructLayout({name: tally[name].shape for name in RUNNING})
        both = data.StructLayout({"read": running, "write": running})
        m.submodules.last_visit = last_visit = Memory(shape=both, depth=1 << bits_for(contexts), init=[])
        last, this = last_visit.read_port(domain="comb"), last_visit.write_port()
        since = Signal(both)
        m.d.comb += [last.addr.eq(sampled.context), this.addr.eq(sampled.context), this.en.eq(~sampled.is_slice)]
        for name in RUNNING:
            m.d.comb += [
                this.data.read[name].eq(sampled_read[name]),
                this.data.write[name].eq(sampled_write[name]),
                since.read[name].eq(sampled_read[name] - last.data.read[name]),
                since.write[name].eq(sampled_write[name] - last.data.write[name]),
            ]
        due = Signal(who)
        addition = Signal(addition_layout(plan))
        longest = Mux(sampled_write.longest < sampled_read.longest, sampled_read.longest, sampled_write.longest)
        m.d.sync += [
            due.eq(sampled),
            addition.read_beats.eq(since.read.lengths + since.read.requests),
            addition.write_beats.eq(since.write.lengths + since.write.requests),
            addition.read_requests.eq(since.read.requests),
            addition.write_requests.eq(since.write.requests),
            addition.denials.eq(since.read.denials + since.write.denials),
            addition.stalls.eq(since.read.stalls + since.write.stalls),
            addition.longest_latency.eq(longest),
        ]
        with m.If(~sampled.owned):
            m.d.sync += addition.eq(0)

        # Stage 3: the slice's counters and bucket.
        m.submodules.counters = counters = SliceCounters(plan)
        m.submodules.buckets = buckets = TokenBuckets(plan)
        m.d.comb += [
            counters.slice.eq(due.slice),
            counters.add.eq(due.owned),
            counters.clear.eq(due.clear),
            counters.copy.eq(due.copy),
            counters.addition.eq(addition),
            counters.external_enable.eq(self.external_enable),
            counters.external_member.eq(self.external_member),
            counters.external_word.eq(self.external_word),
            self.external_data.eq(counters.external_data),
            buckets.slice.eq(due.slice),
            buckets.charge.eq(due.owned),
            buckets.refill.eq(due.is_slice),
            buckets.clear.eq(due.clear),
            self.busy.eq(copy_requested | copying | sampled.copy | due.copy),
        ]
        self._tell(m, due, addition, buckets)
        return m

    def _tell(self, m: Module, due: data.View, addition: data.View, buckets: TokenBuckets) -> None:
        """The contract of the slice that is due: to its bucket, and with the verdict to the visited context."""

        def contract(name: str, value: Value) -> Value:
            m.submodules[name] = copy = Memory(shape=len(value), depth=1 << self.plan.slice_bits, init=[])
            write, read = copy.write_port(), copy.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(getattr(self, f"{name}_write")),
                write.addr.eq(self.contract_slice),
                write.data.eq(value),
                read.addr.eq(due.slice),
            ]
            return read.data

        class_bits, piece_bits, halving_bits = self.plan.class_bits, self.plan.piece_bits, self.plan.halving_bits
        value = self.contract_value
        qos = contract("qos", Cat(value[:class_bits], value[HALVINGS_BIT : HALVINGS_BIT + halving_bits]))
        rate = contract("rate", Cat(self.contract_value[:RATE_BITS], self.contract_value[LIMITED_BIT]))
        m.d.comb += [
            buckets.rate.eq(rate[:-1]),
            buckets.limited.eq(rate[-1]),
            buckets.burst.eq(contract("burst", self.contract_value[:BURST_BITS])),
        ]
        charged_writes: Value = addition.write_beats
        writes_eligible: Value = buckets.eligible
        if self.plan.separate_budgets:
            bits = Cat(value[:RATE_BITS], value[SEPARATE_BIT] & value[LIMITED_BIT], value[SEPARATE_BIT])
            write_rate = contract("write_rate", bits)
            separate = Signal()
            separate_1 = Signal()
            separate_2 = Signal()
            m.submodules.write_buckets = write_buckets = TokenBuckets(self.plan)
            m.d.comb += [
                separate.eq(write_rate[-1]),
                *(getattr(write_buckets, name).eq(getattr(buckets, name)) for name in VISIT),
                write_buckets.beats.eq(addition.write_beats),
                write_buckets.rate.eq(write_rate[:-2]),
                write_buckets.limited.eq(write_rate[-2]),
                write_buckets.burst.eq(contract("write_burst", value[:BURST_BITS])),
            ]
            m.d.sync += [separate_1.eq(separate), separate_2.eq(separate_1)]
            charged_writes = Mux(separate, 0, addition.write_beats)
            writes_eligible = write_buckets.eligible & (separate_2 | buckets.eligible)
        m.d.comb += buckets.beats.eq(addition.read_beats + charged_writes)
        terms = {"class": qos[:class_bits]}
        if piece_bits:
            terms["piece"] = Const(self.plan.chunk - 1, piece_bits) >> qos[class_bits:]
        told_1 = Signal(told_layout(self.plan))
        told_2 = Signal(told_layout(self.plan))
        m.d.sync += [
            told_1.context.eq(due.context),
            told_1.is_context.eq(~due.is_slice),
            *(told_1[name].eq(value) for name, value in terms.items()),
            told_2.eq(told_1),
        ]
        for c in range(len(self.plan.contexts)):
            with m.If(told_2.is_context & (told_2.context == c)):
                m.d.sync += [
                    *(getattr(self, f"{name}{c}").eq(told_2[name]) for name in terms),
                    getattr(self, f"read_eligible{c}").eq(buckets.eligible),
                ]
                if self.plan.separate_budgets:
                    m.d.sync += getattr(self, f"write_eligible{c}").eq(writes_eligible)
            if not self.plan.separate_budgets:
                m.d.comb += getattr(self, f"write_eligible{c}").eq(getattr(self, f"read_eligible{c}"))

    def _tallies(self, m: Module, visit: Signal) -> list[tuple[Tally, Tally]]:
        """Read and write tally of each initiator, told whether and which of their contexts is visited."""
        visited = [Signal(name=f"{initiator.name}_visited") for initiator in self.plan.initiators]
        visited_context = Signal(self.plan.user_bits)
        with m.Switch(visit):
            for context in self.plan.contexts:
                with m.Case(context.index):
                    m.d.comb += [visited[context.initiator].eq(1), visited_context.eq(context.number)]
        now = Signal(layouts.BIRTH_BITS)
        then = Signal(layouts.BIRTH_BITS, init=(1 << layouts.BIRTH_BITS) - READ_CYCLES)
        m.d.sync += [now.eq(now + 1), then.eq(then + 1)]
        result = []
        for initiator in self.plan.initiators:
            pair = Tally(self.plan, initiator.alike), Tally(self.plan, initiator.alike)
            for tally, plane in zip(pair, ("read", "write"), strict=True):
                m.submodules[f"{plane}_{initiator.name}"] = tally
                m.d.comb += [
                    tally.events.eq(getattr(self, f"{plane}{initiator.index}")),
                    tally.now.eq(now),
                    tally.then.eq(then),
                    tally.visited.eq(visited[initiator.index]),
                    tally.visited_context.eq(visited_context),
                ]
            result.append(pair)
        return result
