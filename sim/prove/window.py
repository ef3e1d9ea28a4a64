"""P1 at what writes the windows: an entry leads where the port may go, or nowhere."""

from __future__ import annotations

from amaranth.hdl import Cat, Mux, Signal

from hdl.control.window_fill import WindowFill
from hdl.plan.plan import Plan

from .harness import Harness
from .white_box import WhiteBox


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
    h.invariant("an end", Cat(end == granules for granules in {0, *ends.values()}).any())
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
    _as_asked(h, plan, box)
    return h


def _as_asked(h: Harness, plan: Plan, box: WhiteBox) -> None:
    """Which entries are written, for whom, and where they lead; how many there are."""
    m, entry, enable = h.m, box.write_entry, box.write_enable
    fields = ("context", "first", "count", "granule", "target", "readable", "writable")
    asked = {name: Signal.like(getattr(box, name), name=f"asked_{name}") for name in fields}
    written = Signal(range(plan.window_granules + 1))
    taken = box.start & ~box.busy
    m.d.sync += written.eq(Mux(taken, 0, written + enable.any()))
    with m.If(taken):
        m.d.sync += [signal.eq(getattr(box, name)) for name, signal in asked.items()]
    begun = written + enable.any()
    for name in ("readable", "writable"):
        h.invariant("the right", box.signal(name) == asked[name], when=box.busy)
    of_window, remaining = box.signal("window_granule"), box.signal("remaining")
    h.invariant("so far", (of_window == asked["first"] + begun) & (remaining + begun == asked["count"]), when=box.busy)
    h.invariant("not past the end", begun <= plan.window_granules)
    h.invariant("leads on", box.signal("physical_granule") == asked["granule"] + begun, when=box.busy)
    select, initiator = box.signal("target_select"), box.signal("initiator")
    for target in plan.targets:
        h.invariant("the target", select[target.index] == (asked["target"] == target.index), when=box.busy)
    contexts = {context.index: context for context in plan.contexts}
    none = asked["context"] >= len(contexts)
    h.invariant("a context that is not there", initiator == 0, when=box.busy & none)
    place = asked["granule"] + written
    for index, context in contexts.items():
        mine = asked["context"] == index
        port = plan.initiators[context.initiator]
        reachable = sum(1 << target for target in port.targets)
        for_it = (initiator == 1 << port.index) & (box.write_context == context.number)
        h.invariant("its context", for_it & (box.signal("reachable") == reachable), when=box.busy & mine)
        fills = mine & enable.any()
        h.claim("an entry is written for who was named",
                (enable == 1 << port.index) & (box.write_context == context.number), when=fills)  # fmt: skip
        leads = [(asked["target"] == t) & (place < plan.targets[t].granules) for t in port.targets]
        for t, there in zip(port.targets, leads, strict=True):
            h.claim("an entry leads where it was told to", (entry.target == 1 << t) & (entry.granule == place),
                    when=fills & there)  # fmt: skip
        rights = (entry.readable == asked["readable"]) & (entry.writable == asked["writable"])
        h.claim("an entry has the rights that were asked for", rights, when=fills & Cat(leads).any())
        h.claim("what cannot be leads nowhere", ~entry.target.any(), when=fills & ~Cat(leads).any())
    h.claim("the entries are written one after the other", box.write_granule == asked["first"] + written,
            when=enable.any())  # fmt: skip
    ends = asked["first"] + written >= plan.window_granules
    h.claim("none is left out", (written == asked["count"]) | ends | none, when=box.done)
    h.claim("no more are written than were asked for", written < asked["count"], when=enable.any())
