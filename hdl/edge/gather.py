"""Merges the answers to the parts of a split burst."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..bus import axi
from ..bus.buffer import Buffer
from . import lanes
from .answer_walk import AnswerWalk
from .id_queues import IdQueues
from .wires import answer_layout, resized


def worse(earlier: Value, response: Value) -> Value:
    """The worse of two xRESP: DECERR, SLVERR, any other (IHI 0022H, A3.4.4). `earlier` is an error or OKAY."""
    return Mux(earlier > response, earlier, response)


class GatherReads(wiring.Component):
    """Builds the beats of the wide side from those of the narrow side; beats of different IDs may interleave.

    What a beat did not bring is zero: nobody sees on idle lanes what another's beat left in the memory of this unit.
    RRESP of a beat is the worst of its pieces'; RLAST comes with the last beat of the last part.
    Latency: 1 cycle after the last piece of a beat; a piece per cycle.

    Parameters
    ----------
    signature : axi.Signature
        Of the wide side.
    data_width : int
        Of the narrow side, in bits.
    depth : int
        Parts of each ID.

    Members
    -------
    push, push_id, info, room
        Parts that are asked for, as of :class:`AnswerWalk`.
    i : stream of {id, data, resp, last}
        R of the narrow side.
    o : stream of {id, data, resp, last}
        R of the wide side.
    """

    def __init__(self, signature: axi.Signature, *, data_width: int, depth: int) -> None:
        self.wide, self.data_width = signature, data_width
        self.wide_max, self.narrow_max = exact_log2(signature.data_width // 8), exact_log2(data_width // 8)
        self.walk = AnswerWalk(
            offset_bits=self.wide_max, size_max=self.narrow_max, id_width=signature.id_width, depth=depth
        )
        super().__init__(
            {
                **{name: self.walk.signature.members[name] for name in ("push", "push_id", "info", "room")},
                "i": In(stream.Signature(answer_layout(resized(signature, data_width=data_width)))),
                "o": Out(stream.Signature(answer_layout(signature))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = self.walk
        m.submodules.r = r = Buffer(answer_layout(self.wide))
        kept_layout = data.StructLayout({"data": self.wide.data_width, "resp": 2})
        m.submodules.pieces = pieces = Memory(shape=kept_layout, depth=1 << self.wide.id_width, init=[])
        write, read = pieces.write_port(), pieces.read_port(domain="comb")
        piece = self.i.payload
        placed = Signal(self.wide.data_width)
        kept = Signal(kept_layout)
        ends = Signal()
        begun = Signal(1 << self.wide.id_width)
        if self.wide_max > self.narrow_max:
            m.d.comb += placed.word_select(walk.offset[self.narrow_max :], self.data_width).eq(piece.data)
        else:
            m.d.comb += placed.eq(piece.data)
        with m.If(begun.bit_select(piece.id, 1)):
            m.d.comb += kept.eq(read.data)
        m.d.comb += [
            walk.push.eq(self.push),
            walk.push_id.eq(self.push_id),
            walk.info.eq(self.info),
            self.room.eq(walk.room),
            walk.id.eq(piece.id),
            walk.last.eq(piece.last),
            read.addr.eq(piece.id),
            ends.eq(lanes.ends_word(walk.offset, lanes.smaller(walk.burst.size, self.narrow_max), walk.burst.size)),
            r.i.payload.id.eq(piece.id),
            r.i.payload.data.eq(placed | kept.data),
            r.i.payload.resp.eq(worse(kept.resp, piece.resp)),
            r.i.payload.last.eq(piece.last & walk.burst.final),
            r.i.valid.eq(self.i.valid & walk.known & ends),
            # What nobody asked for is taken and dropped.
            self.i.ready.eq(r.i.ready | ~ends | ~walk.known),
            walk.step.eq(self.i.valid & self.i.ready & walk.known),
            write.en.eq(walk.step),
            write.addr.eq(piece.id),
            write.data.data.eq(r.i.payload.data),
            write.data.resp.eq(r.i.payload.resp),
        ]
        with m.If(walk.step):
            m.d.sync += begun.bit_select(piece.id, 1).eq(~ends)
        wiring.connect(m, r.o, wiring.flipped(self.o))
        return m


class GatherResponses(wiring.Component):
    """One write response for all parts of a write: the worst, when the last part is answered.

    Latency: 1 cycle; a response per cycle.

    Parameters
    ----------
    id_width, depth : int
        As of :class:`IdQueues`.

    Members
    -------
    push, push_id, room
        A part is asked for, as of :class:`IdQueues`; `final` tells that it is its write's last.
    i, o : stream of {id, resp}
        B of the narrow and of the wide side.
    """

    def __init__(self, *, id_width: int, depth: int) -> None:
        self.id_width, self.depth = id_width, depth
        self.layout = data.StructLayout({"id": id_width, "resp": 2})
        super().__init__(
            {
                "push": In(1),
                "push_id": In(id_width),
                "final": In(1),
                "room": Out(1),
                "i": In(stream.Signature(self.layout)),
                "o": Out(stream.Signature(self.layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.parts = parts = IdQueues(data.StructLayout({"final": 1}), id_width=self.id_width, depth=self.depth)
        m.submodules.b = b = Buffer(self.layout)
        earlier = Signal(2 << self.id_width)
        identity = self.i.payload.id
        response = Signal(2)
        m.d.comb += [
            parts.push.eq(self.push),
            parts.push_id.eq(self.push_id),
            parts.info.final.eq(self.final),
            self.room.eq(parts.room),
            parts.id.eq(identity),
            response.eq(worse(earlier.word_select(identity, 2), self.i.payload.resp)),
            b.i.valid.eq(self.i.valid & parts.known & parts.head.final),
            b.i.payload.id.eq(identity),
            b.i.payload.resp.eq(response),
            # What nobody asked for is taken and dropped.
            self.i.ready.eq(b.i.ready | ~parts.head.final | ~parts.known),
            parts.pop.eq(self.i.valid & self.i.ready & parts.known),
        ]
        with m.If(parts.pop):
            m.d.sync += earlier.word_select(identity, 2).eq(Mux(parts.head.final, 0, response))
        wiring.connect(m, b.o, wiring.flipped(self.o))
        return m
