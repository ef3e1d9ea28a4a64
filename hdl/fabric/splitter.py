"""Long bursts become pieces, so that nobody holds a target for longer than a piece takes."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi import Burst
from ..plan.plan import Plan

LONGEST_WHOLE = 16
"""Beats of the longest FIXED, WRAP and exclusive bursts (IHI 0022H, A3.4.1, A7.2.4), which pass whole."""
BOUNDARY_BITS = 12
"""A legal burst does not cross 4 KiB, so an address changes in these bits alone."""

SIZE_BITS = 7
"""Address bits inside a beat of the largest AxSIZE."""


class Splitter(wiring.Component):
    """Splits INCR bursts into pieces of up to `chunk` beats; everything else is one piece.

    Piece 0 starts where the burst does, the others at multiples of the beat's size. An exclusive burst is one piece if
    it has a length that AXI allows it.

    Latency: combinational; the next piece stands here one cycle after `moves`.

    Members
    -------
    address : In(12)
        Bits inside 4 KiB of the burst's address.
    length, size, burst, lock : In
        Its AxLEN, AxSIZE, AxBURST, AxLOCK, the same until its last piece has moved on.
    piece : In(plan.piece_bits)
        AxLEN of a full piece, all ones from some bit down. What it is for the first piece holds for the whole burst.
    moves : In(1)
        The piece goes on.
    clear : In(1)
        Drops what is left of the burst.
    piece_address, piece_length : Out
    first, final : Out(1)
        Which piece of the burst it is.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "address": In(BOUNDARY_BITS),
                "length": In(8),
                "size": In(3),
                "burst": In(2),
                "lock": In(1),
                **({"piece": In(plan.piece_bits)} if plan.piece_bits else {}),
                "moves": In(1),
                "clear": In(1),
                "piece_address": Out(BOUNDARY_BITS),
                "piece_length": Out(8),
                "first": Out(1),
                "final": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rest_address = Signal(BOUNDARY_BITS)
        rest_length = Signal(8)
        has_rest = Signal()
        length = Signal(8)
        splits = Signal()
        last: Value = Const(0)
        beyond: Value = length
        if bits := self.plan.piece_bits:
            last = Signal(bits)
            held = Signal(bits)
            m.d.comb += last.eq(Mux(has_rest, held, self.piece))
            with m.If(self.moves):
                m.d.sync += held.eq(last)
            # Which of the length's bits count whole pieces: comparing takes no carry then.
            beyond = Cat(length[:bits] & ~last, length[bits:])
        exclusive = self.lock & (self.length < LONGEST_WHOLE)
        inside = ((1 << self.size) - 1)[:SIZE_BITS]
        aligned = Cat(self.piece_address[:SIZE_BITS] & ~inside, self.piece_address[SIZE_BITS:])
        m.d.comb += [
            self.piece_address.eq(Mux(has_rest, rest_address, self.address)),
            length.eq(Mux(has_rest, rest_length, self.length)),
            splits.eq((self.burst == Burst.INCR) & beyond.any() & ~exclusive),
            self.piece_length.eq(Mux(splits, last, length)),
            self.first.eq(~has_rest),
            self.final.eq(~splits),
        ]
        with m.If(self.moves):
            m.d.sync += [
                has_rest.eq(splits),
                rest_address.eq(aligned + ((last + 1) << self.size)),
                rest_length.eq(length - last - 1),
            ]
        with m.If(self.clear):
            m.d.sync += has_rest.eq(0)
        return m
