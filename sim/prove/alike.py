"""P3 without time slots: of two ports of a bystander, with whatever else in the card, all signals are the same.

A bystander has its ports, and the targets that it uses, for itself. What it shares with others is seen at the borders
of its blocks, and there everything else differs as it likes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data
from amaranth.lib.wiring import In

from hdl.fabric.egress import Egress
from hdl.fabric.egress_strict import StrictEgress
from hdl.fabric.ingress_read import IngressRead
from hdl.fabric.ingress_strict import StrictIngress
from hdl.fabric.ingress_write import IngressWrite
from hdl.plan.plan import Initiator, Plan, Target

from .harness import Harness
from .timed_gate import SAME_RIGHTS
from .white_box import WhiteBox

WRITTEN = "what is written to a memory is the same in both"
OWN_TARGETS = "its windows lead to targets that nobody else uses"
OWN_FILL = "its windows are filled alike"
UNSEEN = "who does not use a target asks it nothing and is answered nothing"
EPOCHS = ("epoch", "decided_epoch", "behind")
"""What a drain changes, and who has nothing to drain does not see."""
ALWAYS = Const(1)


Path = tuple[str, ...]
Differs = Callable[[Path], Value | None]
"""When an input or output is not the same for both; None for never."""


def ingress(plan: Plan, port: Initiator, *, write: bool) -> Harness:
    """Two ingresses with the same initiator, slice and targets."""
    h = Harness()
    own = h.constant(len(plan.targets), "own_targets")
    kind: Any = StrictIngress if plan.strict else (IngressWrite if write else IngressRead)
    settings: dict[str, bool] = {"write": write} if plan.strict else {}
    fills = h.any(1, "fills")

    def differs(path: Path) -> Value | None:
        name = path[0]
        if name.startswith(("lane", "return")):
            return ~own[int(name.removeprefix("lane").removeprefix("return"))]
        return ~fills if name.startswith("fill_") else None

    one, other = pair(h, lambda: kind(plan, port, **settings), differs)
    for box in (one, other):
        h.assume(box.fill_enable == fills, environment=OWN_FILL)
        for t in range(len(plan.targets)):
            answer = getattr(box, f"lane{t}" if plan.strict else f"return{t}")
            h.assume(own[t] | ~answer.valid, environment=UNSEEN)
            if not plan.strict:
                h.assume(own[t] | (Value.cast(answer.beat) == 0), environment=UNSEEN)
    if not plan.strict:
        h.assume((one.request_valid & ~own) == 0, environment=OWN_TARGETS)
    same_state(h, one, other, own=own)
    _same_outputs(h, one, other, differs)
    return h


def egress(plan: Plan, target: Target, *, write: bool) -> Harness:
    """Two egresses of a target, asked by the same initiators."""
    h = Harness()
    kind: Any = StrictEgress if plan.strict else Egress
    ports = len(target.initiators)
    own = h.constant(ports, "own_ports")

    def differs(path: Path) -> Value | None:
        name = path[0]
        if name == "epoch" or name.startswith("rights_"):
            return Const(1)
        stem = name.rstrip("0123456789")
        of_port = stem in ("asking", "rest", "class", "beat", "last", "note", "return") and name != stem
        return ~own[int(name.removeprefix(stem))] if of_port and int(name.removeprefix(stem)) < ports else None

    one, other = pair(h, lambda: kind(plan, target, write=write), differs)
    idle = ~own
    h.assume((one.request_valid & idle) == 0, environment=UNSEEN)
    if one.parts["gate"].component.has_scrubber:
        h.assume(~one.request_valid[ports], environment="nothing of the target changes its owner")
    if write:
        h.assume((one.beat_valid & idle) == 0, environment=UNSEEN)
    for box in (one, other) if not plan.strict else ():
        for n in range(ports):
            h.assume(own[n] | ~getattr(box, f"return{n}").take, environment=UNSEEN)
        mine = Cat(own[n] & (box.answer.payload.id == source) for n, source in enumerate(target.initiators))
        h.assume(~box.answer.valid | mine.any(), environment=UNSEEN)
    checks = [box.parts["gate"] for box in (one, other)]
    same = checks[0].signal("check_pass") == checks[1].signal("check_pass")
    h.assume(~checks[0].parts["verdicts"].component.i.valid | same, environment=SAME_RIGHTS)
    told = [Mux(box.component.decided.any(), box.component.decided_denied, 0) for box in checks]
    h.invariant("the verdict that is told is the same", told[0] == told[1])
    but = (*EPOCHS, "holds", "rights", "decided_denied", "under_way")
    same_state(h, one, other, but, own=Cat(own, 0))
    for box, check in zip((one, other), checks, strict=True):
        _ask_nothing(h, box, check, own, ports)
        if write:
            holder = check.signal("holder")
            h.invariant("one holds the target", (holder & (holder - 1)[: len(holder)]) == 0)
            h.invariant("and none is granted meanwhile", ~(holder.any() & check.signal("may_grant")))
    _same_outputs(h, one, other, differs, but=(*EPOCHS, "answer", "fault"))
    h.claim("what is noted is the same in both", Value.cast(one.fault) == Value.cast(other.fault), when=one.fault_valid)
    taken = one.answer.ready == other.answer.ready
    h.claim("answers are taken in the same cycles", taken, when=one.answer.valid)
    return h


def _ask_nothing(h: Harness, box: WhiteBox, gate: WhiteBox, own: Value, ports: int) -> None:
    """Of who asks nothing there is nothing in the virtual queues, nor in the arbiter."""
    for n in range(ports) if "queue_0" in box.parts else ():
        queue = box.parts[f"queue_{n}"]
        there = [part.signal("stored") for part in queue.parts.values()]
        if box.component.write:
            there += [queue.signal("completed"), queue.signal("whole").any(), queue.component.o_valid]
        h.invariant("nothing waits", own[n] | ~Cat(there).any())
    arbiter = gate.parts["arbiter"]
    if arbiter.component.classes > 1 and arbiter.component.inputs > 1:
        h.invariant("nothing was requested", (arbiter.signal("requested") & ~Cat(own, 0)) == 0)


def pair(h: Harness, make: Callable[[], Any], differs: Differs) -> tuple[WhiteBox, WhiteBox]:
    """Two of a component: an input is the same for both, but where it `differs`."""
    boxes = []
    apart_at_all: list[Value] = []
    for name in ("one", "other"):
        component = make()
        boxes.append(h.place(component, name, tuple(component.signature.members)))
    inputs = [list(box.component.signature.flatten(box.component)) for box in boxes]
    for (path, member, value), (_, _, twin) in zip(*inputs, strict=True):
        if member.flow != In:
            continue
        name = "_".join(map(str, path))
        width = len(Value.cast(value))
        shared = h.any(width, name)
        apart = differs(tuple(map(str, path)))
        for label, end in (("one", value), ("other", twin)):
            mine = shared if apart is None else Mux(apart, h.any(width, f"{label}_{name}"), shared)
            h.m.d.comb += Value.cast(end).eq(mine)
        if apart is not None:
            apart_at_all.append(Value.cast(value) != Value.cast(twin))
    h.cover(Cat(apart_at_all).any())
    return boxes[0], boxes[1]


def same_state(
    h: Harness, one: WhiteBox, other: WhiteBox, but: Iterable[str] = (), *, own: Value, place: str = "",
    when: Value = ALWAYS,
) -> None:  # fmt: skip
    """Registers are the same, and memories hold the same since the same was written; but those with these names.

    Of what an arbiter knows of two inputs, only that of two of its `own`; and of return queues those of its `own`.
    """
    but = frozenset(but)
    number = re.fullmatch(r"return_(\d+)", place)
    if number:
        when = when & own[int(number[1])]
    for mine, twin in zip(one.registers(), other.registers(), strict=True):
        pair = re.fullmatch(r"(?:known_lower|was_lower|goes_first)_(\d+)_(\d+)", mine.name)
        ours = when & own[int(pair[1])] & own[int(pair[2])] if pair else when
        if mine.name not in but:
            h.invariant(f"{type(one.component).__name__}: {mine.name}", ~ours | (mine == twin))
    for name, memory in one.memories.items():
        if name not in but:
            _same_memory(h, memory, other.memories[name], but, when)
    for name, part in one.parts.items():
        if name not in but:
            same_state(h, part, other.parts[name], but, own=own, place=name, when=when)


def _same_memory(h: Harness, memory: Any, twin: Any, but: frozenset[str], when: Value) -> None:
    def seen(word: Any) -> Value:
        if isinstance(word, data.View) and isinstance(word.shape(), data.StructLayout):
            return Cat(Value.cast(word[name]) for name in word.shape().members if name not in but)
        return Value.cast(word)

    for mine, other in zip(memory.write_ports, twin.write_ports, strict=True):
        alike = (mine.addr == other.addr) & (seen(mine.data) == seen(other.data))
        h.claim(WRITTEN, ~when | ((mine.en == other.en) & (~mine.en.any() | alike)))
    for mine, other in zip(memory.read_ports, twin.read_ports, strict=True):
        same = seen(mine.data) == seen(other.data)
        if mine.domain == "comb":
            h.assume(~when | (mine.addr != other.addr) | same, WRITTEN)
        else:
            looked_up = (mine.en == other.en) & (~mine.en | (mine.addr == other.addr))
            h.invariant("what is looked up is the same", ~when | looked_up)
            h.assume(~when | same, WRITTEN)


def _same_outputs(h: Harness, one: WhiteBox, other: WhiteBox, differs: Differs, but: Sequence[str] = ()) -> None:
    """All that a component says, but to those who do not use it."""
    same: list[Value] = []
    outputs = [list(box.component.signature.flatten(box.component)) for box in (one, other)]
    for (path, member, value), (_, _, twin) in zip(*outputs, strict=True):
        if member.flow != In and path[0] not in but:
            apart = differs(tuple(map(str, path)))
            same.append((Value.cast(value) == Value.cast(twin)) | (0 if apart is None else apart))
    h.claim("all that it says is the same in both", Cat(same).all())
