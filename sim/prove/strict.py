"""P1, P2 where the parts of a port with strict isolation meet: what enters, and where an answer goes."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from amaranth.hdl import Cat, Const, Mux, Value

from hdl.fabric.egress_strict import StrictEgress
from hdl.fabric.ingress_strict import StrictIngress
from hdl.plan.plan import Initiator, Plan, Target

from .harness import Harness
from .virtual_queue import A_SLOT

OWED = "only what is owed is answered"
INSTEAD = "what is answered in the target's stead is owed no longer"


def ingress(plan: Plan, port: Initiator, *, write: bool) -> Harness:
    """What enters, in one cycle, any one; all registers and memories hold anything."""
    h = Harness()
    box = h.place(StrictIngress(plan, port, write=write))
    h.without_contents += ["window", "beats", "heads", "infos"]
    lookup, slots = box.parts["lookup"].component, box.parts["slots"].component
    enters, asks = box.signal("enters"), box.request_valid.any()
    contexts = range(len(port.contexts))
    context = lookup.context
    current = Const(1) if port.has_reset else lookup.current
    owned = reduce(lambda rest, n: Mux(context == n, getattr(box, f"owned{n}"), rest), contexts, Const(0)) & current
    h.claim("only a slice's request asks", owned, when=asks)
    if len(contexts) > 1:
        owner = reduce(lambda rest, n: Mux(context == n, getattr(box, f"slice{n}"), rest), contexts, Value.cast(0))
        h.claim("it asks for the slice that owned its context", box.asking.slice == owner, when=asks)
    h.claim("what is no legal burst inside the window is denied", lookup.accepted, when=asks)
    h.claim("it asks where its window says", (box.request_valid & ~lookup.entry.target) == 0, when=asks)
    h.claim(A_SLOT, slots.room, when=enters)
    h.claim("nothing enters in a reset", ~box.isolate, when=enters)
    h.claim("what is denied is noted", box.fault_valid, when=enters & ~asks)
    h.claim("what is not denied is not noted", ~box.fault_valid, when=asks)
    if len(contexts) == 1:
        h.claim("who has no budget does not enter", box.eligible0, when=asks)
    return h


def answers(plan: Plan, target: Target, *, write: bool) -> Harness:
    """Where an answer goes, in one cycle, any one; all registers and memories hold anything."""
    h = Harness()
    box = h.place(StrictEgress(plan, target, write=write))
    h.without_contents += ["key_table", "epochs", "asked", "replied"]
    gate = box.parts["gate"].component
    answer, comes, free = box.signal("answer"), box.signal("comes"), box.signal("free")
    payload = box.component.answer_layout(answer)
    source, slot = payload.id[: plan.source_bits], payload.id[plan.source_bits :]
    cut = box.cut if target.timeout else Const(0, 1)
    # Through a network one goes at a time, and none while it is held.
    goes = box.signal("taken") if plan.network else comes
    if plan.network:
        lanes = Cat(getattr(box, f"lane{n}").valid for n in range(len(target.initiators)))
        h.claim("one answer goes at a time", (lanes & (lanes - 1)) == 0, when=lanes.any())
        held = box.hold & ~gate.decided[: len(lanes)].any()
        h.claim("no answer of the target goes while it is held", ~lanes.any(), when=held)
    for n, index in enumerate(target.initiators):
        lane = getattr(box, f"lane{n}")
        denied, mine = gate.decided[n] & gate.decided_denied, goes & (source == index)
        h.claim("a denial goes to who asked, into its slot",
                lane.valid & lane.denied & (lane.slot == gate.decided_slot), when=denied)  # fmt: skip
        h.claim("an answer goes to who asked, into its slot", lane.valid & (lane.slot == slot), when=mine & ~denied)
        h.claim("an answer is no denial", lane.denied == cut, when=mine & ~denied)
        h.claim("an answer waits for a denial", ~free & ~box.signal("taken"),
                when=comes & (source == index) & denied)  # fmt: skip
        h.claim("nothing else comes", ~lane.valid, when=~mine & ~denied)
    if not target.timeout:
        h.claim("an answer that waits is not taken", ~box.answer.ready, when=comes & ~free)
    else:
        h.claim("an answer that waits is not taken", ~box.answer.ready, when=comes & ~free & ~cut)
        owed = box.parts["owed"].component
        h.claim(
            "what was not asked for is dropped", ~comes & box.answer.ready, when=box.answer.valid & ~owed.owes & ~cut
        )
        h.claim("a target that is cut off sees nothing", ~box.address.valid, when=cut)
        h.claim(OWED, owed.owes, when=owed.answered)
        swept = owed.o.valid & owed.o.ready
        exists = Cat(owed.o.payload[: plan.source_bits] == index for index in target.initiators).any()
        h.claim(INSTEAD, owed.answered & (owed.answer_id == owed.o.payload), when=swept & exists & cut)
    return h


def few(plan: Plan, target: Target) -> tuple[Plan, Target]:
    """A target with two initiators, few slots and, if any, a short time limit."""
    smaller = replace(small(plan), outstanding=min(4, plan.outstanding), initiators=plan.initiators[:2])
    timeout = 2 << smaller.target_id_bits if target.timeout else 0
    return smaller, replace(target, initiators=(0, 1), timeout=timeout)


def small(plan: Plan) -> Plan:
    """The same card with few slots, IDs and window entries: what must come about does so soon there."""
    return replace(plan, id_width=2, outstanding=4, window_granules=16, data_width=32)
