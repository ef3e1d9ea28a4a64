"""Places of a ring that is walked through as a shift register counts, see :func:`hdl.bus.queue.following`."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Mux, Value

from hdl.bus.queue import TAPS

from .white_box import WhiteBox


def order(bits: int, *, whole: bool = True) -> list[int]:
    """The position of each place, counted from the first: place 0, or place 1 of a ring that leaves out place 0."""
    positions, place = [0] * (1 << bits), int(not whole)
    for number in range((1 << bits) - (not whole)):
        positions[place] = number
        low = place & (1 << bits - 1) - 1
        feedback = (place & TAPS[bits]).bit_count() % 2 if bits > 1 else place
        place = low << 1 | (feedback ^ (low == 0) if whole else feedback)
    return positions


def position(place: Value, depth: int, *, whole: bool = True) -> Value:
    """Position of a place of a ring of `depth`, a power of two."""
    bits = depth.bit_length() - 1
    return Array(Const(value, bits) for value in order(bits, whole=whole))[place]


def filled(queue: WhiteBox) -> Value:
    """How many entries a :class:`hdl.bus.queue.Queue` holds, by its places."""
    depth = queue.component.depth
    write_at, read_at = (position(queue.signal(name), depth) for name in ("write_at", "read_at"))
    return Mux(queue.signal("stored"), (write_at - read_at - 1)[: depth.bit_length() - 1] + 1, 0)
