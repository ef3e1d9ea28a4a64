"""Several response streams into one, beat by beat."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.buffer import Buffer
from .arbiter import RoundRobin


class Merge(wiring.Component):
    """Round robin over response streams. Beats of different IDs may interleave, as AXI4 allows (IHI 0022H, A5.3.1).

    Latency: 1 cycle; a beat per cycle. Inputs need not hold valid until they are taken.

    Members
    -------
    i{n} : stream of `shape`
    o : stream of `shape`
    """

    def __init__(self, shape: data.StructLayout, inputs: int) -> None:
        self.shape, self.inputs = shape, inputs
        members = {f"i{n}": In(stream.Signature(shape)) for n in range(inputs)}
        super().__init__({**members, "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.turn = turn = RoundRobin(self.inputs)
        m.submodules.buffer = buffer = Buffer(self.shape)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        m.d.comb += [buffer.i.valid.eq(turn.grant.any()), turn.accept.eq(buffer.i.valid & buffer.i.ready)]
        for n in range(self.inputs):
            source = getattr(self, f"i{n}")
            m.d.comb += [turn.candidates[n].eq(source.valid), source.ready.eq(turn.grant[n] & buffer.i.ready)]
            with m.If(turn.grant[n]):
                m.d.comb += buffer.i.payload.eq(source.payload)
        return m
