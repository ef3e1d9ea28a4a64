"""P2 at write data that stands aside: what is read ahead has room."""

from __future__ import annotations

from amaranth.hdl import Signal

from hdl.fabric.context_data import AHEAD, ContextData
from hdl.plan.plan import Initiator, Plan

from .harness import Harness
from .ring import filled, position

ROOM_AHEAD = "no more is read ahead than there is room for"


def context_data(plan: Plan, port: Initiator) -> Harness:
    """How many beats are on their way out of the block RAM."""
    h = Harness()
    box = h.place(ContextData(plan, len(port.contexts)))
    h.without_contents.append("beats")
    queue = box.parts["ahead"]
    inside = Signal(range(AHEAD + 1))
    push, pop = queue.signal("push"), queue.signal("pop")
    h.m.d.sync += inside.eq(inside + push - pop)
    write_at, read_at = (position(queue.signal(name), AHEAD) for name in ("write_at", "read_at"))
    h.invariant("how many wait", inside == filled(queue))
    h.invariant("an empty queue", write_at == read_at, when=~queue.signal("stored"))
    h.invariant("all that was fetched", box.signal("reading") == inside + box.signal("fetched"))
    h.invariant("never too many", box.signal("reading") <= AHEAD)
    h.claim(ROOM_AHEAD, inside < AHEAD, when=push)
    h.claim("all has gone on when it says so", (inside == 0) & ~box.signal("fetched"), when=box.empty)
    return h
