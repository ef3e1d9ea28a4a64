"""What travels through the fabric. One object per kind and plan, so that both ends of a wire share it."""

from functools import cache

from amaranth.lib import data

from ..plan.plan import Plan

BIRTH_BITS = 16
"""Bits of the time stamp that a request carries for the latency counters."""


@cache
def window_entry(plan: Plan) -> data.StructLayout:
    """An entry of a window: the target is one-hot, so that it is the request vector as it stands."""
    return data.StructLayout(
        {
            "readable": 1,
            "writable": 1,
            "target": len(plan.targets),
            "granule": plan.physical_granule_bits,
        }
    )


@cache
def request(plan: Plan) -> data.StructLayout:
    """A checked and translated request between ingress and egress; `address` is inside the target."""
    return data.StructLayout(
        {
            "address": plan.physical_bits,
            "length": 8,
            "size": 3,
            "burst": 2,
            "lock": 1,
            "cache": 4,
            "protection": 3,
            "id": plan.id_width,
            "context": plan.user_bits,
            "slice": plan.slice_bits,
            "birth": BIRTH_BITS,
        }
    )


@cache
def write_beat(plan: Plan) -> data.StructLayout:
    """A beat of write data; the request travels beside it on every beat of its burst."""
    return data.StructLayout({"data": plan.data_width, "strobe": plan.data_bytes, "last": 1})


@cache
def response(plan: Plan) -> data.StructLayout:
    """What is common to read and write responses: whom they are for, and how the request fared."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "response": 2,
            "last": 1,
            "context": plan.user_bits,
            "owned": 1,
            "denied": 1,
            "birth": BIRTH_BITS,
        }
    )


@cache
def fault(plan: Plan) -> data.StructLayout:
    """An entry of the fault log, with the widths of the register that shows it."""
    return data.StructLayout(
        {
            "kind": 3,
            "write": 1,
            "initiator": 5,
            "target": 5,
            "context": 6,
            "slice": 5,
            "owned": 1,
            "address": max(plan.address_width, plan.physical_bits),
        }
    )


@cache
def meter_events(plan: Plan) -> data.StructLayout:
    """What one plane (reads or writes) of an ingress tells the meter in a cycle; each part has its own valid bit."""
    context = plan.user_bits
    return data.StructLayout(
        {
            "sent": 1,
            "sent_context": context,
            "sent_length": 8,
            "done": 1,
            "done_context": context,
            "done_denied": 1,
            "done_birth": BIRTH_BITS,
            "stalled": 1,
            "stalled_context": context,
        }
    )
