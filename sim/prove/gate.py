"""P1 at the gate: what a target is offered had the right, by the tables as the control plane wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from hdl.fabric import layouts
from hdl.fabric.gate import DEPTH, HIGH_WATER, KEY, REVOKED, Gate, is_long, stage_layout
from hdl.plan.plan import KEY_NOBODY, Plan, Target

from .harness import Harness
from .ring import position
from .white_box import WhiteBox

VERDICTS = "the gate's queue of verdicts never overflows"
STANDS = "what stands in front of a target with a time limit stands there until it leaves"
DENIED = "a target that is cut off is offered nothing new"


class Followed(NamedTuple):
    """The request that is followed through a gate: whether it is the next to leave, and may pass.

    Beside it what the gate was told: the key of the granule, and whether the slice has the right on the key.
    """

    oldest: Value
    passing: Value
    key: Value
    has_right: Value


def gate(plan: Plan, target: Target, *, write: bool) -> Harness:
    """One request, any one, from its grant until it has left."""
    h = Harness()
    follow(h, h.place(Gate(plan, target, write=write)))
    return h


def follow(h: Harness, box: WhiteBox, *, epochs: bool = True) -> Followed:
    """The same in a gate that stands somewhere; with or without what is claimed of epochs."""
    m, plan, target, write = h.m, box.component.plan, box.component.target, box.component.write
    verdicts = box.parts["verdicts"]
    granule_bits = len(box.revoke_first)

    # Any granule, any slice, any key; and what the control plane has written about them.
    granule = h.constant(granule_bits, "granule")
    slice_ = h.constant(plan.slice_bits, "slice", below=plan.slices)
    key = h.constant(plan.key_bits, "key", below=plan.keys)
    key_of_granule = Signal(plan.key_bits)
    has_right = Signal(reset_less=True)
    if target.kind == "memory":
        if target.keyed < 1 << granule_bits:
            h.assume(granule < target.keyed, "an entry leads to a granule that its target has")
        set_, value = Signal(reset_less=True), Signal(plan.key_bits, reset_less=True)
        m.d.comb += key_of_granule.eq(Mux(set_, value, h.contents(box, "key_table", granule, plan.key_bits)))
        with m.If(box.key_write & (box.key_granule == granule)):
            m.d.sync += [set_.eq(1), value.eq(box.key_value)]
        h.invariant("key table", box.word(m, "key_table", granule) == key_of_granule)
    else:
        with m.If(box.key_write):
            m.d.sync += key_of_granule.eq(box.key_value)
    with m.If(box.rights_write & (box.rights_key == key)):
        m.d.sync += has_right.eq(box.rights_slices.bit_select(slice_, 1))
    h.invariant("table of rights", box.word(m, "rights", key).bit_select(slice_, 1) == has_right)

    # How many are inside, and where.
    given, checked = box.signal("given"), verdicts.component.i.valid
    grant, leave, left = box.signal("grant"), box.signal("leave"), box.signal("left")
    level = box.signal("level")
    inside = Signal(5)
    m.d.sync += inside.eq(inside + grant.any() - leave)
    write_at = position(verdicts.signal("write_at"), DEPTH)
    read_at = position(verdicts.signal("read_at"), DEPTH)
    queued = Signal(5)
    m.d.comb += queued.eq(Mux(verdicts.signal("stored"), (write_at - read_at - 1)[:4] + 1, 0))
    h.invariant("an empty queue", write_at == read_at, when=~verdicts.signal("stored"))
    h.invariant("all are in the queue of verdicts or on their way there", inside == queued + given + checked)
    h.invariant("the stage is one ahead", position(box.signal("stage_at"), DEPTH) == (write_at + checked)[:4])
    h.invariant("the level is late", level == inside + left)
    h.invariant("room", level <= HIGH_WATER, when=box.signal("room"))
    h.invariant("a grant has room", level <= HIGH_WATER + 1, when=box.signal("may_grant"))
    h.invariant("never full", level <= HIGH_WATER + 2)
    h.claim(VERDICTS, inside < DEPTH)
    h.claim("what is offered was granted", inside != 0, when=box.stands)

    # One of them.
    # A key comes from a block RAM, which is read with the grant, or is a register that is looked at one cycle later.
    keyed, at_grant = key_of_granule == key, Const(target.kind == "memory", 1)
    asked = data.View(layouts.asking(plan), Signal(layouts.asking(plan).size, name="asked_for"))
    for n in range(len(box.component.sources)):
        with m.If(grant[n]):
            m.d.comb += asked.eq(getattr(box, f"asking{n}"))
    chosen = h.any(1, "chosen")
    source = Signal(plan.source_bits)
    ahead = Signal(4)
    place = Signal(4)
    tracked = Signal()
    age = Signal(2)
    right, revoked = Signal(), Signal()
    starts = Signal()
    m.d.comb += starts.eq(
        ~tracked & chosen & grant.any() & (asked.granule == granule) & (asked.slice == slice_) & (keyed | ~at_grant)
    )
    ends = tracked & leave & (ahead == 0)
    with m.If(starts):
        m.d.sync += [tracked.eq(1), ahead.eq(inside - leave), age.eq(0)]
        for n, index in enumerate(box.component.sources):
            with m.If(grant[n]):
                m.d.sync += source.eq(index)
    with m.Elif(tracked):
        m.d.sync += [age.eq(Mux(age == 2, 2, age + 1)), ahead.eq(ahead - leave)]
        with m.If(ends | ((age == 0) & ~keyed & ~at_grant)):
            m.d.sync += tracked.eq(0)
    in_range = (granule >= box.revoke_first) & (granule <= box.revoke_last) if target.kind == "memory" else Const(1)
    # In the cycle after the grant the rights are looked up, and whether the granule is revoked.
    with m.If(tracked & (age == 0)):
        m.d.sync += [
            right.eq(has_right & (key != KEY_NOBODY) & ~(box.revoke & in_range)),
            revoked.eq(box.revoke & in_range),
            place.eq(box.signal("stage_at")),
        ]
    trusted = source == len(plan.initiators) if box.component.has_scrubber else Const(0)
    h.shown |= {"tracked": tracked, "age": age, "ahead": ahead, "right": right, "source": source}
    _tracked(h, box, verdicts, tracked, age, ahead, place, inside, read_at)
    # What stands in the stage is what came in.
    stored = tracked & (age != 0)
    came = Signal(stage_layout(plan))
    incoming = data.View(stage_layout(plan), box.signal("incoming"))
    with m.If(tracked & (age == 0)):
        m.d.sync += came.eq(incoming)
    h.invariant("in the stage", box.word(m, "stage", place).as_value() == came.as_value(), when=stored)
    for moment, request in ((tracked & (age == 0), incoming), (stored, came)):
        h.invariant("its granule", request.request.address >> plan.granule_bits == granule, when=moment)
        h.invariant("its slice", request.request.slice == slice_, when=moment)
        h.invariant("its source", request.source == source, when=moment)
    for n, index in enumerate(box.component.sources):
        rest = getattr(box, f"rest{n}")
        same = [incoming.request[name] == rest[name] for name in layouts.rest(plan).members if name != "offset"]
        same.append(incoming.request.address[: plan.granule_bits] == rest.offset)
        h.claim("all else is as its source says", Cat(same).all(), when=tracked & (age == 0) & (source == index))
    passing = Mux(trusted, 1, right)
    coming, kept = verdicts.component.i.payload, verdicts.word(m, "entries", place)
    for verdict, at_age in ((coming, 1), (kept, 2)):
        is_it = (~verdict.denied == passing) & (verdict.revoked == revoked)
        h.invariant("verdict", is_it, when=tracked & (age == at_age))

    oldest = tracked & (ahead == 0)
    offered = oldest & box.o.valid
    h.claim("what is offered has the right", passing, when=offered)
    h.claim("what is offered is for the granule that was asked for",
            box.o.payload.address >> plan.granule_bits == granule, when=offered)  # fmt: skip
    h.claim("what is offered names the slice that asked", box.o.payload.slice == slice_, when=offered)
    h.claim("what is offered names the source that was granted", box.source == source, when=offered)
    h.claim("an offer stays as it is", box.o.payload.as_value() == came.request.as_value(), when=offered)
    stands_open = Signal()
    m.d.sync += stands_open.eq(offered & ~box.o.ready)
    h.claim("an offer stays until it is taken", box.o.valid, when=stands_open & tracked)
    if write:
        h.claim("data of what has no right is not offered", passing, when=oldest & box.w.valid)
    h.claim("what was checked is seen", box.stands, when=stored)

    # It leaves: with this verdict, to this source.
    gone, seen = Signal(), Signal()
    m.d.sync += [gone.eq(ends), seen.eq(~starts & tracked & (seen | offered))]
    h.invariant("seen", tracked & (ahead == 0) & passing | gone, when=seen)
    if target.timeout:
        h.invariant("seen by the gate", box.signal("offered"), when=seen & tracked)
        _stands(h, box)
    for n, index in enumerate(box.component.sources):
        h.claim("who asked is told", box.decided[n] == (source == index), when=gone)
    exists = Cat(source == index for index in box.component.sources).any()
    h.invariant("the source exists", exists, when=tracked | gone)
    h.claim("who has no right is told so", box.decided_denied, when=gone & ~passing)
    h.claim("who was offered is told so", ~box.decided_denied, when=gone & seen)
    noted = Cat(
        box.fault_valid,
        box.fault.initiator == source,
        box.fault.kind == Mux(revoked, REVOKED, KEY),
        *(box.fault[name] == came.request[name] for name in ("slice", "context", "address")),
    )
    h.claim("a denial is noted", noted.all(), when=ends & ~passing)
    if not write and not target.time_slots:
        _late(h, box, grant, leave)
    if epochs:
        moments = ((tracked & (age == 0), incoming.epoch), (stored, came.epoch))
        _epochs(h, box, inside, starts, tracked, ahead, oldest, gone, moments)
    return Followed(oldest, passing, key_of_granule, has_right)


def _epochs(
    h: Harness, box: WhiteBox, inside: Signal, starts: Signal, tracked: Signal, ahead: Signal, oldest: Value,
    gone: Signal, moments: Iterable[tuple[Value, Value]],
) -> None:  # fmt: skip
    """Of which epoch the followed request is, and how many of the older one are inside."""
    m, leave = h.m, box.signal("leave")
    born, last_epoch, older_before, older = Signal(), Signal(), Signal(5), Signal(5)
    turned = Signal()
    m.d.comb += [turned.eq(box.epoch != last_epoch), older.eq(Mux(turned, inside, older_before))]
    m.d.sync += [last_epoch.eq(box.epoch), older_before.eq(Mux(older == 0, 0, older - leave))]
    with m.If(starts):
        m.d.sync += born.eq(box.epoch)
    h.assume(~turned | (older_before == 0), "the epoch turns only when nothing of the older one is left")
    h.invariant("older ones are inside", older_before <= inside)
    h.invariant("older ones come first", (born != last_epoch) == (ahead < older_before), when=tracked)
    for moment, epoch in moments:
        h.invariant("its epoch", epoch == born, when=moment)
    h.claim("the oldest of the older epoch is seen", box.behind, when=oldest & box.stands & (older != 0))
    h.claim("an older one comes before all others", born != box.epoch, when=oldest & (older != 0))
    h.claim("the epoch is told", box.decided_epoch == born, when=gone)
    h.claim("what has left is seen once more", box.behind, when=gone & (born != box.epoch))


def _late(h: Harness, box: WhiteBox, grant: Signal, leave: Signal) -> None:
    """Reads are decided late: when a grant may be, by what the target owes and by what waits for it."""
    m, target = h.m, box.component.target
    owed, waits = Signal.like(box.signal("owed"), name="owed_beats"), Signal(name="long_waits")
    asks_long = Cat(grant[n] & is_long(getattr(box, f"asking{n}").length) for n in range(len(grant))).any()
    asked = Mux(box.o.valid & box.o.ready, box.o.payload.length + 1, 0)
    cut = box.cut if target.timeout else Const(0, 1)
    m.d.sync += [
        owed.eq(Mux(cut, 0, owed + asked - box.answered)),
        waits.eq(asks_long | (waits & ~(leave & is_long(box.o.payload.length)))),
    ]
    may = Signal(name="may_be_granted")
    m.d.sync += may.eq(box.signal("room") & (owed < target.ahead) & ~asks_long & ~waits)
    h.invariant("what is owed", box.signal("owed") == owed)
    h.invariant("whether a long one waits", box.signal("long_pending") == waits)
    h.claim("a read may be granted while little is owed and no long one waits", box.signal("may_grant") == may)


def _stands(h: Harness, box: WhiteBox) -> None:
    """What the watch over a target with a time limit rests on."""
    offered = Signal()
    head = Cat(box.source, box.o.payload)
    last = Signal.like(head)
    h.m.d.sync += [offered.eq(box.offers & ~box.leaves), last.eq(head)]
    h.claim(STANDS, box.offers & (head == last), when=offered)
    h.claim(DENIED, offered, when=box.cut & box.offers)


def _tracked(
    h: Harness, box: WhiteBox, verdicts: WhiteBox, tracked: Signal, age: Signal, ahead: Signal, place: Signal,
    inside: Signal, read_at: Value,
) -> None:  # fmt: skip
    """Where the tracked request stands."""
    h.invariant("it is inside", ahead < inside, when=tracked)
    h.invariant("its place", position(place, DEPTH) == (read_at + ahead)[:4], when=tracked & (age != 0))
    h.invariant("fresh", (ahead + 1 == inside) & box.signal("given"), when=tracked & (age == 0))
    h.invariant("checked", (ahead + 1 + box.signal("given") == inside) & verdicts.component.i.valid,
                when=tracked & (age == 1))  # fmt: skip
    h.invariant("queued", ahead + 1 + box.signal("given") + verdicts.component.i.valid <= inside,
                when=tracked & (age == 2))  # fmt: skip
    h.invariant("age", age <= 2)
