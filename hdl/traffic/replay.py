"""Replays a program: requests in a fixed order, with time to think between them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .settings import REGIONS, SLOTS

ENTRIES = 4096
"""Requests of a program, at most."""
THINK_BITS = 20
PLACE_BITS = (REGIONS * SLOTS - 1).bit_length()


def entry_layout() -> data.StructLayout:
    """A request of a program: its place, what it is, whether it is the last one, and cycles of thinking before it."""
    return data.StructLayout({"place": PLACE_BITS, "write": 1, "last": 1, "think": THINK_BITS})


def pack_entry(place: int, *, write: bool, last: bool, think: int) -> int:
    """An entry as a number; ValueError if something does not fit."""
    fields = {"place": place, "write": int(write), "last": int(last), "think": think}
    for name, shape in entry_layout():
        if not 0 <= fields[name] < 1 << shape.width:
            raise ValueError(f"{name} must fit into {shape.width} bits, not {fields[name]!r}")
    return int(entry_layout().const(fields).as_value().value)


class Replay(wiring.Component):
    """The program of one generator, and where it has got to.

    The program runs while fewer than `limit` reads are outstanding; while it runs it thinks, one cycle of its time in
    each cycle. With a limit of 1 a read therefore stops it until it is answered. It stops as well at a request that
    cannot be made yet, because the port takes none, its plane has as many outstanding as it may, or another request of
    the same place is; writes stop it in no other way. There are no other dependences.

    Latency: the first request can be made in the cycle after `start`, the next ones a cycle each.

    Members
    -------
    store, at, entry : In
        Entry number `at` becomes `entry`; while the program does not run.
    start : In(1)
        From the beginning.
    loop : In(1)
        When all is answered it begins again, until this falls.
    limit : In(6)
        Reads outstanding at which the program stands still.
    place : Out
        Of the next request; `read`, `write` : Out(1) tell that it can be made now, and what it is.
    made : In(1)
        It is made.
    read_ends, write_ends : In(1)
        A request is answered.
    running : Out(1)
        Since `start`, and until all requests are answered.
    ended : Out(1)
        All were answered, once at least since `start`.
    cycles : Out(32)
        Cycles from `start` until they had been, the first time.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "store": In(1),
                "at": In(range(ENTRIES)),
                "entry": In(entry_layout()),
                "start": In(1),
                "loop": In(1),
                "limit": In(6),
                "place": Out(PLACE_BITS),
                "read": Out(1),
                "write": Out(1),
                "made": In(1),
                "read_ends": In(1),
                "write_ends": In(1),
                "running": Out(1),
                "ended": Out(1),
                "cycles": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=entry_layout(), depth=ENTRIES, init=[])
        put, get = entries.write_port(), entries.read_port()
        entry = get.data
        now = Signal(range(ENTRIES))
        following = Signal(range(ENTRIES))
        thought = Signal(THINK_BITS)
        reads = Signal(range(64))
        writes = Signal(range(64))
        runs = Signal()
        ready = Signal()
        m.d.comb += [
            put.en.eq(self.store),
            put.addr.eq(self.at),
            put.data.eq(self.entry),
            # The entry after the one that is made is there in the next cycle.
            following.eq(Mux(self.start | (self.made & entry.last), 0, now + self.made)),
            get.addr.eq(following),
            ready.eq(runs & (reads < self.limit) & (thought == entry.think)),
            self.place.eq(entry.place),
            self.read.eq(ready & ~entry.write),
            self.write.eq(ready & entry.write),
        ]
        m.d.sync += [
            now.eq(following),
            reads.eq(reads + (self.made & ~entry.write) - self.read_ends),
            writes.eq(writes + (self.made & entry.write) - self.write_ends),
        ]
        with m.If(self.start | self.made):
            m.d.sync += thought.eq(0)
        with m.Elif(runs & (reads < self.limit) & (thought != entry.think)):
            m.d.sync += thought.eq(thought + 1)

        with m.If(self.running & ~self.ended):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(self.start):
            m.d.sync += [runs.eq(1), self.running.eq(1), self.ended.eq(0), self.cycles.eq(0)]
        with m.Elif(self.made & entry.last):
            m.d.sync += runs.eq(0)
        with m.Elif(self.running & ~runs & (reads == 0) & (writes == 0)):
            m.d.sync += [self.ended.eq(1), runs.eq(self.loop), self.running.eq(self.loop)]
        return m
