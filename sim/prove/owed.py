"""P6 at a target that can be cut off: what it owes is known, found when it is late, and answered when it is cut off."""

from __future__ import annotations

from amaranth.hdl import Cat, Signal
from amaranth.utils import exact_log2

from hdl.fabric.cutoff import Cutoff
from hdl.fabric.owed import Owed
from hdl.plan.plan import Plan, Target

from .gate import DENIED, STANDS
from .harness import Harness
from .strict import INSTEAD, OWED
from .under_way import ONE_SLOT

CUT = "a target with a request that is overdue is cut off"
SETTLED = "it is attached when it owes nothing, and not before"


def owed(plan: Plan, target: Target, *, alone: bool = False) -> Harness:
    """One ID, any one, from its offer to its answer; with `alone` nobody asks with another one."""
    h = Harness()
    m = h.m
    h.without_contents += [] if alone else ["asked", "replied"]
    box = h.place(Owed(plan, target))
    identity = h.constant(plan.target_id_bits, "identity")
    if alone:
        h.assume((identity == 0) & (~box.offers | (box.identity == identity)), environment="nobody else asks")
    exists = Cat(identity[: plan.source_bits] == source for source in target.initiators).any()
    ids, step = 1 << plan.target_id_bits, target.timeout >> plan.target_id_bits
    at, odd, waited, clears = (box.signal(name) for name in ("at", "odd", "waited", "clears"))
    begun, visits = box.signal("begun"), box.signal("visits")

    stood, last_identity, was_overdue, was_cut, was_swept = (
        Signal(),
        Signal(len(identity)),
        Signal(),
        Signal(),
        Signal(),
    )
    m.d.sync += [
        stood.eq(box.offers & ~box.leaves),
        last_identity.eq(box.identity),
        was_overdue.eq(box.overdue),
        was_cut.eq(box.cut),
        was_swept.eq(box.swept),
    ]
    h.assume(~stood | (box.offers & (box.identity == last_identity)), STANDS)
    h.assume(~box.offers | stood | ~(box.cut | clears), DENIED)
    h.assume(~box.answered | box.owes, OWED)
    swept = box.o.valid & box.o.ready & (box.o.payload == identity)
    h.assume(~swept | ~exists | (box.answered & (box.answer_id == identity)), INSTEAD)
    h.assume(~was_overdue | box.cut, CUT)
    h.assume(~was_cut | box.cut | was_swept, SETTLED)

    there, age, visited = Signal(), Signal(range(2 * target.timeout + 1)), Signal()
    starts = box.offers & ~stood & (box.identity == identity)
    ends = box.answered & (box.answer_id == identity)
    h.assume(~starts | ~there, ONE_SLOT)
    h.assume(~starts | exists, "what is offered names the source that was granted")
    visit = visits & (at == identity)
    with m.If(starts):
        m.d.sync += [age.eq(1), visited.eq(visit)]
    with m.Elif(there & ~box.cut):
        m.d.sync += [age.eq(age + 1), visited.eq(visited | visit)]
    m.d.sync += there.eq((there | starts) & ~ends)
    h.shown |= {"there": there, "age": age, "visited": visited}
    asked, replied = box.word(m, "asked", identity), box.word(m, "replied", identity)
    h.invariant("nothing is owed to nobody", exists, when=there)
    h.invariant("two bits tell", (asked.changes != replied) == there, when=~clears | (at > identity))
    h.invariant("nothing is owed before all are free", ~there, when=clears)
    h.invariant("what stands there is the request", box.signal("stood") == stood)
    stands = box.offers & (box.identity == box.answer_id)
    h.invariant("what still stands in front of the target is not whole", ~box.whole, when=stands)
    h.claim("what has left is whole", box.whole, when=box.owes & ~stands)
    h.claim("what is owed is known", box.owes == there, when=box.ready & (box.answer_id == identity))

    # When the walk is there next.
    late = Signal(range(4 * target.timeout))
    within = (0 - waited)[: len(waited)] if step > 1 else 0
    to_come = ((identity - at)[: len(at)] << exact_log2(step)) + within
    m.d.comb += late.eq(age + to_come)
    waits = there & ~box.cut
    next_odd = odd ^ (identity < at)
    h.invariant("its stamp", (asked.stamp == next_odd) ^ visited, when=waits)
    h.invariant("when it is visited", late < target.timeout, when=waits & ~visited)
    h.invariant(
        "when it is visited again", (late >= target.timeout) & (late < 2 * target.timeout), when=waits & visited
    )
    found = box.overdue & (at == identity)
    h.claim("what is overdue has waited so long", there & (age >= target.timeout), when=found)
    h.claim("nothing waits for twice as long", found | (age < 2 * target.timeout - 1), when=waits & visited)

    # While it is cut off.
    moved, waits_for_cut = Signal(range(ids + 1)), Signal()
    m.d.comb += waits_for_cut.eq(box.o.valid & ~box.o.ready)
    with m.If(~box.cut | ~begun | clears):
        m.d.sync += moved.eq(0)
    with m.Elif(~waits_for_cut & (moved != ids)):
        m.d.sync += moved.eq(moved + 1)
    sweeps = box.cut & begun & ~box.swept & ~clears
    h.invariant("those before it are answered", ~there, when=sweeps & (identity < at))
    h.invariant("how far it is", moved == at, when=sweeps)
    h.claim("only what is owed is answered for it", there, when=box.o.valid & (box.o.payload == identity))
    h.claim("when it is over, nothing is owed", ~there, when=box.swept & box.cut)
    h.claim("it ends when each was answered", box.swept, when=box.cut & (moved == ids))
    return h


def cutoff(target: Target) -> Harness:
    """When a target is cut off, and attached again."""
    h = Harness()
    m = h.m
    box = h.place(Cutoff(target))
    was_cut, overdue, was_settled, attach = Signal(), Signal(), Signal(), Signal()
    idle = Signal(range(target.timeout))
    stuck = Signal()
    m.d.sync += [
        was_cut.eq(box.cut),
        overdue.eq(box.overdue.any()),
        was_settled.eq(box.cut & box.swept.all()),
        attach.eq(box.attach),
        stuck.eq(idle == target.timeout - 1),
    ]
    with m.If(box.scrubs & ~box.scrub_moves & ~box.cut):
        m.d.sync += idle.eq(idle + 1)
    with m.Else():
        m.d.sync += idle.eq(0)
    h.invariant("how long a scrub waits", box.signal("waited") == idle)
    h.claim(CUT, box.cut, when=overdue)
    h.claim("a target that makes no progress with a scrub is cut off", box.cut, when=stuck)
    h.claim("no other is", overdue | stuck, when=box.cut & ~was_cut)
    h.claim(SETTLED, was_settled & attach, when=was_cut & ~box.cut)
    h.claim("it is attached when it is told to", ~box.cut, when=was_settled & attach & ~overdue & ~stuck)
    return h
