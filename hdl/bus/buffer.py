"""The two small buffers that keep ready local."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class Skid(wiring.Component):
    """Lets a stream's ready come from a register without adding latency.

    Latency: 0 cycles while the consumer keeps up. ``clear`` drops what is stored.

    Members
    -------
    i, o : stream of `shape`
    clear : In(1)
    """

    def __init__(self, shape: data.StructLayout) -> None:
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "clear": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full = Signal()
        stored = Signal(self.shape)
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(full | self.i.valid),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(full):
            m.d.comb += self.o.payload.eq(stored)
        with m.If(self.clear | self.o.ready):
            m.d.sync += full.eq(0)
        with m.Elif(self.i.valid & ~full):
            m.d.sync += [full.eq(1), stored.eq(self.i.payload)]
        return m


class Buffer(wiring.Component):
    """A two-entry queue: valid, payload and ready all come from registers.

    Latency: 1 cycle; a payload per cycle.

    Members
    -------
    i, o : stream of `shape`
    """

    def __init__(self, shape: data.StructLayout) -> None:
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.skid = skid = Skid(self.shape)
        valid = Signal()
        payload = Signal(self.shape)
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        m.d.comb += [skid.o.ready.eq(~valid | self.o.ready), self.o.valid.eq(valid), self.o.payload.eq(payload)]
        with m.If(skid.o.ready):
            m.d.sync += [valid.eq(skid.o.valid), payload.eq(skid.o.payload)]
        return m
