"""How many requests each slice has outstanding over all its ports, and whether its contract allows another one."""

from amaranth.hdl import Array, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from ..fabric import layouts
from ..plan.plan import SEEN, Initiator, Plan, bits_for


def count_bits(plan: Plan) -> int:
    """Bits of a number of requests that one slice can have outstanding."""
    return bits_for(2 * len(plan.initiators) * plan.outstanding + 1)


def _ones(bits: list[Value]) -> Value:
    """How many bits are set, as a tree."""
    if len(bits) == 1:
        return bits[0]
    return _ones(bits[: len(bits) // 2]) + _ones(bits[len(bits) // 2 :])


class Outstanding(wiring.Component):
    """Counts requests between the switch and the last beat of their answer, for each slice over all ports.

    Counting takes `SEEN` cycles, from a request's leave until its ingress may not send the next one. In between each
    plane of a port could send as many. So when a slice comes near its limit its ingresses are told to space their
    requests: none sends a second one before its first one is counted. Then at most one request of each other plane is
    not in the count on which a request goes, so a slice with p planes never has more than ``limit + p - 1``
    outstanding, and one that sends on one plane alone never more than its limit. *Near* is as many as all ports
    could send in that time; with more than that to spare nobody is slowed down.

    A context's owner stays until all that it had sent is answered, so a request is counted down where it was counted
    up.

    Members
    -------
    read{i}, write{i} : In(layouts.meter_events)
        Events of initiator i. On a port with one context the context numbers are ignored.
    owner_slice{c} : In
        Slice of context c.
    read_budget{c}, write_budget{c} : In(1)
        The slice of context c has tokens.
    limit{s} : In
        Requests that slice s may have outstanding; 0 is no limit.
    read_eligible{c}, write_eligible{c} : Out(1)
        It has tokens, and fewer requests outstanding than its limit. Registered, so a budget is seen a cycle later.
    spaced{c}, room{c} : Out(1)
        It is near its limit, and it is below it. Registered.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        events = layouts.meter_events(plan)
        members: dict[str, Member] = {}
        for initiator in plan.initiators:
            members |= {f"read{initiator.index}": In(events), f"write{initiator.index}": In(events)}
        for c in range(len(plan.contexts)):
            members |= {f"owner_slice{c}": In(plan.slice_bits), f"spaced{c}": Out(1), f"room{c}": Out(1)}
            for plane in ("read", "write"):
                members |= {f"{plane}_budget{c}": In(1), f"{plane}_eligible{c}": Out(1)}
        super().__init__({**members, **{f"limit{s}": In(count_bits(plan)) for s in range(plan.slices)}})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        kinds = ("read", "write")
        planes = [(port, getattr(self, f"{kind}{port.index}")) for port in plan.initiators for kind in kinds]
        begins, ends = self._events(m, planes)
        near = len(planes) * SEEN
        full = Signal(plan.slices)
        close = Signal(plan.slices)
        for s in range(plan.slices):
            change = Signal(range(-len(planes), len(planes) + 1), name=f"change{s}")
            count = Signal(count_bits(plan), name=f"count{s}")
            limit = getattr(self, f"limit{s}")
            m.d.sync += [
                change.eq(
                    _ones([here & (of == s) for here, of in begins]) - _ones([here & (of == s) for here, of in ends])
                ),
                count.eq(count + change),
                full[s].eq((count >= limit) & (limit != 0)),
                close[s].eq((count + near >= limit) & (limit != 0)),
            ]
        for c in range(len(plan.contexts)):
            owner = getattr(self, f"owner_slice{c}")
            has_room = ~full.bit_select(owner, 1)
            m.d.sync += [
                getattr(self, f"room{c}").eq(has_room),
                getattr(self, f"spaced{c}").eq(close.bit_select(owner, 1)),
                *(
                    getattr(self, f"{plane}_eligible{c}").eq(getattr(self, f"{plane}_budget{c}") & has_room)
                    for plane in ("read", "write")
                ),
            ]
        return m

    def _events(self, m: Module, planes: list[tuple[Initiator, Value]]) -> tuple[list[tuple[Signal, Signal]], ...]:
        """For each plane whether a request of an owned context begins, ends, and of which slice."""
        result: tuple[list[tuple[Signal, Signal]], ...] = ([], [])
        for n, (port, events) in enumerate(planes):
            owners = [getattr(self, f"owner_slice{context.index}") for context in port.contexts]
            for kind, (name, happens, context) in enumerate(
                (
                    ("begins", events.sent & events.sent_owned, events.sent_context),
                    ("ends", events.done & events.done_owned, events.done_context),
                )
            ):
                here = Signal(name=f"{name}{n}")
                of = Signal(self.plan.slice_bits, name=f"{name}{n}_slice")
                m.d.sync += [here.eq(happens), of.eq(owners[0] if len(owners) == 1 else Array(owners)[context])]
                result[kind].append((here, of))
        return result
