"""A narrow port on a wider side: every byte, every answer, in order within its ID, at a beat per cycle."""

from random import Random

import pytest

from hdl.bus import axi
from hdl.edge.widen import Widen
from sim.bench.burst import FIXED, INCR, WRAP, Burst

from .harness import PAGE, PAGES, bare, play, random_bursts
from .models import DECERR

HALF = PAGES // 2 * PAGE


def port(data_width: int, id_width: int = 2) -> axi.Signature:
    return axi.Signature(data_width=data_width, address_width=16, id_width=id_width, user_width=2)


@pytest.mark.parametrize(("narrow", "wide"), [(32, 64), (32, 512), (64, 128), (128, 512), (256, 512)])
def test_random_bursts_come_through(narrow, wide):
    rng = Random(narrow + wide)
    width = narrow // 8
    reads = random_bursts(rng, 120, width, 4, base=0, most=16)
    writes = random_bursts(rng, 120, width, 4, base=HALF, most=16)
    run = play(Widen(port(narrow), data_width=wide, depth=4), narrow, reads, writes)
    assert [burst for what, burst in run.seen if what == "read"] == reads, "bursts keep all they have"
    assert [burst for what, burst in run.seen if what == "write"] == writes
    assert {burst.burst for burst in reads + writes} == {FIXED, INCR, WRAP}
    assert run.memory.together > 1, "data of several IDs was under way at once"


def test_a_size_that_the_port_cannot_have_is_refused_by_the_other_side():
    """Else a 32-bit port could ask for 64-bit beats, of which it would see half."""
    reads = [Burst(64 * n, 2, 3, id=n % 4) for n in range(8)]
    writes = [Burst(HALF + 64 * n, 2, 3, id=n % 4) for n in range(8)]
    dut = Widen(port(32), data_width=64, depth=4)
    run = play(dut, 1, reads, writes, judged=lambda burst: DECERR, forgiving=True)
    assert {burst.size for _, burst in run.seen} == {7}


@pytest.mark.parametrize("beats", [1, 16])
def test_a_beat_per_cycle(beats):
    number = 192 // beats
    reads = [Burst(4 * beats * n, beats, 2, id=n % 4) for n in range(number)]
    writes = [Burst(HALF + 4 * beats * n, beats, 2, id=n % 4) for n in range(number)]
    dut = Widen(port(32), data_width=128, depth=16)
    run = play(dut, 1, reads, writes, pace=(1.0, 1.0), outstanding=32, serial=True)
    assert run.manager.r.count == run.manager.w.count == 192
    assert run.cycles <= 192 + 8, "192 beats, and what the first and the last take"
    assert [bare(burst) for what, burst in run.seen if what == "read"] == [bare(burst) for burst in reads]


def test_a_memory_may_wait_for_data_before_it_takes_an_address():
    writes = random_bursts(Random(1), 60, 4, 4, base=HALF, most=8)
    play(Widen(port(32), data_width=64, depth=4), 1, [], writes, data_first=True)


def test_the_wide_side_is_wider():
    with pytest.raises(ValueError, match="Data width must be more than 64 bits, not 64"):
        Widen(port(64), data_width=64, depth=4)
