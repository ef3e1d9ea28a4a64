"""Signature members that both planes of an ingress share."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.plan import Initiator, Plan
from . import layouts


def owner_members(plan: Plan, initiator: Initiator) -> dict[str, wiring.Member]:
    """Owners of the port's contexts, with their class and whether they have budget.

    With strict isolation also AxLEN of a full piece of their bursts, see :class:`Splitter`. If the card limits
    outstanding requests, also whether they must space their requests.
    """
    contexts = range(len(initiator.contexts))
    return {
        **{f"slice{n}": In(plan.slice_bits) for n in contexts},
        **{f"owned{n}": In(1) for n in contexts},
        **{f"class{n}": In(plan.class_bits) for n in contexts},
        **({f"piece{n}": In(plan.piece_bits) for n in contexts} if plan.piece_bits else {}),
        **{f"eligible{n}": In(1) for n in contexts},
        **({f"spaced{n}": In(1) for n in contexts} if plan.slice_outstanding else {}),
    }


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
