"""AXI4-Lite on either side: every access is answered as AXI4 would, in order, under the ID that asked."""

from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.bus import axi
from hdl.edge.lite_initiator import LiteInitiator
from hdl.edge.lite_target import LiteTarget
from hdl.edge.narrow import Narrow
from sim.bench.burst import INCR, Burst

from .harness import PAGE, PAGES, play, random_bursts

HALF = PAGES // 2 * PAGE


def accesses(rng: Random, base: int, width: int, number: int) -> list[Burst]:
    """Accesses of AXI4-Lite; a third of them unaligned."""
    aligned = [base + rng.randrange(HALF // width) * width for _ in range(number)]
    return [
        Burst(address + rng.choice((0, 0, rng.randrange(width))), 1, width.bit_length() - 1, INCR, cache=0, prot=2)
        for address in aligned
    ]


@pytest.mark.parametrize("data_width", [32, 64])
def test_an_initiator_becomes_axi4(data_width):
    rng = Random(data_width)
    dut = LiteInitiator(axi.LiteSignature(address_width=16, data_width=data_width), user_width=2)
    reads, writes = (accesses(rng, base, data_width // 8, 200) for base in (0, HALF))
    run = play(dut, 1, reads, writes)
    assert [burst for what, burst in run.seen if what == "read"] == reads
    assert [burst for what, burst in run.seen if what == "write"] == writes


class Target(wiring.Component):
    """As the target port of a card has it."""

    def __init__(self, data_width: int, lite_width: int, depth: int) -> None:
        wide = axi.Signature(data_width=data_width, address_width=16, id_width=2, user_width=2)
        self.narrow = Narrow(wide, data_width=lite_width, depth=depth, single=True)
        self.lite = LiteTarget(self.narrow.down.signature, depth=depth)
        super().__init__({"up": In(wide), "down": Out(self.lite.down.signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.narrow, m.submodules.lite = self.narrow, self.lite
        wiring.connect(m, wiring.flipped(self.up), self.narrow.up)
        wiring.connect(m, self.narrow.down, self.lite.up)
        wiring.connect(m, self.lite.down, wiring.flipped(self.down))
        return m


@pytest.mark.parametrize(("data_width", "lite_width"), [(32, 32), (64, 32), (64, 64), (256, 64)])
def test_a_target_gets_single_beats(data_width, lite_width):
    rng = Random(data_width + lite_width)
    width = data_width // 8
    reads, writes = (random_bursts(rng, 60, width, 4, base=base, most=6) for base in (0, HALF))
    run = play(Target(data_width, lite_width, 4), 1, reads, writes)
    assert len(run.seen) > 60


def test_an_access_per_cycle():
    reads = [Burst(4 * n, 1, 2, id=n % 4) for n in range(100)]
    writes = [Burst(HALF + 4 * n, 1, 2, id=n % 4) for n in range(100)]
    run = play(Target(32, 32, 16), 1, reads, writes, pace=(1.0, 1.0), outstanding=32)
    assert run.cycles <= 100 + 6


def test_lite_is_32_or_64_bits_wide():
    with pytest.raises(ValueError, match="Data width of AXI4-Lite must be 32 or 64 bits, not 128"):
        axi.LiteSignature(address_width=16, data_width=128)
