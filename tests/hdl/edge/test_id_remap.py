"""Long IDs on few ID bits: answers find their way, the order within an ID holds, who finds no short ID waits."""

from dataclasses import replace
from random import Random

import pytest

from hdl.bus import axi
from hdl.edge.id_remap import IdRemap
from sim.bench.burst import Burst

from .harness import PAGE, PAGES, play, random_bursts

HALF = PAGES // 2 * PAGE


def port(id_width: int) -> axi.Signature:
    return axi.Signature(data_width=32, address_width=16, id_width=id_width, user_width=2)


@pytest.mark.parametrize(("long", "short"), [(11, 1), (8, 2), (5, 4), (3, 2)])
def test_random_bursts_come_through(long, short):
    rng = Random(long + short)
    ids = [rng.randrange(1 << long) for _ in range(3 << short)]
    reads, writes = (
        [replace(burst, id=ids[burst.id]) for burst in random_bursts(rng, 150, 4, len(ids), base=base, most=8)]
        for base in (0, HALF)
    )
    run = play(IdRemap(port(long), id_width=short), long, reads, writes, outstanding=24)
    for what, sent in (("read", reads), ("write", writes)):
        passed = [burst for kind, burst in run.seen if kind == what]
        assert [replace(burst, id=0) for burst in passed] == [replace(burst, id=0) for burst in sent]
    assert run.memory.together == 1 << short, "all short IDs are used at once"


def test_nobody_waits_while_there_are_short_ids():
    """Four IDs on two bits: as many cycles as without the table."""
    reads = [Burst(4 * n, 1, 2, id=77 + n % 4) for n in range(200)]
    writes = [Burst(HALF + 4 * n, 1, 2, id=77 + n % 4) for n in range(200)]
    dut = IdRemap(port(8), id_width=2)
    run = play(dut, 2, reads, writes, pace=(1.0, 1.0), outstanding=32, serial=True)
    assert run.cycles <= 200 + 4


def test_an_exclusive_access_becomes_a_normal_one():
    """Behind a short ID, the monitor of a target would take one initiator for another."""
    reads, writes = [Burst(64, 1, 2, id=9, lock=1)], [Burst(HALF + 64, 1, 2, id=9, lock=1)]
    run = play(IdRemap(port(4), id_width=1), 1, reads, writes, judged=lambda burst: 0)
    assert {burst.lock for _, burst in run.seen} == {0}


def test_the_other_side_has_fewer_bits():
    with pytest.raises(ValueError, match="ID width must be 1 to 3 bits, not 4"):
        IdRemap(port(4), id_width=4)
