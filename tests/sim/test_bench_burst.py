"""The bench sends bursts that AXI allows when it means to, and bursts that AXI forbids when it means to."""

from random import Random

import pytest

from sim.bench.burst import BOUNDARY, FIXED, INCR, WRAP, Burst, illegal_bursts, random_burst, whole_page


def beats_of(burst: Burst) -> list[tuple[int, int]]:
    """(lowest, highest) byte address of each beat, as IHI 0022H, A3.4.2 has it."""
    number = 2**burst.size
    aligned = burst.address // number * number
    result = []
    for beat in range(burst.beats):
        if burst.burst == FIXED or beat == 0:
            first = burst.address
        else:
            first = aligned + beat * number
            if burst.burst == WRAP:
                low = burst.address // (number * burst.beats) * (number * burst.beats)
                first = first if first < low + number * burst.beats else first - number * burst.beats
        result.append((first, first // number * number + number - 1))
    return result


def is_legal(burst: Burst, width: int) -> bool:
    """Independent of the bench and of the card: the rules of A3.4.1."""
    number = 2**burst.size
    if number > width or burst.burst not in (FIXED, INCR, WRAP) or not 1 <= burst.beats <= 256:
        return False
    if burst.burst == FIXED:
        return burst.beats <= 16
    if burst.burst == WRAP:
        return burst.beats in (2, 4, 8, 16) and burst.address % number == 0
    return len({address // BOUNDARY for beat in beats_of(burst) for address in beat}) == 1


@pytest.mark.parametrize("size_max", [2, 3, 4, 6])
def test_random_bursts_are_legal_and_stay_inside(size_max):
    rng = Random(size_max)
    kinds = set()
    for _ in range(2000):
        burst = random_burst(rng, 3 * BOUNDARY, 2 * BOUNDARY, size_max)
        kinds.add((burst.burst, burst.size))
        assert is_legal(burst, 1 << size_max), burst
        for low, high in beats_of(burst):
            assert 3 * BOUNDARY <= low <= high < 5 * BOUNDARY, burst
    assert kinds == {(kind, size) for kind in (FIXED, INCR, WRAP) for size in range(size_max + 1)}


@pytest.mark.parametrize("size_max", [2, 3, 4, 6, 7])
def test_illegal_bursts_are_illegal(size_max):
    for burst in illegal_bursts(8 * BOUNDARY, size_max, user=1):
        assert not is_legal(burst, 1 << size_max), burst
        assert burst.user == 1


@pytest.mark.parametrize("width", [4, 8, 16])
def test_strobes_cover_exactly_the_bytes_of_each_beat(width):
    rng = Random(width)
    for _ in range(500):
        burst = random_burst(rng, 0, BOUNDARY, width.bit_length() - 1)
        expected = [sum(1 << address % width for address in range(low, high + 1)) for low, high in beats_of(burst)]
        assert burst.strobes(width) == expected, burst


@pytest.mark.parametrize("size_max", [2, 3, 6])
def test_a_whole_page_is_covered_once(size_max):
    seen = [
        address
        for burst in whole_page(BOUNDARY, size_max)
        for low, high in beats_of(burst)
        for address in range(low, high + 1)
    ]
    assert sorted(seen) == list(range(BOUNDARY, 2 * BOUNDARY))
