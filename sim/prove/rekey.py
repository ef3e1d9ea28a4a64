"""P5 and P6 at the rekey engine: never early, never elsewhere, nothing left unscrubbed, and it comes to an end."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from hdl.control.rekey import DRAIN, FLUSH, GRANT, HOLD, IDLE, REVOKE, SCRUB, SCRUBS, SETTLE, Rekey
from hdl.fabric.scrubber import scrub_bits
from hdl.plan.plan import KEY_NOBODY, SCRUB_BEATS, Plan, Target

from .harness import Harness
from .white_box import WhiteBox


def small(plan: Plan, target: Target) -> tuple[Plan, Target]:
    """A card whose target has two granules of two bursts: so a rekey is short enough to be gone through whole."""
    granules = min(2, target.granules)
    less = replace(target, granules=granules, keyed=min(granules, target.keyed))
    targets = tuple(less if one.index == target.index else replace(one, granules=1, keyed=1) for one in plan.targets)
    return replace(plan, granule=2 * SCRUB_BEATS * plan.data_bytes, targets=targets), less


def rekey(plan: Plan, target: Target) -> Harness:
    """Any commands at any time, and a target that answers when and how it likes."""
    h = Harness()
    m = h.m
    box = h.place(Rekey(plan, target))
    phase, progress = box.phase, box.progress
    before = Signal.like(phase, name="phase_before")
    started = Signal()
    m.d.sync += [before.eq(phase), started.eq(1)]
    h.shown |= {"phase_before": before}
    h.show("now", phase)
    h.show("at", progress)

    # The range that was asked for.
    whole = target.keyed - 1
    first, last = Signal(len(progress), name="asked_first"), Signal(len(progress), name="asked_last", init=whole)
    key, scrub, by_handover, by_reset = Signal(plan.key_bits), Signal(), Signal(), Signal(init=1)
    taken = Signal()
    acceptable: Value = Const(0)
    if target.device is None:
        acceptable = (box.first <= box.last) & (box.last < target.keyed) & (box.key < plan.keys)
        acceptable &= ~box.scrub if target.kind != "memory" else 1
    m.d.comb += taken.eq((phase == IDLE) & (box.handover | (box.command & acceptable)))
    with m.If(taken):
        m.d.sync += [
            by_reset.eq(0),
            by_handover.eq(box.handover),
            first.eq(Mux(box.handover, 0, box.first)),
            last.eq(Mux(box.handover, whole, box.last)),
            key.eq(Mux(box.handover, box.handover_key, box.key)),
            scrub.eq(~box.handover & box.scrub),
        ]
    scrubs = box.signal("wants_scrub") & ~box.signal("by_handover")
    busy = Signal()
    m.d.comb += busy.eq(phase != IDLE)
    h.invariant("the range is what was asked for", (box.revoke_first == first) & (box.revoke_last == last), when=busy)
    h.invariant("a range", (first <= last) & (last <= whole))
    h.invariant("by whom", box.signal("by_handover") == by_handover, when=busy & ~by_reset)
    h.invariant("scrub", scrubs == scrub, when=busy & ~by_reset)
    h.invariant("nothing is scrubbed after reset",
                ~scrubs & ~by_handover & ((phase == IDLE) | (phase == GRANT) | (phase == SETTLE)),
                when=by_reset)  # fmt: skip
    h.invariant("nothing is scrubbed for a hand-over", ~scrub, when=by_handover)
    h.invariant("only a hand-over is held", by_handover & ~by_reset, when=phase == HOLD)
    if target.kind != "memory":
        h.invariant("only memory is scrubbed", ~scrub & (phase != SCRUB) & (phase != FLUSH))
    h.claim("the range is denied all the while", box.revoke & (box.revoke_first == first) & (box.revoke_last == last),
            when=busy)  # fmt: skip
    h.claim("who drains is denied", box.revoke, when=box.drain)
    drains = Signal()
    m.d.sync += drains.eq(box.drain & ~box.drained)
    h.claim("who drains asks until it is served", box.drain, when=drains)

    # Never early.
    drained = Signal()
    with m.If(taken):
        m.d.sync += drained.eq(0)
    with m.Elif((phase == DRAIN) & box.drained):
        m.d.sync += drained.eq(1)
    later = (phase == SCRUB) | (phase == FLUSH) | (phase == HOLD) | (phase == GRANT) | (phase == SETTLE)
    h.invariant("drained before", drained | by_reset, when=later)
    h.claim("a key is written when the range is drained", drained | by_reset, when=box.key_write)
    if target.kind == "memory":
        h.claim("zeros are written when the range is drained", drained, when=box.scrub_valid)
    if target.device is not None:
        h.invariant("only a hand-over changes a device's key", by_handover | by_reset, when=busy)
        h.claim(
            "a device's key waits for its hand-over",
            before == HOLD,
            when=(phase == GRANT) & (before != GRANT) & started & ~by_reset,
        )

    # Never elsewhere, and everywhere.
    granule = h.constant(len(progress), "granule")
    inside = (granule >= first) & (granule <= last)
    written = Signal()
    m.d.sync += written.eq(~taken & (written | (box.key_write & (box.key_granule == granule))))
    h.invariant("progress", (progress >= first) & (progress <= last), when=(phase == GRANT) | (phase == SCRUB))
    begins = (phase == DRAIN) | (phase == HOLD)
    h.invariant("it begins at the first", progress == first, when=begins)
    h.invariant("nothing written yet", ~written, when=begins | (phase == REVOKE) | (phase == SCRUB) | (phase == FLUSH))
    h.invariant("written so far", written == (granule < progress), when=(phase == GRANT) & inside)
    h.invariant("all written", written, when=(phase == SETTLE) & inside)
    h.claim("a key is written inside the range", (box.key_granule >= first) & (box.key_granule <= last),
            when=box.key_write)  # fmt: skip
    h.claim("at the end every granule has its key", written, when=box.finished & inside)
    gives_up = Signal()
    new_key = box.signal("new_key")
    h.invariant("the key", (new_key == Mux(by_reset | gives_up, KEY_NOBODY, key)), when=busy)
    h.claim("it is the key that was asked for, or nobody's", box.key_value == Mux(by_reset | gives_up, KEY_NOBODY, key),
            when=box.key_write)  # fmt: skip
    if target.kind == "memory":
        _scrub(h, plan, box, granule, inside, taken, gives_up, scrub, by_reset)

    # It refuses what it must, and goes on.
    asked, could = Signal(), Signal()
    m.d.sync += [asked.eq(box.command), could.eq((phase == IDLE) & acceptable)]
    h.claim("what cannot be is refused", box.refused == ~could, when=asked)
    for now, event, then in (
        (REVOKE, 1, (DRAIN,)),
        (DRAIN, box.drained, (SCRUB, GRANT, HOLD)),
        (HOLD, box.grant, (GRANT,)),
        (GRANT, progress == last, (SETTLE,)),
        (SETTLE, box.drained, (IDLE,)),
    ):
        if now == HOLD and target.device is None:
            continue
        happened = Signal(name=f"ends_{now}")
        m.d.sync += happened.eq((phase == now) & event)
        h.claim(
            "each phase ends when what it waits for is there", Cat(phase == one for one in then).any(), when=happened
        )
    came_from = {
        IDLE: (IDLE, SETTLE),
        REVOKE: (IDLE,),
        DRAIN: (REVOKE, DRAIN),
        SCRUB: (DRAIN, SCRUB),
        FLUSH: (SCRUB, FLUSH),
        HOLD: (DRAIN, HOLD),
        GRANT: (DRAIN, FLUSH, HOLD, GRANT),
        SETTLE: (GRANT, SETTLE),
    }
    for now, sources in came_from.items():
        if target.kind != "memory" and now in (SCRUB, FLUSH):
            continue
        if target.device is None and now == HOLD:
            continue
        h.claim("in this order", Cat(before == one for one in sources).any(), when=started & (phase == now))
    return h


def _scrub(
    h: Harness, plan: Plan, box: WhiteBox, granule: Signal, inside: Signal, taken: Signal, gives_up: Signal,
    scrub: Signal, by_reset: Signal,
) -> None:  # fmt: skip
    """Every burst of every granule is written and answered before the first key is."""
    m = h.m
    phase, progress = box.phase, box.progress
    chunk, beat, outstanding = (box.signal(name) for name in ("chunk", "beat", "outstanding"))
    wanted = h.constant(len(chunk), "burst")
    zeroed, due, failed = Signal(), Signal(range(SCRUBS + 1)), Signal()
    burst_end = Signal()
    m.d.comb += burst_end.eq(box.scrub_valid & box.scrub_ready & box.scrub_last)
    answered = Signal()
    m.d.comb += answered.eq(box.scrub_done & (due != 0))
    m.d.sync += [
        zeroed.eq(~taken & (zeroed | (burst_end & (box.scrub_burst == Cat(wanted, granule))))),
        due.eq(Mux(box.cut & box.scrubs, 0, due + burst_end - answered)),
        failed.eq(~taken & (failed | (answered & box.scrub_error) | (box.cut & box.scrubs))),
    ]
    with m.If(taken):
        m.d.sync += gives_up.eq(0)
    with m.Elif((phase == FLUSH) & (outstanding == 0) & box.failed):
        m.d.sync += gives_up.eq(1)
    h.shown |= {"zeroed": zeroed, "due": due, "gives_up": gives_up}
    sent = Cat(chunk, progress)
    h.invariant("answers are counted", outstanding == due)
    h.invariant("none is left over", due == 0, when=(phase != SCRUB) & (phase != FLUSH))
    early = (phase == REVOKE) | (phase == DRAIN) | (phase == HOLD)
    h.invariant("nothing given up yet", ~gives_up, when=by_reset | early | (phase == SCRUB) | (phase == FLUSH))
    h.invariant("nothing zeroed yet", ~zeroed & ~failed, when=early)
    h.invariant("a failure is kept", box.failed, when=failed & ((phase == SCRUB) | (phase == FLUSH)))
    h.invariant(
        "a failure gives up", gives_up | ~scrub, when=failed & ((phase == GRANT) | (phase == SETTLE)) & ~by_reset
    )
    h.invariant("a burst starts at its first beat", (chunk == 0) & (beat == 0), when=phase != SCRUB)
    h.invariant("zeroed so far", zeroed == (Cat(wanted, granule) < sent), when=(phase == SCRUB) & inside)
    h.invariant(
        "all zeroed",
        zeroed,
        when=((phase == FLUSH) | (scrub & ((phase == GRANT) | (phase == SETTLE)))) & inside & ~by_reset,
    )
    h.claim("all was zeroed before a key is written", zeroed, when=box.key_write & scrub & ~by_reset & inside)
    h.claim("all zeros were answered before a key is written", due == 0, when=box.key_write & scrub)
    h.claim(
        "what could not be zeroed belongs to nobody",
        box.key_value == KEY_NOBODY,
        when=box.key_write & scrub & failed & ~by_reset,
    )
    h.claim("zeros are written inside the range", (progress >= box.revoke_first) & (progress <= box.revoke_last),
            when=box.scrub_valid)  # fmt: skip
    number = Signal(range(SCRUB_BEATS))
    with m.If(box.scrub_valid & box.scrub_ready):
        m.d.sync += number.eq(number + 1)
    h.invariant("how many beats of a burst there were", number == beat)
    told = (box.scrub_first == (number == 0)) & (box.scrub_last == (number == SCRUB_BEATS - 1))
    h.claim("the first and the last beat of a burst are told", told, when=box.scrub_valid)
    scrubs, reason = (phase == SCRUB) | (due != 0), Signal()
    m.d.sync += reason.eq((reason & ~(taken & ~box.handover)) | (box.scrub_done & box.scrub_error) | (box.cut & scrubs))
    h.claim("it is told while it scrubs, or waits for what it has scrubbed", box.scrubs == scrubs)
    h.claim("it fails if the target was cut off meanwhile, or told of an error, and else does not", reason,
            when=box.failed)  # fmt: skip

    # With every beat that is taken it comes closer.
    position, moved, was = Signal(len(sent) + len(beat)), Signal(), Signal()
    m.d.sync += [position.eq(Cat(beat, sent)), moved.eq(box.scrub_valid & box.scrub_ready), was.eq(phase == SCRUB)]
    h.claim(
        "each beat that is taken comes closer to the end",
        (phase == FLUSH) | (Cat(beat, sent) == position + 1),
        when=moved,
    )
    h.claim("it stands still until then", Cat(beat, sent) == position, when=was & ~moved & (phase == SCRUB))
    h.claim("it goes on as long as there is room", box.scrub_valid | (due == SCRUBS), when=phase == SCRUB)
    assert scrub_bits(plan) and 1 << len(beat) == SCRUB_BEATS
