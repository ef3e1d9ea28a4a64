"""P3 of a small card's data plane in one piece: of two of it, a bystander's ports are the same, cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib.wiring import Out

from hdl.fabric.data_plane import DataPlane
from hdl.fabric.gate import DEPTH, stage_layout
from hdl.fabric.return_queue import FIRST
from hdl.plan.plan import Plan

from .alike import EPOCHS, OWN_FILL, OWN_TARGETS, UNSEEN, Path, pair, same_state
from .harness import Harness
from .ring import filled, position
from .timed_gate import SAME_RIGHTS
from .white_box import WhiteBox

PLANES = ("read", "write")
APART = "what stands at a target of the bystander is the bystander's, and nowhere else is anything of it"


def data_plane(plan: Plan) -> Harness:
    """A bystander has some initiators and some targets, any, for itself; all else differs as it likes.

    What is said at the ports of the others, what they are told of owners, budgets and keys, which windows are filled
    for them, which rights are written, and when the barrier drains: all of that differs.
    """
    h = Harness()
    ports, targets = len(plan.initiators), len(plan.targets)
    own_ports, own_targets = h.constant(ports, "own_ports"), h.constant(targets, "own_targets")
    owns = {port.name: own_ports[port.index] for port in plan.initiators}
    owns |= {target.name: own_targets[target.index] for target in plan.targets}
    fills = h.any(ports, "fills")

    def differs(path: Path) -> Value | None:
        name = path[0]
        if path[1:] == ("drain",):
            return Const(1)
        if name.startswith("fill_"):
            return ~(fills & own_ports).any()
        of = _port(name, owns)
        return ~owns[of] if of else Const(1)

    boxes = pair(h, lambda: DataPlane(plan), differs)
    one, other = boxes
    for copy, box in zip(("one", "other"), boxes, strict=True):
        for port in plan.initiators:
            i = port.index
            h.assume(~own_ports[i] | (getattr(box, port.name).fill_enable == fills[i]), environment=OWN_FILL)
            for plane in PLANES:
                asked = box.parts[f"ingress_{plane}_{port.name}"].request_valid
                crosses = Mux(own_ports[i], ~own_targets, own_targets)
                h.assume((asked & crosses) == 0, environment=OWN_TARGETS)
        for target in plan.targets:
            for plane in PLANES:
                name = f"egress_{plane}_{target.name}"
                _nothing_crosses(h, box.parts[name], f"{copy}_{name}", own_ports, own_targets[target.index])
    for port in plan.initiators:
        for plane in PLANES:
            name = f"ingress_{plane}_{port.name}"
            same_state(h, one.parts[name], other.parts[name], own=own_targets, when=own_ports[port.index])
    for target in plan.targets:
        own = own_targets[target.index]
        for plane in PLANES:
            name = f"egress_{plane}_{target.name}"
            _same_rights(h, one.parts[name], other.parts[name], own)
            but = (*EPOCHS, "holds", "rights", "decided_denied", "under_way")
            theirs = Cat(*(own_ports[source] for source in target.initiators), 0)
            same_state(h, one.parts[name], other.parts[name], but, own=theirs, when=own)
    _same_outputs(h, one, other, owns)
    return h


def _port(member: str, ports: Iterable[str]) -> str | None:
    """The port that a member of the data plane is of."""
    found = [name for name in ports if member == name or member.startswith(f"{name}_")]
    return max(found, key=len, default=None)


def _nothing_crosses(h: Harness, box: WhiteBox, label: str, own_ports: Value, own: Value) -> None:
    """A target that the bystander has for itself holds nothing of others, and one that others have nothing of its."""
    gate, target = box.parts["gate"], box.component.target
    crosses = [own_ports[source] ^ own for source in target.initiators]
    if gate.component.has_scrubber:
        h.assume(~own | ~gate.request_valid[-1], environment="nothing of the target changes its owner")
    answered = Cat(crosses[n] & (box.answer.payload.id == source) for n, source in enumerate(target.initiators))
    h.assume(~box.answer.valid | ~answered.any(), environment=UNSEEN)
    silent = Cat(crosses)
    taking = Cat(gate.signals("holder")) if box.component.write else Const(0, len(crosses))
    h.invariant("nobody else holds it", (taking & silent) == 0)
    arbiter = gate.parts["arbiter"]
    if arbiter.component.classes > 1 and arbiter.component.inputs > 1:
        h.invariant("nobody else asked", (arbiter.signal("requested") & silent) == 0)
    h.invariant("nobody else was granted", (box.signal("granted") & silent) == 0)
    h.invariant("nobody else was decided about", (gate.decided & silent) == 0)

    def others(source: Value) -> Value:
        return Cat(crosses[k] & (source == index) for k, index in enumerate(target.initiators)).any()

    verdicts = gate.parts["verdicts"]
    incoming = stage_layout(gate.component.plan)(gate.signal("incoming"))
    taken = gate.signal("taken") if box.component.write else gate.signal("given")
    h.invariant("nobody else is chosen", ~(taken | gate.signal("given")) | ~others(incoming.source))
    given = verdicts.component.i.valid
    write_at, read_at = (position(verdicts.signal(name), DEPTH) for name in ("write_at", "read_at"))
    h.invariant("an empty queue", write_at == read_at, when=~verdicts.signal("stored"))
    inside = filled(verdicts) + given
    stage_at = position(gate.signal("stage_at"), DEPTH)
    h.invariant("where the next one stands", stage_at == (write_at + given)[: len(stage_at)])
    # Of each place the same is claimed, so of whatever is at the head too.
    place = h.constant(len(stage_at), f"place_{label}")
    there = (position(place, DEPTH) - read_at)[: len(read_at)] < inside
    h.claim(APART, ~there | ~others(gate.word(h.m, "stage", place).source))
    at_head = gate.stands & (verdicts.component.read_at != place)
    h.assume(~at_head | ~others(gate.component.source), APART)
    for n, cross in enumerate(crosses):
        queue = box.parts[f"return_{n}"]
        empty = ~queue.parts["verdicts"].signal("stored") & ~queue.signal("any_now") & ~queue.component.valid
        h.invariant("nothing is to be returned", ~cross | (empty & (queue.signal("read_at") == FIRST)))
        read = [Value.cast(queue.word(h.m, "order", Const(FIRST, len(queue.signal("read_at")))))]
        read += [Value.cast(queue.word(h.m, name, Const(0, len(queue.signal("read_at")))))
                 for name in ("heads", *(() if box.component.write else ("answers",)))]  # fmt: skip
        h.invariant("what is not returned reads as zero", ~cross | (Cat(read) == 0))


def _same_rights(h: Harness, one: WhiteBox, other: WhiteBox, own: Value) -> None:
    """Of a target of the bystander: what is written to the tables of rights does not name it."""
    gates = [box.parts["gate"] for box in (one, other)]
    same = gates[0].signal("check_pass") == gates[1].signal("check_pass")
    h.assume(~own | ~gates[0].parts["verdicts"].component.i.valid | same, environment=SAME_RIGHTS)
    told = [Mux(gate.component.decided.any(), gate.component.decided_denied, 0) for gate in gates]
    h.invariant("the verdict that is told is the same", ~own | (told[0] == told[1]))


def _same_outputs(h: Harness, one: WhiteBox, other: WhiteBox, owns: dict[str, Value]) -> None:
    """All that the two say at the bystander's ports, to its initiators and its targets, and of them."""
    outputs = [list(box.component.signature.flatten(box.component)) for box in (one, other)]
    unseen = ("drained", "read_fault", "write_fault")
    for name, own in owns.items():
        same = [
            Value.cast(value) == Value.cast(twin)
            for (path, member, value), (_, _, twin) in zip(*outputs, strict=True)
            if member.flow == Out and _port(path[0], owns) == name and path[-1] not in unseen
        ]
        h.claim(f"all that is said at {name} is the same in both", Cat(same).all(), when=own)
