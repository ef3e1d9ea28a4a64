"""One small value for each context of a port."""

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Cells(wiring.Component):
    """One value for each context, which an event changes and a visit looks at.

    A port with one context has a register, and does not look at context numbers; others have distributed RAM, which a
    reset leaves as it is.

    Members
    -------
    context : In
        Whose value the event changes.
    old, new : Out, In
        Its value, and what it becomes.
    change : In(1)
    shown_context : In
    shown : Out
        Value of that context.
    """

    def __init__(self, shape: Shape | data.StructLayout, contexts: int, context_bits: int) -> None:
        self.shape, self.contexts, self.context_bits = shape, contexts, context_bits
        super().__init__(
            {
                "context": In(context_bits),
                "old": Out(shape),
                "new": In(shape),
                "change": In(1),
                "shown_context": In(context_bits),
                "shown": Out(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.contexts == 1:
            value = Signal(self.shape)
            m.d.comb += [self.old.eq(value), self.shown.eq(value)]
            with m.If(self.change):
                m.d.sync += value.eq(self.new)
            return m
        m.submodules.values = values = Memory(shape=self.shape, depth=1 << self.context_bits, init=[])
        write, read, show = values.write_port(), values.read_port(domain="comb"), values.read_port(domain="comb")
        m.d.comb += [
            read.addr.eq(self.context),
            self.old.eq(read.data),
            write.addr.eq(self.context),
            write.data.eq(self.new),
            write.en.eq(self.change),
            show.addr.eq(self.shown_context),
            self.shown.eq(show.data),
        ]
        return m
