"""The window fill engine: writes runs of window entries into the ingresses."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fabric import layouts
from ..plan.plan import Plan, bits_for

GRANULE_BITS = 20
FIRST_BITS = 16
COUNT_BITS = 17
TARGET_BITS = 6


class WindowFill(wiring.Component):
    """Fills consecutive entries of a context's window with consecutive granules of a target.

    The fill ends early at the end of the window. An entry that would lead past the end of the target, to a target that
    the initiator does not reach, or to one that the card does not have, gets no rights and no target, so that a wrong
    script meets a denial and not another granule. A context that the card does not have is not filled at all. A start
    while busy is ignored.

    Latency: with `start` in cycle 0, `busy` is 1 from cycle 1, the first entry is written in cycle 2, the n-th in cycle
    n + 1, and `done` pulses in the cycle after the last one. A fill of nothing is done in cycle 2.

    Members
    -------
    start : In(1)
        Begins a fill with the values that all other inputs have in this cycle.
    context : In
        Index in the card's list of contexts.
    first : In(16)
        First window granule.
    count : In(17)
        Window granules.
    granule : In(20)
        Granule of the target that the first entry leads to.
    target : In(6)
        Index of the target.
    readable, writable : In(1)
    busy : Out(1)
        A fill is running; falls in the cycle of `done`.
    done : Out(1)
        Every entry has been written.
    write_enable : Out(number of initiators)
        One-hot: the ingresses of this initiator take an entry.
    write_context : Out
        Context's number on that initiator.
    write_granule : Out
        Window granule.
    write_entry : Out(layouts.window_entry)
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(
            {
                "start": In(1),
                "context": In(bits_for(len(plan.contexts))),
                "first": In(FIRST_BITS),
                "count": In(COUNT_BITS),
                "granule": In(GRANULE_BITS),
                "target": In(TARGET_BITS),
                "readable": In(1),
                "writable": In(1),
                "busy": Out(1),
                "done": Out(1),
                "write_enable": Out(len(plan.initiators)),
                "write_context": Out(plan.user_bits),
                "write_granule": Out(plan.window_bits),
                "write_entry": Out(layouts.window_entry(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan

        initiator = Signal(len(plan.initiators))
        window_granule = Signal(FIRST_BITS + 1)  # one bit more, so that the end of the largest window is not entry 0
        remaining = Signal(COUNT_BITS)
        physical_granule = Signal(GRANULE_BITS + 1)  # likewise for the largest target
        target_end = Signal(GRANULE_BITS + 1)
        target_select = Signal(len(plan.targets))
        reachable = Signal(len(plan.targets))
        readable = Signal()
        writable = Signal()
        writing = Signal()
        leads_somewhere = Signal()

        m.d.comb += [
            writing.eq((remaining != 0) & (window_granule < plan.window_granules) & initiator.any()),
            leads_somewhere.eq((physical_granule < target_end) & (target_select & reachable).any()),
        ]
        m.d.sync += [
            self.write_enable.eq(Mux(self.busy & writing, initiator, 0)),
            self.done.eq(self.busy & ~writing),
            self.write_granule.eq(window_granule),
            self.write_entry.target.eq(Mux(leads_somewhere, target_select, 0)),
            self.write_entry.granule.eq(physical_granule),
            self.write_entry.readable.eq(readable & leads_somewhere),
            self.write_entry.writable.eq(writable & leads_somewhere),
        ]
        with m.If(self.busy):
            m.d.sync += [
                window_granule.eq(window_granule + 1),
                physical_granule.eq(physical_granule + 1),
                remaining.eq(remaining - 1),
            ]
            with m.If(~writing):
                m.d.sync += self.busy.eq(0)
        with m.Elif(self.start):
            m.d.sync += [
                self.busy.eq(1),
                window_granule.eq(self.first),
                remaining.eq(self.count),
                physical_granule.eq(self.granule),
                readable.eq(self.readable),
                writable.eq(self.writable),
                initiator.eq(0),
                target_select.eq(0),
                target_end.eq(0),
            ]
            with m.Switch(self.context):
                for context in plan.contexts:
                    with m.Case(context.index):
                        m.d.sync += [
                            initiator.eq(1 << context.initiator),
                            self.write_context.eq(context.number),
                            reachable.eq(sum(1 << target for target in plan.initiators[context.initiator].targets)),
                        ]
            with m.Switch(self.target):
                for target in plan.targets:
                    with m.Case(target.index):
                        m.d.sync += [target_select.eq(1 << target.index), target_end.eq(target.granules)]
        return m
