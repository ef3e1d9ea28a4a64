"""P7 at the edge of a card: the adapters of ports that differ, with the checker of AXI on both sides of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Signal
from amaranth.lib import wiring

from hdl.bus.queue import Queue
from hdl.edge.id_queues import IdQueues
from hdl.edge.id_remap import IdRemap
from hdl.edge.id_table import MOST, IdTable
from hdl.edge.limit import Limit
from hdl.edge.lite_initiator import LiteInitiator
from hdl.edge.lite_target import LiteTarget
from hdl.edge.narrow import Narrow
from hdl.edge.ports import adapters
from hdl.edge.widen import Widen
from hdl.edge.wires import PAYLOADS
from hdl.plan.plan import Initiator, Plan, Target

from . import axi, narrow_data
from .axi_pass import all_reads_pass, answers_pass, passes, writes_pass
from .harness import Harness
from .lite_target import gives_ids
from .narrow import narrows
from .remap import Table, remaps
from .under_way import ASKED
from .white_box import WhiteBox
from .widen import widens, widens_reads, widens_writes

OUTSTANDING = 3
"""Requests of an ID, and writes in all, that are outstanding at most in these proofs."""


def stages(plan: Plan, port: Initiator | Target) -> list[wiring.Component]:
    """New adapters of a port, in the order in which requests pass; none if it does not differ."""
    if not plan.differs(port):
        return []
    chain = adapters(plan, port)
    for part in (chain, *chain.stages):
        part._MustUse__used = True  # one of them is enough for a proof
    return chain.stages


def adapter(plan: Plan, port: Initiator | Target, number: int) -> Harness:
    """One of the adapters of a port: offers stay on both sides, whatever else those around do wrong."""
    h = Harness()
    box = h.place(stages(plan, port)[number])
    for name in ("up", "down"):
        axi.Port(h, getattr(box, name), name).offers_stay()
    _parts(h, box)
    for part in _all(box):
        if isinstance(part.component, IdTable):
            _id_table(h, part)
    return h


def adapter_obeys(plan: Plan, port: Initiator | Target, number: int) -> Harness:
    """The same with all that the checker knows, if those around obey AXI."""
    h = Harness()
    box = h.place(stages(plan, port)[number])
    _obeys(h, box, *(axi.Port(h, getattr(box, name), name) for name in ("up", "down")))
    return h


def adapter_carries(plan: Plan, port: Initiator | Target, number: int, obeys: str, of: str = "") -> Harness:
    """What goes through it comes as it is, on its lanes, if those around obey AXI; it rests on the proof `obeys`.

    Of an adapter that splits bursts `of` tells whether "reads" or "writes".
    """
    h = Harness()
    box = h.place(stages(plan, port)[number])
    up, down = (axi.Port(h, getattr(box, name), name) for name in ("up", "down"))
    with h.proved_by(obeys):
        rows = _obeys(h, box, up, down)
    match box.component:
        case Narrow():
            if of == "reads":
                narrow_data.reads(h, box, up, down, rows[0])
            else:
                narrow_data.writes(h, box, up, down, rows[1])
        case Widen():
            passes(h, up, down, ("ar", "aw", "b"))
            widens_reads(h, box, up, down)
            widens_writes(h, box, up, down)
        case IdRemap():
            passes(h, up, down, PAYLOADS, "id", "lock")
        case LiteTarget():
            passes(h, up, down, PAYLOADS, "id")
        case Limit() | LiteInitiator():
            passes(h, up, down, PAYLOADS)
    return h


def _obeys(h: Harness, box: WhiteBox, up: axi.Port, down: axi.Port) -> Any:
    """Returns what :func:`narrows` does."""
    found = None
    for side in (up, down):
        side.offers_stay()
        side.bursts_are_legal(1 if isinstance(box.component, LiteTarget) else 256)
        side.answers_belong(OUTSTANDING)
    match box.component:
        case Widen():
            widens(h, box, up, down)
        case IdRemap():
            remaps(h, box, up, down)
        case LiteTarget():
            gives_ids(h, box, up, down)
        case Narrow():
            found = narrows(h, box, up, down)
        case Limit() | LiteInitiator():
            all_reads_pass(h, up, down)
            writes_pass(h, up, down)
            answers_pass(h, up, down)
    _parts(h, box)
    return found


def _parts(h: Harness, box: WhiteBox) -> None:
    """What is always so of queues and the like in it."""
    for part in _all(box):
        if isinstance(part.component, Limit):
            for channel in ("ar", "aw"):
                h.invariant("the limit is kept", part.signal(f"{channel}_count") <= part.component.outstanding)
        elif isinstance(part.component, Queue):
            _queue(h, part)
        elif isinstance(part.component, IdQueues):
            _id_queues(h, part)


def _all(box: WhiteBox) -> Iterator[WhiteBox]:
    yield box
    for part in box.parts.values():
        yield from _all(part)


def _queue(h: Harness, box: WhiteBox) -> None:
    """Its marks agree with its places; it is proved by itself what it does."""
    empty, stored = box.signal("write_at") == box.signal("read_at"), box.signal("stored")
    h.invariant("an empty queue", empty, when=~stored)
    h.invariant("a full queue", box.signal("full") == (empty & stored))


def _id_queues(h: Harness, box: WhiteBox) -> None:
    depth = box.component.depth
    for n in range(1 << box.component.id_width):
        written, taken = box.signal(f"written{n}"), box.signal(f"taken{n}")
        h.invariant("never more than there is room for", (written - taken)[: len(written)] <= depth)


def _id_table(h: Harness, box: WhiteBox) -> None:
    """A short ID is its long one's while requests of it are under way, or stand in front of the target."""
    table = Table(h, box)
    goes = box.valid & box.go & box.taken
    for n, count in enumerate(table.counts):
        asked, ends = Signal(range(MOST + 1)), box.done & (box.answer == n)
        h.assume(~ends | (asked != 0), environment=ASKED)
        h.m.d.sync += asked.eq(asked + (goes & box.signal("chosen")[n]) - ends)
        h.invariant("all are counted", count == asked + table.waits(n))
