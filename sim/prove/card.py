"""What is proved of a card: every block that a guarantee rests on, with the card's own parameters."""

from __future__ import annotations

from functools import partial

from hdl.fabric import gate as gates
from hdl.fabric.context_data import AHEAD, ROUTES
from hdl.fabric.lookup import WAITING
from hdl.fabric.steer import BEATS
from hdl.plan.plan import Plan

from . import (
    arbiter,
    barrier,
    deliver,
    epochs,
    gate,
    handover,
    id_order,
    queue,
    rekey,
    return_queue,
    tenure,
    translate,
    window,
)
from .prover import Proof


def proofs(plan: Plan) -> list[Proof]:
    """The proofs of a card, in the order of the guarantees."""
    return [*_isolation(plan), *_delivery(plan), *_waiting(plan), *_changes(plan)]


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
    for port in plan.initiators if not plan.strict else ():
        for write in (False, True):
            says = "a request asks for the slice that owned its context when it entered, or is denied"
            name = f"translation of {port.name}, {'writes' if write else 'reads'}"
            found.append(Proof(name, "P1", says, partial(translate.translate, plan, port, write=write)))
    says = "a request that was accepted before a hand-over is never taken for the new owner's"
    hosts = {len(port.contexts): port for port in plan.initiators if not port.has_reset}
    for contexts, port in sorted(hosts.items()):
        name = f"tenure of {contexts} context" + "s" * (contexts > 1)
        found.append(Proof(name, "P1", says, partial(tenure.tenure, plan, port)))
    return found


def _delivery(plan: Plan) -> list[Proof]:
    kinds = {
        (WAITING, False, False, False),
        (gates.DEPTH, True, True, False),
        (gates.DEPTH, True, False, False),
        (plan.outstanding, True, False, False),
        (BEATS, False, False, False),
        (BEATS, False, False, True),
        (ROUTES, False, True, False),
        (AHEAD, True, False, False),
        (plan.outstanding, True, False, True),
    }
    found = []
    for depth, always_room, fall_through, recalls in sorted(kinds):
        extras = ", always room" * always_room + ", fall through" * fall_through + ", recalls" * recalls
        found.append(
            Proof(
                f"queue of {depth}{extras}",
                "P2",
                "nothing is lost, doubled or overtaken",
                partial(queue.queue, depth, always_room=always_room, fall_through=fall_through, recalls=recalls),
                cover_depth=depth + 8,
            )
        )
    return found if plan.strict else [*found, *_ways_back(plan)]


def _ways_back(plan: Plan) -> list[Proof]:
    """Without strict isolation, from a target to an initiator."""
    found = []
    for write in (False, True):
        of = "writes" if write else "reads"
        finds = "an answer finds the request that it is for, and a request is seen until it is answered"
        comes = "an answer comes as it was stored, in its turn"
        order = "an ID's requests are numbered, and the turn of each comes after those before it"
        one = "one answer at a time, and an offer stays"
        found += [
            Proof(f"return queue, {of}", "P2, P6", finds, partial(return_queue.return_queue, plan, write=write)),
            Proof(f"return queue, answers of {of}", "P2, P7", comes, partial(return_queue.answers, plan, write=write)),
            Proof(f"order of IDs, {of}", "P2", order, partial(id_order.id_order, plan, write=write)),
            Proof(f"delivery, {of}", "P2, P7", one, partial(deliver.deliver, plan, write=write)),
        ]
    return found


def _waiting(plan: Plan) -> list[Proof]:
    sizes = set()
    for target in plan.targets:
        for write in (False, True):
            inputs = len(gates.sources_of(plan, target, write=write))
            sizes.add((inputs, inputs - len(target.initiators)))
    found = []
    for inputs, classless in sorted(sizes):
        name = f"arbiter of {inputs}" + " with scrubber" * classless
        settings = (inputs, plan.classes, classless)
        says = f"fewer than {arbiter.most_before(inputs)} grants go to others while an input asks"
        found.append(Proof(name, "P4", says, partial(arbiter.bounded_wait, *settings)))
        if plan.classes > 1 and inputs > 1:
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
