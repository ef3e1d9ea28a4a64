"""G1, G2: a granule changes owner in one piece: revoked, drained, scrubbed, granted, in this order."""

from amaranth.hdl import Cat, Elaboratable, Module

from hdl.control.rekey import Rekey
from hdl.fabric.egress_read import EgressRead
from hdl.fabric.egress_write import EgressWrite
from hdl.fabric.epochs import Epochs
from hdl.plan.blocks import REKEY_PHASES

from .harness import board, simulate

A, B = 0, 1  # two initiators, slice = index
KEY_A, KEY_B = 1, 2


class TargetSide(Elaboratable):
    """Both egress planes of mini's memory, its epochs and its rekey engine, connected as in the card."""

    def __init__(self):
        self.plan = board("mini")
        self.target = self.plan.targets[0]
        self.read, self.write = EgressRead(self.plan, self.target), EgressWrite(self.plan, self.target)
        self.rekey, self.epochs = Rekey(self.plan, self.target), Epochs(self.plan, 1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.read, m.submodules.write = self.read, self.write
        m.submodules.rekey, m.submodules.epochs = self.rekey, self.epochs
        epochs, rekey = self.epochs, self.rekey
        m.d.comb += [
            epochs.passed_read.eq(self.read.passed),
            epochs.passed_write.eq(self.write.passed),
            epochs.done_read.eq(self.read.done),
            epochs.done_read_epoch.eq(self.read.done_epoch),
            epochs.done_write.eq(self.write.done),
            epochs.done_write_epoch.eq(self.write.done_epoch),
            epochs.drain.eq(rekey.drain),
            rekey.drained.eq(epochs.drained),
        ]
        for egress in (self.read, self.write):
            m.d.comb += egress.epoch.eq(epochs.epoch)
            for name in ("revoke", "revoke_first", "revoke_last", "key_write", "key_granule", "key_value"):
                m.d.comb += getattr(egress, name).eq(getattr(rekey, name))
            m.d.comb += [getattr(egress, f"rights{KEY_A}").eq(1 << A), getattr(egress, f"rights{KEY_B}").eq(1 << B)]
            # No slice can ever get a right on key 0, whatever the register says.
            m.d.comb += egress.rights0.eq(-1)
        scrubbed = self.write.response2
        m.d.comb += [
            self.write.request2.eq(rekey.scrub_request),
            self.write.beat2.eq(rekey.scrub_beat),
            Cat(self.write.request_valid[2]).eq(rekey.scrub_valid),
            rekey.scrub_ready.eq(self.write.request_ready[2]),
            rekey.scrub_done.eq(scrubbed.valid),
            rekey.scrub_error.eq(scrubbed.payload.response[1]),
            scrubbed.ready.eq(1),
        ]
        return m


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
    request = {"address": granule << side.plan.granule_bits, "slice": initiator, "size": 2, "burst": 1, "id": initiator}
    ctx.set(getattr(side.read, f"request{initiator}"), request)
    ctx.set(side.read.request_valid, 1 << initiator)
    while not ctx.get(side.read.request_ready) >> initiator & 1:
        await ctx.tick()
    await ctx.tick()
    ctx.set(side.read.request_valid, 0)


async def _outcome(ctx, side, initiator, answer=True):
    """What becomes of a read that was taken: "passed" or "denied"."""
    response = getattr(side.read, f"response{initiator}")
    ctx.set(response.ready, 1)
    for cycle in range(40):
        # A denial further ahead in the order is found within a few cycles: look for it before taking the next request.
        if cycle > 8 and ctx.get(side.read.ar.valid) and ctx.get(side.read.ar.payload.source) == initiator:
            ctx.set(side.read.ar.ready, 1)
            await ctx.tick()
            ctx.set(side.read.ar.ready, 0)
            if answer:
                await _answer(ctx, side, initiator)
            ctx.set(response.ready, 0)
            return "passed"
        if ctx.get(response.valid) and ctx.get(response.payload.head.denied):
            assert ctx.get(response.payload.data) == 0
            assert ctx.get(response.payload.head.response) == 2
            await ctx.tick()
            ctx.set(response.ready, 0)
            return "denied"
        await ctx.tick()
    raise AssertionError("neither passed nor denied")


async def _answer(ctx, side, initiator):
    ctx.set(side.read.r.payload, {"id": initiator, "data": 0x55, "resp": 0, "last": 1})
    ctx.set(side.read.r.valid, 1)
    while not ctx.get(side.read.r.ready):
        await ctx.tick()
    await ctx.tick()
    ctx.set(side.read.r.valid, 0)


class Memory:
    """Takes writes at the target port, keeps their addresses and answers them."""

    def __init__(self, side, response=0):
        self.side, self.response, self.written = side, response, {}

    async def run(self, ctx):
        write, pending, starts, beat = self.side.write, 0, [], 0
        ctx.set(write.aw.ready, 1)
        ctx.set(write.w.ready, 1)
        while True:
            if ctx.get(write.aw.valid):
                starts.append(ctx.get(write.aw.payload.request.address))
            if ctx.get(write.w.valid):
                self.written[starts[0] + 4 * beat] = ctx.get(write.w.payload.data)
                assert ctx.get(write.w.payload.strobe) == 0xF
                beat += 1
                if ctx.get(write.w.payload.last):
                    starts.pop(0)
                    beat, pending = 0, pending + 1
            if ctx.get(write.b.valid) and ctx.get(write.b.ready):
                pending -= 1
            await ctx.tick()
            ctx.set(write.b.valid, int(pending > 0))
            ctx.set(write.b.payload, {"id": len(self.side.plan.initiators), "resp": self.response})


def test_closed_after_reset():
    side = TargetSide()

    async def bench(ctx):
        assert ctx.get(side.rekey.revoke) == 1
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


def test_revoke_waits_for_what_had_passed_and_denies_what_had_not():
    side = TargetSide()

    async def bench(ctx):
        await _phase(ctx, side, "idle")
        await _command(ctx, side, first=0, last=3, key=KEY_A, scrub=0)
        await _phase(ctx, side, "idle")
        await _ask(ctx, side, A, 0)
        assert await _outcome(ctx, side, A, answer=False) == "passed"
        # The target takes no more: two fill the buffer, one stands in the gate.
        for _ in range(3):
            await _ask(ctx, side, A, 1)
        await _command(ctx, side, first=0, last=1, key=KEY_B, scrub=0)
        for _ in range(50):
            await ctx.tick()
            assert REKEY_PHASES[ctx.get(side.rekey.phase)] in ("revoke", "drain"), "granted over a request in flight"
        # Three had passed and are answered; the one in the gate had not.
        outcomes = []
        ctx.set(side.read.response0.ready, 1)
        await _answer(ctx, side, A)
        ctx.set(side.read.response0.ready, 0)
        await _ask(ctx, side, A, 2)
        for _ in range(2):
            outcomes.append(await _outcome(ctx, side, A))
        await _phase(ctx, side, "idle")
        outcomes.append(await _outcome(ctx, side, A))
        outcomes.append(await _outcome(ctx, side, A))
        assert outcomes == ["passed", "passed", "denied", "passed"], "others on the target go on"
        for initiator, expected in ((A, "denied"), (B, "passed")):
            await _ask(ctx, side, initiator, 0)
            assert await _outcome(ctx, side, initiator) == expected

    simulate(side, bench)


def test_wrong_commands_are_refused_and_change_nothing():
    side = TargetSide()

    async def bench(ctx):
        await _command(ctx, side, first=0, last=0, key=KEY_A, scrub=0)
        assert ctx.get(side.rekey.refused) == 1, "busy with the sweep after reset"
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
        await _phase(ctx, side, "idle")
        await _command(ctx, side, first=0, last=0, key=KEY_A, scrub=1)
        await _phase(ctx, side, "idle")
        assert ctx.get(side.rekey.failed) == 1
        await _ask(ctx, side, A, 0)
        assert await _outcome(ctx, side, A) == "denied"

    simulate(side, bench, Memory(side, response=2).run)
