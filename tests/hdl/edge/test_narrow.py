"""A wide port on a narrower side: every byte, the worst answer of the parts, the order of each ID, a beat per cycle."""

from dataclasses import replace
from random import Random

import pytest

from hdl.bus import axi
from hdl.edge.narrow import Narrow
from sim.bench.burst import FIXED, INCR, WRAP, Burst, illegal_bursts
from tests.hdl.harness import simulate

from .harness import PAGE, PAGES, play, random_bursts
from .models import DECERR, EXOKAY

HALF = PAGES // 2 * PAGE


def port(data_width: int, id_width: int = 2) -> axi.Signature:
    return axi.Signature(data_width=data_width, address_width=16, id_width=id_width, user_width=2)


@pytest.mark.parametrize(
    ("wide", "narrow", "single"),
    [(64, 32, False), (512, 32, False), (128, 64, False), (512, 128, False), (512, 256, False), (32, 32, True),
     (128, 32, True), (512, 64, True)],
)  # fmt: skip
def test_random_bursts_come_through(wide, narrow, single):
    rng = Random(narrow + wide)
    width = wide // 8
    number, most = (60, 6) if wide == 512 or single else (120, 16)
    reads = random_bursts(rng, number, width, 4, base=0, most=most)
    writes = random_bursts(rng, number, width, 4, base=HALF, most=most)
    assert {burst.burst for burst in reads} == {burst.burst for burst in writes} == {FIXED, INCR, WRAP}
    run = play(Narrow(port(wide), data_width=narrow, depth=4, single=single), narrow, reads, writes, pace=(0.8, 0.9))
    assert run.memory.together > 1, "data of several IDs was under way at once"
    if single:
        assert {burst.beats for _, burst in run.seen} == {1}
    else:
        fitting = [burst for burst in reads if 8 << burst.size <= narrow]
        passed = [burst for what, burst in run.seen if what == "read"]
        assert [burst for burst in passed if burst in fitting] == fitting, "what fits keeps all it has"
        assert len(run.seen) > len(reads + writes), "some were split"


@pytest.mark.parametrize("base", [0, HALF])
def test_the_longest_bursts(base):
    """4 KiB as 1024 beats of 32 bits are four bursts of 256."""
    burst = Burst(base, 64, 6)
    both = ([burst], []) if base == 0 else ([], [burst])
    run = play(Narrow(port(512), data_width=32, depth=4), 1, *both, pace=(1.0, 1.0))
    assert [(part.address - base, part.beats, part.size) for _, part in run.seen] == [
        (start, 256, 2) for start in range(0, 4096, 1024)
    ]
    assert run.cycles <= 1024 + 16


@pytest.mark.parametrize(("size", "beats"), [(2, 1), (2, 16), (4, 1), (4, 4)])
def test_a_beat_of_the_narrow_side_per_cycle(size, beats):
    number = (256 >> size - 2) // beats
    reads = [Burst(beats * n << size, beats, size, id=n % 4) for n in range(number)]
    writes = [Burst(HALF + (beats * n << size), beats, size, id=n % 4) for n in range(number)]
    dut = Narrow(port(128), data_width=32, depth=16)
    run = play(dut, 1, reads, writes, pace=(1.0, 1.0), outstanding=32, serial=True)
    assert run.memory.r.count == run.memory.w.count == 256
    assert run.cycles <= 256 + 10, "256 beats, and what the first and the last take"


def test_forbidden_bursts_are_passed_on_to_be_refused():
    """They come out as forbidden, take all their data, and get an answer of their own length."""
    reads = [replace(burst, id=n % 4) for n, burst in enumerate(illegal_bursts(0, 4))]
    writes = [replace(burst, id=n % 4) for n, burst in enumerate(illegal_bursts(HALF, 4))]
    legal_read, legal_write = Burst(64, 3, 4), Burst(HALF + 64, 3, 4)
    dut = Narrow(port(128), data_width=32, depth=4)
    judged = lambda burst: None if burst in (legal_read, legal_write) else DECERR  # noqa: E731 - shorter than a function
    run = play(dut, 1, [*reads, legal_read], [*writes, legal_write], judged=judged, forgiving=True)
    assert len(run.seen) == len(reads) + len(writes) + 2


def test_an_exclusive_access_stays_one_if_it_stays_one_burst():
    """Answers say so: EXOKAY, or OKAY as of a target without exclusive accesses."""
    kept = [Burst(0, 4, 4, lock=1), Burst(16, 2, 1, lock=1)]
    cleared = [Burst(0, 8, 4, lock=1), Burst(16, 2, 4, WRAP, lock=1), Burst(32, 2, 4, FIXED, lock=1)]
    for bursts, answer in ((kept, EXOKAY), (cleared, 0)):
        for base in (0, HALF + 64):  # where the memory has no faults
            moved = [replace(burst, address=base + burst.address) for burst in bursts]
            reads, writes = (moved, []) if base == 0 else ([], moved)
            dut = Narrow(port(128), data_width=32, depth=4)
            run = play(dut, 1, reads, writes, judged=lambda burst, answer=answer: answer)
            assert {burst.lock for _, burst in run.seen} == {int(answer == EXOKAY)}


def test_a_memory_may_wait_for_data_before_it_takes_an_address():
    writes = random_bursts(Random(1), 40, 16, 4, base=HALF, most=8)
    play(Narrow(port(128), data_width=32, depth=4), 1, [], writes, data_first=True)


def test_a_request_is_held_until_its_last_part_has_gone():
    """A hand-over of its context waits for that: the rest would go to the slice that comes after."""
    dut = Narrow(port(128), data_width=32, depth=4)
    seen = []

    async def bench(ctx):
        ctx.set(dut.up.aruser, 2)
        ctx.set(dut.up.arsize, 4)
        ctx.set(dut.up.arlen, 2)
        ctx.set(dut.up.arburst, FIXED)
        ctx.set(dut.up.arvalid, 1)
        ctx.set(dut.down.arready, 1)
        for cycle in range(5):
            parts = ctx.get(dut.down.arvalid)
            seen.append((parts, ctx.get(dut.ar_held), ctx.get(dut.ar_user) if ctx.get(dut.ar_held) else None))
            await ctx.tick()
            ctx.set(dut.up.arvalid, 0)
            ctx.set(dut.up.aruser, 1)
            ctx.set(dut.down.arready, cycle != 1)

    simulate(dut, bench)
    assert seen == [(1, 0, None), (1, 1, 2), (1, 1, 2), (1, 1, 2), (0, 0, None)]
    assert dut.up.signature.user_width == 2


def test_idle_lanes_show_nothing_of_others():
    """Bytes below an unaligned start come from no earlier beat, of whoever."""
    seen = []
    reads = [Burst(0, 4, 4, id=1), Burst(76, 1, 4, id=1), Burst(81, 1, 0, id=1)]
    dut = Narrow(port(128), data_width=32, depth=4)
    run = play(dut, 3, reads, [], watch=seen.append)
    assert run.manager.r.count == 6
    assert seen[4]["data"] & ((1 << 96) - 1) == 0
    assert seen[5]["data"] & ~((1 << 32) - 1) == 0


def test_the_narrow_side_is_narrower():
    with pytest.raises(ValueError, match="Data width must be less than 64 bits, not 64"):
        Narrow(port(64), data_width=64, depth=4)
