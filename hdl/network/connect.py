"""Connects a plane, reads or writes, by a network in place of a crossbar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from amaranth.hdl import Module
from amaranth.lib import data, wiring

from ..plan.network.graph import Network
from ..plan.plan import Plan
from .answer_entry import AnswerEntry, answer_flit
from .network import Routers
from .request_entry import RequestEntry, request_flit

if TYPE_CHECKING:
    from ..fabric.egress_strict import StrictEgress
    from ..fabric.ingress_strict import StrictIngress

ANSWER = ("denied", "slot", "answer")
"""What a lane has beside its valid bit."""


def carried(plan: Plan, *, write: bool, answers: bool) -> tuple[data.StructLayout, int]:
    """Flits of one plane in one direction, and how many classes they have: answers have none."""
    return (answer_flit(plan, write=write), 1) if answers else (request_flit(plan, write=write), plan.classes)


def _routers(plan: Plan, network: Network, *, write: bool, answers: bool) -> Routers:
    flit, classes = carried(plan, write=write, answers=answers)
    return Routers(network, flit, answers=answers, classes=classes)


def connect_network(
    m: Module,
    plan: Plan,
    network: Network,
    ingresses: Sequence[StrictIngress],
    egresses: Sequence[StrictEgress],
) -> None:
    """Requests go through one network to virtual queues, and answers through another back to slots.

    Both have room for what comes, so nothing stands in a router for want of room at its end.
    """
    write = ingresses[0].write
    plane = "write" if write else "read"
    requests, answers = (_routers(plan, network, write=write, answers=answers) for answers in (False, True))
    m.submodules[f"{plane}_requests"], m.submodules[f"{plane}_answers"] = requests, answers
    for network_of in (requests, answers):
        m.d.comb += [getattr(network_of, name).ready.eq(1) for name in sorted(set(network_of.exits.values()))]
    for port, ingress in zip(plan.initiators, ingresses, strict=True):
        entry = RequestEntry(plan, write=write)
        m.submodules[f"{plane}_entry_{port.name}"] = entry
        wiring.connect(m, entry.o, getattr(requests, f"entry{port.index}"))
        m.d.comb += [
            entry.source.eq(port.index),
            *(getattr(entry, name).eq(getattr(ingress, name)) for name in ("asking", "rest")),
            entry.request_class.eq(ingress.request_class),
            entry.request_valid.eq(ingress.request_valid),
        ]
        if write:
            m.d.comb += [
                entry.beat.eq(ingress.beat),
                entry.beat_valid.eq(ingress.beat_valid),
                ingress.beat_ready.eq(entry.beat_ready),
            ]
        for t in port.targets:
            link = getattr(answers, answers.exits[t, port.index])
            lane = getattr(ingress, f"lane{t}")
            valid = link.valid & (link.flit.source == t)
            m.d.comb += [lane.valid.eq(valid), *(lane[name].eq(link.flit.payload[name]) for name in ANSWER)]
            if write:
                m.d.comb += [
                    entry.answer_valid[t].eq(valid),
                    getattr(entry, f"answer_slot{t}").eq(link.flit.payload.slot),
                ]
    for target, egress in zip(plan.targets, egresses, strict=True):
        back = AnswerEntry(plan, target.alike, write=write)
        m.submodules[f"{plane}_answer_{target.name}"] = back
        wiring.connect(m, back.o, getattr(answers, f"entry{target.index}"))
        m.d.comb += [back.source.eq(target.index), egress.hold.eq(back.hold)]
        for n, source in enumerate(target.initiators):
            link = getattr(requests, requests.exits[source, target.index])
            payload = link.flit.payload
            here = link.valid & (link.flit.source == source)
            m.d.comb += [
                getattr(back, f"lane{n}").eq(getattr(egress, f"lane{n}")),
                egress.request_valid[n].eq(here & (payload.first if write else 1)),
                getattr(egress, f"asking{n}").eq(payload.request.asking),
                getattr(egress, f"rest{n}").eq(payload.request.rest),
                getattr(egress, f"class{n}").eq(link.flit["class"]),
            ]
            if write:
                m.d.comb += [getattr(egress, f"beat{n}").eq(payload.beat), egress.beat_valid[n].eq(here)]
