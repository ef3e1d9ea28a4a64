"""P3 of the meter: what a bystander is told of its class and its budget depends on its own slice alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from hdl.control.meter import Meter, told_layout, visited_layout
from hdl.control.slice_counters import addition_layout
from hdl.control.tally import tally_layout
from hdl.plan.plan import Plan

from .alike import WRITTEN, Path, pair, same_state
from .harness import Harness
from .white_box import WhiteBox

OWN_CONTEXTS = "the contexts of its ports are its slice's, and nobody else's are"
OWN_CONTRACT = "its contract is the same"
CHARGED = ("lengths", "requests")
"""Counts of a tally that cost tokens."""
STAGES = 5
"""Cycles after a reset until a context is told of its first visit: what is in the pipeline before is nobody's."""


def bystander(plan: Plan) -> Harness:
    """Two meters with the same events at a slice's ports, and the same contract of that slice."""
    h = Harness()
    own = h.constant(len(plan.initiators), "own_ports")
    mine = h.constant(plan.slice_bits, "slice")
    of_it = Cat(own[context.initiator] for context in plan.contexts)

    def differs(path: Path) -> Value | None:
        name = path[0]
        port, context = re.fullmatch(r"(?:read|write)(\d+)", name), re.fullmatch(r"owner_[a-z]+(\d+)", name)
        if context:
            return ~of_it[int(context[1])]
        return ~own[int(port[1])] if port else Const(1)

    boxes = pair(h, lambda: Meter(plan), differs)
    _belongs(h, plan, boxes, of_it, mine)
    age = Signal(range(STAGES + 1))
    h.m.d.sync += age.eq(Mux(age == STAGES, age, age + 1))
    h.invariant("the pipeline's age is counted", age <= STAGES)
    h.invariant("the sequencers are the same", _same(box.signal("visit") for box in boxes))
    h.invariant("a rotation begins with the first context", age.any() | ~boxes[0].signal("visit").any())
    h.invariant("both are in their first rotation", _same(box.signal("clearing") for box in boxes))
    sampled, due = ([data.View(visited_layout(plan), box.signal(name)) for box in boxes] for name in ("sampled", "due"))
    _counted(h, plan, boxes, own, sampled[0])
    for after, (one, other) in enumerate((sampled, due), start=1):
        here = _visits(one, of_it, mine)
        for name in ("is_slice", "clear", "context"):
            h.invariant(f"the same is visited: {name}", one[name] == other[name])
        alike = (one.slice == mine) & (other.slice == mine) & (one.owned == other.owned)
        h.invariant("a visit of it is the same", (age < after) | ~here | alike)
        first = (age != after) | ~(one.is_slice | one.context.any())
        h.invariant("the first context is visited first", first)
        for who in (one, other):
            h.invariant(
                "before the first visit there is none", (age >= after) | ~(who.owned | who.is_slice | who.context.any())
            )
            h.invariant("a slice has no owner", ~who.is_slice | ~who.owned)
            h.invariant("nobody else charges it", here | ~who.owned | (who.slice != mine))
        h.invariant("slices are visited in turn", ~one.is_slice | (one.slice == other.slice))
    _since(h, plan, boxes, sampled, of_it)
    here = _visits(due[0], of_it, mine)
    additions = [data.View(addition_layout(plan), box.signal("addition")) for box in boxes]
    for name in ("read_beats", "write_beats"):
        h.invariant("it is charged the same", ~here | _same(addition[name] for addition in additions))
    for name in _contracts(plan):
        _word(h, [box.memories[name] for box in boxes], mine)
    told = [[data.View(told_layout(plan), box.signal(name)) for box in boxes] for name in ("told_1", "told_2")]
    _bucket(h, boxes, [one for one, _ in told], of_it, mine, age, separate=plan.separate_budgets)
    for after, (one, other) in enumerate(told, start=3):
        its_own = (age >= after) & one.is_context & of_it.bit_select(one.context, 1)
        h.invariant("the first context is told first", (age > after) | ~one.context.any())
        h.invariant("it is told of its first visit", (age != after) | one.is_context)
        h.invariant("who is told is the same", (one.context == other.context) & (one.is_context == other.is_context))
        for name in told_layout(plan).members:
            h.invariant(f"it is told the same: {name}", ~its_own | (one[name] == other[name]))
    names = ["class", *(["piece"] if plan.piece_bits else []), "read_eligible", "write_eligible"]
    for context in plan.contexts:
        both = [Cat(getattr(box, f"{name}{context.index}") for name in names) for box in boxes]
        settled = of_it[context.index] & (Const(1) if context.index else age == STAGES)
        h.claim("what it is told of its class and budget is the same in both", ~settled | _same(both))
    h.cover(of_it[0] & (age == STAGES) & boxes[0].read_eligible0 & (due[0].slice != due[1].slice))
    return h


def _same(values: Iterable[Any]) -> Value:
    one, other = values
    return Value.cast(one) == Value.cast(other)


def _word(h: Harness, memories: list[Any], mine: Signal) -> None:
    """The slice's word of two memories is written alike, so it is read alike."""
    writes, reads = [memory.write_ports[0] for memory in memories], [memory.read_ports[0] for memory in memories]
    its = [write.en & (write.addr == mine) for write in writes]
    h.claim(WRITTEN, (its[0] == its[1]) & (~its[0] | _same(write.data for write in writes)))
    h.assume((reads[0].addr != mine) | (reads[1].addr != mine) | _same(read.data for read in reads), WRITTEN)


def _contracts(plan: Plan) -> tuple[str, ...]:
    return ("qos", "rate", "burst", *(("write_rate", "write_burst") if plan.separate_budgets else ()))


def _belongs(h: Harness, plan: Plan, boxes: tuple[WhiteBox, WhiteBox], of_it: Value, mine: Signal) -> None:
    """Who is of the slice, and that its contract is written alike."""
    for box in boxes:
        for context in plan.contexts:
            slice_, owned = getattr(box, f"owner_slice{context.index}"), getattr(box, f"owner_owned{context.index}")
            belongs = Mux(of_it[context.index], slice_ == mine, ~owned | (slice_ != mine))
            h.assume(belongs, environment=OWN_CONTEXTS)
    for name in _contracts(plan):
        one, other = (getattr(box, f"{name}_write") & (box.contract_slice == mine) for box in boxes)
        alike = (one == other) & (~one | _same(box.contract_value for box in boxes))
        h.assume(alike, environment=OWN_CONTRACT)


def _visits(who: data.View, of_it: Value, mine: Signal) -> Value:
    """Whether this is a visit of the slice, or of one of its contexts."""
    return Mux(who.is_slice, who.slice == mine, of_it.bit_select(who.context, 1))


def _counted(h: Harness, plan: Plan, boxes: tuple[WhiteBox, WhiteBox], own: Signal, visited: data.View) -> None:
    """The tallies of its ports are the same, and only the one that was visited shows anything."""
    for initiator in plan.initiators:
        of_port = Cat(context.initiator == initiator.index for context in plan.contexts)
        shows = ~visited.is_slice & of_port.bit_select(visited.context, 1)
        its = own[initiator.index]
        for plane in ("read", "write"):
            one, other = (box.parts[f"{plane}_{initiator.name}"] for box in boxes)
            counts = [data.View(tally_layout(plan), Value.cast(tally.counts)) for tally in (one, other)]
            for count in counts:
                h.invariant("no other tally shows anything", shows | (Value.cast(count) == 0))
            for name in CHARGED:
                h.invariant("its tally shows the same", ~its | _same(count[name] for count in counts))
            h.invariant(
                "its events are the same", ~its | _same(tally.signal("events_before") for tally in (one, other))
            )
            same_state(h, one.parts["sent"], other.parts["sent"], own=own, when=its)


def _since(
    h: Harness, plan: Plan, boxes: tuple[WhiteBox, WhiteBox], sampled: list[data.View], of_it: Value
) -> None:  # fmt: skip
    """What its contexts had counted at their last visit is the same."""
    memories = [box.memories["last_visit"] for box in boxes]
    its = of_it.bit_select(sampled[0].context, 1)

    def counts(port: Any) -> Value:
        return Cat(port.data[plane][name] for plane in ("read", "write") for name in CHARGED)

    writes, reads = [memory.write_ports[0] for memory in memories], [memory.read_ports[0] for memory in memories]
    where = _same(write.addr for write in writes) & _same(write.en for write in writes)
    h.claim(WRITTEN, where & (~writes[0].en | ~its | _same(counts(write) for write in writes)))
    h.assume(~its | ~_same(read.addr for read in reads) | _same(counts(read) for read in reads), WRITTEN)


def _bucket(
    h: Harness, boxes: tuple[WhiteBox, WhiteBox], told: list[data.View], of_it: Value, mine: Signal, age: Signal,
    *, separate: bool,
) -> None:  # fmt: skip
    """Its bucket is charged and filled alike, and shows the same to its contexts."""
    first, second = told
    asks = [
        (age >= after) & one.is_context & of_it.bit_select(one.context, 1) for after, one in ((3, first), (4, second))
    ]
    for name in ("buckets", "write_buckets") if separate else ("buckets",):
        parts = [box.parts[name] for box in boxes]
        at = [part.signal("slice_1") for part in parts]
        moves = [
            (part.signal("slice_1") == mine) & (part.signal("charge_1") | part.signal("refill_1")) for part in parts
        ]
        h.invariant("its bucket moves in both or in none", moves[0] == moves[1])
        h.invariant("its contexts look at its bucket", ~asks[0] | ((at[0] == mine) & (at[1] == mine)))
        for register in ("charge_1", "refill_1", "clear_1", "limited_1", "change", "full", "overflow_above"):
            alike = _same(part.signal(register) for part in parts)
            h.invariant(f"its bucket moves alike: {register}", ~(asks[0] | moves[0]) | alike)
        _word(h, [part.memories["tokens"] for part in parts], mine)
        h.invariant("its bucket shows the same", ~asks[1] | _same(part.signal("bucket_2") for part in parts))
    if separate:
        for ask, name in zip(asks, ("separate_1", "separate_2"), strict=True):
            h.invariant("its budgets are separate in both", ~ask | _same(box.signal(name) for box in boxes))
