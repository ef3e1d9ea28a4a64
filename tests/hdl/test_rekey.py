"""G1, G2: a granule changes owner in one piece: revoked, drained, scrubbed, granted, in this order."""

from amaranth.hdl import Elaboratable, Module

from hdl.control.rekey import SCRUBS, Rekey
from hdl.fabric.egress import Egress
from hdl.fabric.epochs import Epochs
from hdl.fabric.scrubber import connect_scrubber, scrub_bits
from hdl.plan.blocks import REKEY_PHASES
from hdl.plan.plan import KEY_NOBODY, SCRUB_BEATS

from .harness import board, simulate

A, B = 0, 1  # two initiators, slice = index
KEY_A, KEY_B = 1, 2


class TargetSide(Elaboratable):
    """Both egress planes of mini's memory, its epochs and its rekey engine, connected as in the card."""

    def __init__(self):
        self.plan = board("mini")
        self.target = self.plan.targets[0]
        self.read, self.write = (Egress(self.plan, self.target, write=write) for write in (False, True))
        self.rekey, self.epochs = Rekey(self.plan, self.target), Epochs(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.read, m.submodules.write = self.read, self.write
        m.submodules.rekey, m.submodules.epochs = self.rekey, self.epochs
        epochs, rekey, write = self.epochs, self.rekey, self.write
        m.d.comb += [
            epochs.behind.eq(self.read.behind | write.behind),
            epochs.drain.eq(rekey.drain),
            rekey.drained.eq(epochs.drained),
        ]
        for egress in (self.read, write):
            m.d.comb += egress.epoch.eq(epochs.epoch)
            for name in ("revoke", "revoke_first", "revoke_last", "key_write", "key_granule", "key_value"):
                m.d.comb += getattr(egress, name).eq(getattr(rekey, name))
        m.d.comb += [
            rekey.scrub_done.eq(write.scrubbed),
            rekey.scrub_error.eq(write.scrub_error),
        ]
        connect_scrubber(m, rekey.plan, rekey, write, 2)
        return m


async def _rights(ctx, side):
    """Each slice has its key; no slice can ever get a right on key 0, whatever is written."""
    for key, slices in ((KEY_A, 1 << A), (KEY_B, 1 << B), (0, -1)):
        for egress in (side.read, side.write):
            ctx.set(egress.rights_key, key)
            ctx.set(egress.rights_slices, slices)
            ctx.set(egress.rights_write, 1)
        await ctx.tick()
    for egress in (side.read, side.write):
        ctx.set(egress.rights_write, 0)


async def _phase(ctx, side, name, limit=6000):
    for _ in range(limit):
        if REKEY_PHASES[ctx.get(side.rekey.phase)] == name:
            return
        await ctx.tick()
    raise AssertionError(f"never came to {name}")


async def _command(ctx, side, *, first, last, key, scrub):
    for name, value in (("first", first), ("last", last), ("key", key), ("scrub", scrub), ("command", 1)):
        ctx.set(getattr(side.rekey, name), value)
    await ctx.tick()
    ctx.set(side.rekey.command, 0)


async def _ask(ctx, side, initiator, granule):
    """One single-beat read; returns after the gate has taken it."""
    ctx.set(getattr(side.read, f"asking{initiator}"), {"granule": granule, "slice": initiator})
    ctx.set(getattr(side.read, f"rest{initiator}"), {"size": 2, "burst": 1})
    ctx.set(getattr(side.read, f"note{initiator}"), {"id": initiator})
    ctx.set(side.read.request_valid, 1 << initiator)
    while not ctx.get(side.read.request_ready) >> initiator & 1:
        await ctx.tick()
    await ctx.tick()
    ctx.set(side.read.request_valid, 0)


async def _outcome(ctx, side, initiator, answer=True):
    """What becomes of the oldest read that was taken: "passed" or "denied"."""
    way_back = getattr(side.read, f"return{initiator}")
    for _ in range(40):
        if ctx.get(way_back.valid):
            beat = await _deliver(ctx, way_back)
            assert beat.denied
            assert beat.answer.data == 0
            return "denied"
        if ctx.get(side.read.address.valid) and ctx.get(side.read.identity) == initiator:
            ctx.set(side.read.address.ready, 1)
            await ctx.tick()
            ctx.set(side.read.address.ready, 0)
            if answer:
                await _answer(ctx, side, initiator)
            return "passed"
        await ctx.tick()
    raise AssertionError("neither passed nor denied")


async def _deliver(ctx, way_back):
    ctx.set(way_back.show, 1)
    ctx.set(way_back.take, 1)
    beat = ctx.get(way_back.beat)
    await ctx.tick()
    ctx.set(way_back.show, 0)
    ctx.set(way_back.take, 0)
    return beat


async def _answer(ctx, side, initiator):
    """The target answers the oldest read of the initiator, and the initiator takes the answer."""
    ctx.set(side.read.answer.payload, {"id": initiator, "answer": {"data": 0x55, "response": 0, "last": 1}})
    ctx.set(side.read.answer.valid, 1)
    while not ctx.get(side.read.answer.ready):
        await ctx.tick()
    await ctx.tick()
    ctx.set(side.read.answer.valid, 0)
    way_back = getattr(side.read, f"return{initiator}")
    while not ctx.get(way_back.valid):
        await ctx.tick()
    beat = await _deliver(ctx, way_back)
    assert (beat.id, beat.denied, beat.answer.data) == (initiator, 0, 0x55)


class Memory:
    """Takes writes at the target port, keeps their addresses and answers them."""

    def __init__(self, side, response=0):
        self.side, self.response, self.written = side, response, {}

    async def run(self, ctx):
        write, pending, starts, beat = self.side.write, 0, [], 0
        ctx.set(write.address.ready, 1)
        ctx.set(write.w.ready, 1)
        while True:
            if ctx.get(write.address.valid):
                starts.append(ctx.get(write.address.payload.address))
            if ctx.get(write.w.valid):
                self.written[starts[0] + 4 * beat] = ctx.get(write.w.payload.data)
                assert ctx.get(write.w.payload.strobe) == 0xF
                beat += 1
                if ctx.get(write.w.payload.last):
                    starts.pop(0)
                    beat, pending = 0, pending + 1
            if ctx.get(write.answer.valid) and ctx.get(write.answer.ready):
                pending -= 1
            await ctx.tick()
            ctx.set(write.answer.valid, int(pending > 0))
            answer = {"response": self.response, "last": 1}
            ctx.set(write.answer.payload, {"id": len(self.side.plan.initiators), "answer": answer})


def test_closed_after_reset():
    side = TargetSide()

    async def bench(ctx):
        assert ctx.get(side.rekey.revoke) == 1
        await _rights(ctx, side)
        for granule in range(4):
            for initiator in (A, B):
                await _ask(ctx, side, initiator, granule)
                assert await _outcome(ctx, side, initiator) == "denied"
        await _phase(ctx, side, "idle")
        await _ask(ctx, side, A, 2)
        assert await _outcome(ctx, side, A) == "denied"

    simulate(side, bench)


def test_grant_gives_exactly_the_range_to_exactly_the_slice():
    side = TargetSide()
    memory = Memory(side)

    async def bench(ctx):
        await _rights(ctx, side)
        await _phase(ctx, side, "idle")
        await _command(ctx, side, first=1, last=2, key=KEY_A, scrub=1)
        await _phase(ctx, side, "idle")
        assert ctx.get(side.rekey.refused) == 0
        assert sorted(memory.written) == list(range(4096, 3 * 4096, 4)), "scrubbed: all of the range and nothing else"
        assert set(memory.written.values()) == {0}
        got = {}
        for granule in range(4):
            for initiator in (A, B):
                await _ask(ctx, side, initiator, granule)
                got[granule, initiator] = await _outcome(ctx, side, initiator)
        assert {place for place, outcome in got.items() if outcome == "passed"} == {(1, A), (2, A)}

    simulate(side, bench, memory.run)


def test_revoke_waits_for_what_was_granted_and_denies_what_comes_after():
    side = TargetSide()

    async def bench(ctx):
        await _rights(ctx, side)
        await _phase(ctx, side, "idle")
        await _command(ctx, side, first=0, last=3, key=KEY_A, scrub=0)
        await _phase(ctx, side, "idle")
        # The target takes no more than the first: three stand in the gate.
        for granule in (0, 1, 1, 2):
            await _ask(ctx, side, A, granule)
        assert await _outcome(ctx, side, A, answer=False) == "passed"
        await _command(ctx, side, first=0, last=1, key=KEY_B, scrub=0)
        for _ in range(50):
            await ctx.tick()
            assert REKEY_PHASES[ctx.get(side.rekey.phase)] in ("revoke", "drain"), "granted over a request in flight"
        for granule in (1, 2):
            await _ask(ctx, side, A, granule)
        await _answer(ctx, side, A)
        outcomes = [await _outcome(ctx, side, A) for _ in range(5)]
        assert outcomes == ["passed", "passed", "passed", "denied", "passed"], "others on the target go on"
        await _phase(ctx, side, "idle")
        for initiator, expected in ((A, "denied"), (B, "passed")):
            await _ask(ctx, side, initiator, 0)
            assert await _outcome(ctx, side, initiator) == expected

    simulate(side, bench)


def test_wrong_commands_are_refused_and_change_nothing():
    side = TargetSide()

    async def bench(ctx):
        await _command(ctx, side, first=0, last=0, key=KEY_A, scrub=0)
        assert ctx.get(side.rekey.refused) == 1, "busy with the sweep after reset"
        await _rights(ctx, side)
        await _phase(ctx, side, "idle")
        await _command(ctx, side, first=2, last=1, key=KEY_A, scrub=0)
        assert ctx.get(side.rekey.refused) == 1
        assert REKEY_PHASES[ctx.get(side.rekey.phase)] == "idle"
        await _ask(ctx, side, A, 0)
        assert await _outcome(ctx, side, A) == "denied"
        await _command(ctx, side, first=0, last=0, key=KEY_A, scrub=0)
        assert ctx.get(side.rekey.refused) == 0

    simulate(side, bench)


def test_failed_scrub_leaves_the_range_to_nobody():
    side = TargetSide()

    async def bench(ctx):
        await _rights(ctx, side)
        await _phase(ctx, side, "idle")
        await _command(ctx, side, first=0, last=0, key=KEY_A, scrub=1)
        await _phase(ctx, side, "idle")
        assert ctx.get(side.rekey.failed) == 1
        await _ask(ctx, side, A, 0)
        assert await _outcome(ctx, side, A) == "denied"

    simulate(side, bench, Memory(side, response=2).run)


async def _scrub_engine(ctx, rekey, *, ticks, sent):
    """Take everything that the engine sends for some cycles; notes the scrub writes."""
    for _ in range(ticks):
        ctx.set(rekey.scrub_ready, 1)
        ctx.set(rekey.drained, ctx.get(rekey.drain))
        if ctx.get(rekey.scrub_valid) and ctx.get(rekey.scrub_first):
            sent.append(ctx.get(rekey.scrub_burst) << scrub_bits(rekey.plan))
        await ctx.tick()


async def _start_scrub(ctx, rekey):
    """The command to rekey granule 0 with scrub, once the sweep after reset has ended."""
    await _scrub_engine(ctx, rekey, ticks=rekey.target.keyed + 20, sent=[])
    for name, value in (("key", KEY_A), ("scrub", 1), ("command", 1)):
        ctx.set(getattr(rekey, name), value)
    await ctx.tick()
    ctx.set(rekey.command, 0)


def test_a_target_may_take_its_time_with_scrub_writes():
    """It takes all that it is sent and answers none; what it was not asked for does not count."""
    plan = board("mini")
    rekey = Rekey(plan, plan.targets[0])
    bursts = plan.granule // (SCRUB_BEATS * plan.data_bytes)
    sent = []

    async def bench(ctx):
        ctx.set(rekey.scrub_done, 1)
        await _start_scrub(ctx, rekey)
        ctx.set(rekey.scrub_done, 0)
        await _scrub_engine(ctx, rekey, ticks=4000, sent=sent)
        assert len(sent) == SCRUBS < bursts, "more scrub writes than can be counted"
        for answers in range(1, bursts + 1):
            assert REKEY_PHASES[ctx.get(rekey.phase)] in ("scrub", "flush"), f"ended after {answers - 1} answers"
            ctx.set(rekey.scrub_done, 1)
            await _scrub_engine(ctx, rekey, ticks=1, sent=sent)
            ctx.set(rekey.scrub_done, 0)
            await _scrub_engine(ctx, rekey, ticks=20, sent=sent)
        await _scrub_engine(ctx, rekey, ticks=20, sent=sent)
        assert REKEY_PHASES[ctx.get(rekey.phase)] == "idle" and not ctx.get(rekey.failed)

    simulate(rekey, bench)
    assert len(set(sent)) == len(sent) == bursts


def test_a_target_that_is_cut_off_ends_its_rekey():
    """The range is left to nobody."""
    plan = board("mini")
    rekey = Rekey(plan, plan.targets[0])

    async def bench(ctx):
        await _start_scrub(ctx, rekey)
        await _scrub_engine(ctx, rekey, ticks=200, sent=[])
        assert ctx.get(rekey.scrubs)
        ctx.set(rekey.cut, 1)
        granted = []
        for _ in range(3000):
            if ctx.get(rekey.key_write):
                granted.append((ctx.get(rekey.key_granule), ctx.get(rekey.key_value)))
            await _scrub_engine(ctx, rekey, ticks=1, sent=[])
        assert REKEY_PHASES[ctx.get(rekey.phase)] == "idle" and ctx.get(rekey.failed)
        assert granted == [(0, KEY_NOBODY)]

    simulate(rekey, bench)
