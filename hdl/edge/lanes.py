"""On which lanes does a beat lie? The arithmetic of beats on a bus that is wider than the other side's.

Only the address bits inside the wider bus word matter, the *offset*. A burst is described by the offset of its first
beat, its size, and a mask that covers all burst types: the next offset takes the bits of the incremented one where the
mask is set, and keeps its own elsewhere. INCR has the mask all ones, FIXED all zeros, WRAP the size of its container
minus one (AMBA AXI and ACE, IHI 0022H, A3.4.1: Burst types, and A3.4.2 for the addresses of beats).
"""

from amaranth.hdl import Const, Mux, Value
from amaranth.lib import data

from ..bus.axi import Burst


def beat_layout(offset_bits: int, **more: int) -> data.StructLayout:
    """Where the beats of a burst lie on a bus of ``2**offset_bits`` bytes; `more` are further fields."""
    return data.StructLayout({"offset": offset_bits, "size": 3, "mask": offset_bits, **more})


def below(size: Value, bits: int) -> Value:
    """Ones below bit `size`, in `bits` bits."""
    return ((Const(1, bits + 1) << size) - 1)[:bits]


def address_mask(burst: Value, length: Value, size: Value, bits: int) -> Value:
    """Mask of a burst with AxLEN `length`, see above."""
    container = ((length << size)[:bits] | below(size, bits))[:bits]
    return Mux(burst == Burst.FIXED, 0, Mux(burst == Burst.WRAP, container, Const(-1, bits)))[:bits]


def incremented(offset: Value, size: Value) -> Value:
    """Offset of the beat after the one at `offset` in an INCR burst: the first beat alone may be unaligned."""
    bits = len(offset)
    return ((offset | below(size, bits)) + 1)[:bits]


def following_offset(offset: Value, size: Value, mask: Value) -> Value:
    """Offset of the next beat of any burst."""
    return (offset & ~mask) | (incremented(offset, size) & mask)


def ends_word(offset: Value, step: Value, size: Value) -> Value:
    """Whether a beat of ``2**step`` bytes at `offset` is the last of an aligned piece of ``2**size`` bytes."""
    bits = len(offset)
    return (incremented(offset, step) & below(size, bits)) == 0


def smaller(size: Value, size_max: int) -> Value:
    """The smaller of AxSIZE and `size_max`."""
    return Mux(size > size_max, size_max, size)
