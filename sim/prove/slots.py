"""P2 at the slots: whose a slot is, and the order of an ID."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal

from hdl.fabric.select import decode
from hdl.fabric.slots import Slots
from hdl.plan.plan import Plan

from .harness import Harness
from .ring import filled, position
from .under_way import ONE_SLOT
from .virtual_queue import A_SLOT
from .white_box import WhiteBox

FREE_SLOTS = "the queue of free slots never overflows"
ENDS = "a slot is delivered once, after it was given"
CLEARED = "the sweep was at every slot, and is over, before anything enters"
ONCE = "a slot is picked once, and for its own ID"
COMPLETE = "what is picked is complete"
OPEN = "what is picked was not blocked, or is the next of what was picked"
ORDER = "a request is picked after those of its ID before it"
FREE = "what was picked is not blocked"
NEXT = "what stands behind what is picked is the next of its ID"
LAST = "the last slot of an ID is its newest request's"


def free(plan: Plan) -> Harness:
    """Whose a slot is."""
    h = Harness()
    follow_slot(h, h.place(Slots(plan)), plan)
    return h


def chain(plan: Plan) -> Harness:
    """The order of an ID."""
    h = Harness()
    follow_id(h, h.place(Slots(plan)), plan)
    return h


def follow_slot(h: Harness, box: WhiteBox, plan: Plan) -> None:
    """One slot, any one, and how many there are of all."""
    m = h.m
    queue = box.parts["free"]
    slots, bits = plan.outstanding, plan.slot_bits
    slot = h.constant(bits, "slot_of_interest")
    sweep = box.signal("sweep")
    swept = Mux(sweep < slots, sweep, slots)[: bits + 1]
    h.assume(~box.enter | box.room, A_SLOT)
    used = Signal()
    gives, frees = box.enter & (box.slot == slot), box.freed & (box.freed_slot == slot)
    m.d.sync += used.eq((used | gives) & ~frees)
    outstanding = box.signal("outstanding")
    h.assume(~frees | used, ENDS)
    h.assume(~box.freed | (outstanding > (used & ~frees)), ENDS)
    h.show("used", used)

    inside = Signal(range(slots + 1))
    push, pop = queue.signal("push"), queue.signal("pop")
    m.d.sync += inside.eq(inside + push - pop)
    write_at, read_at = position(queue.signal("write_at"), slots), position(queue.signal("read_at"), slots)
    h.invariant("how many are free", inside == filled(queue))
    h.invariant("an empty queue", write_at == read_at, when=~queue.signal("stored"))
    h.invariant("all are free or used", inside + outstanding == Mux(swept == 0, 0, swept - 1))
    h.invariant("none is used before the sweep is over", outstanding == 0, when=box.clears)

    # It is in the queue once, or not at all.
    is_free = (slot != 0) & (swept > slot) & ~used
    place, ahead = Signal(bits), Signal(range(slots))
    comes = push & (queue.component.i.payload == slot)
    with m.If(comes):
        m.d.sync += [place.eq(queue.signal("write_at")), ahead.eq(inside - pop)]
    with m.Else():
        m.d.sync += ahead.eq(ahead - pop)
    h.invariant("slot 0 is not used", ~used, when=slot == 0)
    h.invariant("what is used was free", swept > slot, when=used)
    h.invariant("it counts", outstanding != 0, when=used)
    h.invariant("it is inside", (ahead < inside) & (position(place, slots) == (read_at + ahead)[:bits]), when=is_free)
    found = []
    for n in range(slots):
        at = Const(n, bits)
        held = (position(at, slots) - read_at)[:bits] < inside
        found.append(held & (queue.word(m, "entries", at) == slot) & ~(is_free & (place == n)))
    h.invariant("it is there once at most", ~Cat(found).any())
    h.invariant("it is there", queue.word(m, "entries", place) == slot, when=is_free)

    cleared = Signal()
    m.d.sync += cleared.eq(cleared | (box.clears & (box.clears_slot == slot)))
    h.invariant("the sweep was there", cleared, when=~box.clears | (sweep > slot))
    h.claim(CLEARED, cleared & ~box.clears, when=box.enter | used)
    h.claim(ONE_SLOT, ~used, when=gives)
    h.claim("slot 0, which is nobody's, is never given", slot != 0, when=gives)
    h.claim(FREE_SLOTS, inside < slots - 1, when=push)
    h.claim("there is room while not all are outstanding", box.room == (outstanding != slots - 1), when=~box.clears)


def follow_id(h: Harness, box: WhiteBox, plan: Plan) -> None:
    """A request of one ID, any one, and the next one of that ID."""
    m = h.m
    slots, bits = plan.outstanding, plan.slot_bits
    identity = h.constant(plan.id_width, "id")
    sweep = box.signal("sweep")
    h.assume(~box.enter | box.room, A_SLOT)
    enters, picks = box.enter & (box.id == identity), box.picked & (box.picked_id == identity)
    unpicked = Signal(range(slots))
    h.assume(~enters | (unpicked < slots - 1), A_SLOT)
    h.assume(~picks | (unpicked != 0), ONCE)
    m.d.sync += unpicked.eq(unpicked + enters - picks)
    newest, previous = Signal(bits), Signal(bits)
    with m.If(enters):
        m.d.sync += [newest.eq(box.slot), previous.eq(newest)]

    # The first of the two, until it is picked.
    there, first, age = Signal(), Signal(bits), Signal(2)
    before, after = Signal(range(slots)), Signal(range(slots))  # of the ID, that entered before it, and after
    picked = there & box.picked & (box.picked_slot == first)
    # The second one, until it is delivered.
    follows, second, its_age, waits, taken = Signal(), Signal(bits), Signal(2), Signal(), Signal()
    starts = enters & h.any(1, "chosen") & ~there & ~follows
    second_picked = follows & ~taken & box.picked & (box.picked_slot == second)
    next_one = enters & there & (after == 0) & ~picked & ~follows
    alone = enters & ~there & ~follows & ~starts & (unpicked == picks) & h.any(1, "chosen_alone")
    ends = follows & box.freed & (box.freed_slot == second)
    with m.If(starts):
        m.d.sync += [there.eq(1), first.eq(box.slot), age.eq(1), before.eq(unpicked - picks), after.eq(0)]
    with m.Elif(there):
        m.d.sync += [
            there.eq(~picked),
            age.eq(Mux(age == 3, 3, age + 1)),
            before.eq(before - (picks & ~picked)),
            after.eq(after + enters),
        ]
    with m.If(next_one | alone):
        m.d.sync += [follows.eq(1), second.eq(box.slot), its_age.eq(1), waits.eq(next_one), taken.eq(0)]
    with m.Elif(follows):
        m.d.sync += [
            follows.eq(~ends),
            its_age.eq(Mux(its_age == 3, 3, its_age + 1)),
            waits.eq(waits & ~picked),
            taken.eq(taken | second_picked),
        ]
    h.shown |= {"there": there, "first": first, "before": before, "after": after, "unpicked": unpicked}
    h.shown |= {"follows": follows, "second": second, "its_age": its_age, "waits": waits, "taken": taken}
    pair = there & follows & waits

    # Who is picked: what Pick and Collect claim, and of all others what is claimed of these two.
    was_open, was_chained = Signal(), Signal()
    m.d.sync += [
        was_open.eq(~box.blocked.bit_select(second, 1)),
        was_chained.eq(box.chain & (box.chain_slot == second)),
    ]
    h.assume(~picked | (picks & (age == 3)), ONCE, COMPLETE)
    h.assume(~picked | (before == 0), ORDER)
    h.assume(~second_picked | (picks & (its_age == 3) & (was_open | was_chained)), ONCE, COMPLETE, OPEN)
    h.assume(~(picks & there & ~picked & ~(pair & second_picked)) | (before != 0), ORDER)
    h.assume(~(box.picked & follows & taken & (box.picked_slot == second)), ONCE)
    h.assume(~ends | taken, ENDS)
    h.assume(~(box.freed & there) | (box.freed_slot != first), ENDS)
    used = Signal(slots)
    m.d.sync += used.eq((used | decode(box.slot, box.enter)) & ~decode(box.freed_slot, box.freed))
    h.assume(~(box.enter & used.bit_select(box.slot, 1)), ONE_SLOT)
    linking, its_id, its_slot = (box.signal(name) for name in ("linking", "entered_id", "entered_slot"))
    ended = ~box.blocked.bit_select(box.freed_slot, 1) & used.bit_select(box.freed_slot, 1)
    h.assume(~box.freed | (ended & ~(linking & (its_slot == box.freed_slot))), ENDS, FREE)
    h.assume(~(box.chain & pair & ~picked) | (box.chain_slot != second), NEXT)
    active = box.signal("active")
    h.assume(
        ~(linking & active & (its_id != identity) & there) | (box.word(m, "last", its_id) != first), LAST, ONE_SLOT
    )

    links = linking & (its_id == identity)
    last, given, done = (box.word(m, name, identity) for name in ("last", "linked", "picks"))
    swept = ~box.clears | (sweep > identity)
    h.invariant("nothing is before the sweep is over", ~(unpicked.any() | linking | there | follows), when=box.clears)
    h.invariant("how many are linked", (given - done)[:bits] == (unpicked - links)[:bits], when=swept)
    h.invariant("who is linked was not picked", unpicked != 0, when=links)
    h.invariant("who is linked has just entered", its_slot == newest, when=links)
    h.invariant("the newest that is linked", last == Mux(links, previous, newest), when=unpicked > links)
    h.invariant("all of the ID", unpicked == before + 1 + after, when=there)
    h.invariant("the first is the newest", newest == first, when=there & (after == 0))
    h.invariant("or has a second behind it", pair, when=there & (after != 0))
    h.invariant("both are of one pair", waits, when=there & follows)
    h.invariant("a second waits for a first", there & (after != 0), when=follows & waits)
    h.invariant("the first came before", (age == 3) | (age > its_age), when=pair)
    h.invariant("they have an age", (~there | (age != 0)) & (~follows | (its_age != 0)))
    fresh = follows & (its_age == 1)
    h.invariant("the first links", links & (newest == first), when=there & (age == 1))
    h.invariant("the second links", links & (newest == second), when=fresh)
    h.invariant("behind the first", (previous == first), when=fresh & waits)
    h.invariant("behind nobody", unpicked == 1, when=fresh & ~waits)
    h.invariant("the second stands behind the first", box.word(m, "behind", first) == second, when=pair & (its_age > 1))
    h.invariant("others are newer", (newest != first) & ((its_age == 1) | ~links | (previous != first)), when=pair)
    h.invariant("both are used", (~there | used.bit_select(first, 1)) & (~follows | used.bit_select(second, 1)))
    h.invariant("who links is used", used.bit_select(its_slot, 1), when=linking)
    h.invariant("they differ", first != second, when=pair)
    h.invariant("what is not used is not blocked", (box.blocked & ~used) == 0)
    h.invariant("what links is not yet blocked", ~box.blocked.bit_select(its_slot, 1), when=linking)
    h.invariant("it was picked in its turn", (its_age == 3) & ~waits, when=taken & follows)

    linked = follows & (its_age > 1)
    is_blocked = box.blocked.bit_select(second, 1)
    h.claim(ORDER, ~waits, when=second_picked)
    h.claim("a request is blocked until the one before it is picked", is_blocked, when=linked & waits)
    h.claim("a request is blocked no longer than that", ~is_blocked, when=linked & ~waits)
    h.claim(FREE, ~is_blocked, when=follows & taken)
    h.claim(NEXT, linked & pair & (box.chain_slot == second), when=picked & box.chain)
    h.claim("the next of the ID is told", box.chain, when=picked & pair & (its_age > 1))
    h.claim(LAST, last == previous, when=links & active)
