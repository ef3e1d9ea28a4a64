"""P1 of a card in one piece: from the slice that a request entered for to what its target is offered."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Const, Signal, Value

from hdl.fabric.data_plane import DataPlane
from hdl.fabric.translate import PLACES
from hdl.plan.plan import Initiator, Plan
from hdl.top import Card

from . import gate
from .harness import Harness
from .ring import position
from .white_box import WhiteBox

PLANES = (("read", "ar"), ("write", "aw"))


def isolation(plan: Plan, *, alone: bool = False) -> Harness:
    """All initiators, all targets and the register bus do what they like; nothing is assumed of any of them.

    Requests that wait at an initiator port are in a ring; beside each of its places stands which slice owned its
    context when it entered, by the register that the hand-over keeps. A gate is followed as it is by itself, with its
    tables as the register bank and the rekey write them; here its requests are those of the rings.

    That something comes about is shown of the data plane `alone`, since a card's registers take some hundred cycles
    until a first request may pass.
    """
    h = Harness()
    card = h.place(DataPlane(plan) if alone else Card(plan))
    data_plane = card if alone else card.parts["data_plane"]
    granule = h.constant(plan.physical_granule_bits, "granule")
    slice_ = h.constant(plan.slice_bits, "slice", below=plan.slices)
    key = h.constant(plan.key_bits, "key", below=plan.keys)
    for plane, channel in PLANES:
        has_right = _right(h, card, plane, slice_, key)
        issuers = []
        for port in plan.initiators:
            owners = getattr(card, port.name) if alone else card.parts[f"handover_{port.name}"]
            ingress = data_plane.parts[f"ingress_{plane}_{port.name}"]
            issuers.append(_issuer(h, ingress, port, owners, write=plane == "write"))
        for target in plan.targets:
            egress = data_plane.parts[f"egress_{plane}_{target.name}"]
            part = h.part(f"{plane} gate of {target.name}")
            box = egress.parts["gate"]
            asked = box.component.asking0.shape()(box.signal("asked"))
            for n, index in enumerate(target.initiators):
                has_slice, issuer = issuers[index]
                part.claim("who is granted asks for the slice that owned its context when it entered",
                           has_slice & (asked.slice == issuer), when=box.signal("grant")[n])  # fmt: skip
            followed = gate.follow(part, box, epochs=False)
            part.claim("rights are those that were last written", followed.has_right == has_right)
            rekey = getattr(card, target.name) if alone else card.parts[f"rekey_{target.name}"]
            written, value = _key(part, rekey, granule if target.kind == "memory" else None)
            part.claim("a granule's key is the one that was last written", followed.key == value, when=written)
            address_channel = f"{target.name}_{channel}"
            valid, address, user = (getattr(card, address_channel + what) for what in ("valid", "addr", "user"))
            there = address[plan.granule_bits :] == granule[: len(address) - plan.granule_bits]
            shown = followed.passing & (user == slice_) & there
            part.claim("the slice that a target is shown has the right on the granule", shown,
                       when=followed.oldest & valid)  # fmt: skip
    return h


def _right(h: Harness, card: WhiteBox, plane: str, slice_: Signal, key: Signal) -> Signal:
    """Whether the slice has the right on the key, by what the register bank was told; a reset leaves it as it is."""
    right = Signal(reset_less=True, name=f"{plane}_right")
    if bank := card.parts.get("bank"):
        write, member, slices = bank.write_strobe("key", plane.upper()), bank.key_member, bank.stored_value
    else:
        write, member, slices = card.rights_write[plane == "write"], card.rights_key, card.rights_slices
    with h.m.If(write & (member == key)):
        h.m.d.sync += right.eq(slices.bit_select(slice_, 1))
    return right


def _key(h: Harness, rekey: Any, granule: Signal | None) -> tuple[Signal, Signal]:
    """Whether a rekey has written the key of the granule, and which; of a target with one key there is no granule."""
    kept = granule is not None  # in a block RAM, which a reset leaves as it is
    written = Signal(reset_less=kept, name="key_written")
    value = Signal(len(rekey.key_value), reset_less=kept, name="key_value")
    with h.m.If(rekey.key_write & ((rekey.key_granule == granule) if kept else 1)):
        h.m.d.sync += [written.eq(1), value.eq(rekey.key_value)]
    return written, value


def _issuer(h: Harness, ingress: WhiteBox, port: Initiator, owners: Any, *, write: bool) -> tuple[Value, Value]:
    """Of the request that asks at a port: whether a slice owned its context when it entered, and which.

    `owners` says which slice owns a context.
    """
    m, box = h.m, ingress.parts["translate"]
    members = range(len(port.contexts))
    context = box.entering_context
    owned, slices = ([getattr(owners, f"{what}{n}") for n in members] for what in ("owned", "slice"))
    current = Const(1) if port.has_reset else box.current
    has_slice = (context < len(members)) & current & Array(owned)[context]

    stands, destination = box.signal("stands"), box.signal("destination")
    write_at, read_at = (position(box.signal(name), PLACES) for name in ("write_at", "read_at"))
    inside = Signal(range(PLACES))
    m.d.sync += inside.eq(inside + box.enters - box.leave)
    h.invariant("only who is there asks", box.valid, when=box.ask.any())
    if write:
        h.invariant("what has begun is there", box.valid, when=ingress.signal("started"))
    h.invariant("only who asks is granted", box.valid, when=box.leave)
    h.invariant("what stands", stands == (1 << inside)[: len(stands) + 1] - 1)
    h.invariant("its places", write_at == (read_at + inside)[: len(read_at)])
    had: list[Value] = []
    owner: list[Value] = []
    for n in range(PLACES):
        had.append(Signal(name=f"had{n}"))
        owner.append(Signal(box.component.plan.slice_bits, name=f"owner{n}"))
        with m.If(box.enters & (box.signal("write_at") == n)):
            m.d.sync += [had[n].eq(has_slice), owner[n].eq(Array(slices)[context])]
        waits = (position(Const(n, len(read_at)), PLACES) - read_at)[: len(read_at)] < inside
        word = box.word(m, "ring", Const(n, len(read_at)))
        targets = word.order.destination[: len(box.ask)]
        h.invariant("its slice", word.slice == owner[n], when=waits & had[n])
        h.invariant("nobody's goes nowhere", ~targets.any(), when=waits & ~had[n])
        first = waits & (box.signal("read_at") == n)
        h.invariant("it goes where its window leads", destination == word.order.destination, when=first)
    at = box.signal("read_at")
    return Array(had)[at], Array(owner)[at]
