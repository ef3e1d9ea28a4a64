"""P2 at the splitter: the pieces of a burst are the burst, beat by beat."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal

from hdl.bus.axi import Burst
from hdl.fabric.splitter import BOUNDARY_BITS, LONGEST_WHOLE, Splitter
from hdl.plan.plan import Plan

from .harness import Harness


def splitter(plan: Plan) -> Harness:
    """One burst after the other; `done` beats of the present one have gone on in earlier pieces."""
    h = Harness()
    m = h.m
    box = h.place(Splitter(plan))
    inputs = (box.address, box.length, box.size, box.burst, box.lock)
    done = Signal(9)
    rest = box.signal("has_rest")
    for value in inputs:
        held = Signal(len(value))
        m.d.sync += held.eq(value)
        h.assume(~rest | (value == held), "what was taken has its answer, or waits for it", "it goes on as it came")
    with m.If(box.clear | (box.moves & box.final)):
        m.d.sync += done.eq(0)
    with m.Elif(box.moves):
        m.d.sync += done.eq(done + box.piece_length + 1)
    h.show("done", done)
    whole = box.length + 1
    step = (1 << box.size)[: BOUNDARY_BITS + 1]
    aligned = box.address - (box.address & (step - 1))
    beat = (aligned + (done << box.size))[:BOUNDARY_BITS]
    h.invariant("what is left", (box.signal("rest_length") + done + 1 == whole) & (box.signal("rest_address") == beat),
                when=rest)  # fmt: skip
    h.invariant("begun", rest == (done != 0))
    h.invariant("never too many", done < whole, when=rest)
    if plan.piece_bits:
        h.assume(((box.piece + 1) & box.piece) == 0, environment="a full piece is a power of two of beats")
        held = box.signal("held")
        h.invariant("a full piece", ((held + 1) & held) == 0, when=rest)
        asked = Signal(plan.piece_bits)
        with m.If(done == 0):
            m.d.sync += asked.eq(box.piece)
        h.invariant("what is a full piece", held == asked, when=rest)
        full = Mux(rest, asked, box.piece)
        h.claim("all but the last piece are full", box.piece_length == full, when=~box.final)
        h.claim("no piece is more than full", box.piece_length <= full,
                when=(box.burst == Burst.INCR) & ~(box.lock & (box.length < LONGEST_WHOLE)))  # fmt: skip
    h.claim("a piece begins where the one before it ends", box.piece_address == beat, when=rest)
    h.claim("the first piece begins where the burst does", box.piece_address == box.address, when=done == 0)
    h.claim("the first piece is told", box.first == (done == 0))
    h.claim("the last piece ends where the burst does", done + box.piece_length + 1 == whole, when=box.final)
    h.claim("others end before", done + box.piece_length + 1 < whole, when=~box.final)
    exclusive = box.lock & (box.length < LONGEST_WHOLE)
    h.claim("what may not be split is one piece", box.first & box.final, when=(box.burst != Burst.INCR) | exclusive)
    legal = (box.burst == Burst.INCR) | (box.length < LONGEST_WHOLE)
    h.claim("a piece is no longer than a target is held", box.piece_length < LONGEST_WHOLE, when=legal)
    return h
