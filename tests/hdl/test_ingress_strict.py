"""G3, G5: with strict isolation each burst has one answer, after its data, whatever becomes of its pieces."""

import random
from collections import defaultdict, deque
from dataclasses import replace

import pytest

from hdl.fabric.ingress_strict import StrictIngress

from .harness import board, simulate

OKAY, SLVERR, DECERR = 0, 2, 3
INCR = 1
GRANULE = 4096


class Targets:
    """All targets behind an ingress: take pieces and their data, answer or deny them in any order."""

    def __init__(self, generator, ingress):
        self.generator, self.ingress, self.plan = generator, ingress, ingress.plan
        self.queues = [deque() for _ in self.plan.targets]  # pieces whose data is to come
        self.waiting = [[] for _ in self.plan.targets]  # [slot, beats left]
        self.pieces = []  # (target, address, length)

    def take(self, ctx, full):
        """What the ingress sends in this cycle; after :meth:`ready`."""
        ingress = self.ingress
        for t in range(len(self.plan.targets)):
            if ctx.get(ingress.request_valid) >> t & 1:
                asking, rest = ctx.get(ingress.asking), ctx.get(ingress.rest)
                assert asking.length == rest.length
                address = asking.granule << self.plan.granule_bits | rest.offset
                self.pieces.append((t, address, rest.length))
                piece = [rest.slot, rest.length]
                (self.queues if ingress.write else self.waiting)[t].append(piece)
            if ingress.write and ctx.get(ingress.beat_valid) >> t & 1:
                assert full >> t & 1, "a beat was sent where there is no room"
                piece = self.queues[t][0]
                last = ctx.get(ingress.beat).last
                assert last == (piece[1] == 0), "the last beat is not the piece's last"
                piece[1] -= 1
                if last:
                    self.queues[t].popleft()
                    self.waiting[t].append([piece[0], 0])

    def answer(self, ctx, likely):
        for t, waiting in enumerate(self.waiting):
            lane = {}
            if waiting and self.generator.random() < likely:
                piece = self.generator.choice(waiting)
                begun = len(piece) > 2
                denied = not begun and self.generator.random() < 0.2
                lane = {"valid": 1, "denied": denied, "slot": piece[0], "answer": {"last": piece[1] == 0}}
                if denied or piece[1] == 0:
                    waiting.remove(piece)
                else:
                    piece[1:] = [piece[1] - 1, True]
            ctx.set(getattr(self.ingress, f"lane{t}"), lane)


def _burst(generator, identity, denied):
    """Address, AxLEN and what the ingress must say."""
    length = generator.choice((0, 0, 3, 7, 8, 16, 31))
    granule = 15 if denied else generator.randrange(8)
    return {
        "id": identity,
        "addr": granule * GRANULE + 8 * generator.randrange(64),
        "len": length,
        "size": 3,
        "burst": INCR,
    }


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(("gives", "room"), [(1.0, 1.0), (0.3, 1.0), (0.9, 0.5)])
def test_random_bursts(write, gives, room):
    """Window granules 0 to 7 lead to all targets, the others nowhere."""
    plan = replace(board("quad"), outstanding=8, window_granules=16)
    ingress = StrictIngress(plan, plan.initiators[0], write=write)
    generator = random.Random(3)
    targets = Targets(generator, ingress)
    expected = defaultdict(deque)  # by ID, oldest first
    data = deque()  # for each burst whose data is not given: beats that are still to come, and what is expected
    counts = {"denied": 0, "through": 0}

    async def bench(ctx):
        for granule in range(8):
            entry = {"readable": 1, "writable": 1, "target": 1 << granule % len(plan.targets), "granule": granule}
            ctx.set(ingress.fill_entry, entry)
            ctx.set(ingress.fill_granule, granule)
            ctx.set(ingress.fill_enable, 1)
            await ctx.tick()
        ctx.set(ingress.fill_enable, 0)
        ctx.set(ingress.owned0, 1)
        ctx.set(ingress.eligible0, 1)
        ctx.set(ingress.room0, 1)
        await ctx.tick().repeat(1 << plan.id_width)
        offer = None
        for cycle in range(2500):
            busy = cycle < 2000
            if cycle % 100 == 0:
                ctx.set(ingress.piece0, plan.chunk - 1 >> cycle // 100 % 4)
            if offer is None and busy and generator.random() < 0.7:
                denied = generator.random() < 0.3
                offer = _burst(generator, generator.randrange(4), denied), denied
            ctx.set(ingress.address.valid, offer is not None)
            if offer:
                ctx.set(ingress.address.payload, offer[0])
            if write:
                ctx.set(ingress.w.valid, bool(data) and generator.random() < gives)
                full = sum((generator.random() < room) << t for t in range(len(plan.targets)))
                ctx.set(ingress.beat_ready, full)
            else:
                full = 0
            targets.answer(ctx, 0.6)
            ctx.set(ingress.o.ready, generator.random() < 0.8)
            targets.take(ctx, full)
            if write and ctx.get(ingress.w.valid) and ctx.get(ingress.w.ready):
                data[0][0] -= 1
                if data[0][0] == 0:
                    data.popleft()[1]["given"] = True
            if ctx.get(ingress.o.valid) and ctx.get(ingress.o.ready):
                answer = ctx.get(ingress.o.payload)
                burst = expected[answer.id][0]
                burst["beats"] -= 1
                assert burst["given"], "a write was answered before its last beat"
                assert answer.answer.last == (burst["beats"] == 0)
                assert (answer.answer.response == DECERR) == burst["denied"]
                if burst["beats"] == 0:
                    expected[answer.id].popleft()
                    counts["denied" if burst["denied"] else "through"] += 1
            if offer and ctx.get(ingress.address.ready):
                burst, denied = offer
                beats = burst["len"] + 1
                note = {"denied": denied, "beats": 1 if write else beats, "given": not write}
                expected[burst["id"]].append(note)
                if write:
                    data.append([beats, note])
                offer = None
            await ctx.tick()

    simulate(ingress, bench)
    assert not any(expected.values()), "something never came"
    assert not any(targets.queues) and not any(targets.waiting)
    assert counts["denied"] > 8 and counts["through"] > 25
