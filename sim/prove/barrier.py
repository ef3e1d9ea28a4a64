"""P6 at the barrier: it ends when every target has drained since it began."""

from __future__ import annotations

from amaranth.hdl import Signal

from hdl.control.barrier import Barrier

from .harness import Harness


def barrier(targets: int) -> Harness:
    """Any start at any time, and targets that drain when they like."""
    h = Harness()
    m = h.m
    box = h.place(Barrier(targets))
    asked, done = Signal(targets), Signal(targets)
    m.d.sync += asked.eq(box.drain & ~box.drained)
    with m.If(box.start & ~box.busy):
        m.d.sync += done.eq(0)
    with m.Else():
        m.d.sync += done.eq(done | (box.drain & box.drained))
    h.claim("who drains asks until it is served", (asked & ~box.drain) == 0, when=asked.any())
    everyone = (1 << targets) - 1
    h.invariant("who has drained is not asked", (box.drain & done) == 0)
    h.invariant("who has not drained is asked", (box.drain | done) == everyone, when=box.busy)
    h.claim("it ends when every target has drained", (done | (box.drain & box.drained)) == everyone, when=box.finished)
    h.claim("it ends then", box.finished, when=box.busy & (done == everyone))
    return h
