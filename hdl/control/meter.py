"""The meter: budgets and counters of all slices, kept by one rotating sequencer."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Member, Out

from ..fabric import layouts
from ..plan.plan import Plan, bits_for
from .slice_counters import COUNTERS, SliceCounters, addition_layout
from .tally import RUNNING, Tally, tally_layout
from .token_buckets import BURST_BITS, RATE_BITS, TokenBuckets

SETTLING = 5
"""A charge is seen in `eligible` at most ``meter_period + SETTLING`` cycles after the request."""


class Meter(wiring.Component):
    """Budgets and counters per slice, over all ports.

    In each cycle the sequencer visits one context or one slice, contexts first; a rotation takes ``plan.meter_period``
    cycles. At a context it takes what the context has counted since its last visit, charges its slice's tokens with
    the beats, and adds to its slice's counters. At a slice it refills the tokens by `rate`, up to `burst`.

    A request is let through while its slice has tokens, and its whole length is charged, so tokens may go negative:
    the rate is exact in the long run. A charge is seen ``meter_period + SETTLING`` cycles after the request at the
    latest, so in any number of rotations n a limited slice moves at most ``burst + n * rate`` beats and what its ports
    send in ``meter_period + SETTLING`` cycles. A slice without limit has a full bucket.
    A burst of 0 beats stops a limited slice; a burst below one refill makes the burst the rate.

    A snapshot copies the counters while the sequencer visits the slices, when none of them changes. All counts of a
    context are of one cycle; those of two contexts differ by less than a rotation. The longest latency starts anew with
    each snapshot. Events of a context without owner count nowhere. A context's owner must stay for
    ``meter_period + 2`` cycles after its last event, so that the event counts for the slice that caused it.

    Counters and tokens are cleared in the first rotation after reset, in which there are no owners.

    Members
    -------
    read{i}, write{i} : In(layouts.meter_events)
        Events of initiator i. On a port with one context the context numbers are ignored.
    owner_slice{c}, owner_owned{c} : In
        Owner of context c, an index in the card's list of contexts.
    rate{s} : In(24)
        Tokens of 2**-FRACTION_BITS beats that slice s gets in a rotation.
    limited{s} : In(1)
    burst{s} : In(16)
        Depth of the bucket in beats.
    now : Out(16)
        Time stamp, the birth of a request that is accepted in this cycle.
    eligible : Out(slices)
        The slice has tokens, or no limit. Registered.
    snapshot : In(1)
        Starts a snapshot; ignored while busy.
    busy : Out(1)
        A snapshot is being taken, for at most two rotations and 3 cycles.
    external_member, external_word : In
        Slice, and counter in the order of the register map.
    external_data : Out(32)
        Value of the last snapshot, one cycle later.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        events = layouts.meter_events(plan)
        members: dict[str, Member] = {}
        for initiator in plan.initiators:
            members |= {f"read{initiator.index}": In(events), f"write{initiator.index}": In(events)}
        for c in range(len(plan.contexts)):
            members |= {f"owner_slice{c}": In(plan.slice_bits), f"owner_owned{c}": In(1)}
        for s in range(plan.slices):
            members |= {f"rate{s}": In(RATE_BITS), f"limited{s}": In(1), f"burst{s}": In(BURST_BITS)}
        super().__init__(
            {
                **members,
                "now": Out(layouts.BIRTH_BITS),
                "eligible": Out(plan.slices),
                "snapshot": In(1),
                "busy": Out(1),
                "external_member": In(plan.slice_bits),
                "external_word": In(bits_for(len(COUNTERS))),
                "external_data": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, contexts = self.plan, len(self.plan.contexts)
        m.d.sync += self.now.eq(self.now + 1)

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

        # Stage 1: the visited context with its counts, or the visited slice with its contract.
        who = data.StructLayout({"slice": plan.slice_bits, "owned": 1, "is_slice": 1, "clear": 1, "copy": 1})
        tally = tally_layout(plan)
        sampled = Signal(who)
        sampled_context = Signal(bits_for(contexts))
        sampled_read = Signal(tally)
        sampled_write = Signal(tally)
        sampled_rate = Signal(RATE_BITS)
        sampled_burst = Signal(BURST_BITS)
        sampled_limited = Signal()
        m.d.sync += [
            sampled.is_slice.eq(0),
            sampled.owned.eq(0),
            sampled.clear.eq(0),
            sampled.copy.eq(copying),
            sampled_context.eq(visit),
        ]
        with m.Switch(visit):
            for context in plan.contexts:
                with m.Case(context.index):
                    m.d.sync += [
                        sampled.slice.eq(getattr(self, f"owner_slice{context.index}")),
                        sampled.owned.eq(getattr(self, f"owner_owned{context.index}")),
                    ]
            for s in range(plan.slices):
                with m.Case(contexts + s):
                    m.d.sync += [
                        sampled.is_slice.eq(1),
                        sampled.slice.eq(s),
                        sampled.clear.eq(clearing),
                        sampled_rate.eq(getattr(self, f"rate{s}")),
                        sampled_burst.eq(getattr(self, f"burst{s}")),
                        sampled_limited.eq(getattr(self, f"limited{s}")),
                    ]
        tallies = self._tallies(m, visit)
        with m.Switch(visit):
            for initiator, (read, write) in zip(plan.initiators, tallies, strict=True):
                with m.Case(*(context.index for context in initiator.contexts)):
                    m.d.sync += [sampled_read.eq(read.counts), sampled_write.eq(write.counts)]

        # Stage 2: what has come since the last visit.
        running = data.StructLayout({name: tally[name].shape for name in RUNNING})
        both = data.StructLayout({"read": running, "write": running})
        m.submodules.last_visit = last_visit = Memory(shape=both, depth=1 << bits_for(contexts), init=[])
        last, this = last_visit.read_port(domain="comb"), last_visit.write_port()
        since = Signal(both)
        longest_read = Signal(layouts.BIRTH_BITS)
        longest_write = Signal(layouts.BIRTH_BITS)
        m.d.comb += [
            last.addr.eq(sampled_context),
            this.addr.eq(sampled_context),
            this.en.eq(~sampled.is_slice),
            longest_read.eq(Mux(sampled_read.answered, sampled_read.longest, 0)),
            longest_write.eq(Mux(sampled_write.answered, sampled_write.longest, 0)),
        ]
        for name in RUNNING:
            m.d.comb += [
                this.data.read[name].eq(sampled_read[name]),
                this.data.write[name].eq(sampled_write[name]),
                since.read[name].eq(sampled_read[name] - last.data.read[name]),
                since.write[name].eq(sampled_write[name] - last.data.write[name]),
            ]
        due = Signal(who)
        addition = Signal(addition_layout(plan))
        due_rate = Signal(RATE_BITS)
        due_burst = Signal(BURST_BITS)
        due_limited = Signal()
        m.d.sync += [
            due.eq(sampled),
            addition.read_beats.eq(since.read.lengths + since.read.requests),
            addition.write_beats.eq(since.write.lengths + since.write.requests),
            addition.read_requests.eq(since.read.requests),
            addition.write_requests.eq(since.write.requests),
            addition.denials.eq(since.read.denials + since.write.denials),
            addition.stalls.eq(since.read.stalls + since.write.stalls),
            addition.longest_latency.eq(Mux(longest_write < longest_read, longest_read, longest_write)),
            due_rate.eq(sampled_rate),
            due_burst.eq(sampled_burst),
            due_limited.eq(sampled_limited),
        ]
        with m.If(sampled.is_slice):
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
            counters.external_member.eq(self.external_member),
            counters.external_word.eq(self.external_word),
            self.external_data.eq(counters.external_data),
            buckets.slice.eq(due.slice),
            buckets.charge.eq(due.owned),
            buckets.refill.eq(due.is_slice),
            buckets.clear.eq(due.clear),
            buckets.beats.eq(addition.read_beats + addition.write_beats),
            buckets.rate.eq(due_rate),
            buckets.burst.eq(due_burst),
            buckets.limited.eq(due_limited),
            self.eligible.eq(buckets.eligible),
            self.busy.eq(copy_requested | copying | sampled.copy | due.copy),
        ]
        return m

    def _tallies(self, m: Module, visit: Signal) -> list[tuple[Tally, Tally]]:
        """Read and write tally of each initiator, told whether and which of their contexts is visited."""
        visited = [Signal(name=f"{initiator.name}_visited") for initiator in self.plan.initiators]
        visited_context = Signal(self.plan.user_bits)
        with m.Switch(visit):
            for context in self.plan.contexts:
                with m.Case(context.index):
                    m.d.comb += [visited[context.initiator].eq(1), visited_context.eq(context.number)]
        result = []
        for initiator in self.plan.initiators:
            pair = Tally(self.plan, initiator), Tally(self.plan, initiator)
            for tally, plane in zip(pair, ("read", "write"), strict=True):
                m.submodules[f"{plane}_{initiator.name}"] = tally
                m.d.comb += [
                    tally.events.eq(getattr(self, f"{plane}{initiator.index}")),
                    tally.now.eq(self.now),
                    tally.visited.eq(visited[initiator.index]),
                    tally.visited_context.eq(visited_context),
                ]
            result.append(pair)
        return result
