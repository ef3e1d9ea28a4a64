"""Many queues in few memories: to a simulator a memory costs as much as one of its words."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2


class Rings(wiring.Component):
    """A ring of requests for each number, of which one at a time is served, beat by beat.

    Latency: a pushed request is seen in the next cycle. A reset empties all rings, at any time.

    Parameters
    ----------
    shape : StructLayout of a request
    rings : int
    depth : int
        Requests in a ring, a power of two. Whoever pushes sees to it that there is room.

    Members
    -------
    push : In(1)
        Append `request` to ring `push_at`.
    at : In
        The ring that is served: `known` if it has a request, `head` the oldest one, `number` how many beats that had.
    beat : In(1)
        The head gets a beat, with `pop` its last one. Only while `known`.
    waiting : Out(rings)
        The rings that have a request.
    """

    def __init__(self, shape: data.StructLayout, rings: int, depth: int) -> None:
        self.shape, self.rings, self.depth = shape, rings, depth
        super().__init__(
            {
                "push": In(1),
                "push_at": In(range(rings)),
                "request": In(shape),
                "at": In(range(rings)),
                "known": Out(1),
                "head": Out(shape),
                "number": Out(8),
                "beat": In(1),
                "pop": In(1),
                "waiting": Out(rings),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = exact_log2(self.depth)
        state = data.StructLayout({"oldest": bits, "number": 8})
        m.submodules.requests = requests = Memory(shape=self.shape, depth=self.rings << bits, init=[])
        m.submodules.newest = newest = Memory(shape=bits, depth=self.rings, init=[])
        m.submodules.served = served = Memory(shape=state, depth=self.rings, init=[])
        put, get = requests.write_port(), requests.read_port(domain="comb")
        push_next, end, ends_at = newest.write_port(), newest.read_port(domain="comb"), newest.read_port(domain="comb")
        begin, serve, now = served.write_port(), served.write_port(), served.read_port(domain="comb")
        next_oldest = Signal(bits)
        m.d.comb += [
            put.en.eq(self.push),
            put.addr.eq(Cat(end.data, self.push_at)),
            put.data.eq(self.request),
            end.addr.eq(self.push_at),
            push_next.en.eq(self.push),
            push_next.addr.eq(self.push_at),
            push_next.data.eq(end.data + 1),
            # No memory is reset: what is served of an empty ring begins with its first request.
            begin.en.eq(self.push & ~self.waiting.bit_select(self.push_at, 1)),
            begin.addr.eq(self.push_at),
            begin.data.oldest.eq(end.data),
            begin.data.number.eq(0),
            now.addr.eq(self.at),
            get.addr.eq(Cat(now.data.oldest, self.at)),
            self.head.eq(get.data),
            self.number.eq(now.data.number),
            self.known.eq(self.waiting.bit_select(self.at, 1)),
            next_oldest.eq(now.data.oldest + 1),
            serve.en.eq(self.beat),
            serve.addr.eq(self.at),
            serve.data.oldest.eq(Mux(self.pop, next_oldest, now.data.oldest)),
            serve.data.number.eq(Mux(self.pop, 0, now.data.number + 1)),
            ends_at.addr.eq(self.at),
        ]
        with m.If(self.pop & (next_oldest == ends_at.data)):
            m.d.sync += self.waiting.bit_select(self.at, 1).eq(0)
        with m.If(self.push):  # the later assignment: a ring that empties and fills at once has a request
            m.d.sync += self.waiting.bit_select(self.push_at, 1).eq(1)
        return m
