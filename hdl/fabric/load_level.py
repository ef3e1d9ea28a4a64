"""How loaded a target is for each slice: what a CXL device tells its hosts as DevLoad, so that they slow down."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..plan.blocks import LOAD_LEVELS
from ..plan.plan import Plan
from .select import select

MOST_UNITS = 16
"""Units of waiting from which on the load is severe; a quarter of that is moderate, a sixteenth optimal."""
WINDOW_UNITS = 64
"""Units after which a level that was not seen again falls by one."""
LEVEL_BITS = exact_log2(len(LOAD_LEVELS))


def sample_layout(plan: Plan) -> data.StructLayout:
    """A grant: how loaded the target was for the slice that got it."""
    return data.StructLayout({"valid": 1, "slice": plan.slice_bits, "level": LEVEL_BITS})


class Waiting(wiring.Component):
    """Measures how long the requests at one gate wait for their grant.

    Less than `load_unit` cycles is light, less than 4 times that optimal, less than 16 times that moderate load, and
    all else severe.

    Latency: a sample comes in the cycle after the grant.

    Members
    -------
    request, grant : In(sources)
    slice : In
        Of the request that is granted.
    sample : Out(sample_layout)
    """

    def __init__(self, plan: Plan, sources: int) -> None:
        self.plan, self.sources = plan, sources
        assert plan.load_unit
        self.unit: int = plan.load_unit
        super().__init__(
            {
                "request": In(sources),
                "grant": In(sources),
                "slice": In(plan.slice_bits),
                "sample": Out(sample_layout(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        most = MOST_UNITS * self.unit
        waits = [Signal(range(most + 1), name=f"wait{n}") for n in range(self.sources)]
        for n, wait in enumerate(waits):
            going = self.request[n] & ~self.grant[n]
            m.d.sync += wait.eq(Mux(going, wait + ~wait[-1], 0))
        granted = Signal(range(most + 1))
        bits = exact_log2(self.unit)
        m.d.sync += [
            self.sample.valid.eq(self.grant.any()),
            self.sample.slice.eq(self.slice),
            granted.eq(select(self.grant, waits)),
        ]
        # The highest bit that is set tells the level: of the bits above a unit there are five.
        moderate, optimal = granted[bits + 2 : -1].any(), granted[bits : bits + 2].any()
        m.d.comb += self.sample.level.eq(Mux(granted[-1], 3, Mux(moderate, 2, optimal)))
        return m


class LoadLevel(wiring.Component):
    """Keeps the level of each slice at one target: it rises at once, and falls by one when it was not seen for a while.

    Latency: 1 cycle from sample to level.

    Members
    -------
    sample{n} : In(sample_layout)
        From the gates of reads and writes.
    level : Out(2 * slices)
        Two bits for each slice, an index into `LOAD_LEVELS`.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        assert plan.load_unit
        self.window = WINDOW_UNITS * plan.load_unit
        super().__init__(
            {
                **{f"sample{n}": In(sample_layout(plan)) for n in range(2)},
                "level": Out(LEVEL_BITS * plan.slices),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        elapsed = Signal(range(self.window))
        ends = Signal()
        m.d.sync += [elapsed.eq(elapsed + 1), ends.eq(elapsed == 0)]
        samples = [getattr(self, f"sample{n}") for n in range(2)]
        levels = []
        for number in range(self.plan.slices):
            # Thermometers of three bits: the highest of several is their OR, one less is a shift.
            level = Signal(len(LOAD_LEVELS) - 1, name=f"level{number}")
            seen = Signal(len(LOAD_LEVELS) - 1, name=f"seen{number}")
            now = reduce(or_, (self._thermometer(sample, number) for sample in samples))
            m.d.sync += [
                level.eq(Mux(ends, level >> 1 | seen, level) | now),
                seen.eq(Mux(ends, 0, seen) | now),
            ]
            levels.append(Cat(level[0] & (~level[1] | level[2]), level[1]))
        m.d.comb += self.level.eq(Cat(levels))
        return m

    @staticmethod
    def _thermometer(sample: data.View, number: int) -> Value:
        mine = sample.valid & (sample.slice == number)
        return Cat(mine & (sample.level > step) for step in range(len(LOAD_LEVELS) - 1))
