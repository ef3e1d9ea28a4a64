"""The fault log: the first denials in full, the others as a count."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..fabric import layouts
from ..fabric.arbiter import RoundRobin
from ..plan.plan import Plan, bits_for

LEVEL_BITS = 9
LOST_BITS = 32


class FaultLog(wiring.Component):
    """Collects denials from all over the card. Nobody ever waits for it.

    A source hands over a denial in one cycle and is not asked to wait, so what does not fit is counted: every denial is
    either in the log or in `lost`. A source has room for one denial; the collector moves one in each cycle, round
    robin. So a denial is lost if the log is full, or if its source's last one is still waiting for others.

    Latency: a denial in cycle 0 is in the log in cycle 3 if no other source waits, or is in `lost` by cycle 4.

    Parameters
    ----------
    plan : Plan
    sources : int
        Number of sources, at least 1.

    Members
    -------
    source{n} : In {valid: 1, fault: layouts.fault}
        One denial for each cycle with `valid`.
    level : Out(9)
        Denials in the log.
    pending : Out(1)
        The log is not empty.
    lost : Out(32)
        Denials that did not get into the log since reset, modulo 2**32.
    head : Out(layouts.fault)
        The oldest denial; zero if the log is empty.
    pop : In(1)
        Drops the oldest denial; nothing happens if the log is empty.

    Raises
    ------
    ValueError
        There is no source.
    """

    def __init__(self, plan: Plan, sources: int) -> None:
        if sources < 1:
            raise ValueError(f"A fault log needs at least one source, not {sources!r}")
        self.plan, self.sources = plan, sources
        self.layout = layouts.fault(plan)
        source = wiring.Signature({"valid": Out(1), "fault": Out(self.layout)})
        super().__init__(
            {
                **{f"source{n}": In(source) for n in range(sources)},
                "level": Out(LEVEL_BITS),
                "pending": Out(1),
                "lost": Out(LOST_BITS),
                "head": Out(self.layout),
                "pop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        collected = Signal(self.layout)
        collected_valid = Signal()
        dropped_at_source = Signal(self.sources)
        full = Signal()
        self._collect(m, collected, collected_valid, dropped_at_source)
        self._store(m, collected, collected_valid, full)

        # Adding up many bits takes a cycle of its own.
        dropped = Signal(bits_for(self.sources + 2))
        m.d.sync += [
            dropped.eq(sum(dropped_at_source, start=Const(0, 1)) + (collected_valid & full)),
            self.lost.eq(self.lost + dropped),
        ]
        return m

    def _collect(self, m: Module, collected: data.View, collected_valid: Signal, dropped: Signal) -> None:
        """One waiting denial for each source, and one of them to the log in each cycle."""
        m.submodules.turn = turn = RoundRobin(self.sources)
        valid = Signal(self.sources)
        waiting = Signal(self.sources)
        taken = Signal(self.sources)
        chosen = Const(0, 1)
        # The turn of the next cycle is chosen now, among what will be waiting then. A registered grant halves the area
        # of the multiplexer below; choosing ahead lets one source still deny in every cycle.
        m.d.comb += [
            turn.candidates.eq(valid | (waiting & ~taken)),
            turn.accept.eq(turn.candidates.any()),
        ]
        m.d.sync += [
            waiting.eq(turn.candidates),
            taken.eq(turn.grant),
            dropped.eq(valid & waiting & ~taken),
        ]
        for n in range(self.sources):
            source = getattr(self, f"source{n}")
            held = Signal(self.layout, name=f"held{n}")
            m.d.comb += valid[n].eq(source.valid)
            with m.If(taken[n] | ~waiting[n]):
                m.d.sync += held.eq(source.fault)
            chosen = chosen | Mux(taken[n], held.as_value(), 0)
        m.d.sync += [collected.as_value().eq(chosen), collected_valid.eq(taken.any())]

    def _store(self, m: Module, collected: data.View, collected_valid: Signal, full: Signal) -> None:
        """The log itself, a queue; its memory is read asynchronously and becomes distributed RAM."""
        depth = self.plan.fault_log
        m.submodules.log = log = Memory(shape=self.layout, depth=depth, init=[])
        write_port, read_port = log.write_port(), log.read_port(domain="comb")
        oldest = Signal(range(depth))
        newest = Signal(range(depth))
        pushed = Signal()
        popped = Signal()
        m.d.comb += [
            full.eq(self.level == depth),
            pushed.eq(collected_valid & ~full),
            popped.eq(self.pop & self.pending),
            self.pending.eq(self.level != 0),
            write_port.addr.eq(newest),
            write_port.data.eq(collected),
            write_port.en.eq(pushed),
            read_port.addr.eq(oldest),
            self.head.as_value().eq(Mux(self.pending, read_port.data.as_value(), 0)),
        ]
        # The depth is a power of two, so that the pointers wrap by themselves.
        m.d.sync += [
            self.level.eq(self.level + pushed - popped),
            newest.eq(newest + pushed),
            oldest.eq(oldest + popped),
        ]
