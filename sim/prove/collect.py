"""P2 on the way back with strict isolation: what comes for a slot is delivered, beat by beat, to who asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Mux, Signal, Value
from amaranth.lib import data

from hdl.bus.axi import Response
from hdl.fabric import layouts
from hdl.fabric.collect import Collect, info_layout
from hdl.fabric.lane_buffer import BEAT_BITS, beat_layout
from hdl.plan.plan import Plan

from .harness import Harness
from .lookup import ONE_TARGET, TOLD
from .slots import CLEARED, ENDS, NEXT, ONCE
from .under_way import ASKED, ONE_SLOT
from .white_box import WhiteBox

LENGTH = "a target answers with as many beats as it was asked for"


@dataclass
class _Slot:
    """One slot, any one.

    Members
    -------
    slot : constant
    info : what was noted of its request
    cleared, given, complete, denied : 1 bit
        The sweep after reset was there. It has a request; the answer is here; and is a denial by the target's gate.
    open, delivering, leaves : 1 bit
        The answer is awaited, is being delivered, is delivered in this cycle.
    gives, refused : 1 bit
        Its request enters, or is denied at the ingress.
    comes : list of 1 bit
        A beat or a denial of it comes, by target.
    """

    slot: Signal
    info: Any
    cleared: Signal
    given: Signal
    complete: Signal
    denied: Signal
    open: Value
    delivering: Value
    leaves: Value
    gives: Value
    refused: Value
    comes: list[Value]


def _one_slot(h: Harness, box: WhiteBox, plan: Plan, *, write: bool) -> _Slot:
    m = h.m
    targets = range(len(plan.targets))
    lanes = [getattr(box, f"lane{t}") for t in targets]
    pick = box.parts["pick"]
    slot, info = h.constant(plan.slot_bits, "slot_of_interest"), Signal(info_layout(plan))
    given, complete, denied, picked, cleared = (
        Signal(name=name) for name in ("given", "complete_", "denied_", "picked_", "cleared")
    )
    found = _Slot(
        slot,
        info,
        cleared,
        given,
        complete,
        denied,
        open=given & ~complete,
        delivering=pick.valid & (pick.slot == slot),
        leaves=box.freed & (box.freed_slot == slot),
        gives=box.info_write & (box.info_slot == slot),
        refused=box.denied & (box.denied_slot == slot),
        comes=[lane.valid & (lane.slot == slot) for lane in lanes],
    )
    h.assume(~(box.info_write | given) | (cleared & ~box.clears), CLEARED)
    h.assume(~found.gives | ~given, ONE_SLOT)
    one = Cat(box.info.lane == value for value in (0, *(1 << t for t in targets))).any()
    h.assume(~box.info_write | one, ONE_TARGET, TOLD)
    h.assume(~box.chain | (box.picked & (box.chain_slot != box.picked_slot)), NEXT)
    for t, comes in enumerate(found.comes):
        h.assume(~comes | (found.open & info.lane[t]), environment=ASKED)
    h.assume(
        ~found.refused | (found.open & (info.lane == 0)), environment="the ingress denies what it sent nowhere, once"
    )
    is_picked = box.picked & (box.picked_slot == slot)
    m.d.sync += [cleared.eq(cleared | (box.clears & (box.clears_slot == slot))), picked.eq(picked | is_picked)]
    for lane, comes in zip(lanes, found.comes, strict=True):
        with m.If(comes & (lane.denied | (1 if write else lane.answer.last))):
            m.d.sync += [complete.eq(1), denied.eq(lane.denied)]
    with m.If(found.refused):
        m.d.sync += [complete.eq(1), denied.eq(1)]
    with m.If(found.gives):
        m.d.sync += [given.eq(1), info.eq(box.info), complete.eq(0), picked.eq(0)]
    with m.Elif(found.leaves):
        m.d.sync += [given.eq(0), complete.eq(0)]
    h.shown |= {signal.name: signal for signal in (given, complete, denied, picked)}

    known, is_first = pick.signal("complete").bit_select(slot, 1), found.delivering & pick.first
    h.invariant("its info", box.word(m, "infos", slot).as_value() == info.as_value(), when=given)
    h.invariant("one target's or nobody's", (info.lane & (info.lane - 1))[: len(targets)] == 0, when=given)
    h.invariant("it is cleared", cleared, when=given)
    h.invariant("it is given", given, when=complete)
    h.invariant("what went nowhere was refused", denied, when=complete & (info.lane == 0))
    h.invariant("what may be picked is complete", complete, when=known | found.delivering)
    h.invariant("what is complete may be picked", known | found.delivering, when=complete)
    h.invariant("it is picked once", known == pick.first, when=found.delivering)
    h.invariant("it was picked", picked == (found.delivering & ~pick.first), when=given)
    h.invariant("first means delivered", pick.valid, when=pick.first)
    h.claim(ONCE, ~picked & (box.picked_id == info.id), when=is_first)
    h.claim(ENDS, given & complete, when=found.leaves)
    return found


def reads(plan: Plan) -> Harness:
    """One beat, any one, of what one target gives for one slot."""
    h = Harness()
    m = h.m
    box = h.place(Collect(plan, write=False))
    this = _one_slot(h, box, plan, write=False)
    info, delivering, targets = this.info, this.delivering, len(plan.targets)
    lanes = [getattr(box, f"lane{t}") for t in range(targets)]
    buffers = [box.parts[f"lane_{t}"] for t in range(targets)]
    index, beat = h.constant(range(targets), "lane", below=targets), h.constant(BEAT_BITS, "beat")
    comes, lane = Array(this.comes)[index], Array(Value.cast(lane) for lane in lanes)[index]
    lane = data.View(layouts.lane(plan, write=False), lane)
    arrived, value = Signal(BEAT_BITS + 1), Signal(beat_layout(plan))
    mine = this.given & info.lane.bit_select(index, 1)
    for one, came in zip(lanes, this.comes, strict=True):
        h.assume(~came | one.denied | (one.answer.last == (arrived == info.length)), environment=LENGTH)
    short = box.info.length < 1 << BEAT_BITS
    h.assume(~box.info_write | (box.info.lane == 0) | short, "a piece is no longer than a target is held")
    with m.If(this.gives):
        m.d.sync += arrived.eq(0)
    with m.Elif(
        Cat(this.comes).any() & ~Cat(came & one.denied for one, came in zip(lanes, this.comes, strict=True)).any()
    ):
        m.d.sync += arrived.eq(arrived + 1)
    with m.If(comes & ~lane.denied & (arrived == beat)):
        m.d.sync += [value.response.eq(lane.answer.response), value.data.eq(lane.answer.data)]

    def words(memory: str, address: Value) -> Value:
        return Array(Value.cast(buffer.word(m, memory, address)) for buffer in buffers)[index]

    here = mine & (arrived > beat)
    h.invariant(
        "as many as were asked for", arrived == info.length + 1, when=this.complete & ~this.denied & (info.lane != 0)
    )
    h.invariant("more are awaited", arrived <= info.length, when=this.open & (info.lane != 0))
    h.invariant("a short one", info.length < 1 << BEAT_BITS, when=this.given & (info.lane != 0))
    h.invariant("its next beat", words("numbers", this.slot) == Mux(mine & ~this.complete, arrived, 0)[:BEAT_BITS],
                when=this.cleared)  # fmt: skip
    h.invariant("the beat is here", words("beats", Cat(beat, this.slot)) == value.as_value(), when=here)
    h.invariant("the first beat is here", words("heads", this.slot) == value.as_value(), when=here & (beat == 0))
    h.invariant("whether it was denied", words("denials", this.slot) == this.denied, when=mine & this.complete)

    number, at_head = box.signal("number"), box.signal("at_head")
    looked = Array(Value.cast(buffer.looked("beats")) for buffer in buffers)[index]
    behinds = [Value.cast(buffer.behind) for buffer in buffers]
    behind = Array(behinds)[index]
    passes = mine & ~this.denied
    h.invariant("a new one begins", (number == 0) & at_head, when=~box.parts["pick"].valid | box.parts["pick"].first)
    h.invariant("its beats are counted", (number <= info.length) & (at_head == (number == 0)), when=delivering)
    h.invariant("it is looked up", looked == value.as_value(),
                when=delivering & passes & (number + 1 == beat) & (beat <= info.length))  # fmt: skip
    h.invariant("it is next", behind == value.as_value(), when=delivering & passes & (number == beat) & (beat != 0))
    h.invariant("nothing is left of another", Cat(behinds) == 0, when=~box.parts["pick"].valid | at_head)
    for t, other in enumerate(behinds):
        h.invariant("nothing comes from elsewhere", other == 0,
                    when=delivering & (~info.lane[t] | ((index == t) & this.denied)))  # fmt: skip

    out = box.o.payload
    shown = delivering & (number == beat)
    h.claim("a beat comes as the target gave it",
            (out.answer.data == value.data) & (out.answer.response == value.response), when=shown & passes)  # fmt: skip
    _offers(h, box, this, mine)
    h.claim("the last beat is told", out.answer.last == ((number == info.length) & info.final), when=delivering)
    h.claim("what the target's gate denied is an error", out.answer.response == Response.SLVERR,
            when=delivering & mine & this.denied)  # fmt: skip
    h.claim("what leads nowhere is an error of decoding", out.answer.response == Response.DECERR,
            when=delivering & (info.lane == 0))  # fmt: skip
    h.claim("what nobody is offered reads as zero", Value.cast(out) == 0, when=~box.o.valid)
    refused = (info.lane == 0) | (mine & this.denied)
    h.claim("data of what was denied is zero", out.answer.data == 0, when=delivering & refused)
    h.claim("all beats are delivered", number == info.length, when=this.leaves)
    return h


def writes(plan: Plan) -> Harness:
    """The response of one target for one slot, and what has become of one ID's pieces."""
    h = Harness()
    m = h.m
    box = h.place(Collect(plan, write=True))
    this = _one_slot(h, box, plan, write=True)
    info, delivering, targets = this.info, this.delivering, len(plan.targets)
    index = h.constant(range(targets), "lane", below=targets)
    lanes = [getattr(box, f"lane{t}") for t in range(targets)]
    response = Signal(2)
    with m.If(Array(this.comes)[index]):
        m.d.sync += response.eq(Array(lane.answer.response for lane in lanes)[index])
    mine = this.given & info.lane.bit_select(index, 1)
    kept = Array(
        Cat(word.response, word.denied) for word in (box.word(m, f"lane_{t}", this.slot) for t in range(targets))
    )
    h.invariant("its response is here", kept[index] == Cat(response, this.denied), when=mine & this.complete)
    own, merged, out = box.signal("own"), box.signal("merged"), box.o.payload
    h.claim("a response is as the target gave it", own == response, when=delivering & mine & ~this.denied)
    h.claim("what the target's gate denied is an error", own == Response.SLVERR, when=delivering & mine & this.denied)
    h.claim("what leads nowhere is an error of decoding", own == Response.DECERR, when=delivering & (info.lane == 0))

    # The pieces of a burst: those of an ID leave in order.
    identity, worst, begun = h.constant(plan.id_width, "id"), Signal(2), Signal()
    of_id = delivering & (info.id == identity)
    so_far = Mux(info.first | (own > worst), own, worst)
    of_any = box.parts["pick"].valid & (box.picked_id == identity)
    with m.If(box.freed & of_any):
        m.d.sync += [begun.eq(1), worst.eq(merged)]
    h.invariant("the worst so far", box.word(m, "worst", identity) == worst, when=begun)
    h.claim("the response is the worst of all pieces'", merged == so_far, when=of_id & (begun | info.first))
    h.claim(
        "it is given with the last piece", (out.answer.response == merged) & box.o.valid, when=delivering & info.final
    )
    h.claim("and not before", ~box.o.valid, when=delivering & ~info.final)
    h.claim("what nobody is offered reads as zero", Cat(out.id, out.answer.response) == 0, when=~box.o.valid)
    _offers(h, box, this, mine)
    return h


def _offers(h: Harness, box: WhiteBox, this: _Slot, mine: Value) -> None:
    """What both kinds of answers promise; of one lane's, any one, it is `mine`."""
    out, offered = box.o.payload, this.delivering & box.o.valid
    h.claim("it comes to the ID that asked", out.id == this.info.id, when=offered)
    stays, before = Signal(), Signal(len(Value.cast(out)))
    h.m.d.sync += [stays.eq(offered & ~box.o.ready), before.eq(out)]
    h.claim("an offer of an answer stays", box.o.valid & (Value.cast(out) == before), when=stays)
    pick = box.parts["pick"].component
    h.invariant("another one is chosen when one is delivered", pick.next == (~pick.valid | box.freed))
    told = box.done_info.as_value() == this.info.as_value()
    h.claim("what is delivered is told", box.done & told, when=this.leaves)
    h.claim("it is told whether it was denied", box.done_denied == this.denied,
            when=this.leaves & (mine | (this.info.lane == 0)))  # fmt: skip
