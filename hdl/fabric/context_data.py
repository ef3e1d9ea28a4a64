"""Write data of requests that stand aside, and the order in which a port's data goes on."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus.queue import Queue
from ..plan.plan import Plan, bits_for
from . import layouts

BEATS = 512
"""Beats that can stand aside on one port, in block RAM; its contexts have equal parts."""
ROUTES = 16
"""Requests whose data is still to come, and requests that have left before all of their data."""
AHEAD = 4
"""Beats that are read ahead, since block RAM takes a cycle."""


def beats(contexts: int) -> int:
    """Beats of write data that each context may have aside: a power of two."""
    return max(16, BEATS >> (contexts - 1).bit_length())


class ContextData(wiring.Component):
    """Takes a port's write data in the order of its requests, and gives it on in the order in which they leave.

    Requests that pass come before all that stand aside, so while data of such a one is next at the port, nothing of the
    others is here. A request leaves its queue when all of its data is here, or when the data that is next at the port
    is its own. So its data never waits for that of a request that stands aside: that might wait for room.

    Latency: none for data of a request that passes, which may come with the request; else 3 cycles.

    Members
    -------
    comes : In(1), coming : In
        A request is accepted: whether it passes, its queue if not, and its AxLEN.
    room : Out(1)
        One may be; from a register.
    leaves : In(1), leaving : In
        A request leaves this queue.
    may_leave : Out(contexts)
        The oldest request of which queues may leave; from registers.
    w, o : stream of layouts.write_data
    empty : Out(1)
        All data of requests that were accepted has come, and that of those that have left their queues has gone on.
    """

    def __init__(self, plan: Plan, contexts: int) -> None:
        self.plan, self.contexts, self.beats = plan, contexts, beats(contexts)
        leaving = {"queue": bits_for(contexts), "length": 8}
        self.coming_layout = data.StructLayout({"passes": 1, **leaving})
        self.leaving_layout = data.StructLayout(leaving)
        super().__init__(
            {
                "comes": In(1),
                "coming": In(self.coming_layout),
                "room": Out(1),
                "leaves": In(1),
                "leaving": In(self.leaving_layout),
                "may_leave": Out(contexts),
                "w": In(stream.Signature(layouts.write_data(plan))),
                "o": Out(stream.Signature(layouts.write_data(plan))),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.routes = routes = Queue(self.coming_layout, ROUTES, fall_through=True)
        m.submodules.due = due = Queue(self.leaving_layout, ROUTES)
        m.submodules.ahead = ahead = Queue(layouts.write_data(self.plan), AHEAD, always_room=True)
        direct = Signal()
        store = Signal()
        fetch = Signal()
        fetched = Signal()
        reading = Signal(range(AHEAD + 1))  # beats that were fetched and have not gone on
        route, wanted = routes.o.payload, due.o.payload
        has, full, stored = self._store(m, store, route.queue, fetch, wanted.queue)
        self._may_leave(m, routes, due.i.ready)
        m.d.sync += [fetched.eq(fetch), reading.eq(reading + fetch - (ahead.o.valid & ahead.o.ready))]
        m.d.comb += [
            self.room.eq(routes.i.ready),
            routes.i.valid.eq(self.comes),
            routes.i.payload.eq(self.coming),
            due.i.valid.eq(self.leaves),
            due.i.payload.eq(self.leaving),
            direct.eq(routes.o.valid & route.passes),
            store.eq(self.w.valid & routes.o.valid & ~route.passes & ~Array(full)[route.queue]),
            self.w.ready.eq(Mux(direct, self.o.ready, store)),
            routes.o.ready.eq(self.w.valid & self.w.ready & self._last(m, self.w.valid & self.w.ready, route.length)),
            fetch.eq(due.o.valid & Array(has)[wanted.queue] & (reading != AHEAD)),
            due.o.ready.eq(fetch & self._last(m, fetch, wanted.length)),
            ahead.i.valid.eq(fetched),
            ahead.i.payload.eq(stored),
            self.o.valid.eq(Mux(direct, self.w.valid, ahead.o.valid)),
            Value.cast(self.o.payload).eq(Mux(direct, Value.cast(self.w.payload), Value.cast(ahead.o.payload))),
            ahead.o.ready.eq(self.o.ready),
            self.empty.eq(~routes.o.valid & ~due.o.valid & (reading == 0)),
        ]
        return m

    def _may_leave(self, m: Module, routes: Queue, room: Value) -> None:
        route, done = routes.o.payload, routes.o.valid & routes.o.ready
        for n in range(self.contexts):
            # Requests of which all data is here, less those that have left: one that leaves early makes it -1.
            ahead = Signal(range(-1, self.beats + 1), name=f"ahead{n}")
            is_next = Signal(name=f"is_next{n}")
            own = ~route.passes & (route.queue == n)
            m.d.sync += [
                ahead.eq(ahead + (done & own) - (self.leaves & (self.leaving.queue == n))),
                is_next.eq(routes.o.valid & own & ~routes.o.ready),
            ]
            m.d.comb += self.may_leave[n].eq(room & ((ahead > 0) | ((ahead == 0) & is_next)))

    def _last(self, m: Module, moves: Value, length: Value) -> Value:
        """Whether a beat is the last of as many as `length` says."""
        number = Signal(8)
        last = number == length
        with m.If(moves):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        return last

    def _store(
        self, m: Module, store: Value, into: Value, fetch: Value, from_: Value
    ) -> tuple[Signal, Signal, data.View]:
        """All queues in one block RAM: which have a beat, which are full, and what was fetched a cycle ago."""
        place_bits = exact_log2(self.beats)
        m.submodules.beats = memory = Memory(
            shape=layouts.write_data(self.plan), depth=self.beats << len(into), init=[], attrs={"no_rw_check": 1}
        )  # a beat is fetched in the cycle after it was stored, or later
        write, read = memory.write_port(), memory.read_port()
        write_at = Array(Signal(place_bits, name=f"write{n}_at") for n in range(self.contexts))
        read_at = Array(Signal(place_bits, name=f"read{n}_at") for n in range(self.contexts))
        has = Signal(self.contexts)
        full = Signal(self.contexts)
        for n in range(self.contexts):
            count = Signal(range(self.beats + 1), name=f"count{n}")
            count_next = Signal(range(self.beats + 1), name=f"count{n}_next")
            m.d.comb += count_next.eq(count + (store & (into == n)) - (fetch & (from_ == n)))
            m.d.sync += [count.eq(count_next), has[n].eq(count_next != 0), full[n].eq(count_next[-1])]
        m.d.comb += [
            write.en.eq(store),
            write.addr.eq(Cat(write_at[into], into)),
            write.data.eq(self.w.payload),
            read.en.eq(fetch),
            read.addr.eq(Cat(read_at[from_], from_)),
        ]
        with m.If(store):
            m.d.sync += write_at[into].eq(write_at[into] + 1)
        with m.If(fetch):
            m.d.sync += read_at[from_].eq(read_at[from_] + 1)
        return has, full, read.data
