"""Signature members that both planes of an ingress share."""

from amaranth.hdl import Array, Const, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Initiator, Plan
from . import layouts


def owner_members(plan: Plan, initiator: Initiator) -> dict[str, wiring.Member]:
    """Owners of the port's contexts, with their class and whether they have budget.

    With strict isolation also AxLEN of a full piece of their bursts, see :class:`Splitter`. If the card limits
    outstanding requests, also whether they must space their requests, and on a port with several contexts, where
    `eligible` is about budget alone, whether they are below the limit.
    """
    contexts = range(len(initiator.contexts))
    spaced = plan.slice_outstanding
    return {
        **{f"slice{n}": In(plan.slice_bits) for n in contexts},
        **{f"owned{n}": In(1) for n in contexts},
        **{f"class{n}": In(plan.class_bits) for n in contexts},
        **({f"piece{n}": In(plan.piece_bits) for n in contexts} if plan.piece_bits else {}),
        **{f"eligible{n}": In(1) for n in contexts},
        **({f"spaced{n}": In(1) for n in contexts} if spaced else {}),
        **({f"room{n}": In(1) for n in contexts} if spaced and len(contexts) > 1 else {}),
    }


def sender_members(plan: Plan, initiator: Initiator) -> dict[str, wiring.Member]:
    """Those of the owner members that are looked at when a request is sent.

    On a port with several contexts it had budget when it came in, see :class:`ContextQueues`.
    """
    members = owner_members(plan, initiator)
    several = len(initiator.contexts) > 1
    return {name: member for name, member in members.items() if not (several and name.startswith("eligible"))}


def may_send(component: wiring.Component, plan: Plan, initiator: Initiator, context: Value) -> Value:
    """Whether a request of this context may be sent, as far as its contract goes; one of the sender members."""
    contexts = range(len(initiator.contexts))
    if len(contexts) == 1:
        return Value.cast(component.eligible0)
    return Array(getattr(component, f"room{n}") for n in contexts)[context] if plan.slice_outstanding else Const(1)


def fill_members(plan: Plan) -> dict[str, wiring.Member]:
    """Write port of the window."""
    return {
        "fill_enable": In(1),
        "fill_context": In(plan.user_bits),
        "fill_granule": In(plan.window_bits),
        "fill_entry": In(layouts.window_entry(plan)),
    }


def ingress_members(plan: Plan, initiator: Initiator) -> dict[str, wiring.Member]:
    """All that an ingress plane needs beside its AXI port and the switch.

    isolate : In(1)
        The initiator is in reset: nothing is taken from it or given to it, what is under way is completed.
    drained : Out(contexts)
        Nothing of the context is on its way.
    fault_valid, fault : Out
        A request was denied here in this cycle; the port's own number is left out of it.
    events : Out
        What the meter counts.
    """
    return {
        **owner_members(plan, initiator),
        **fill_members(plan),
        "isolate": In(1),
        "drained": Out(len(initiator.contexts)),
        "fault_valid": Out(1),
        "fault": Out(layouts.fault(plan)),
        "events": Out(layouts.meter_events(plan)),
    }


def pass_members(m: object, outer: object, inner: object, members: dict[str, wiring.Member]) -> None:
    """Connect inputs of an inner component to the inputs of the same name of the outer one."""
    for name in members:
        m.d.comb += getattr(inner, name).eq(getattr(outer, name))  # type: ignore[attr-defined]
