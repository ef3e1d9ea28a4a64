"""Budgets are kept and counters are exact, whatever the ports do."""

import dataclasses

import pytest
from amaranth.hdl import Module, ResetInserter, Signal

from hdl.control.meter import Meter
from hdl.control.slice_counters import COUNTERS
from hdl.control.token_buckets import SETTLING
from hdl.plan.plan import FRACTION_BITS

from .harness import board, simulate
from .meter_ports import (
    PLANS,
    Ports,
    eligible,
    look,
    one_of_each,
    random_owners,
    saturate,
    set_contract,
    set_owners,
    settle,
    snapshot,
    start,
)


@PLANS
def test_counters_are_exact(plan):
    """When the ports have come to rest, every event is in its slice's counters once, at any load."""
    meter = Meter(plan)
    ports = Ports(plan, meter, seed=1)
    owner = random_owners(plan, ports.random)
    owner[0] = 0

    async def bench(ctx):
        await start(ctx, meter, owner)
        for density in (0.1, 1):
            await ports.run(ctx, 100, density)
            taken = await snapshot(ctx, meter)
            assert taken == ports.expected(owner)
            assert any(counters["longest_latency"] for counters in taken)
            ports.longest = dict.fromkeys(ports.longest, 0)  # starts anew with each snapshot

    simulate(meter, bench)


def test_snapshot_is_of_one_instant():
    """Under traffic, a snapshot stays as it is until the next one, and fits together within and between slices."""
    plan = board("quad")
    meter = Meter(plan)
    owner = {context.index: context.index % plan.slices for context in plan.contexts}
    length = 6
    event = {"sent": 1, "sent_through": 1, "sent_length": length, "stalled": 1}
    cycle = 0

    async def bench(ctx):
        def drive():
            nonlocal cycle
            cycle += 1
            for initiator in plan.initiators:
                number = cycle % len(initiator.contexts)
                for plane in ("read", "write"):
                    values = {**event, "sent_context": number, "stalled_context": number}
                    ctx.set(getattr(meter, f"{plane}{initiator.index}"), values)

        await start(ctx, meter, owner)
        before = None
        for _ in range(4):
            taken = await snapshot(ctx, meter, drive)
            for counters in taken:
                assert counters["read_requests"] == counters["write_requests"]
                assert counters["read_beats"] == (length + 1) * counters["read_requests"]
                assert counters["stalls"] == 2 * counters["read_requests"]
            # Slices 2 and 3 have a host's context and a core each, with the same traffic.
            assert abs(taken[2]["read_requests"] - taken[3]["read_requests"]) <= len(plan.contexts)
            assert before is None or all(
                new["read_requests"] > old["read_requests"] for new, old in zip(taken, before, strict=True)
            )
            before = taken
            again = []

            async def tick():
                drive()
                await ctx.tick()

            for s in range(plan.slices):
                again.append(await look(ctx, meter, s, 2, tick))
            assert again == [counters["read_requests"] for counters in taken], "a snapshot does not move"

    simulate(meter, bench)


def test_handover_leaks_nothing():
    """Events count for the owner of their time only; without an owner they count nowhere, and never later."""
    plan = board("quad")
    meter = Meter(plan)
    everybody = [context.index for context in plan.contexts]
    ports = Ports(plan, meter, seed=3)

    async def bench(ctx):
        await start(ctx, meter, dict.fromkeys(everybody, 2))
        await ports.run(ctx, 70, 0.6)
        first = ports.expected(dict.fromkeys(everybody, 2))[2]
        set_owners(ctx, meter, dict.fromkeys(everybody))
        await ports.run(ctx, 71, 0.6)
        ports.forget()
        set_owners(ctx, meter, dict.fromkeys(everybody, 5))
        await ports.run(ctx, 72, 0.6)
        second = ports.expected(dict.fromkeys(everybody, 5))[5]
        nothing = dict.fromkeys(COUNTERS, 0)
        taken = await snapshot(ctx, meter)
        assert taken == [first if s == 2 else second if s == 5 else nothing for s in range(plan.slices)]

    simulate(meter, bench)


@pytest.mark.parametrize(("rate", "burst", "length"), [(700, 40, 0), (5 << 8, 5, 7), (1, 1, 0), (3000, 1000, 255)])
def test_rate_is_exact_and_burst_is_bounded(rate, burst, length):
    """A slice that always wants more gets its rate to the token in the long run, and never more than the bound.

    The bound for n rotations: the bucket, n refills, and what its ports send before a charge is seen.
    """
    plan = board("mini")
    meter = Meter(plan)
    period = plan.meter_period
    senders = (0, 1)
    owner = {0: 3, 1: 1, 2: 3}
    unseen = len(senders) * (length + 1) * (2 * period + SETTLING)
    rotations = 200
    trace = []

    async def bench(ctx):
        await set_contract(ctx, meter, 3, rate=rate, burst=burst)
        await start(ctx, meter, owner)
        await ctx.tick().repeat(period * (2 + (burst << FRACTION_BITS) // rate))  # until the bucket is full
        trace.extend(await saturate(ctx, meter, senders, length, rotations * period))

    simulate(meter, bench)
    total = [0]
    for beats in trace:
        total.append(total[-1] + beats)
    unit = 1 << FRACTION_BITS
    for n in (1, 2, 5, 20, 70, rotations):
        most = max(total[end] - total[end - n * period] for end in range(n * period, len(total)))
        assert most * unit <= burst * unit + (n + 1) * rate + unseen * unit, f"{n} rotations"
    left = (burst - total[-1]) * unit + rotations * rate  # tokens, up to one refill that may be outside the trace
    assert -unseen * unit <= left <= max(rate, unit) + rate, "the rate is exact: only the bucket's state is left"


def test_bucket_is_exact():
    """Without a refill a slice sends exactly its burst; with one, its rate to the beat, however slowly it asks."""
    plan = board("mini")
    meter = Meter(plan)
    rate, rotations = 100, 300
    settled = plan.meter_period + SETTLING

    async def ask(ctx, cycles):
        """Send one beat at a time, each when the one before is surely charged. Returns their number."""
        beats = 0
        for _ in range(cycles // settled):
            sent = eligible(ctx, meter, 2)
            ctx.set(meter.write1, {"sent": sent, "sent_through": 1})
            await ctx.tick()
            ctx.set(meter.write1, {})
            await ctx.tick().repeat(settled - 1)
            beats += sent
        return beats

    async def bench(ctx):
        await set_contract(ctx, meter, 1, rate=1 << 20, burst=20)
        await start(ctx, meter, {0: 0, 1: 0, 2: 1})
        await ctx.tick().repeat(3 * plan.meter_period)
        await set_contract(ctx, meter, 1, rate=0, burst=20)
        await ctx.tick().repeat(3 * plan.meter_period)
        assert await ask(ctx, 40 * settled) == 20
        await set_contract(ctx, meter, 1, rate=rate, burst=20)
        beats = await ask(ctx, rotations * plan.meter_period)
        assert abs(beats - (rotations * rate >> FRACTION_BITS)) <= 1

    simulate(meter, bench)


SEPARATE = dataclasses.replace(board("mini"), budgets="separate")


@pytest.mark.parametrize(
    ("rate", "write", "shares"),
    [
        ((1 << 8, 1), (1 << 9, 16), (1, 2)),
        ((1 << 8, 1), (None, 0), (1, None)),
        ((0, 0), (1 << 9, 16), (None, 2)),
        ((1 << 9, 1), None, (2, 2)),
    ],
    ids=["both", "reads", "writes", "together"],
)
def test_reads_and_writes_have_a_budget_each(rate, write, shares):
    """Each plane gets its own rate, to the token, whatever the other one does; or both together one rate."""
    meter = Meter(SEPARATE)
    period, rotations, senders = SEPARATE.meter_period, 200, (0, 1)
    trace = []

    async def bench(ctx):
        await set_contract(ctx, meter, 3, rate=rate[0], burst=16, limited=rate[1], write=write)
        await start(ctx, meter, {0: 3, 1: 1, 2: 3})
        await ctx.tick().repeat(20 * period)
        trace.extend(await saturate(ctx, meter, senders, 0, rotations * period, planes=("read", "write")))

    simulate(meter, bench)
    sums = [sum(beats[plane] for beats in trace) for plane in (0, 1)]
    unseen = len(senders) * (2 * period + SETTLING)
    free = len(senders) * rotations * period
    if write is None:
        assert sums[0] + sums[1] == pytest.approx(rotations * shares[0] + 16, abs=2 * unseen)
        assert min(sums) > 0.4 * max(sums), "either plane may spend it"
        return
    for total, share in zip(sums, shares, strict=True):
        if share is None:
            assert total == free, "a plane without a limit does not feel the other's"
        else:
            assert total == pytest.approx(rotations * share + 16, abs=unseen)


def test_a_plane_without_tokens_does_not_stop_the_other():
    """Reads that may not go at all leave writes alone, and the other way round; together they stop each other."""
    meter = Meter(SEPARATE)
    seen = []

    async def bench(ctx):
        await start(ctx, meter, {0: 1, 1: 1, 2: 1})
        for rate, write in (((0, 1), (None, 0)), ((0, 0), (0, 0)), ((0, 1), None), ((0, 0), None)):
            await set_contract(ctx, meter, 1, rate=rate[0], burst=0, limited=rate[1], write=write)
            await ctx.tick().repeat(3 * SEPARATE.meter_period + SETTLING)
            seen.append(tuple({eligible(ctx, meter, c, plane) for c in range(3)} for plane in ("read", "write")))

    simulate(meter, bench)
    assert seen == [({0}, {1}), ({1}, {0}), ({0}, {0}), ({1}, {1})]


def test_longest_latency_starts_anew():
    """A response in the very cycle of a visit counts for the next one, without what was longest before."""
    plan = one_of_each()
    meter = Meter(plan)
    waited = 0

    async def bench(ctx):
        def flow():
            """A request is accepted, entered, sent, answered in each cycle, each 5 cycles after its acceptance."""
            nonlocal waited
            waited += 1
            events = {
                "accepted": 1,
                "entered": waited > 1,
                "sent": waited > 3,
                "sent_first": 1,
                "done": waited > 5,
                "done_owned": 1,
            }
            ctx.set(meter.read0, {**events, "sent_ticket": waited % 8, "done_ticket": (waited - 2) % 8})

        await start(ctx, meter, {0: 0})
        ctx.set(meter.read0, {"accepted": 1})
        await ctx.tick()
        ctx.set(meter.read0, {"entered": 1})
        await ctx.tick()
        ctx.set(meter.read0, {"sent": 1, "sent_first": 1, "sent_ticket": 9})
        await ctx.tick()
        ctx.set(meter.read0, {})
        await ctx.tick().repeat(997)
        ctx.set(meter.read0, {"done": 1, "done_owned": 1, "done_ticket": 9})
        await ctx.tick()
        ctx.set(meter.read0, {})
        await settle(ctx, meter)
        seen = [(await snapshot(ctx, meter, flow))[0]["longest_latency"] for _ in range(3)]
        assert seen == [1000, 5, 5]

    simulate(meter, bench)


def test_contexts_learn_class_pieces_and_budget_of_their_slice():
    """A slice in debt does not hold up another one; without limit a slice is always eligible; burst 0 stops a slice."""
    plan = board("quad")
    meter = Meter(plan)
    owner = {context.index: context.index % 4 for context in plan.contexts}

    async def bench(ctx):
        def contracts():
            """(eligible, class, AxLEN of a piece) of each slice; all contexts of a slice must agree."""
            result = [set() for _ in range(4)]
            for context, slice_ in owner.items():
                told = (ctx.get(getattr(meter, f"{what}{context}")) for what in ("class", "piece"))
                result[slice_].add((eligible(ctx, meter, context), *told))
            assert all(len(values) == 1 for values in result), result
            return [values.pop() for values in result]

        await set_contract(ctx, meter, 0, rate=256, burst=16, qos=0x103)
        await set_contract(ctx, meter, 1, rate=0, burst=0, limited=0, qos=1)
        await set_contract(ctx, meter, 2, rate=1 << 20, burst=0, qos=0x302)
        await set_contract(ctx, meter, 3, rate=0xFFFFFF, burst=0xFFFF, qos=0x200)
        await start(ctx, meter, owner)
        await ctx.tick().repeat(20 * plan.meter_period)
        assert contracts() == [(1, 3, 3), (1, 1, 7), (0, 2, 0), (1, 0, 1)]
        for _ in range(10 * plan.meter_period):
            for i in range(len(plan.initiators)):
                events = {"sent": 1, "sent_through": 1, "sent_length": 255, "sent_context": i % 4}
                ctx.set(getattr(meter, f"read{i}"), events if plan.initiators[i].contexts[-1].index % 4 < 2 else {})
            await ctx.tick()
        assert contracts()[1:] == [(1, 1, 7), (0, 2, 0), (1, 0, 1)]
        for i in range(len(plan.initiators)):
            ctx.set(getattr(meter, f"read{i}"), {})
        await ctx.tick().repeat(3 * plan.meter_period)
        assert contracts() == [(0, 3, 3), (1, 1, 7), (0, 2, 0), (1, 0, 1)]
        # Slice 1 owes nothing for what it sent without a limit, when it gets one; a class changes within a rotation.
        await set_contract(ctx, meter, 1, rate=1, burst=9, qos=0x300)
        await ctx.tick().repeat(plan.meter_period + SETTLING)
        assert contracts() == [(0, 3, 3), (1, 0, 0), (0, 2, 0), (1, 0, 1)]
        # Slice 0 comes back when its limit is lifted.
        await set_contract(ctx, meter, 0, rate=256, burst=16, limited=0, qos=0x103)
        await ctx.tick().repeat(2 * plan.meter_period + SETTLING)
        assert contracts() == [(1, 3, 3), (1, 0, 0), (0, 2, 0), (1, 0, 1)]

    simulate(meter, bench)


def test_charge_is_seen_in_time():
    """A charge that empties the bucket stops its context in a rotation and SETTLING, the others a rotation later."""
    plan = board("mini")
    meter = Meter(plan)
    period = plan.meter_period
    sender, *others = 2, 0, 1
    latest = {}

    async def bench(ctx):
        await start(ctx, meter, {context.index: 1 for context in plan.contexts})
        for _ in range(period):
            await set_contract(ctx, meter, 1, rate=1 << 23, burst=100)
            await ctx.tick().repeat(4 * period)
            await set_contract(ctx, meter, 1, rate=0, burst=100)
            # Each round takes a whole number of rotations and one cycle, so that the request comes at each place.
            await ctx.tick().repeat(4 * period - SETTLING - 6)
            assert all(eligible(ctx, meter, context.index) for context in plan.contexts)
            ctx.set(meter.write1, {"sent": 1, "sent_through": 1, "sent_length": 255})
            for waited in range(1, 2 * period + SETTLING + 2):
                await ctx.tick()
                ctx.set(meter.write1, {})
                for context in plan.contexts:
                    if eligible(ctx, meter, context.index):
                        latest[context.index] = max(latest.get(context.index, 0), waited + 1)

    simulate(meter, bench)
    assert latest[sender] == period + SETTLING
    assert period + SETTLING < max(latest[context] for context in others) < 2 * period + SETTLING


def test_reset_clears_counters_and_budgets():
    """After a reset nothing is left of what was before."""
    plan = board("mini")
    meter = Meter(plan)
    reset = Signal()
    card = Module()
    card.submodules.meter = ResetInserter(reset)(meter)
    ports = Ports(plan, meter, seed=5)
    owner = {0: 0, 1: 1, 2: 2}

    async def bench(ctx):
        await set_contract(ctx, meter, 0, rate=1, burst=1)
        await start(ctx, meter, owner)
        await ports.run(ctx, 50, 1)
        await snapshot(ctx, meter)
        set_owners(ctx, meter, dict.fromkeys(owner))
        ctx.set(reset, 1)
        await ctx.tick().repeat(3)
        ctx.set(reset, 0)
        assert not any(eligible(ctx, meter, context) for context in owner)
        await start(ctx, meter, owner)
        await ctx.tick().repeat(SETTLING)
        shown = []
        for s in range(plan.slices):
            for word in range(len(COUNTERS)):
                shown.append(await look(ctx, meter, s, word, ctx.tick))
        assert not any(shown), "the last snapshot is gone"
        assert await snapshot(ctx, meter) == [dict.fromkeys(COUNTERS, 0)] * plan.slices
        await ctx.tick().repeat(2 * plan.meter_period)
        assert eligible(ctx, meter, 0), "the debt is gone"

    simulate(card, bench)
