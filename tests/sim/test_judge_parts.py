"""Parts of the judge by themselves: time, bursts, memory, lanes, shares."""

from pathlib import Path

import pytest

from sim.bench.lanes import LANE_BITS
from sim.judge.bursts import FIXED, INCR, WRAP, beat_addresses, legal
from sim.judge.events import Trace
from sim.judge.findings import Findings
from sim.judge.history import History
from sim.judge.lanes import check_lanes
from sim.judge.memory import Mirror
from sim.judge.quality import Measurement, Share, judge_shares
from sim.judge.reference import Reference
from tests.sim.synthetic import Synthetic


def test_history_knows_what_is_uncertain() -> None:
    """While a change may or may not have happened, both values are possible; before and after, one."""
    history = History("old")
    history.change("new", 10, 20)
    history.change("newest", 30, 30)
    assert history.possible(0, 9) == ["old"]
    assert history.possible(0, 10) == ["old", "new"]
    assert history.possible(20, 20) == ["old", "new"]
    assert history.possible(21, 29) == ["new"]
    assert history.possible(25, 40) == ["new", "newest"]
    assert history.possible(31, 99) == ["newest"]


@pytest.mark.parametrize(
    ("burst", "allowed"),
    [
        ((0x0FF8, 0, 3, INCR), True),
        ((0x0FF8, 1, 3, INCR), False),  # crosses 4 KiB
        ((0x0FFC, 1, 2, INCR), False),
        ((0x0FFB, 1, 2, INCR), True),  # unaligned, its last beat ends with the page
        ((0x0800, 255, 3, INCR), True),
        ((0x0808, 255, 3, INCR), False),
        ((0x0000, 0, 4, INCR), False),  # wider than the bus
        ((0x0000, 15, 3, FIXED), True),
        ((0x0000, 16, 3, FIXED), False),
        ((0x0FFD, 3, 3, FIXED), True),
        ((0x0FF8, 3, 3, WRAP), True),
        ((0x0FFC, 3, 3, WRAP), False),  # not aligned
        ((0x0000, 2, 3, WRAP), False),
        ((0x0000, 0, 3, WRAP), False),
        ((0x0000, 0, 3, 3), False),
    ],
)
def test_legal_bursts(burst: tuple[int, int, int, int], allowed: bool) -> None:
    """IHI 0022H, A3.4.1, on a bus of 8 bytes."""
    assert legal(*burst, data_bytes=8) is allowed


def test_beats_of_bursts() -> None:
    """An unaligned burst is aligned from its second beat on; a wrapping one turns at its container's end."""
    assert beat_addresses(0x1003, 2, 2, INCR) == [(0x1003, 0x1004), (0x1004, 0x1008), (0x1008, 0x100C)]
    assert beat_addresses(0x1001, 1, 2, FIXED) == [(0x1001, 0x1004)] * 2
    assert [begin for begin, _ in beat_addresses(0x1018, 3, 3, WRAP)] == [0x1018, 0x1000, 0x1008, 0x1010]


def test_mirror_knows_strobes_and_overtaking() -> None:
    """Only strobed bytes change; a read that was asked before a write was answered may still see the old value."""
    mirror = Mirror(4)
    mirror.write(0x100, 0x44332211, 0b1111, (1, 0b10, 0), 10)
    mirror.write(0x100, 0xFFEEDDCC, 0b0010, (2, 0b100, 0), 20)
    assert mirror.read(0x100, 0x104, 0x4433DD11, 30) == []
    assert mirror.read(0x100, 0x104, 0x44332211, 20) == []
    assert mirror.read(0x100, 0x104, 0x44332211, 21) == [0x101]
    assert mirror.read(0x102, 0x104, 0x44330000, 21) == []
    assert mirror.authors(0x100, 0x104) == {(1, 0b10, 0), (2, 0b100, 0)}
    assert mirror.authors(0x102, 0x104) == {(1, 0b10, 0)}


def test_mirror_learns_what_stood_there_at_power_up() -> None:
    """The first read of a byte that nobody wrote is believed, the second is compared."""
    mirror = Mirror(4)
    assert mirror.read(0, 4, 0xDEADBEEF, 5) == []
    assert mirror.read(0, 4, 0xDEADBEEE, 6) == [0]


@pytest.mark.parametrize(
    ("swapped", "found"), [(False, 0), (True, 1)], ids=["lanes as steered", "two lanes of a device are swapped"]
)
def test_lanes(swapped: bool, found: int, tmp_path: Path) -> None:
    """A controller receives the lanes that were steered to it, in order, and zeros on its others."""
    card = Synthetic(card="quad")
    card.boot()
    card.event(0, "-", "lane_rx", sum((lane + 1) << LANE_BITS * lane for lane in range(8)))
    card.event(0, "nvme0", "lane_tx", 7)
    card.event(0, "nvme0", "lane_rx", 0)
    card.put("controller", "STEER", 0, first=4, width=2)
    card.get("controller", "STATUS", 0, first=4, width=2)
    lanes = (6, 5) if swapped else (5, 6)
    card.event(card.cycle, "nvme0", "lane_rx", lanes[0] | lanes[1] << LANE_BITS)
    card.event(card.cycle, "-", "lane_tx", 7 << 4 * LANE_BITS)
    trace = Trace("run", tmp_path, {key: sorted(events) for key, events in card.events.items()}, card.marks, 200)
    findings = Findings()
    compared = check_lanes(card.manifest, trace, Reference(card.manifest, trace, findings), findings)
    assert compared == 2
    assert findings.counts["lanes"] == found


@pytest.mark.parametrize(
    ("shares", "wrong"),
    [
        ([Share(0, 0.50, None, 0), Share(1, 0.49, None, 0)], ""),
        ([Share(0, 0.70, None, 0), Share(1, 0.29, None, 0)], "got more than slice 1, which is its equal"),
        ([Share(0, 0.25, 0.25, 0), Share(1, 0.74, None, 0)], ""),
        ([Share(0, 0.40, 0.25, 0), Share(1, 0.59, None, 0)], "its limit is 0.250"),
        ([Share(0, 0.10, 0.25, 0), Share(1, 0.89, None, 0)], "its limit is 0.250"),
        ([Share(0, 0.06, None, 0), Share(1, 0.93, None, 2)], ""),
        ([Share(0, 0.50, None, 0), Share(1, 0.49, None, 2)], "has the higher class and got less"),
        ([Share(0, 0.00, None, 0), Share(1, 0.99, None, 2)], "starves"),
        ([Share(0, 0.30, None, 0), Share(1, 0.30, None, 0)], "though it was saturated"),
        ([Share(0, 0.10, None, 0, 2, 2), Share(1, 0.89, None, 0)], ""),
        ([Share(0, 0.10, None, 0, 2, 3), Share(1, 0.89, None, 0)], "3 requests under way at once"),
    ],
)
def test_shares(shares: list[Share], wrong: str) -> None:
    """Limits hold, classes go first, equals are equal, nobody starves, nothing is wasted."""
    measured = Measurement("phase", "bank0", 0, 2000, shares)
    judge_shares(measured, 15, {0: 16, 1: 16})
    assert any(wrong in text for text in measured.wrong) if wrong else measured.wrong == []
