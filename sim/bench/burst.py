"""A burst as AXI describes it, legal or not, and random legal ones."""

from dataclasses import dataclass
from random import Random

FIXED, INCR, WRAP = 0, 1, 2
BOUNDARY = 4096
"""No burst crosses a multiple of this address (IHI 0022H, A3.4.1)."""
FIXED_BEATS = 16
WRAP_BEATS = (2, 4, 8, 16)
LENGTHS = ((1, 1), (2, 4), (5, 16), (17, 64), (65, 256))
"""Length classes, from the first to the second."""


@dataclass(frozen=True)
class Burst:
    """An address beat. Nothing is checked: attacks send what AXI forbids.

    Members
    -------
    address : int
        AxADDR.
    beats : int
        AxLEN + 1.
    size : int
        AxSIZE: log2 of the bytes of a beat.
    burst, id, lock, cache, prot, qos, user : int
        The other signals of the channel.
    """

    address: int
    beats: int = 1
    size: int = 0
    burst: int = INCR
    id: int = 0
    lock: int = 0
    cache: int = 0b0011
    prot: int = 0b010
    qos: int = 0
    user: int = 0

    def addresses(self) -> list[int]:
        """Where each beat begins, aligned to its size (IHI 0022H, A3.4.1)."""
        number, container = 1 << self.size, self.beats << self.size
        first = self.address // number * number
        if self.burst == FIXED:
            return [first] * self.beats
        if self.burst == WRAP:
            base = first // container * container
            return [base + (first - base + number * beat) % container for beat in range(self.beats)]
        return [first + number * beat for beat in range(self.beats)]

    def strobes(self, width: int) -> list[int]:
        """Widest legal WSTRB of each beat on a bus of `width` bytes (IHI 0022H, A3.4.3)."""
        number = 1 << self.size
        aligned = self.address // number * number
        container = number * self.beats
        masks, address = [], self.address
        for beat in range(self.beats):
            first = address % width
            last = min(address // number * number % width + number, width)
            masks.append(((1 << last) - 1) & ~((1 << first) - 1))
            if self.burst == FIXED:
                continue
            address = aligned + number * (beat + 1)
            if self.burst == WRAP:
                address = aligned // container * container + address % container
        return masks


def _beats(rng: Random, most: int) -> int:
    """Mostly short, sometimes as long as it gets."""
    choice = rng.random()
    limit = 4 if choice < 0.5 else 16 if choice < 0.9 else 64 if choice < 0.98 else 256
    return rng.randint(1, max(1, min(most, limit)))


def random_burst(rng: Random, base: int, length: int, size_max: int, **fields: int) -> Burst:
    """A random legal burst inside ``[base, base + length)``; `base` and `length` are multiples of 4 KiB.

    All types, all sizes, unaligned addresses, 1 to 256 beats; AxCACHE, AxPROT and AxQOS are random too, since
    they must change nothing.
    """
    size = size_max if rng.random() < 0.6 else rng.randint(0, size_max)
    kind = rng.choices((INCR, WRAP, FIXED), (8, 1, 1))[0]
    number = 1 << size
    page = base + BOUNDARY * rng.randrange(length // BOUNDARY)
    if kind == WRAP:
        beats = rng.choice(WRAP_BEATS)
        address = page + rng.randrange(BOUNDARY // number) * number
    elif kind == FIXED:
        beats = rng.randint(1, FIXED_BEATS)
        address = page + rng.randrange(BOUNDARY)
    else:
        offset = rng.randrange(BOUNDARY) if rng.random() < 0.4 else rng.randrange(BOUNDARY // number) * number
        beats = _beats(rng, (BOUNDARY - offset // number * number) // number)
        address = page + offset
    sideband = {"cache": rng.getrandbits(4), "prot": rng.getrandbits(3), "qos": rng.getrandbits(4)}
    return Burst(address, beats, size, kind, **(sideband | fields))


def even_burst(rng: Random, base: int, length: int, size_max: int, **fields: int) -> Burst:
    """Like :func:`random_burst`, but every type, length class and size is as likely as any other."""
    kind = rng.choice((FIXED, INCR, WRAP))
    size = rng.choice((size_max, size_max - 1, rng.randint(0, max(0, size_max - 2))))
    number = 1 << size
    page = base + BOUNDARY * rng.randrange(length // BOUNDARY)
    if kind == WRAP:
        return Burst(page + rng.randrange(BOUNDARY // number) * number, rng.choice(WRAP_BEATS), size, kind, **fields)
    shortest, longest = rng.choice(LENGTHS[:3] if kind == FIXED else LENGTHS)
    beats = min(rng.randint(shortest, longest), BOUNDARY // number)
    last = BOUNDARY // number - (beats if kind == INCR else 1)
    start = rng.randint(0, last) * number + rng.choice((0, rng.randrange(number)))
    return Burst(page + start, beats, size, kind, **fields)


def whole_page(page: int, size_max: int, **fields: int) -> list[Burst]:
    """The bursts that cover the 4 KiB at `page`, as long as they may be."""
    number = 1 << size_max
    beats = min(256, BOUNDARY // number)
    return [Burst(page + start, beats, size_max, **fields) for start in range(0, BOUNDARY, beats * number)]


def illegal_bursts(page: int, size_max: int, **fields: int) -> list[Burst]:
    """One burst of each kind that AXI forbids, in the 4 KiB at `page` (IHI 0022H, A3.4.1)."""
    number = 1 << size_max
    return [
        Burst(page + BOUNDARY - number, 2, size_max, INCR, **fields),
        Burst(page + BOUNDARY - 8 * number, 256, size_max, INCR, **fields),
        Burst(page, 1, size_max, 3, **fields),
        Burst(page, 4, size_max, 3, **fields),
        Burst(page, 3, size_max, WRAP, **fields),
        Burst(page, 1, size_max, WRAP, **fields),
        Burst(page, 32, size_max, WRAP, **fields),
        Burst(page + 1, 4, size_max, WRAP, **fields),
        Burst(page, FIXED_BEATS + 1, size_max, FIXED, **fields),
        *([Burst(page, 2, size_max + 1, INCR, **fields)] if size_max < 7 else []),
    ]
