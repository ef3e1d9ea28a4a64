"""What travels through the fabric. One object per kind and plan, so that both ends of a wire share it."""

from functools import cache

from amaranth.lib import data
from amaranth.utils import exact_log2

from ..plan.plan import Initiator, Plan, bits_for

BIRTH_BITS = 16
"""Bits of the time stamp that a request carries for the latency counters."""
ACCEPTED_MAX = 8
"""Requests that a plane of an ingress can have accepted and not yet told to be sent: with more, their births mix up."""


def sequence_bits(plan: Plan) -> int:
    """Bits of a request's number within its ID: no more than `outstanding` are under way."""
    return exact_log2(plan.outstanding)


def ticket_bits(plan: Plan) -> int:
    """Bits of a number that is unique among the outstanding requests of a port and plane."""
    return plan.id_width + sequence_bits(plan)


@cache
def address(plan: Plan) -> data.StructLayout:
    """An AXI address beat of an initiator port."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "addr": plan.address_width,
            "len": 8,
            "size": 3,
            "burst": 2,
            "lock": 1,
            "cache": 4,
            "prot": 3,
            "user": plan.user_bits,
        }
    )


MARK = data.StructLayout({"owned": 1, "tenure": 1})
"""What a request is marked with when it is accepted: whether its context had an owner, and the parity of its tenure."""


@cache
def arriving(plan: Plan, initiator: Initiator) -> data.StructLayout:
    """A request on its way in; marked if it came from a port that is not isolated in a hand-over."""
    return data.StructLayout({"request": address(plan), **({} if initiator.has_reset else {"mark": MARK})})


@cache
def write_data(plan: Plan) -> data.StructLayout:
    """A beat of an initiator's W. Its WLAST is not trusted: which beat is the last is counted from AxLEN."""
    return data.StructLayout({"data": plan.data_width, "strb": plan.data_bytes})


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


def _carried(plan: Plan) -> dict[str, int]:
    """What a request carries past the gate unseen."""
    return {
        "size": bits_for(plan.size_max + 1),
        "burst": 2,
        "lock": 1,
        "cache": 4,
        "protection": 3,
        "context": plan.user_bits,
        **({"slot": plan.slot_bits} if plan.strict else {}),
    }


def _length_bits(plan: Plan) -> int:
    return 4 if plan.strict else 8  # a piece has 16 beats at most


@cache
def asking(plan: Plan) -> data.StructLayout:
    """What a gate looks at when it grants a request; `granule` is inside the target."""
    return data.StructLayout(
        {"granule": plan.physical_granule_bits, "slice": plan.slice_bits, "length": _length_bits(plan)}
    )


@cache
def rest(plan: Plan) -> data.StructLayout:
    """What a request has beside that: its source shows it in the cycle after. `offset` is inside the granule."""
    return data.StructLayout({"offset": plan.granule_bits, "length": _length_bits(plan), **_carried(plan)})


@cache
def request(plan: Plan) -> data.StructLayout:
    """A checked and translated request between gate and target; `address` is inside the target.

    With strict isolation it carries its `slot`, the place that waits for its answer.
    """
    return data.StructLayout(
        {
            "address": plan.physical_bits,
            "length": _length_bits(plan),
            **_carried(plan),
            "slice": plan.slice_bits,
        }
    )


@cache
def write_beat(plan: Plan) -> data.StructLayout:
    """A beat of write data; the request travels beside it on every beat of its burst."""
    return data.StructLayout({"data": plan.data_width, "strobe": plan.data_bytes, "last": 1})


@cache
def note(plan: Plan) -> data.StructLayout:
    """What an answer needs to find its way: whose it is, its place in the order of its ID, and the request's AxLEN."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "context": plan.user_bits,
            "sequence": sequence_bits(plan),
            "walks": 1,
            "length": 8,
        }
    )


@cache
def answer(plan: Plan, *, write: bool) -> data.StructLayout:
    """A beat of a target's answer; `data` is what a read has beside."""
    beat = {} if write else {"data": plan.data_width}
    return data.StructLayout({"response": 2, "last": 1, **beat})


@cache
def returned(plan: Plan, *, write: bool) -> data.StructLayout:
    """A beat on its way back. A denied one stands for `length` + 1 beats, and its `answer` means nothing."""
    return data.StructLayout(
        {
            "id": plan.id_width,
            "context": plan.user_bits,
            "length": 8,
            "denied": 1,
            "answer": answer(plan, write=write),
        }
    )


@cache
def lane(plan: Plan, *, write: bool) -> data.StructLayout:
    """What comes back from a target to an initiator with strict isolation: a beat for a slot, or its denial."""
    return data.StructLayout({"valid": 1, "denied": 1, "slot": plan.slot_bits, "answer": answer(plan, write=write)})


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
    """What one plane (reads or writes) of an ingress tells the meter in a cycle; each part has its own valid bit.

    A burst is `accepted` at the port, `entered` when its first piece has a slice, and each piece is `sent`, the first
    one with `sent_first`; all three come in the same order. A burst that is not split is one piece.
    `sent_through` says that it was not denied at the ingress, `sent_owned` that its context had a slice, `dropped` that
    what was accepted and has not entered is gone. Its ticket is unique until it is `done`.
    """
    context = plan.user_bits
    return data.StructLayout(
        {
            "accepted": 1,
            "entered": 1,
            "dropped": 1,
            "sent": 1,
            "sent_first": 1,
            "sent_through": 1,
            "sent_context": context,
            "sent_length": 8,
            "sent_ticket": ticket_bits(plan),
            "done": 1,
            "done_owned": 1,
            "done_context": context,
            "done_denied": 1,
            "done_ticket": ticket_bits(plan),
            "stalled": 1,
            "stalled_context": context,
            "sent_owned": 1,
        }
    )
