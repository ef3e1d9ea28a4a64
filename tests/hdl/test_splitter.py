"""G5: long bursts become pieces that together touch what the burst touched."""

import random
from dataclasses import replace

import pytest

from hdl.bus.axi import Burst
from hdl.fabric.splitter import Splitter

from .harness import board, simulate

PAGE = 4096


def pieces_of(address, length, size, burst, lock, chunk):
    """What must come: address, length, first and final of each piece (IHI 0022H, A3.4.1)."""
    if burst != Burst.INCR or length < chunk or (lock and length < 16):
        return [(address, length, 1, 1)]
    starts = range(0, length + 1, chunk)
    aligned = address >> size << size
    return [
        (
            (aligned + (start << size)) % PAGE if start else address,
            min(chunk, length + 1 - start) - 1,
            int(start == 0),
            int(start + chunk > length),
        )
        for start in starts
    ]


@pytest.mark.parametrize("chunk", [1, 4, 8, 16])
def test_pieces(chunk):
    plan = replace(board("quad"), chunk=chunk)
    splitter = Splitter(plan)
    generator = random.Random(chunk)
    split = 0

    def given_piece(ctx, beats):
        if plan.piece_bits:
            ctx.set(splitter.piece, beats - 1)

    async def bench(ctx):
        nonlocal split
        for _ in range(500):
            length = generator.choice((0, 1, 3, 7, 8, 15, 16, 17, generator.randrange(256)))
            given = {
                "address": generator.randrange(PAGE),
                "length": length,
                "size": generator.randrange(8),
                "burst": generator.choice((Burst.FIXED, Burst.INCR, Burst.INCR, Burst.WRAP)),
                "lock": int(generator.random() < 0.2),
            }
            own = chunk >> generator.randrange(plan.piece_bits + 1)
            given_piece(ctx, own)
            for name, value in given.items():
                ctx.set(getattr(splitter, name), value)
            expected = pieces_of(**given, chunk=own)
            split += len(expected) > 1
            for piece in expected:
                while generator.random() < 0.3:  # it stands while it does not move
                    ctx.set(splitter.moves, 0)
                    await ctx.tick()
                shown = [splitter.piece_address, splitter.piece_length, splitter.first, splitter.final]
                assert tuple(ctx.get(one) for one in shown) == piece, given
                ctx.set(splitter.moves, 1)
                await ctx.tick()
                ctx.set(splitter.moves, 0)
                given_piece(ctx, chunk >> generator.randrange(plan.piece_bits + 1))  # means nothing till the next

    simulate(splitter, bench)
    assert split > 50


def test_what_is_left_is_dropped():
    splitter = Splitter(board("quad"))

    async def bench(ctx):
        ctx.set(splitter.piece, 7)
        ctx.set(splitter.burst, Burst.INCR)
        ctx.set(splitter.length, 255)
        ctx.set(splitter.moves, 1)
        await ctx.tick()
        assert not ctx.get(splitter.first)
        ctx.set(splitter.moves, 0)
        ctx.set(splitter.clear, 1)
        await ctx.tick()
        assert ctx.get(splitter.first)

    simulate(splitter, bench)
