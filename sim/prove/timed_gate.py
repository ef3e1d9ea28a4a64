"""P3, P4 at a gate with time slots: what a slice sees in its own slots is the same, whatever all others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, Mux, Signal, Value
from amaranth.lib import data

from hdl.fabric.gate import DEPTH, Gate
from hdl.fabric.select import Later
from hdl.fabric.time_slots import turn_layout
from hdl.plan.plan import SLOT_CYCLES, Plan, Target
from ram.time_slots import SLOT_GRANTS

from .arbiter import GRANTED
from .gate_data import RECALLED
from .harness import Harness
from .ring import position
from .steer import WHOLE
from .time_slots import ROUND, STAYS
from .white_box import WhiteBox

KEEPS_UP = "the target takes requests and data at once, and is not cut off"
OWN_PORTS = "the slice has its ports for itself, and asks there the same in both"
SAME_RIGHTS = "what the tables say of the slice is the same in both, and its granules are not being rekeyed"
NO_PAUSE = "its data follows without a pause"


@dataclass
class _Copy:
    """One of the two gates.

    Members
    -------
    is_turn : the present slot is the slice's
    mine, checked : a request of the slice was granted one cycle ago, two cycles ago
    beat, shown : a beat of it was taken one cycle ago, two cycles ago
    is_open, left : writes only: a burst is being taken, and that many beats of it are to come
    """

    box: WhiteBox
    is_turn: Value
    mine: Signal
    checked: Signal
    beat: Signal = field(default_factory=Signal)
    shown: Signal = field(default_factory=Signal)
    is_open: Signal = field(default_factory=Signal)
    left: Signal = field(default_factory=lambda: Signal(4))


def gate(plan: Plan, target: Target, *, write: bool) -> Harness:
    """Two gates: requests of one slice, any one, are the same in both; everything else differs as it likes."""
    h = Harness()
    own, _, (first, second) = _copies(h, plan, target, ("one", "other"), write=write)
    h.assume(first.is_turn == second.is_turn, environment="the slice's own slots are the same in both")
    same_verdict = first.box.signal("check_pass") == second.box.signal("check_pass")
    h.assume(~first.checked | same_verdict, environment=SAME_RIGHTS)
    _alike(h, first, second, own, write=write)
    return h


def grants(plan: Plan, target: Target, *, write: bool, alone: bool = False) -> Harness:
    """P4: what waits when a slot begins is granted then, and something again when half of the slot is over.

    With `alone` there is nobody else, and few beats in each request.
    """
    h = Harness()
    m = h.m
    own, elapsed, (copy,) = _copies(h, plan, target, ("dut",), write=write)
    box = copy.box
    granted, asks = (box.signal("grant") & own).any(), copy.is_turn & (box.request_valid & own).any()
    room, free = box.signal("room"), box.parts["starts"].signal("free")
    if alone:
        only = (own == 1) & (box.request_valid[1:] == 0) & copy.is_turn & (box.asking0.length == int(write))
        h.assume(only, environment="there is nobody else")
    waited, before, number = Signal(), Signal(2), Signal(2)
    waits = asks & (((elapsed == 0) & room) | waited)
    goes_on = waits & (elapsed != SLOT_CYCLES - 1)
    m.d.comb += number.eq(Mux(before == SLOT_GRANTS, before, before + granted))
    m.d.sync += [waited.eq(goes_on), before.eq(Mux(goes_on, number, 0))]
    h.shown |= {"elapsed": elapsed, "waited": waited, "number": number}
    closed = ~copy.is_open if write else 1
    own_arbiter = box.parts["own_arbiter"].component
    asked = own_arbiter.enable & own_arbiter.request.any()
    h.assume(~asked | own_arbiter.grant.any(), GRANTED)
    h.invariant("there is room", room | (elapsed == 0))
    h.invariant("it may grant", box.signal("may_grant") == ((free <= SLOT_CYCLES // 2) & closed),
                when=waited | ((elapsed == 0) & room))  # fmt: skip
    h.invariant("grants are counted while something waits", before == 0, when=~waited)
    h.invariant("the first one came at once", (before != 0) & (before <= SLOT_GRANTS), when=waited)
    h.invariant("the second one is to come", (free <= SLOT_CYCLES // 2) & (elapsed <= SLOT_CYCLES // 2),
                when=waited & (before == 1))  # fmt: skip
    says = "a slot has two grants for requests that wait"
    h.claim(says, number == SLOT_GRANTS, when=waits & (elapsed == SLOT_CYCLES // 2))
    return h


def _copies(
    h: Harness, plan: Plan, target: Target, names: Sequence[str], *, write: bool
) -> tuple[Signal, Signal, list[_Copy]]:
    """Gates with requests of one slice that are the same in all; whose ports are its own, and the cycle of the slot."""
    m = h.m
    h.environment.append(KEEPS_UP)
    h.without_contents += ["key_table"] * (target.kind == "memory")
    ports = len(target.initiators)
    slice_ = h.constant(plan.slice_bits, "slice", below=plan.slices)
    own = h.constant(ports, "own_ports")
    elapsed = Signal(range(SLOT_CYCLES))
    m.d.sync += elapsed.eq(elapsed + 1)
    per_port = ("asking", "rest", *(("last", "beat") if write else ()))
    of_ports = tuple(f"{what}{n}" for n in range(ports) for what in per_port)
    vectors = ("request_valid", *(("beat_valid",) if write else ()))
    driven = ("turn", "cut", "o", "w", *vectors, *of_ports)
    boxes = [h.place(Gate(plan, target, write=write), name, driven) for name in names]
    shared = {name: h.any(len(Value.cast(getattr(boxes[0], name))), f"own_{name}") for name in (*vectors, *of_ports)}
    copies = []
    for name, box in zip(names, boxes, strict=True):
        turn = data.View(turn_layout(plan), h.any(turn_layout(plan).size, f"{name}_turn"))
        before = Signal(turn_layout(plan), name=f"{name}_turn_before")
        m.d.sync += before.eq(turn)
        unchanged = (turn.owned == before.owned) & (turn.slice == before.slice)
        h.assume(turn.elapsed == elapsed, ROUND)
        h.assume((elapsed == 0) | unchanged, STAYS)
        h.assume(turn.timed.bit_select(slice_, 1), environment="the slice has slots")
        m.d.comb += [Value.cast(box.turn).eq(Value.cast(turn)), box.o.ready.eq(1)]
        m.d.comb += [box.w.ready.eq(1)] if write else []
        m.d.comb += [box.cut.eq(0)] if target.timeout else []
        for signal in vectors:
            mine = Cat(own, 0)[: len(shared[signal])]
            foreign = h.any(len(mine), f"{name}_{signal}")
            m.d.comb += getattr(box, signal).eq((shared[signal] & mine) | (foreign & ~Cat(mine, 0)[: len(mine)]))
        for n in range(ports):
            for what in per_port:
                shown = Value.cast(getattr(box, f"{what}{n}"))
                m.d.comb += shown.eq(Mux(own[n], shared[f"{what}{n}"], h.any(len(shown), f"{name}_{what}{n}")))
            its_own = (getattr(box, f"asking{n}").slice == slice_) == own[n]
            h.assume(~box.request_valid[n] | its_own, environment=OWN_PORTS)
        mine, checked = Signal(name=f"{name}_mine"), Signal(name=f"{name}_checked")
        m.d.sync += [mine.eq((box.signal("grant")[:ports] & own).any()), checked.eq(mine)]
        copies.append(_Copy(box, turn.owned & (turn.slice == slice_), mine, checked))
    for copy in copies:
        if write:
            _flows(h, copy, own, ports, elapsed)
        else:
            _passes_at_once(h, copy.box)
        h.invariant("a slot begins free", copy.box.parts["starts"].signal("free") == 0, when=elapsed == 0)
        unused = (elapsed == 0) & ~copy.box.signal("room")
        h.invariant("slots are in use", copy.box.component.timed | unused)
    return own, elapsed, copies


def _places(h: Harness, box: WhiteBox) -> None:
    """Where a request stands that is being checked."""
    verdicts = box.parts["verdicts"]
    write_at, read_at = (position(verdicts.signal(name), DEPTH) for name in ("write_at", "read_at"))
    h.invariant("one waits at most", write_at == (read_at + verdicts.signal("stored"))[:4])
    h.invariant("the stage is one ahead",
                position(box.signal("stage_at"), DEPTH) == (write_at + verdicts.component.i.valid)[:4])  # fmt: skip


def _passes_at_once(h: Harness, box: WhiteBox) -> None:
    """Where the target takes everything at once, no read waits behind the check."""
    verdicts = box.parts["verdicts"]
    _places(h, box)
    h.invariant("nothing waits", ~verdicts.signal("stored"))
    level = box.signal("given") + verdicts.component.i.valid + box.signal("left")
    h.invariant("the level is low", box.signal("level") == level)


def _flows(h: Harness, copy: _Copy, own: Signal, ports: int, elapsed: Signal) -> None:
    """A write's data comes without a pause and goes at once, two cycles after it was taken."""
    m, box = h.m, copy.box
    verdicts, beats, free = box.parts["verdicts"], box.parts["beats"], box.parts["starts"].signal("free")
    grant, taking, ends = box.signal("grant"), box.signal("taking"), box.signal("held_next") == 0
    count = len(grant)
    asked = box.signal("asked")
    length = data.View(box.component.asking0.shape(), asked).length
    is_open, left = copy.is_open, copy.left
    holder = box.signal("holder")
    lasts = Cat(getattr(box, f"last{n}") for n in range(count))
    h.assume(~grant.any() | ((grant & lasts).any() == (length == 0)), WHOLE)
    h.assume(~is_open | ((holder & box.beat_valid) == holder), NO_PAUSE)
    h.assume(~is_open | ((holder & lasts).any() == (left == 1)), WHOLE)
    with m.If(grant.any()):
        m.d.sync += [is_open.eq(length != 0), left.eq(length)]
    with m.Elif(is_open):
        m.d.sync += [is_open.eq(left != 1), left.eq(left - 1)]
    for n in range(count):
        taken_here, was_last = Signal(), Signal()
        m.d.sync += [taken_here.eq(taking[n]), was_last.eq(lasts[n])]
        h.assume(~taken_here | (getattr(box, f"beat{n}").last == was_last), RECALLED)
    was_given, was_taken = verdicts.component.i.valid, Signal()
    last_taken, last_shown = Signal(), Signal()
    m.d.sync += [
        was_taken.eq(box.signal("taken")),
        last_taken.eq(taking.any() & ends),
        last_shown.eq(last_taken),
        copy.beat.eq((taking[:ports] & own).any()),
        copy.shown.eq(copy.beat),
    ]
    given, taken = box.signal("given"), box.signal("taken")
    _places(h, box)
    write_at, read_at = (position(beats.signal(name), DEPTH) for name in ("write_at", "read_at"))
    h.invariant("held", (box.signal("held") == is_open) & ((holder != 0) == is_open))
    h.invariant("one holds it", (holder & (holder - 1))[:count] == 0)
    h.invariant("more is to come", left != 0, when=is_open)
    h.invariant("a beat waits for a cycle", (beats.signal("stored") == was_taken)
                & (write_at == (read_at + was_taken)[:4]))  # fmt: skip
    h.invariant(
        "its last is told", beats.word(m, "entries", beats.signal("read_at")).last == last_shown, when=was_taken
    )
    h.invariant("what is granted is taken", (~given | taken) & (~was_given | was_taken))
    h.invariant("a request waits for its data", verdicts.signal("stored") == (was_taken & ~was_given))
    h.invariant("it is open if its last was not taken", is_open == (taken & ~last_taken))
    h.invariant("one after the other", (taken & ~given) == (was_taken & ~last_shown))
    h.invariant("whose is open", copy.beat == (holder[:ports] & own).any(), when=is_open)
    h.invariant("whose is going on", copy.beat == copy.shown, when=taken & ~given)
    h.invariant("whose was granted", copy.beat == copy.mine, when=given)
    h.invariant("whose was checked", copy.shown == copy.checked, when=was_given)
    h.invariant("nobody's", (taken | ~copy.beat) & (was_taken | ~copy.shown))
    h.invariant("nothing was taken ahead", ~box.signal("data_taken"))
    denied = verdicts.word(m, "entries", verdicts.signal("read_at")).denied
    h.invariant("it has gone with its first beat", box.signal("address_taken") == (verdicts.signal("stored") & ~denied))
    h.invariant("the level is low",
                box.signal("level") == given + was_given + verdicts.signal("stored") + box.signal("left"))  # fmt: skip
    h.invariant("few beats", box.signal("beats_level") == taken + was_taken + box.signal("gone"))
    h.invariant("beats have room", box.signal("beat_room") | (elapsed == 0) & ~box.signal("room"))
    h.invariant("it ends with the slot", elapsed + left <= free, when=is_open)
    h.invariant("nobody is busy beyond it", free <= SLOT_CYCLES)
    h.invariant("who may start has time", free <= SLOT_CYCLES // 2, when=box.signal("may_grant"))
    h.invariant("a slot begins closed", ~is_open, when=elapsed == 0)


def _alike(h: Harness, one: _Copy, other: _Copy, own: Signal, *, write: bool) -> None:
    """The slice sees the same of both."""
    of_one, of_other = one.box.signal, other.box.signal
    ports = len(one.box.target.initiators)

    def same(what: str, name: str, when: Any = 1) -> None:
        h.invariant(what, of_one(name) == of_other(name), when=when)

    h.invariant("both begin together", one.box.component.timed == other.box.component.timed)
    same("both have room", "room")
    same("both may grant in its slots", "may_grant", one.is_turn)
    starts = [copy.box.parts["starts"].signal("free") for copy in (one, other)]
    h.invariant("both are as busy in its slots", starts[0] == starts[1], when=one.is_turn)
    h.invariant("both have its requests", (one.mine == other.mine) & (one.checked == other.checked))
    arbiters = [copy.box.parts["own_arbiter"] for copy in (one, other)]
    for j in range(ports):
        for i in range(j):
            name = f"first_{i}_{j}"
            h.invariant("its ports have one order", arbiters[0].signal(name) == arbiters[1].signal(name),
                        when=own[i] & own[j])  # fmt: skip
    taken, shown = (one.beat, one.shown) if write else (one.mine, one.checked)
    for name in ("granule", "number"):
        same("what is known of a request is the same", name, one.mine)
    for n in range(-(-len(of_one("grant")) // Later.FOUR)):
        same("it is chosen alike", f"choice{n}", taken)
    grants = [copy.box.signal("grant")[:ports] & own for copy in (one, other)]
    h.claim("its requests are granted in the same cycles", grants[0] == grants[1], when=grants[0].any())
    h.claim("none of them is granted in one alone", ~grants[1].any(), when=~grants[0].any())
    payloads = [Cat(copy.box.o.payload.as_value(), copy.box.source) for copy in (one, other)]
    h.claim("they are offered alike", payloads[0] == payloads[1], when=shown)
    h.claim("they are offered in the same cycles", one.box.o.valid == other.box.o.valid, when=shown)
    h.claim("they leave in the same cycles", of_one("leave") == of_other("leave"), when=shown)
    h.cover(of_one("grant") != of_other("grant"))
    if not write:
        return
    same("its burst is open in both", "held", one.is_turn)
    same("the same port holds it", "holder", one.is_turn)
    h.invariant("as much is to come", one.left == other.left, when=one.is_turn & one.is_open)
    h.invariant("both have its beats", (one.beat == other.beat) & (one.shown == other.shown))
    queues = [copy.box.parts["verdicts"] for copy in (one, other)]
    h.invariant("both have its verdict", queues[0].signal("stored") == queues[1].signal("stored"), when=shown)
    kept = [queue.word(h.m, "entries", queue.signal("read_at")).denied for queue in queues]
    h.invariant("its verdict is the same", kept[0] == kept[1], when=shown & queues[0].signal("stored"))
    same("its request has gone in both", "address_taken", shown)
    beats = [Cat(copy.box.w.payload.as_value(), copy.box.w.valid) for copy in (one, other)]
    h.claim("its data is offered in the same cycles, alike", beats[0] == beats[1], when=shown)
