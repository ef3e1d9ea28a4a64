"""A port never has more outstanding than it may, and always as much."""

from random import Random

import pytest

from hdl.bus import axi
from hdl.edge.limit import Limit
from sim.bench.burst import Burst

from .harness import PAGE, PAGES, play, random_bursts

HALF = PAGES // 2 * PAGE
PORT = axi.Signature(data_width=32, address_width=16, id_width=2, user_width=2)


@pytest.mark.parametrize("outstanding", [1, 3, 8])
def test_random_bursts_stay_below_the_limit(outstanding):
    rng = Random(outstanding)
    reads, writes = (random_bursts(rng, 100, 4, 4, base=base, most=8) for base in (0, HALF))
    run = play(Limit(PORT, outstanding=outstanding), 1, reads, writes, pace=(0.9, 0.5), outstanding=20)
    assert run.manager.most == outstanding
    assert [burst for what, burst in run.seen if what == "read"] == reads
    assert [burst for what, burst in run.seen if what == "write"] == writes


def test_a_request_per_cycle_while_there_is_room():
    reads = [Burst(4 * n, 1, 2, id=n % 4) for n in range(200)]
    run = play(Limit(PORT, outstanding=4), 2, reads, [], pace=(1.0, 1.0), outstanding=32)
    assert run.cycles <= 200 + 4


def test_none_is_no_limit():
    with pytest.raises(ValueError, match="Outstanding requests must be at least 1, not 0"):
        Limit(PORT, outstanding=0)
