"""What is proved of a card: every block that a guarantee rests on, with the card's own parameters."""

from __future__ import annotations

from functools import partial

from hdl.fabric import gate as gates
from hdl.fabric.context_data import AHEAD, ROUTES
from hdl.fabric.lookup import WAITING
from hdl.fabric.steer import BEATS
from hdl.plan.plan import Plan

from . import arbiter, barrier, epochs, gate, queue, rekey, window
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
    return [*found, Proof("window fill", "P1", says, partial(window.window_fill, plan))]


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
    return found
