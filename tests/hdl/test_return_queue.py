"""G1, G3: answers come back whole and in order, denied ones show nothing, and what walks waits for its turn."""

import random
from collections import deque

import pytest

from hdl.bus.axi import Response
from hdl.fabric.return_queue import ReturnQueue

from .harness import board, simulate


class _Traffic:
    """Requests of a serial number each, with a random fate; answers carry the number."""

    def __init__(self, queue, seed):
        self.queue, self.generator = queue, random.Random(seed)
        self.serial = 0
        self.granted, self.decided, self.expected = deque(), deque(), deque()
        self.epochs, self.stored, self.beat = deque(), 0, 0
        self.seen = {"denied": 0, "full": 0, "waited": 0, "behind": 0, "beats": 0}

    def grant(self, ctx):
        """At most as many as may be outstanding; the note says what comes back."""
        plan, queue, generator = self.queue.plan, self.queue, self.generator
        room = plan.outstanding - len(self.granted) - len(self.decided) > 1
        granted = room and generator.random() < 0.5
        ctx.set(queue.granted, granted)
        if granted:
            length = 0 if queue.write else generator.choice((0, 0, 3))
            walks = int(length == 0 and generator.random() < 0.3)
            note = {"id": self.serial % 16, "context": 0, "sequence": self.serial % plan.outstanding}
            ctx.set(queue.note, {**note, "walks": walks, "length": length})
            self.granted.append((self.serial, length, walks))
            self.serial += 1

    def decide(self, ctx, epoch, before):
        queue, generator = self.queue, self.generator
        decided = before and generator.random() < 0.6
        ctx.set(queue.decided, bool(decided))
        if decided:
            serial, length, walks = self.granted.popleft()
            denied = generator.random() < 0.3
            ctx.set(queue.decided_denied, denied)
            ctx.set(queue.decided_epoch, epoch)
            self.decided.append((serial, length, denied))
            self.epochs.append(epoch)
            for beat in range(1 if denied else length + 1):
                self.expected.append((serial, length, walks, denied, beat))
            self.seen["denied"] += denied

    def answer(self, ctx, before):
        """The target answers what has passed, in order, with data that names the request and the beat."""
        queue = self.queue
        oldest = self.decided[0] if before else None
        valid = bool(oldest and not oldest[2] and self.generator.random() < 0.7)
        ctx.set(queue.answer.valid, valid)
        if oldest and not oldest[2]:
            answer = {"response": 0, "last": self.beat == oldest[1]}
            ctx.set(queue.answer.payload, answer | ({} if queue.write else {"data": self.data(oldest[0], self.beat)}))
        return valid

    @staticmethod
    def data(serial, beat):
        return 0x5A000000 | serial << 8 | beat


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_random_answers(write, seed):
    plan = board("quad")
    queue = ReturnQueue(plan, write=write)
    traffic = _Traffic(queue, seed)
    generator = traffic.generator
    room = max(16, plan.outstanding) - 1

    async def bench(ctx):
        answering = False
        shown_before = False
        for cycle in range(4000):
            slow = (cycle // 256) % 2
            # What was decided about or granted in an earlier cycle can go on in this one.
            decided, granted = bool(traffic.decided), bool(traffic.granted)
            answering = traffic.answer(ctx, decided)
            epoch = (cycle // 100) % 2
            ctx.set(queue.epoch, epoch)
            head = traffic.expected[0] if traffic.expected else None
            in_order = generator.random() < 0.5
            ctx.set(queue.in_order, in_order)
            valid = ctx.get(queue.valid)
            behind = bool(traffic.epochs) and traffic.epochs[0] != epoch
            assert ctx.get(queue.behind) == behind
            traffic.seen["behind"] += behind
            take = valid and generator.random() < (0.8, 0.2)[slow]
            ctx.set(queue.show, valid)
            ctx.set(queue.take, take)
            if valid:
                serial, length, walks, denied, number = head
                beat = ctx.get(queue.beat)
                assert (ctx.get(queue.id), ctx.get(queue.sequence)) == (serial % 16, serial % plan.outstanding)
                assert (beat.id, beat.length, beat.denied) == (serial % 16, length, denied)
                assert not denied or beat.answer.response == Response.SLVERR
                if not write:
                    assert ctx.get(queue.whole) == (not denied or length == 0)
                    assert ctx.get(queue.last) == (length == 0 if denied else number == length)
                    assert beat.answer.data == (0 if denied else traffic.data(serial, number))
                assert not walks or shown_before, "it walks, and was offered before its turn"
                traffic.seen["beats"] += 1
            else:
                assert ctx.get(queue.beat).as_bits() == 0, "what is not shown is zero"
            shown_before = bool(in_order or (valid and not take))
            traffic.seen["waited"] += bool(head and head[2] and not valid)
            # The oldest verdict is done with when its last beat is stored.
            if decided and traffic.decided[0][2]:
                pushed, last = traffic.stored < room, True
            else:
                ready = ctx.get(queue.answer.ready)
                pushed = answering and ready
                last = decided and traffic.beat == traffic.decided[0][1]
                traffic.seen["full"] += decided and not ready
            if pushed and decided:
                traffic.stored += 1
                traffic.beat = 0 if last else traffic.beat + 1
                if last:
                    traffic.decided.popleft()
                    traffic.epochs.popleft()
            if take:
                traffic.expected.popleft()
                traffic.stored -= 1
            traffic.decide(ctx, epoch, granted)
            traffic.grant(ctx)
            await ctx.tick()

    simulate(queue, bench)
    assert min(traffic.seen.values()) > 20, traffic.seen
