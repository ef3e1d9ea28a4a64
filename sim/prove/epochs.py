"""P6 at the epochs of a target: a drain ends when all is answered that had been granted before it was asked for."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal

from hdl.fabric.epochs import SETTLING, Epochs

from .harness import Harness

CLIENTS = 2
SEEN = 3
"""Cycles after its grant from which a request of the older epoch is seen to be there, until its answer."""

SEEN_BY = (
    "what was checked is seen",
    "the oldest of the older epoch is seen",
    "an older one comes before all others",
    "what has left is seen once more",
    "what is not answered is seen",
)
"""Claims which together say so: of the gate, and of what remembers a request behind it."""


def epochs() -> Harness:
    """One request, any one, from its grant to its answer; the rest of the fabric is free to be behind or not."""
    h = Harness()
    m = h.m
    box = h.place(Epochs(CLIENTS))
    serving, settling = box.signal("serving"), box.signal("settling")
    asked = Signal(CLIENTS)  # and not served
    m.d.sync += asked.eq(box.drain & ~box.drained)
    h.assume((asked & ~box.drain) == 0, "who drains asks until it is served")

    granted, ends = h.any(1, "granted"), h.any(1, "ends")
    alive, epoch, age = Signal(), Signal(), Signal(range(SEEN + 1))
    with m.If(alive):
        m.d.sync += [alive.eq(~ends), age.eq(Mux(age == SEEN, SEEN, age + 1))]
    with m.Elif(granted):
        m.d.sync += [alive.eq(1), epoch.eq(box.epoch), age.eq(0)]
    older = alive & (epoch != box.epoch)
    h.assume(~(older & (age == SEEN)) | box.behind, *SEEN_BY)

    h.invariant("settled", settling <= SETTLING)
    h.invariant("an older one is left only during a drain", serving.any(), when=older)
    h.invariant("it is as old as the drain", (age == SEEN) | (age >= settling), when=older)
    h.invariant("it was seen", box.signal("behind"), when=older & (settling == SETTLING))
    h.invariant("who is served has asked", (serving & ~asked) == 0)
    last = Signal()
    m.d.sync += last.eq(box.epoch)
    h.claim("the epoch turns only when nothing of the older one is left", epoch == last,
            when=(last != box.epoch) & alive)  # fmt: skip
    for n in range(CLIENTS):
        waits = Signal(name=f"client{n}_waits_for_it")
        with m.If(alive & ends):
            m.d.sync += waits.eq(0)
        with m.Elif(box.drain[n] & ~asked[n]):
            m.d.sync += waits.eq(alive | granted)
        h.show(f"drain{n}", box.drain[n])
        h.shown[waits.name] = waits
        h.invariant("it waits for what is there", alive, when=waits)
        h.invariant("who is served waits for older ones", older, when=serving[n] & alive & waits)
        h.claim("what was granted before the client asked is answered", ~(alive & waits), when=box.drained[n])
        # Once nothing older is seen, and nobody else is served, it does not take long.
        quiet = Signal(range(2 * SETTLING), name=f"quiet{n}")
        others = (serving & ~(1 << n)).any()
        with m.If(box.behind | ~asked[n] | others):
            m.d.sync += quiet.eq(0)
        with m.Else():
            m.d.sync += quiet.eq(quiet + 1)
        bound = SETTLING + 2
        h.claim("a drain ends", box.drained[n] | others | (quiet < bound), when=asked[n])
        h.invariant("it comes closer", quiet <= Mux(serving[n], settling + 1, 1), when=asked[n] & ~others)
    return h
