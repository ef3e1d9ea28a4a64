"""G1: a burst that the look-up of one granule would not cover never enters; every legal one does."""

import random

from hdl.fabric.burst_check import BurstCheck

from .harness import board, simulate


def _legal(address, length, size, burst, size_max):
    """The protocol's rules, written from the specification (IHI 0022H, A3.4.1)."""
    if size > size_max or burst == 3:
        return False
    beats, width = length + 1, 1 << size
    if burst == 0:
        return beats <= 16
    if burst == 2:
        return beats in (2, 4, 8, 16) and address % width == 0
    last_byte = address // width * width + beats * width - 1
    return last_byte // 4096 == address // 4096


def test_rules_of_the_protocol():
    plan = board("quad")
    check = BurstCheck(plan)
    generator = random.Random(7)
    cases = [
        (generator.randrange(4096), generator.randrange(256), generator.randrange(8), generator.randrange(4))
        for _ in range(3000)
    ]
    cases += [(4096 - (beats << size), beats - 1, size, 1) for size in range(4) for beats in (1, 2, 16, 255, 256)]
    cases += [(4096 - (beats << size) + 1, beats - 1, size, 1) for size in range(4) for beats in (1, 2, 16, 255, 256)]
    cases += [(8 * n, length, 3, 2) for n in range(4) for length in range(20)]
    seen = set()

    async def bench(ctx):
        for address, length, size, burst in cases:
            for name, value in (("address", address), ("length", length), ("size", size), ("burst", burst)):
                ctx.set(getattr(check, name), value)
            await ctx.delay(1e-7)
            expected = _legal(address, length, size, burst, plan.size_max)
            assert ctx.get(check.legal) == expected, (address, length, size, burst)
            seen.add((burst, expected))

    simulate(check, bench)
    assert seen == {(0, False), (0, True), (1, False), (1, True), (2, False), (2, True), (3, False)}
