"""P1 at what writes the windows: an entry leads where the port may go, or nowhere."""

from __future__ import annotations

from amaranth.hdl import Cat, Signal

from hdl.control.window_fill import WindowFill
from hdl.plan.plan import Plan

from .harness import Harness


def window_fill(plan: Plan) -> Harness:
    """Any command at any time."""
    h = Harness()
    box = h.place(WindowFill(plan))
    entry, enable = box.write_entry, box.write_enable
    select, end, initiator = (box.signal(name) for name in ("target_select", "target_end", "initiator"))
    reachable = box.signal("reachable")
    count = len(plan.targets)
    ends = {target.index: target.granules for target in plan.targets}
    h.invariant("one target", Cat(select == value for value in (0, *(1 << n for n in range(count)))).any())
    for n, granules in ends.items():
        h.invariant("its end", end == granules, when=select[n])
        h.claim("an entry leads to a granule that its target has", entry.granule < granules,
                when=enable.any() & entry.target[n])  # fmt: skip
    for port in plan.initiators:
        may = sum(1 << target for target in port.targets)
        if len(port.targets) == count:
            continue
        h.invariant("reaches", (reachable & ~may) == 0, when=initiator == 1 << port.index)
        h.claim("an entry leads to a target that the port reaches", (entry.target & ~may) == 0,
                when=enable[port.index])  # fmt: skip
    ports = [1 << port.index for port in plan.initiators]
    h.invariant("one port", Cat(initiator == value for value in (0, *ports)).any())
    h.claim("an entry is for one port", Cat(enable == value for value in ports).any(), when=enable.any())
    h.claim("what leads nowhere gives no right", ~entry.readable & ~entry.writable,
            when=enable.any() & ~entry.target.any())  # fmt: skip
    for port in plan.initiators:
        has = box.write_context < len(port.contexts)
        if len(port.contexts) < 1 << plan.user_bits:
            h.invariant("has it", has, when=initiator == 1 << port.index)
            h.claim("an entry is for a context of its port", has, when=enable[port.index])
    if count > 1:
        h.claim("an entry leads to one target at most", (entry.target & (entry.target - 1))[:count] == 0,
                when=enable.any())  # fmt: skip
    h.invariant("it is written for the port", box.busy & (enable == initiator), when=enable.any())
    inside = Signal()
    h.m.d.sync += [inside.eq(box.signal("window_granule") < plan.window_granules)]
    h.claim("it writes inside the window", inside & (box.write_granule < plan.window_granules), when=enable.any())
    return h
