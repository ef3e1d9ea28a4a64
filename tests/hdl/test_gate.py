"""G1, G3: the gate lets through what has the right, once, whole and in the order of its grants, and tells the rest."""

import random
from collections import deque

import pytest

from hdl.fabric.gate import KEY, REVOKED, Gate
from hdl.plan.plan import KEY_NOBODY

from .harness import board, simulate

READS, WRITES = False, True
STRETCH = 800


class _Gate:
    """A gate of quad's first memory with random sources and a random target; a model says what must come of each."""

    def __init__(self, write, seed):
        self.plan = board("quad")
        self.target = self.plan.targets[0]
        self.gate = Gate(self.plan, self.target, write=write)
        self.write, self.random = write, random.Random(seed)
        self.sources = len(self.gate.sources)
        self.keys, self.rights = {}, {}
        self.granted = deque()  # what was granted and has not left: the requests' fields
        self.asking = [None] * self.sources
        self.late = [{} for _ in range(self.sources)]  # what source n shows in the next cycle
        self.beats_left = [0] * self.sources
        self.data = deque()  # beats of what was granted, with the serial number of their request
        self.serial = 0
        self.revoked = None
        self.busy = {}
        self.seen = {"passed": 0, "key": 0, "revoked": 0, "trusted": 0}

    async def set_up(self, ctx):
        gate, plan = self.gate, self.plan
        for granule in range(16):
            self.keys[granule] = self.random.randrange(4)
            ctx.set(gate.key_granule, granule)
            ctx.set(gate.key_value, self.keys[granule])
            ctx.set(gate.key_write, 1)
            await ctx.tick()
        ctx.set(gate.key_write, 0)
        for key in range(4):
            self.rights[key] = self.random.randrange(1 << plan.slices)
            ctx.set(gate.rights_key, key)
            ctx.set(gate.rights_slices, self.rights[key])
            ctx.set(gate.rights_write, 1)
            await ctx.tick()
        ctx.set(gate.rights_write, 0)

    def verdict(self, request):
        """What is right, or the fault."""
        key = self.keys[request["granule"]]
        if self.gate.has_scrubber and request["source"] == self.sources - 1:
            return "trusted"
        if self.revoked and self.revoked[0] <= request["granule"] <= self.revoked[1]:
            return REVOKED
        return "passed" if key != KEY_NOBODY and self.rights[key] >> request["slice"] & 1 else KEY

    def address(self, request):
        return request["granule"] << self.plan.granule_bits | (request["serial"] % 1024) << 2

    def new_request(self, source):
        length = self.random.choice((0, 0, 1, 7)) if self.write else self.random.choice((0, 0, 3, 15))
        request = {
            "granule": self.random.randrange(16),
            "slice": self.random.randrange(self.plan.slices),
            "length": length,
            "source": source,
            "serial": self.serial,
        }
        self.serial += 1
        return request

    def drive(self, ctx, cycle):
        """Stretches of traffic; after each, all that was granted leaves and the revoked range changes."""
        gate = self.gate
        asks = 0.7 if cycle % STRETCH < STRETCH // 2 else 0
        if cycle % STRETCH == STRETCH - 1:
            assert not self.granted, "does not come to an end"
            self._revoke(ctx)
        self._show_late(ctx)
        valid = 0
        beats = 0
        for n in range(self.sources):
            if self.asking[n] is None and not self.beats_left[n] and self.random.random() < asks:
                self.asking[n] = self.new_request(n)
                fields = {name: self.asking[n][name] for name in ("slice", "length", "granule")}
                ctx.set(getattr(gate, f"asking{n}"), fields)
            if self.write and self.beats_left[n] and self.random.random() < 0.7:
                beats |= 1 << n
            valid |= (self.asking[n] is not None) << n
            if request := self.asking[n]:
                self.late[n]["rest"] = {"offset": self.address(request), "length": request["length"]}
            if self.write:
                request = self.asking[n] or self.busy.get(n)
                if request:
                    left = self.beats_left[n] or request["length"] + 1
                    self.late[n]["beat"] = {"data": request["serial"] << 8 | left, "last": left == 1}
                    ctx.set(getattr(gate, f"last{n}"), left == 1)
        ctx.set(gate.request_valid, valid)
        if self.write:
            ctx.set(gate.beat_valid, beats)

    def _show_late(self, ctx):
        """What was asked for in the cycle before is shown now, and in no other cycle."""
        for n, late in enumerate(self.late):
            noise = self.random.randrange(1 << self.plan.granule_bits)
            ctx.set(getattr(self.gate, f"rest{n}"), late.pop("rest", {"offset": noise, "length": noise % 256}))
            if self.write:
                ctx.set(getattr(self.gate, f"beat{n}"), late.pop("beat", {"data": noise, "last": noise % 2}))

    def _revoke(self, ctx):
        first = self.random.randrange(8)
        self.revoked = None if self.revoked else (first, self.random.randrange(first + 4, 16))
        ctx.set(self.gate.revoke, self.revoked is not None)
        if self.revoked:
            ctx.set(self.gate.revoke_first, self.revoked[0])
            ctx.set(self.gate.revoke_last, self.revoked[1])

    def granting(self, ctx):
        """What the gate takes in this cycle."""
        gate = self.gate
        grant = ctx.get(gate.request_ready)
        assert grant & (grant - 1) == 0
        for n in range(self.sources):
            if grant >> n & 1:
                request = self.asking[n]
                assert request is not None, "granted what nobody asked"
                assert not any(self.beats_left), "granted into somebody's burst"
                request["verdict"] = self.verdict(request)
                self.granted.append(request)
                self.asking[n] = None
                if self.write:
                    self.busy[n] = request
                    self._beat(n, request["length"] + 1)
            elif self.write and ctx.get(gate.beat_valid) & ctx.get(gate.beat_ready) & 1 << n:
                self._beat(n, self.beats_left[n])

    def _beat(self, n, left):
        self.data.append((self.busy[n]["serial"] << 8 | left, left == 1))
        self.beats_left[n] = left - 1

    def told(self, ctx):
        """What has left in the cycle before must be the oldest that was granted, with the verdict that it deserves."""
        gate = self.gate
        decided = ctx.get(gate.decided)
        if not decided:
            return None
        request = self.granted.popleft()
        assert decided == 1 << request["source"]
        denied = request["verdict"] in (KEY, REVOKED)
        assert ctx.get(gate.decided_denied) == denied, request
        assert request.pop("logged", False) == denied
        self.seen[{KEY: "key", REVOKED: "revoked"}.get(request["verdict"], request["verdict"])] += 1
        return request

    def logging(self, ctx):
        """A denial is told to the fault log as it leaves."""
        gate = self.gate
        if ctx.get(gate.fault_valid):
            request = self.granted[0]
            request["logged"] = True
            fault = ctx.get(gate.fault)
            assert (fault.kind, fault.slice) == (request["verdict"], request["slice"])
            assert fault.address >> self.plan.granule_bits == request["granule"]


@pytest.mark.parametrize("seed", range(2))
def test_reads(seed):
    side = _Gate(READS, seed)
    gate = side.gate
    owed = 0

    async def bench(ctx):
        nonlocal owed
        await side.set_up(ctx)
        for cycle in range(6 * STRETCH):
            side.drive(ctx, cycle)
            ready = side.random.random() < 0.8
            answered = owed > 0 and side.random.random() < 0.9
            ctx.set(gate.o.ready, ready)
            ctx.set(gate.answered, answered)
            side.told(ctx)
            if ctx.get(gate.o.valid):
                oldest = side.granted[0]
                assert oldest["verdict"] == "passed", f"{oldest} is offered"
                assert ctx.get(gate.source) == oldest["source"]
                assert ctx.get(gate.o.payload).address == side.address(oldest)
                if ready:
                    owed += oldest["length"] + 1
            owed -= answered
            side.logging(ctx)
            side.granting(ctx)
            assert owed <= side.target.ahead + 16 * 4 + 256
            await ctx.tick()

    simulate(gate, bench)
    assert min(side.seen[name] for name in ("passed", "key", "revoked")) > 100, side.seen


@pytest.mark.parametrize("seed", range(2))
def test_writes(seed):
    side = _Gate(WRITES, seed)
    gate = side.gate

    async def bench(ctx):
        await side.set_up(ctx)
        addresses, data = deque(), deque()
        for cycle in range(6 * STRETCH):
            side.drive(ctx, cycle)
            ctx.set(gate.o.ready, side.random.random() < 0.7)
            ctx.set(gate.w.ready, side.random.random() < 0.8)
            if left := side.told(ctx):
                beats = [side.data.popleft() for _ in range(left["length"] + 1)]
                passed = left["verdict"] in ("passed", "trusted")
                assert len(addresses) == passed
                assert [(beat.data, beat.last) for beat in data] == (beats if passed else [])
                addresses.clear()
                data.clear()
            oldest = side.granted[0] if side.granted else None
            for offered, taken, what in ((gate.o, addresses, "address"), (gate.w, data, "data")):
                if ctx.get(offered.valid):
                    assert oldest["verdict"] in ("passed", "trusted"), f"{what} of {oldest} is offered"
                    if offered is gate.o:
                        assert ctx.get(gate.o.payload).address == side.address(oldest)
                    if ctx.get(offered.ready):
                        taken.append(ctx.get(offered.payload))
            side.logging(ctx)
            side.granting(ctx)
            await ctx.tick()

    simulate(gate, bench)
    assert min(side.seen.values()) > 50, side.seen
