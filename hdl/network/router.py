"""A router: queues where flits come in, and an arbiter for each way out."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..fabric.arbiter import Arbiter
from ..fabric.gate import count_between
from ..fabric.select import Later, select
from ..plan.network.switches import Switch, Way
from .link import link_signature

DEPTH = 16
"""Flits that wait on a virtual channel; distributed RAM comes 16 deep."""
ROOM = 13
"""Flits in a queue up to which more are let come: what is seen of it is a cycle old, and one more may be under way."""


@dataclass(frozen=True)
class _Asking:
    """The head of a queue at a way out: on which virtual channels it may go on, and that it goes.

    What is `shown` of it: now, or with two cycles from router to router what it was a cycle ago.
    """

    valid: Value
    lanes: dict[int, Value]
    slice_class: Value
    gone: Signal
    shown: data.View


class Router(wiring.Component):
    """Sends each flit the way that its flow has through this router.

    A flit is looked up when it comes and waits in the queue of its virtual channel, with its way out beside it. Each
    way out grants one queue in a cycle: by class, and in turn inside a class, as everywhere in the fabric
    (:class:`hdl.fabric.arbiter.Arbiter`). What no flow needs is not there: no queue, no input of an arbiter.

    Latency: `hop_cycles` from link to link; with 2 the wide multiplexer stands behind a registered choice, so a flit
    comes a cycle after `ready` was seen, and `ready` says that there is room for one more than that. From a port of the
    card it comes at once. Throughput: a flit per cycle on each link. `ready` comes from a register.

    Parameters
    ----------
    switch : Switch
        What is attached, and which way each flow takes.
    flit : StructLayout, see :func:`hdl.network.link.flit_layout`
    classes : int
    hop_cycles : int
        1 or 2.

    Members
    -------
    inlet{n} : In(link_signature), outlet{n} : Out(link_signature)
        In the order of `switch`.
    """

    def __init__(self, switch: Switch, flit: data.StructLayout, *, classes: int, hop_cycles: int = 1) -> None:
        self.switch, self.flit, self.classes, self.hop_cycles = switch, flit, classes, hop_cycles
        super().__init__(
            {
                **{f"inlet{n}": In(link_signature(flit, lanes)) for n, lanes in enumerate(switch.inlet_lanes)},
                **{f"outlet{n}": Out(link_signature(flit, lanes)) for n, lanes in enumerate(switch.outlet_lanes)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        channels: dict[tuple[int, int], list[Way]] = defaultdict(list)
        for way in self.switch.ways:
            channels[way.inlet, way.inlet_lane].append(way)
        # Of each way out, by position: what may come from a queue, and on which virtual channel it goes on.
        asking: list[list[_Asking]] = [[] for _ in self.switch.outlets]
        for (inlet, lane), ways in sorted(channels.items()):
            self._queue(m, inlet, lane, ways, asking)
        for outlet, candidates in enumerate(asking):
            self._outlet(m, outlet, candidates)
        return m

    def _queue(self, m: Module, inlet: int, lane: int, ways: list[Way], asking: list[list[_Asking]]) -> None:
        """The queue of a virtual channel. Its head asks at one way out."""
        link = getattr(self, f"inlet{inlet}")
        outs = sorted({(way.outlet, way.outlet_lane) for way in ways})
        layout = data.StructLayout({"flit": self.flit, "out": len(outs)})
        m.submodules[f"queue{inlet}_{lane}"] = queue = Queue(layout, DEPTH, recalls=self.hop_cycles == 2)
        room, comes = queue.i.ready, link.valid[lane]
        if self.hop_cycles == 2:
            level = count_between(m, DEPTH, queue.i.valid, queue.o.ready, f"level{inlet}_{lane}")
            room = Signal(name=f"room{inlet}_{lane}")
            m.d.sync += room.eq(level < ROOM)
            comes = comes & room if self.switch.inlets[inlet].port >= 0 else comes
        m.d.comb += [
            queue.i.valid.eq(comes),
            link.ready[lane].eq(room),
            queue.i.payload.flit.eq(link.flit),
            queue.i.payload.out.eq(Cat(self._goes(link.flit, out, ways) for out in outs)),
        ]
        head = queue.o
        leaves = []
        for outlet in sorted({outlet for outlet, _ in outs}):
            lanes = {lane: head.payload.out[n] for n, (there, lane) in enumerate(outs) if there == outlet}
            gone = Signal(name=f"gone{inlet}_{lane}_{outlet}")
            before = queue.before if self.hop_cycles == 2 else head.payload
            slice_class = head.payload.flit["class"] if "class" in self.flit.members else Const(0, 1)
            asking[outlet].append(_Asking(head.valid, lanes, slice_class, gone, before))
            leaves.append(gone)
        m.d.comb += queue.o.ready.eq(reduce(or_, leaves))

    def _outlet(self, m: Module, outlet: int, candidates: list[_Asking]) -> None:
        link = getattr(self, f"outlet{outlet}")
        m.submodules[f"arbiter{outlet}"] = arbiter = Arbiter(len(candidates), self.classes)
        lanes = len(link.valid)
        for n, one in enumerate(candidates):
            there = [way if lanes == 1 else way & link.ready[lane] for lane, way in one.lanes.items()]
            m.d.comb += [
                arbiter.request[n].eq(one.valid & reduce(or_, there)),
                getattr(arbiter, f"class{n}").eq(one.slice_class),
                one.gone.eq(arbiter.grant[n]),
            ]
        m.d.comb += [
            # One virtual channel stops all; of several each stops what goes on it.
            arbiter.enable.eq(link.ready[0] if lanes == 1 else 1),
        ]
        flits = [one.shown.flit for one in candidates]
        domain = m.d.comb
        if self.hop_cycles == 2:
            m.d.comb += link.flit.eq(Later(m, arbiter.grant, f"choice{outlet}")(flits))
            domain = m.d.sync
        else:
            m.d.comb += link.flit.eq(select(arbiter.grant, flits))
        for lane in range(lanes):
            goes = [arbiter.grant[n] & one.lanes[lane] for n, one in enumerate(candidates) if lane in one.lanes]
            domain += link.valid[lane].eq(arbiter.grant.any() if lanes == 1 else reduce(or_, goes, Const(0, 1)))

    @staticmethod
    def _goes(flit: data.View, out: tuple[int, int], ways: Iterable[Way]) -> Value:
        """Whether a flit goes this way out: by its sink, where that tells."""
        here = [way for way in ways if (way.outlet, way.outlet_lane) == out]
        others = {way.sink for way in ways if (way.outlet, way.outlet_lane) != out}
        if not others:
            return Const(1, 1)
        if others.isdisjoint(way.sink for way in here):
            return Cat(flit.sink == sink for sink in sorted({way.sink for way in here})).any()
        return Cat((flit.source == way.source) & (flit.sink == way.sink) for way in here).any()
