"""What is proved of a card: every block that a guarantee rests on, with the card's own parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from hdl.edge.narrow import Narrow
from hdl.fabric import gate as gates
from hdl.fabric.context_data import AHEAD, ROUTES
from hdl.fabric.lookup import WAITING
from hdl.fabric.steer import BEATS
from hdl.fabric.virtual_queue import beats_of
from hdl.plan.blocks import register_map
from hdl.plan.network.switches import switches
from hdl.plan.plan import SLOT_CYCLES, Initiator, Plan, Target

from . import (
    alike,
    arbiter,
    barrier,
    budget,
    bystander,
    collect,
    context_data,
    context_queues,
    deliver,
    edge,
    epochs,
    fence,
    gate,
    gate_data,
    handover,
    id_order,
    lookup,
    owed,
    pick,
    queue,
    register_port,
    rekey,
    request_entry,
    return_queue,
    router,
    slots,
    splitter,
    steer,
    strict,
    tenure,
    time_slots,
    timed_gate,
    translate,
    under_way,
    virtual_queue,
    whole,
    window,
)
from .prover import Proof

FEW_REGISTERS = 4
"""Address bits of a register port on which is shown what comes about: all registers get their value first."""
WHOLE_PORTS = 4
"""Ports that a card has at most if it is proved in one piece, too."""


def proofs(plan: Plan) -> list[Proof]:
    """The proofs of a card, in the order of the guarantees."""
    return [*_whole(plan), *_isolation(plan), *_delivery(plan), *_timing(plan), *_waiting(plan), *_changes(plan)]


def _whole(plan: Plan) -> list[Proof]:
    """A small card in one piece."""
    if plan.strict or len(plan.ports) > WHOLE_PORTS:
        return []
    says = "whatever all ports and the register bus do, what a target is offered has the right"
    card, alone = partial(whole.isolation, plan), partial(whole.isolation, plan, alone=True)
    same = "whatever others do elsewhere, a bystander that shares no target sees the same at all of its ports"
    return [
        Proof(f"{plan.card} in one piece", "P1", says, card, alone),
        Proof(f"bystander of {plan.card} in one piece", "P3", same, partial(bystander.data_plane, plan), cover_depth=4),
    ]


def _isolation(plan: Plan) -> list[Proof]:
    found = [
        Proof(
            f"{'write' if write else 'read'} gate of {target.name}",
            "P1",
            "what a target is offered has the right, and its answer finds who asked",
            partial(gate.gate, plan, target, write=write),
        )
        for target in plan.targets
        for write in (False, True)
    ]
    says = "a window leads to granules that are there and reachable, whatever is written"
    found.append(Proof("window fill", "P1", says, partial(window.window_fill, plan)))
    for port in plan.initiators:
        for write in (False, True):
            says = "a request is for the slice that owns its context, and told what its window holds"
            name = f"look-up of {port.name}, {'writes' if write else 'reads'}"
            found.append(Proof(name, "P1", says, partial(lookup.lookup, plan, port, write=write)))
    found += _strict_ways_in(plan) if plan.strict else []
    for port in plan.initiators if not plan.strict else ():
        for write in (False, True):
            says = "a request asks for the slice that owned its context when it entered, or is denied"
            name = f"translation of {port.name}, {'writes' if write else 'reads'}"
            # A card with long IDs sweeps them after a reset, before anything enters.
            whole, few = (partial(translate.translate, one, port, write=write) for one in (plan, strict.small(plan)))
            found.append(Proof(name, "P1", says, whole, few))
    says = "a request that was accepted before a hand-over is never taken for the new owner's"
    hosts = {len(port.contexts): port for port in plan.initiators if not port.has_reset}
    for contexts, port in sorted(hosts.items()):
        name = f"tenure of {contexts} context" + "s" * (contexts > 1)
        found.append(Proof(name, "P1", says, partial(tenure.tenure, plan, port)))
    return found


def _delivery(plan: Plan) -> list[Proof]:
    found = []
    for (depth, always_room, fall_through, recalls), room in sorted(_queues(plan).items()):
        extras = ", always room" * always_room + ", fall through" * fall_through + ", recalls" * recalls
        build = partial(queue.queue, depth, fall_through=fall_through, recalls=recalls, room=tuple(room))
        says = "nothing is lost, doubled or overtaken"
        found.append(Proof(f"queue of {depth}{extras}", "P2", says, build, cover_depth=depth + 8))
    for target in plan.targets:
        says = "the data of a write goes with it"
        found.append(Proof(f"write gate of {target.name}, data", "P2, P7", says, partial(gate_data.data, plan, target)))
    for contexts, port in _several_contexts(plan).items():
        build = partial(context_data.context_data, plan, port)
        says = "data that stands aside has room, and goes on as it came"
        found.append(Proof(f"data of {contexts} contexts", "P2", says, build))
        for write, of in ((False, "reads"), (True, "writes")):
            build = partial(context_queues.context_queues, plan, port, write=write)
            says = "a request that stands aside goes on as it came, and none of an ID overtakes another"
            found.append(Proof(f"queues of {contexts} contexts, {of}", "P2", says, build))
    found += _strict_ways(plan) if plan.strict else _ways_back(plan)
    says = "AXI4-Lite: offers stay, and each access has its answer"
    bits = register_map(plan).address_bits
    claims = (register_port.accesses, register_port.contents)
    accesses, contents = (partial(register_port.store, one) for one in claims)
    whole, few = (partial(accesses, width) for width in (bits, FEW_REGISTERS))
    found.append(Proof("register port", "P7", says, whole, few))
    says = "a register reads as it was written, and nothing else is written"
    whole, few = (partial(contents, width) for width in (bits, FEW_REGISTERS))
    found.append(Proof("registers", "P1", says, whole, few))
    says = "nothing that is written under an older token than the owner's has any effect"
    found.append(Proof("fence", "P6", says, partial(fence.bank, register_map(plan)), partial(fence.bank, fence.few())))
    return [*found, *_edges(plan), *_routers(plan)]


def _edges(plan: Plan) -> list[Proof]:
    """Adapters of the ports that differ."""
    stays = "an offer stays until it is taken, whatever those around do"
    obeys = "it obeys AXI on both sides, if those around do"
    carries = "what goes through comes as it is, each byte on its lane"
    found = []
    for port in plan.ports:
        for n, stage in enumerate(edge.stages(plan, port)):
            name = f"{type(stage).__name__} at {port.name}"
            weak, whole = (partial(make, plan, port, n) for make in (edge.adapter, edge.adapter_obeys))
            found.append(Proof(name, "P7", stays, weak))
            # Of what splits bursts a second cycle takes as long as the first.
            depth = 1 if isinstance(stage, Narrow) else 2
            rests_on = f"{name}, all of AXI"
            found.append(Proof(rests_on, "P7", obeys, whole, depth=depth))
            for of in ("reads", "writes") if isinstance(stage, Narrow) else ("",):
                build = partial(edge.adapter_carries, plan, port, n, rests_on, of)
                found.append(Proof(f"{name}, data" + f" of {of}" * bool(of), "P2", carries, build, depth=1))
    return found


def _routers(plan: Plan) -> list[Proof]:
    """Of a network: its routers, the same for reads and writes, and where writes enter."""
    if not plan.network:
        return []
    says = "a write that enters has room for all its beats, which follow it"
    found = [Proof("entry of writes", "P2", says, partial(request_entry.request_entry, plan), cover_depth=40)]
    for answers in (False, True):
        says = "each flit leaves once, as it came, the way of its flow, after those before it"
        for name, switch in zip(plan.network.routers, switches(plan.network, answers=answers), strict=True):
            build = partial(router.router, plan, switch, answers=answers)
            if switch.ways:
                of = "answers" if answers else "requests"
                found.append(Proof(f"router {name}, {of}", "P2", says, build, depth=1))
    return found


def _several_contexts(plan: Plan) -> dict[int, Initiator]:
    """Ports on which contexts may stand aside, one for each number of contexts."""
    return {len(port.contexts): port for port in plan.initiators if len(port.contexts) > 1}


def _queues(plan: Plan) -> dict[tuple[int, bool, bool, bool], list[str]]:
    """Each kind of queue in the card: depth, always room, fall through, recalls; and who claims that it has room."""
    found: dict[tuple[int, bool, bool, bool], list[str]] = {}

    def add(depth: int, *room: str, fall_through: bool = False, recalls: bool = False) -> None:
        found.setdefault((depth, bool(room), fall_through, recalls), []).extend(room)

    add(WAITING)
    add(gates.DEPTH, gate.VERDICTS, fall_through=True)
    add(gates.DEPTH, gate_data.BEATS)
    if _several_contexts(plan):
        add(ROUTES)
        add(ROUTES, fall_through=True)
        add(AHEAD, context_data.ROOM_AHEAD)
    if plan.strict:
        add(BEATS)
        add(plan.outstanding, slots.FREE_SLOTS, steer.REQUESTS)
        add(plan.outstanding, virtual_queue.A_SLOT, under_way.ONE_SLOT, recalls=True)
        add(beats_of(plan), recalls=True)
    else:
        add(BEATS, recalls=True)
        add(max(16, plan.outstanding), return_queue.VERDICTS, fall_through=True)
        add(plan.outstanding, id_order.ROOM)
    return found


def _strict_ways_in(plan: Plan) -> list[Proof]:
    """With strict isolation, what enters; ports with as many contexts have the same."""
    kinds = {(len(port.contexts), port.has_reset): port for port in reversed(plan.initiators)}
    says = "what enters has a slot, a slice, and goes where its window leads"
    return [
        Proof(
            f"ingress of {port.name}, {'writes' if write else 'reads'}",
            "P1",
            says,
            partial(strict.ingress, plan, port, write=write),
            partial(strict.ingress, strict.small(plan), port, write=write),
        )
        for port in kinds.values()
        for write in (False, True)
    ]


def _strict_ways(plan: Plan) -> list[Proof]:
    """With strict isolation, from an initiator's slot to a target and back."""
    sweep = 2 << max(plan.slot_bits, plan.id_width)  # cycles after reset in which nothing enters
    found = [
        Proof("splitter", "P2", "the pieces of a burst are the burst", partial(splitter.splitter, plan)),
        Proof("slots", "P2", "a slot is one request's", partial(slots.free, plan), cover_depth=sweep + 16),
        Proof(
            "order of slots", "P2", "an ID's answers come in order", partial(slots.chain, plan), cover_depth=sweep + 16
        ),
        Proof("choice of an answer", "P2", "it is complete, and in its turn", partial(pick.pick, plan)),
        Proof("turns of answers", "P4", "fewer than two rounds of others go before", partial(pick.rounds, plan)),
        Proof(
            "virtual queue",
            "P2",
            "a write waits for its data, and takes it",
            partial(virtual_queue.writes, plan),
            partial(virtual_queue.writes, replace(plan, network=None)),  # where fewer beats are all that comes about
        ),
    ]
    for port in plan.initiators:
        says = "data goes where its request went, and a request takes its own"
        found.append(Proof(f"data from {port.name}", "P2", says, partial(steer.steer, plan, port)))
    for name, build in (("reads", collect.reads), ("writes", collect.writes)):
        says = "what comes for a slot is delivered as it came, to who asked"
        found.append(Proof(f"delivery from slots, {name}", "P2, P7", says, partial(build, plan), cover_depth=sweep))
    for target in plan.targets:
        for write in (False, True):
            says = "an answer goes to who asked, and nobody else"
            name = f"answers of {target.name}, {'writes' if write else 'reads'}"
            whole = partial(strict.answers, plan, target, write=write)
            few = partial(strict.answers, *strict.few(plan, target), write=write)
            found.append(Proof(name, "P2", says, whole, few, cover_depth=64))
        says = "a request is seen until it is answered"
        found.append(
            Proof(f"requests under way to {target.name}", "P6", says, partial(under_way.under_way, plan, target))
        )
        if target.timeout:
            found += _cut_off(plan, target)
    return found


def _cut_off(plan: Plan, target: Target) -> list[Proof]:
    """Of a target with a time limit."""
    few = strict.few(replace(plan, outstanding=2), target)
    owes = "it is known; what is late is found in time; all is answered when the target is cut off"
    cut = "a target that is late is cut off, no other, until it owes nothing"
    return [
        Proof(
            f"what {target.name} owes",
            "P6",
            owes,
            partial(owed.owed, plan, target),
            partial(owed.owed, *few, alone=True),
            cover_depth=6 << few[0].target_id_bits,
        ),
        Proof(
            f"cut-off of {target.name}",
            "P6",
            cut,
            partial(owed.cutoff, target),
            partial(owed.cutoff, replace(target, timeout=8)),
        ),
    ]


def _ways_back(plan: Plan) -> list[Proof]:
    """Without strict isolation, from a target to an initiator."""
    found = []
    for write in (False, True):
        whole, few = (partial(id_order.id_order, one, write=write) for one in (plan, strict.small(plan)))
        of = "writes" if write else "reads"
        finds = "an answer finds the request that it is for, and a request is seen until it is answered"
        comes = "an answer comes as it was stored, in its turn"
        order = "an ID's requests are numbered, and the turn of each comes after those before it"
        one = "one answer at a time, and an offer stays"
        found += [
            Proof(f"return queue, {of}", "P2, P6", finds, partial(return_queue.return_queue, plan, write=write)),
            Proof(f"return queue, answers of {of}", "P2, P7", comes, partial(return_queue.answers, plan, write=write)),
            Proof(f"order of IDs, {of}", "P2", order, whole, few),
            Proof(f"delivery, {of}", "P2, P7", one, partial(deliver.deliver, plan, write=write)),
        ]
    return found


def _timing(plan: Plan) -> list[Proof]:
    timed = [target for target in plan.targets if target.time_slots]
    tables = [
        Proof(
            f"table of time slots of {target.name}",
            "P4",
            "a slot is its slice's to the end, and comes once in a round",
            partial(time_slots.time_slots, plan, target),
            partial(time_slots.time_slots, *time_slots.small(plan, target)),
            cover_depth=5 * SLOT_CYCLES,
        )
        for target in timed
    ]
    grants = [
        Proof(
            f"grants in time slots of {target.name}, {'writes' if write else 'reads'}",
            "P4",
            "a slot has two grants for requests that wait",
            partial(timed_gate.grants, plan, target, write=write),
            partial(timed_gate.grants, *strict.few(plan, target), write=write, alone=True),
            cover_depth=SLOT_CYCLES + SLOT_CYCLES // 2 + 4,
        )
        for target in timed
        for write in (False, True)
    ]
    says = "whatever others do elsewhere, a bystander that shares no target sees the same"
    kinds = {(len(port.contexts), port.has_reset, port.targets): port for port in reversed(plan.initiators)}
    bystanders = [
        Proof(
            f"bystander at {port.name}, {of}",
            "P3",
            says,
            partial(alike.ingress, plan, port, write=write),
            cover_depth=4,
        )
        for port in kinds.values()
        for write, of in ((False, "reads"), (True, "writes"))
    ]
    bystanders += [
        Proof(
            f"bystander at {target.name}, {of}",
            "P3",
            says,
            partial(alike.egress, plan, target, write=write),
            cover_depth=10,
        )
        for target in (plan.targets if not plan.network else ())  # who shares links shares what they carry
        for write, of in ((False, "reads"), (True, "writes"))
    ]
    budgets = Proof(
        "bystander's budget",
        "P3",
        "whatever others do, what a slice is told of its class and budget depends on it alone",
        partial(budget.bystander, plan),
        cover_depth=12,
    )
    says = "of two gates, a slice with slots sees the same, whatever all others do there"
    twins = [
        Proof(
            f"time slots of {target.name}, {'writes' if write else 'reads'}",
            "P3",
            says,
            partial(timed_gate.gate, plan, target, write=write),
            cover_depth=8,
        )
        for target in timed
        for write in (False, True)
    ]
    return [*bystanders, budgets, *twins, *tables, *grants]


def _waiting(plan: Plan) -> list[Proof]:
    sizes = set()
    for target in plan.targets:
        for write in (False, True):
            inputs = len(gates.sources_of(plan, target, write=write))
            sizes.add((inputs, plan.classes, inputs - len(target.initiators)))
        if target.time_slots:
            sizes.add((len(target.initiators), 1, 0))
    found = []
    for settings in sorted(sizes):
        inputs, classes, classless = settings
        alike = ", one class" * (classes == 1 < plan.classes)
        name = f"arbiter of {inputs}" + " with scrubber" * classless + alike
        says = f"fewer than {arbiter.most_before(inputs)} grants go to others while an input asks"
        found.append(Proof(name, "P4", says, partial(arbiter.bounded_wait, *settings)))
        if classes > 1 and inputs > 1:
            says = "of the highest class, each equal and one more go before"
            found.append(Proof(f"{name}, highest class", "P4", says, partial(arbiter.highest_class, *settings)))
    return found


def _changes(plan: Plan) -> list[Proof]:
    drain = "a drain ends when all is answered that was granted before, and not earlier"
    found = [
        Proof("epochs", "P6", drain, epochs.epochs),
        Proof("barrier", "P6", "it ends when every target has drained", partial(barrier.barrier, len(plan.targets))),
    ]
    for target in plan.targets:
        small = partial(rekey.rekey, *rekey.small(plan, target))
        whole = partial(rekey.rekey, plan, target)
        says = "denied, drained, zeroed, then the new key, on the range alone; and it ends"
        guarantee = "P5, P6" if target.kind == "memory" else "P6"
        found.append(Proof(f"rekey of {target.name}", guarantee, says, whole, small, cover_depth=70))
    says = "taken away, drained, given last; nobody else's context changes; and it ends"
    for port in plan.initiators:
        whole = partial(handover.handover, plan, port)
        found.append(Proof(f"hand-over of {port.name}", "P6", says, whole, cover_depth=3 * plan.reset_cycles + 12))
    return found
