"""Where requests enter a network: each only when there is room for it at its target."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus.queue import Queue
from ..fabric import layouts
from ..fabric.steer import BEATS
from ..fabric.virtual_queue import beats_of
from ..plan.plan import Plan
from .link import flit_layout, link_signature


def request_layout(plan: Plan) -> data.StructLayout:
    """A request as its virtual queue takes it, but for its class, which every flit carries."""
    return data.StructLayout({"asking": layouts.asking(plan), "rest": layouts.rest(plan)})


def request_flit(plan: Plan, *, write: bool) -> data.StructLayout:
    """A flit of the network of requests; with `write` each has a beat, and its first one the request."""
    beat = {"first": 1, "beat": layouts.write_beat(plan)} if write else {}
    payload = data.StructLayout({"request": request_layout(plan), **beat})
    return flit_layout(len(plan.initiators), len(plan.targets), plan.class_bits, payload)


class RequestEntry(wiring.Component):
    """Between an ingress (one plane of an initiator port) and the network of requests.

    Requests need no leave: their virtual queues have room for all that can be outstanding. The beats of a write do, so
    it goes with its first beat when its virtual queue has room for all of them, and they follow. Room that was given to
    a write is given back when its answer comes: its beats have left the queue then.

    Latency: 1 cycle to the link; a request, or a beat, per cycle.

    Parameters
    ----------
    plan : Plan
    write : bool

    Members
    -------
    source : In
        Number of the initiator, a constant.
    asking, rest, request_class, request_valid, beat, beat_valid, beat_ready
        As of :class:`hdl.fabric.ingress_strict.StrictIngress`.
    o : Out(link_signature)
    answer_valid : In(targets), answer_slot{t} : In
        Writes only: a target has answered the write of this slot.
    """

    def __init__(self, plan: Plan, *, write: bool) -> None:
        self.plan, self.write = plan, write
        targets = len(plan.targets)
        flit = request_flit(plan, write=write)
        beats: dict[str, wiring.Member] = {
            "beat": In(layouts.write_beat(plan)),
            "beat_valid": In(targets),
            "beat_ready": Out(targets),
            "answer_valid": In(targets),
            **{f"answer_slot{t}": In(plan.slot_bits) for t in range(targets)},
        }
        super().__init__(
            {
                "source": In(flit["source"].shape),
                "asking": In(layouts.asking(plan)),
                "rest": In(layouts.rest(plan)),
                "request_class": In(plan.class_bits),
                "request_valid": In(targets),
                "o": Out(link_signature(flit)),
                **(beats if write else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, flit = self.plan, self.o.flit
        sink_bits = len(flit.sink)
        layout = data.StructLayout({"sink": sink_bits, "class": plan.class_bits, "request": request_layout(plan)})
        m.submodules.requests = requests = Queue(layout, plan.outstanding, always_room=True)
        head = requests.o.payload
        m.d.comb += [
            requests.i.valid.eq(self.request_valid.any()),
            requests.i.payload.sink.eq(_number(self.request_valid, sink_bits)),
            requests.i.payload["class"].eq(self.request_class),
            requests.i.payload.request.asking.eq(self.asking),
            requests.i.payload.request.rest.eq(self.rest),
            flit.source.eq(self.source),
            flit.sink.eq(head.sink),
            flit["class"].eq(head["class"]),
        ]
        if self.write:
            self._write(m, requests)
        else:
            m.d.comb += [
                flit.payload.request.eq(head.request),
                self.o.valid.eq(requests.o.valid),
                requests.o.ready.eq(self.o.ready),
            ]
        return m

    def _write(self, m: Module, requests: Queue) -> None:
        plan, flit, head = self.plan, self.o.flit, requests.o.payload
        m.submodules.beats = beats = Queue(layouts.write_beat(plan), BEATS)
        begun = Signal()
        sink = Signal.like(flit.sink)
        slice_class = Signal(plan.class_bits)
        length = head.request.asking.length
        room = Signal()
        begins = Signal()
        goes = Signal()
        m.d.comb += [
            beats.i.valid.eq(self.beat_valid.any()),
            beats.i.payload.eq(self.beat),
            self.beat_ready.eq(beats.i.ready.replicate(len(self.beat_ready))),
            self.o.valid.eq(beats.o.valid & (begun | (requests.o.valid & room))),
            goes.eq(self.o.valid & self.o.ready),
            begins.eq(goes & ~begun),
            requests.o.ready.eq(begins),
            beats.o.ready.eq(goes),
            flit.payload.first.eq(~begun),
            flit.payload.request.eq(head.request),
            flit.payload.beat.eq(beats.o.payload),
        ]
        with m.If(begun):
            m.d.comb += [flit.sink.eq(sink), flit["class"].eq(slice_class)]
        with m.Else():
            m.d.sync += [sink.eq(head.sink), slice_class.eq(head["class"])]
        with m.If(goes):
            m.d.sync += begun.eq(~beats.o.payload.last)

        # Room in the virtual queues, and what each slot has of it. Several targets may answer in one cycle.
        enough = []
        for t in range(len(plan.targets)):
            m.submodules[f"lengths{t}"] = lengths = Memory(shape=len(length), depth=plan.outstanding, init=[])
            keep, kept = lengths.write_port(), lengths.read_port(domain="comb")
            free = Signal(range(beats_of(plan) + 1), init=beats_of(plan), name=f"free{t}")
            gives = Signal(name=f"gives{t}")
            m.d.comb += [
                gives.eq(begins & (head.sink == t)),
                keep.en.eq(gives),
                keep.addr.eq(head.request.rest.slot),
                keep.data.eq(length),
                kept.addr.eq(getattr(self, f"answer_slot{t}")),
            ]
            given = Mux(gives, length + 1, 0)
            back = Mux(self.answer_valid[t], kept.data + 1, 0)
            m.d.sync += free.eq(free - given + back)
            enough.append(free > length)
        m.d.comb += room.eq(Array(enough)[head.sink])


def _number(one_hot: Value, bits: int) -> Value:
    """The number of the bit that is set."""
    return Cat(Cat(bit for n, bit in enumerate(one_hot) if n >> place & 1).any() for place in range(bits))
