"""G1, G3: beats of all sources reach the initiator whole, an offer stands until it is taken, denied ones are zeros."""

import random
from collections import deque

import pytest

from hdl.fabric.deliver import Deliver

from .harness import board, simulate

SLVERR, DECERR = 2, 3
SOURCES = 4


@pytest.mark.parametrize("write", [False, True])
def test_random_beats(write):
    plan = board("quad")
    deliver = Deliver(plan, SOURCES, write=write)
    generator = random.Random(1)
    queues = [deque() for _ in range(SOURCES)]
    burst = None  # source and number of the next beat of a denied answer
    seen = {"held": 0, "denied": 0, "beats": 0}

    def fill(serial):
        for n, queue in enumerate(queues):
            if len(queue) < 4 and generator.random() < 0.4:
                denied = int(n == SOURCES - 1 or generator.random() < 0.3)
                beat = {
                    "id": serial % 16,
                    "length": 0 if write else generator.choice((0, 0, 1, 2, 5)),
                    "denied": denied,
                }
                error = DECERR if n == SOURCES - 1 else SLVERR
                answer = {
                    "response": error if denied else 0,
                    "last": generator.randrange(2),
                    "data": 0 if denied else serial << 4 | n,
                }
                queue.append((beat, {name: answer[name] for name in answer if not (write and name == "data")}))

    async def bench(ctx):
        nonlocal burst
        offer = None
        for serial in range(4000):
            fill(serial)
            ctx.set(deliver.valid, sum(bool(queue) << n for n, queue in enumerate(queues)))
            if not write:
                heads = [queue[0] if queue else ({"denied": 0}, {"last": 0}) for queue in queues]
                whole = [not beat["denied"] or beat["length"] == 0 for beat, _ in heads]
                last = [beat["length"] == 0 if beat["denied"] else answer["last"] for beat, answer in heads]
                ctx.set(deliver.whole, sum(one << n for n, one in enumerate(whole)))
                ctx.set(deliver.last, sum(one << n for n, one in enumerate(last)))
            ready = generator.random() < 0.6
            ctx.set(deliver.o.ready, ready)
            show = ctx.get(deliver.show)
            assert show & (show - 1) == 0
            for n, queue in enumerate(queues):
                beat, answer = queue[0] if show >> n & 1 else ({}, {})
                ctx.set(getattr(deliver, f"beat{n}"), {**beat, "answer": answer} if beat else {})
            valid, take = ctx.get(deliver.o.valid), ctx.get(deliver.take)
            assert valid == any(queues)
            assert not offer or (show, valid) == (offer, 1), "an offer was taken back"
            offer = show if valid and not ready else None
            seen["held"] += bool(offer)
            if valid:
                n = show.bit_length() - 1
                beat, answer = queues[n][0]
                number = burst[1] if burst else 0
                assert not burst or burst[0] == n, "another source in the middle of a denied answer"
                out = ctx.get(deliver.o.payload)
                assert out.id == beat["id"]
                last = number == beat["length"] if beat["denied"] else answer["last"]
                assert out.answer.response == answer["response"]
                if not write:
                    assert (out.answer.data, out.answer.last) == (answer["data"], last)
                whole = write or not beat["denied"] or last
                assert take == (1 << n if ready and whole else 0)
                if ready:
                    burst = None if whole else (n, number + 1)
                    seen["denied"] += beat["denied"]
                    seen["beats"] += 1
                    if whole:
                        queues[n].popleft()
            await ctx.tick()

    simulate(deliver, bench)
    assert min(seen.values()) > 100, seen
