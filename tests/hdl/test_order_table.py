"""G3: answers keep the order within a source, denied requests included, and find their way back."""

import random

from hdl.fabric.order_table import OrderTable

from .harness import board, simulate


def test_random_traffic_against_queues():
    """Against one Python queue per source: heads, denials and room are always what the queues say."""
    plan = board("quad")
    sources = 3
    table = OrderTable(plan, sources)
    generator = random.Random(3)
    queues = [[] for _ in range(sources)]
    seen = {"answers": 0, "denials": 0, "full": 0}

    async def bench(ctx):
        serial = 0
        for _ in range(4000):
            source = generator.randrange(sources)
            room = ctx.get(table.room)
            for n in range(sources):
                assert bool(room >> n & 1) == (len(queues[n]) < plan.outstanding)
                seen["full"] += not room >> n & 1
            pushing = generator.random() < 0.6 and room >> source & 1
            entry = {"id": serial % 16, "context": 0, "length": serial % 256, "birth": serial % 65536,
                     "denied": int(generator.random() < 0.3), "epoch": serial % 2}  # fmt: skip
            ctx.set(table.reserve, (1 << source) if pushing else 0)
            ctx.set(table.push, int(pushing))
            ctx.set(table.push_source, source)
            ctx.set(table.push_entry, entry)
            asked = generator.randrange(sources)
            ctx.set(table.answer_source, asked)
            answer = generator.random() < 0.5
            deny = generator.random() < 0.5
            ctx.set(table.answer_done, int(answer))
            ctx.set(table.denial_done, int(deny))
            await ctx.delay(1e-7)
            head = queues[asked][0] if queues[asked] else None
            assert ctx.get(table.answer_valid) == (head is not None and not head["denied"])
            pops = []
            if ctx.get(table.answer_valid):
                got = ctx.get(table.answer_entry)
                assert {name: got[name] for name in head} == head
                if answer:
                    pops.append(asked)
                    seen["answers"] += 1
            if ctx.get(table.denial_valid):
                where = ctx.get(table.denial_source)
                got = ctx.get(table.denial_entry)
                assert queues[where][0]["denied"]
                assert {name: got[name] for name in entry} == queues[where][0]
                if deny:
                    pops.append(where)
                    seen["denials"] += 1
            for n in pops:
                queues[n].pop(0)
            if pushing:
                queues[source].append(entry)
                serial += 1
            await ctx.tick()

    simulate(table, bench)
    assert min(seen.values()) > 100, seen


def test_a_denied_head_is_found_within_one_scan():
    plan = board("quad")
    sources = 5
    table = OrderTable(plan, sources)

    async def bench(ctx):
        ctx.set(table.push, 1)
        ctx.set(table.push_source, 4)
        ctx.set(table.push_entry, {"denied": 1, "id": 9})
        await ctx.tick()
        ctx.set(table.push, 0)
        for _ in range(sources):
            if ctx.get(table.denial_valid):
                assert ctx.get(table.denial_source) == 4
                return
            await ctx.tick()
        raise AssertionError("the scan missed it")

    simulate(table, bench)
