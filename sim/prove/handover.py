"""P6 at the hand-over engine: taken away first, drained, given last; nobody else's context changes; and it ends."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal

from hdl.control.handover import ASSIGN, BLOCK, DRAIN, GRANT, IDLE, RELEASE, RESET, REVOKE, Handover
from hdl.plan.plan import KEY_NOBODY, Initiator, Plan

from .harness import Harness
from .white_box import WhiteBox


def handover(plan: Plan, port: Initiator) -> Harness:
    """Any commands at any time, and a port that drains when it likes."""
    h = Harness()
    m = h.m
    box = h.place(Handover(plan, port))
    phase = box.phase
    contexts = len(port.contexts)
    is_device = port.device is not None
    before, started = Signal(len(phase), name="phase_before"), Signal()
    m.d.sync += [before.eq(phase), started.eq(1)]
    h.show("now", phase)

    # What was asked for.
    acceptable = (box.slice < plan.slices) & (box.context < contexts) & (box.key < plan.keys)
    taken = Signal()
    context, new_slice, assign = Signal(plan.user_bits), Signal(plan.slice_bits), Signal()
    key = Signal(plan.key_bits)
    m.d.comb += taken.eq((phase == IDLE) & box.command & acceptable)
    with m.If(taken):
        m.d.sync += [context.eq(box.context), new_slice.eq(box.slice), assign.eq(box.assign)]
        m.d.sync += key.eq(Mux(box.assign, box.key, KEY_NOBODY))
    busy = phase != IDLE
    h.show("asked_context", context)
    h.invariant("a context that is there", context < contexts)
    h.invariant("the context", box.signal("context") == context, when=busy)
    h.invariant("the slice", box.signal("new_slice") == new_slice, when=busy)
    h.invariant("assigned or not", box.signal("assign") == assign, when=busy)
    h.invariant("the key", box.rekey_key == key, when=busy)

    drained, blocked = Signal(), Signal()
    m.d.comb += blocked.eq((phase == DRAIN) | (phase == RESET) | (phase == ASSIGN))
    with m.If(taken):
        m.d.sync += drained.eq(0)
    with m.Elif(phase == DRAIN):
        m.d.sync += drained.eq(box.drained.bit_select(context, 1))
    h.invariant("drained", drained, when=(phase == RESET) | (phase == ASSIGN))
    for n in range(contexts):
        mine = busy & (context == n)
        owned, owner, charged = (getattr(box, f"{what}{n}") for what in ("owned", "slice", "charged"))
        was_owned, was_owner, was_mine = Signal(), Signal(plan.slice_bits), Signal()
        was_drained, was_blocked = Signal(), Signal()
        m.d.sync += [
            was_owned.eq(owned),
            was_owner.eq(owner),
            was_mine.eq(mine),
            was_drained.eq(drained),
            was_blocked.eq(blocked),
        ]
        h.show(f"owned{n}", owned)
        h.invariant("nobody owns it meanwhile", ~owned, when=mine & blocked)
        h.claim("who is not named keeps what it has", (owned == was_owned) & (owner == was_owner),
                when=started & ~was_mine)  # fmt: skip
        h.claim("a context changes slice while nobody owns it, and drained",
                ~was_owned & ~owned & was_drained & (owner == new_slice),
                when=started & (owner != was_owner))  # fmt: skip
        h.claim("a context is given when it is drained, to whom it was meant for",
                was_drained & was_blocked & (owner == new_slice) & assign,
                when=started & owned & ~was_owned)  # fmt: skip
        h.invariant("it has the slice", owner == new_slice, when=mine & ((phase == ASSIGN) | (phase == GRANT)))
        h.claim("whoever owns a context is charged", charged, when=owned)
        was_charged = Signal()
        m.d.sync += was_charged.eq(charged)
        h.claim("nobody is charged who was not given it", owned, when=started & charged & ~was_charged)
        h.claim("a new slice is not charged for the last one", ~charged, when=started & (owner != was_owner))
        if port.has_reset:
            h.claim("a context changes slice while its port is in reset", box.isolate & box.reset,
                    when=started & (owner != was_owner))  # fmt: skip
    told = (box.rekey == (phase == REVOKE)) & (box.rekey_grant == (phase == GRANT))
    h.invariant("the engine of a device's registers is told", told)
    if port.has_reset:
        during = blocked | (phase == GRANT) | (phase == RELEASE)
        h.invariant("isolated all the while", box.isolate & box.reset, when=during)

    asked, could = Signal(), Signal()
    m.d.sync += [asked.eq(box.command), could.eq((phase == IDLE) & acceptable)]
    h.claim("what cannot be is refused", box.refused == ~could, when=asked)
    h.claim("what can be begins", phase != IDLE, when=asked & could)
    came_from = {
        IDLE: (IDLE, RELEASE),
        REVOKE: (IDLE, REVOKE),
        BLOCK: (REVOKE,) if is_device else (IDLE,),
        DRAIN: (BLOCK, DRAIN),
        RESET: (DRAIN, RESET),
        ASSIGN: (RESET, ASSIGN),
        GRANT: (ASSIGN, GRANT),
        RELEASE: (GRANT,) if is_device else (ASSIGN,),
    }
    for now, sources in came_from.items():
        if is_device or now not in (REVOKE, GRANT):
            h.claim("in this order", Cat(before == one for one in sources).any(), when=started & (phase == now))
        else:
            h.invariant("only a device has these", phase != now)
    _ends(h, plan, box, before, started, context)
    return h


def _ends(h: Harness, plan: Plan, box: WhiteBox, before: Signal, started: Signal, context: Signal) -> None:
    """Each phase ends by itself or when what it waits for is there."""
    m = h.m
    phase, countdown = box.phase, box.signal("countdown")
    was, ready = Signal(len(countdown)), Signal()
    waited = (countdown < plan.reset_cycles - 2) & box.drained.bit_select(context, 1)
    m.d.sync += [
        was.eq(countdown),
        ready.eq(Mux(phase == DRAIN, waited, Mux(phase == REVOKE, box.rekey_held, box.rekey_finished))),
    ]
    counts = (phase == RESET) | (phase == ASSIGN)
    h.invariant("the countdown", countdown <= plan.reset_cycles, when=counts | (phase == DRAIN))
    h.claim("reset comes closer to its end", (before != phase) | (countdown + 1 == was), when=started & counts)
    h.claim("a drain comes closer to its end", (before != phase) | (countdown == Mux(was == 0, 0, was - 1)),
            when=started & (phase == DRAIN))  # fmt: skip
    at_once = (before == BLOCK) | (before == RELEASE)
    h.claim("it goes on", phase != before, when=started & at_once)
    waits = [DRAIN] + ([REVOKE, GRANT] if box.component.initiator.device is not None else [])
    for one in waits:
        h.claim("it goes on when what it waits for is there", phase != one, when=started & (before == one) & ready)
    last = ((before == RESET) | (before == ASSIGN)) & (was == Const(0))
    h.claim("reset ends", phase != before, when=started & last)
