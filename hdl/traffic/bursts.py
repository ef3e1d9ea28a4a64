"""What the beats of a burst touch, and the data that is written there. Written apart from the fabric, to check it."""

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from ..bus.axi import Burst
from ..plan.plan import Plan

OFFSET_BITS = 12
TAG_BITS = 4
VERSION_BITS = 8
_WORD_BITS = 32 - TAG_BITS - VERSION_BITS


def shape_layout() -> data.StructLayout:
    """A burst inside its 4 KiB page, and which version of the data it writes or should find."""
    return data.StructLayout(
        {"offset": OFFSET_BITS, "length": 8, "size": 3, "burst": 2, "version": VERSION_BITS, "partial": 1}
    )


def beat_offset(shape: data.View, number: Value) -> Value:
    """Offset in the page of beat `number` (IHI 0022H, A3.4.1)."""
    step = (number << shape.size)[:OFFSET_BITS]
    aligned = (shape.offset >> shape.size) << shape.size
    wrapped = (((shape.length + 1) << shape.size) - 1)[:OFFSET_BITS]
    incremented = (aligned + step)[:OFFSET_BITS]
    turned = (shape.offset & ~wrapped) | ((shape.offset + step) & wrapped)
    moving = Mux(shape.burst == Burst.WRAP, turned, incremented)
    return Mux((number == 0) | (shape.burst == Burst.FIXED), shape.offset, moving)[:OFFSET_BITS]


def lanes(plan: Plan, shape: data.View, offset: Value) -> Value:
    """Byte lanes of the beat at `offset`; of a partial write those that its version writes."""
    first = offset[: plan.size_max]
    last = first | ((1 << shape.size) - 1)[: plan.size_max]
    word = offset >> plan.size_max
    bits = []
    for lane in range(plan.data_bytes):
        chosen = ~shape.partial | (shape.version ^ word ^ Const(lane * 37 % 256, 8))[lane % 8]
        bits.append((first <= lane) & (last >= lane) & chosen)
    return Cat(bits)


def word(plan: Plan, address: Value, tag: Value, user: Value, version: Value) -> Value:
    """The data word at an address: it encodes the address, who wrote it (port and AxUSER), and its version."""
    # The context goes over the upper bits of the address: wrong in one of both, the word differs.
    index = (address >> plan.size_max)[:_WORD_BITS] ^ (Value.cast(user)[:TAG_BITS] << (_WORD_BITS - TAG_BITS))
    parts = []
    for n in range(plan.data_width // 32):
        key = Const((0x9E3779B9 * (n + 1)) & 0xFFFFFFFF, 32)
        parts.append(Cat(index, Value.cast(tag)[:TAG_BITS], version) ^ key)
    return Cat(parts)


def bytes_differ(plan: Plan, seen: Value, expected: Value, active: Value) -> Value:
    """Whether an active byte is not what it should be."""
    return Cat(
        active[n] & (seen[8 * n : 8 * n + 8] != expected[8 * n : 8 * n + 8]) for n in range(plan.data_bytes)
    ).any()


class Random:
    """Random bits, new ones each cycle (G. Marsaglia, Xorshift RNGs, 2003); in the first cycle all are 0."""

    def __init__(self, m, seed: Value, name: str) -> None:
        # A core that is reset does not start the same sequence again.
        self.state = Signal(32, name=name, reset_less=True)
        state = Signal(32, name=f"{name}_0")
        first = Signal(32, name=f"{name}_1")
        second = Signal(32, name=f"{name}_2")
        m.d.comb += [
            state.eq(Mux(self.state == 0, seed * 0x9E3779B9 + 1, self.state)),
            first.eq(state ^ (state << 13)),
            second.eq(first ^ (first >> 17)),
        ]
        m.d.sync += self.state.eq(second ^ (second << 5))

    def bits(self, first: int, count: int) -> Value:
        """Some of them."""
        return self.state[first : first + count]
