"""P2, P6 on the way back: an answer finds the request that it is for, and a request is seen until it is answered."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal

from hdl.bus.axi import Response
from hdl.fabric import layouts
from hdl.fabric.return_queue import ReturnQueue
from hdl.plan.plan import Plan

from .harness import Harness
from .ring import position
from .white_box import WhiteBox

VERDICTS = "the queue of verdicts on the way back never overflows"
WHOLE = "it is told whether a beat stands for several"


def return_queue(plan: Plan, *, write: bool) -> Harness:
    """One request, any one, from its grant until its answer is stored."""
    h = Harness()
    follow(h, h.place(ReturnQueue(plan, write=write)))
    return h


def follow(h: Harness, box: WhiteBox) -> None:
    """The same in a queue that stands somewhere."""
    m, plan, write = h.m, box.component.plan, box.component.write
    verdicts = box.parts["verdicts"]
    depth = max(16, plan.outstanding)
    note_layout = layouts.note(plan)

    # Granted and not decided about, decided and not answered.
    granted, decided = Signal(range(depth + 1)), Signal(range(depth + 1))
    pop = Signal()
    m.d.comb += pop.eq(verdicts.component.o.valid & verdicts.component.o.ready)
    m.d.sync += [granted.eq(granted + box.granted - box.decided), decided.eq(decided + box.decided - pop)]
    h.assume(~box.decided | (granted != 0), "what is offered was granted", "who asked is told")
    h.assume(~box.granted | (granted + decided < plan.outstanding), "no more is outstanding than there is room for")
    write_at, read_at = position(verdicts.signal("write_at"), depth), position(verdicts.signal("read_at"), depth)
    stored = verdicts.signal("stored")
    bits = depth.bit_length() - 1
    h.invariant("an empty queue", write_at == read_at, when=~stored)
    h.invariant("what is decided", decided == Mux(stored, (write_at - read_at - 1)[:bits] + 1, 0))
    h.invariant("what is granted", position(box.signal("note_at"), depth) == (write_at + granted)[:bits])
    h.invariant("room for all", granted + decided <= plan.outstanding)
    h.claim(VERDICTS, decided < depth, when=box.decided)

    # Older ones come first, as they left the gate.
    last_epoch, older_before, older = Signal(), Signal(range(depth + 1)), Signal(range(depth + 1))
    turned = Signal()
    m.d.comb += [turned.eq(box.epoch != last_epoch), older.eq(Mux(turned, decided, older_before))]
    comes_older = box.decided & (box.decided_epoch != box.epoch)
    m.d.sync += [last_epoch.eq(box.epoch), older_before.eq(older + comes_older - (pop & ((older != 0) | comes_older)))]
    h.assume(~turned | (older_before == 0), "the epoch turns only when nothing of the older one is left")
    h.assume(~comes_older | (older == decided), "an older one comes before all others")
    h.invariant("older ones are inside", older_before <= decided)

    # One of them.
    chosen = h.any(1, "chosen")
    tracked, ahead, place, note = Signal(), Signal(range(depth)), Signal(bits), Signal(note_layout)
    born, denied, is_decided = Signal(), Signal(), Signal()
    starts = box.granted & chosen & ~tracked
    turn = Signal()  # it is decided about in this cycle
    decided_before = Signal(range(depth))  # that are to be decided about before it
    m.d.comb += turn.eq(tracked & ~is_decided & box.decided & (decided_before == 0))
    now_decided = is_decided | turn
    oldest = Signal()
    m.d.comb += oldest.eq(tracked & now_decided & (ahead == 0))
    ends = oldest & pop
    with m.If(starts):
        m.d.sync += [
            tracked.eq(1),
            is_decided.eq(0),
            ahead.eq(granted + decided - pop),
            decided_before.eq(granted - box.decided),
            place.eq(box.signal("note_at")),
            note.eq(box.note),
        ]
    with m.Elif(tracked):
        m.d.sync += [ahead.eq(ahead - pop), tracked.eq(~ends)]
        with m.If(turn):
            m.d.sync += [is_decided.eq(1), born.eq(box.decided_epoch), denied.eq(box.decided_denied)]
        with m.Elif(~is_decided):
            m.d.sync += decided_before.eq(decided_before - box.decided)
    h.shown |= {"tracked": tracked, "ahead": ahead, "is_decided": is_decided, "granted": granted, "decided": decided}
    h.invariant("its place", position(place, depth) == (read_at + ahead)[:bits], when=tracked)
    h.invariant("it is decided", ahead < decided, when=tracked & is_decided)
    h.invariant("it is to be decided", ahead == decided + decided_before, when=tracked & ~is_decided)
    h.invariant("it is granted", decided_before < granted, when=tracked & ~is_decided)
    h.invariant("its note", box.word(m, "notes", place).as_value() == note.as_value(), when=tracked)
    kept = verdicts.word(m, "entries", place)
    h.invariant("its verdict", (kept.denied == denied) & (kept.epoch == born), when=tracked & is_decided)
    h.invariant("older ones come first", (born != last_epoch) == (ahead < older_before), when=tracked & is_decided)

    epoch = Mux(turn, box.decided_epoch, born)
    is_denied = Mux(turn, box.decided_denied, denied)
    h.claim("what is not answered is seen", box.behind, when=oldest & ((older != 0) | comes_older))
    h.claim("what is seen is older", epoch != box.epoch, when=oldest & ((older != 0) | comes_older))
    push = box.signal("push")
    h.claim("an answer is taken for what was let through", ~is_denied & box.answer.ready,
            when=oldest & push & box.answer.valid & ~is_denied)  # fmt: skip
    h.claim("a denied request takes no answer", ~box.answer.ready, when=oldest & is_denied)
    h.claim("a denied request is answered at once", push, when=oldest & is_denied & ~box.signal("full"))
    h.claim("a request is answered by its last beat", box.answer.payload.last, when=ends & ~is_denied)

    # What is stored has its note.
    just, at, was_denied, answer = Signal(), Signal(bits), Signal(), Signal.like(box.answer.payload)
    m.d.sync += [
        just.eq(oldest & push),
        at.eq(box.signal("write_at")),
        was_denied.eq(is_denied),
        answer.eq(box.answer.payload),
    ]
    order, head = box.word(m, "order", at), box.word(m, "heads", at)
    numbered = (order.id == note.id) & (order.sequence == note.sequence) & (order.walks == note.walks)
    h.claim("an answer is stored for whom it is", numbered, when=just)
    named = (head.context == note.context) & (head.id == note.id) & (head.length == note.length)
    h.claim("an answer is stored for its context", named, when=just)
    kept_as_given = head.response == answer.response
    if not write:
        kept_as_given &= (order.last == answer.last) & (box.word(m, "answers", at) == answer.data)
    h.claim("an answer is stored as the target gave it", kept_as_given, when=just & ~was_denied)
    h.claim("a denial is stored as one", head.denied == was_denied, when=just)
    h.claim("a denial is an error", head.response == Response.SLVERR, when=just & was_denied)


def answers(plan: Plan, *, write: bool) -> Harness:
    """One beat of an answer, any one, from when it is stored until it is taken."""
    h = Harness()
    follow_beats(h, h.place(ReturnQueue(plan, write=write)))
    return h


def follow_beats(h: Harness, box: WhiteBox) -> None:
    """The same in a queue that stands somewhere."""
    m, plan, write = h.m, box.component.plan, box.component.write
    places = max(16, plan.outstanding) - 1
    write_at, read_at = box.signal("write_at"), box.signal("read_at")
    push, full, any_now, take = box.signal("push"), box.signal("full"), box.signal("any_now"), box.take
    h.assume(~take | box.valid, "only what is offered is taken")
    h.assume(~take | box.show, "what is taken is shown")
    inside = Signal(range(places + 1))
    m.d.sync += inside.eq(inside + push - take)
    to, since = position(write_at, places + 1, whole=False), position(read_at, places + 1, whole=False)
    held = Mux(to >= since, to - since, to + places - since)
    h.invariant("in the ring", (write_at != 0) & (read_at != 0))
    h.invariant("what is held", inside == Mux(full, places, held))
    h.invariant("full when both meet", write_at == read_at, when=full)
    h.invariant("empty or not", any_now == (inside != 0))
    h.invariant("offered only if there", any_now, when=box.valid)
    h.claim("a full queue takes no more", ~push, when=full)
    stands, offered, turn = Signal(), Signal(), Signal()
    m.d.sync += [stands.eq((inside != 0) & ~take), offered.eq(box.valid & ~take), turn.eq(box.in_order)]
    h.assume(~(stands & turn) | box.in_order, "its turn comes when those before it are delivered")
    h.invariant("it is its turn", turn | ~box.word(m, "order", read_at).walks, when=offered)
    h.claim("an offer of an answer stays", box.valid, when=offered)

    chosen = h.any(1, "chosen")
    tracked, place, ahead = Signal(), Signal(len(write_at)), Signal(range(places))
    heads, order = box.word(m, "heads", place), box.word(m, "order", place)
    fresh = Signal()
    starts = push & chosen & ~tracked
    m.d.sync += fresh.eq(starts)
    with m.If(starts):
        m.d.sync += [tracked.eq(1), place.eq(write_at), ahead.eq(inside - take)]
    with m.Elif(tracked):
        m.d.sync += [ahead.eq(ahead - take), tracked.eq(~(take & (ahead == 0)))]
    # What was stored, as it is one cycle later.
    words = [heads, order] if write else [heads, order, box.word(m, "answers", place)]
    stored = Cat(words)
    kept = Signal(len(stored))
    with m.If(fresh):
        m.d.sync += kept.eq(stored)
    h.invariant("it is there", ahead < inside, when=tracked)
    at = position(place, places + 1, whole=False)
    h.invariant("its place", at == Mux(since + ahead >= places, since + ahead - places, since + ahead), when=tracked)
    h.invariant("a place of the ring", place != 0, when=tracked)
    h.claim("what is stored stays", stored == kept, when=tracked & ~fresh)
    oldest = tracked & (ahead == 0)
    h.claim("it comes to whom it was stored for", (box.id == order.id) & (box.sequence == order.sequence), when=oldest)
    h.invariant("denied in both", heads.denied == order.denied, when=tracked)
    if not write:
        whole = ~heads.denied | (heads.length == 0)
        h.invariant("whether it stands for several", order.whole == whole, when=tracked)
        h.claim(WHOLE, box.whole == whole, when=oldest)
    if not write:
        h.invariant("whether it has data", box.signal("has_data") == ~order.denied, when=oldest)
    shown = oldest & box.show & box.valid
    h.claim("it comes as it was stored",
            (box.beat.id == heads.id) & (box.beat.context == heads.context) & (box.beat.length == heads.length)
            & (box.beat.denied == heads.denied) & (box.beat.answer.response == heads.response), when=shown)  # fmt: skip
    if not write:
        h.claim("data of a denied answer is zero", box.beat.answer.data == 0, when=shown & heads.denied)
        h.claim("data comes as it was stored", box.beat.answer.data == words[2], when=shown & ~heads.denied)
        h.claim("the last beat is told", box.last == order.last, when=shown)
    zeros = [box.word(m, memory, Const(0, len(place))) for memory in ("heads", "answers")[: 2 - write]]
    h.invariant("place 0 stays zero", Cat(zeros) == 0)
    h.claim("what is not asked for reads as zero", box.beat.as_value() == 0, when=~box.show)
