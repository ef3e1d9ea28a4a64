"""P2 at the order of IDs: a request's number is right, and no more is outstanding than there is room for."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal

from hdl.fabric import layouts
from hdl.fabric.id_order import IdOrder, order_layout
from hdl.plan.plan import Plan

from .harness import Harness
from .white_box import WhiteBox

ROOM = "no more is outstanding than there is room for"
NEXT = "what is to come next is shown next"
UNBLOCKED = "who is blocked asks nobody"
BEHIND = "who may not go anywhere goes where the one before it went"


def id_order(plan: Plan, *, write: bool) -> Harness:
    """One ID, any one, and one request of it, any one."""
    h = Harness()
    m = h.m
    box = h.place(IdOrder(plan, write=write))
    bits = layouts.sequence_bits(plan)
    identity = h.constant(plan.id_width, "id")
    h.assume(~box.enter | box.room, "a request enters when there is room")
    sweep = box.signal("sweep")
    swept = sweep[-1] | (sweep[:-1] > identity)
    done, done_id = Signal(), Signal(plan.id_width)
    m.d.sync += [done.eq(box.done), done_id.eq(box.done_id)]
    outstanding = Signal(range(plan.outstanding + 1))
    of_id = Signal(range(plan.outstanding + 1))
    enters, leaves = box.enter & (box.enter_id == identity), done & (done_id == identity)
    m.d.sync += [outstanding.eq(outstanding + box.enter - done), of_id.eq(of_id + enters - leaves)]
    h.assume(~done | (outstanding != 0), "a request is answered by its last beat")
    h.assume(~leaves | (of_id != 0), "an answer is stored for whom it is")
    h.assume(~done | leaves | (outstanding > of_id), "an answer is stored for whom it is")
    h.invariant("counted", box.signal("outstanding") == outstanding)
    h.claim(ROOM, outstanding <= plan.outstanding)
    h.claim("it is idle when nothing is outstanding", box.idle == (outstanding == 0))
    h.invariant("those of the ID are some of all", of_id <= outstanding)
    h.invariant("nothing enters before all numbers are equal", outstanding == 0, when=~sweep[-1])
    given, delivered = box.word(m, "given", identity)[:bits], box.word(m, "delivered", identity)[:bits]
    h.invariant("the numbers", given == (delivered + of_id)[:bits], when=swept)

    # A request of that ID has its turn when those before it are delivered.
    chosen = h.any(1, "chosen")
    tracked, number, earlier = Signal(), Signal(bits), Signal(range(plan.outstanding + 1))
    starts = enters & chosen & ~tracked
    with m.If(starts):
        m.d.sync += [tracked.eq(1), number.eq(box.sequence), earlier.eq(of_id - leaves)]
    with m.Elif(tracked & leaves):
        m.d.sync += [tracked.eq(earlier != 0), earlier.eq(Mux(earlier == 0, 0, earlier - 1))]
    h.shown |= {"tracked": tracked, "earlier": earlier}
    h.invariant("it is outstanding", earlier < of_id, when=tracked)
    h.invariant("its number", number == (delivered + earlier)[:bits], when=tracked)
    for n in range(len(plan.targets) + 1):
        asks = tracked & (getattr(box, f"head{n}_id") == identity) & (getattr(box, f"head{n}_sequence") == number)
        h.claim("its turn comes when those before it are delivered", getattr(box, f"in_order{n}") == (earlier == 0),
                when=asks)  # fmt: skip
    ends = tracked & leaves & (earlier == 0)
    h.claim("the number that is delivered is told", box.done_sequence == number, when=ends)

    # Where the one before it went, and whether it may do without its turn.
    destination, had_one = Signal(box.component.destinations), Signal()
    with m.If(enters):
        m.d.sync += [destination.eq(box.enter_destination), had_one.eq(1)]
    h.invariant("where the last one went", box.word(m, "last", identity) == destination, when=had_one)
    h.claim("it is told where the one before it goes", box.previous == destination, when=enters & had_one)
    head, coming = box.head, box.coming
    follows = Signal(order_layout(plan))
    m.d.sync += follows.eq(Mux(box.moves, coming.as_value(), head.as_value()))
    next_id, next_number = follows.id, follows.sequence
    h.assume(~box.valid | (head.as_value() == follows.as_value()), NEXT)
    mine = tracked & (head.id == identity) & (head.sequence == number)
    alone = tracked & box.signal("alone") & (next_id == identity) & (next_number == number)
    h.invariant("who is alone has none before it", earlier == 0, when=alone)
    behind = (head.previous & head.destination).any()
    h.claim("what does not walk is the oldest, or goes where the one before it went", (earlier == 0) | behind,
            when=box.valid & mine & ~box.walks)  # fmt: skip
    if not write and plan.ordering != "stall":
        _reads(h, box, done)
    return h


def _reads(h: Harness, box: WhiteBox, done: Signal) -> None:
    """Reads of one beat may do without their turn while nothing longer is away, and the other way round."""
    m, head = h.m, box.head
    behind = (head.previous & head.destination).any()
    blocked = Signal()
    m.d.sync += blocked.eq(box.blocked_next)
    h.assume(~box.sent | box.valid, "only who asks is granted")
    h.assume(~box.sent | ~blocked, UNBLOCKED)
    h.assume(~box.sent | box.free | behind, BEHIND)
    away, walker, longer = Signal.like(box.signal("away")), Signal(), Signal()
    h.assume(~done | (away != 0), "an answer is stored for whom it is")
    m.d.sync += [
        away.eq(away + box.sent - done),
        walker.eq((walker & (away != 0)) | (box.sent & box.walks)),
        longer.eq((longer & (away != 0)) | (box.sent & ~head.single)),
    ]
    h.invariant("how many are away", (box.signal("away") + box.signal("was_sent"))[: len(away)] == away)
    h.invariant("one that did without is away", box.signal("walked"), when=walker)
    h.invariant("a longer one is away", box.signal("longer"), when=longer)
    h.invariant("whoever asks is not blocked", blocked | ~box.valid | head.single | ~box.signal("walked"))
    h.claim("no longer read leaves while one is away that did without its turn", ~walker, when=box.sent & ~head.single)
    h.claim("no read does without its turn while a longer one is away", head.single & ~longer,
            when=box.sent & box.walks)  # fmt: skip
