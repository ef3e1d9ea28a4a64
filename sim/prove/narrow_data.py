"""P2 through what splits bursts: parts follow one another, and each byte is where its address says."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from hdl.bus.axi import Burst
from hdl.edge import lanes
from hdl.edge.split import PAGE_BITS

from .axi import Port, shift
from .axi_pass import buffered
from .byte_lane import ReadLane, WriteLane, ends_at, lanes_known
from .harness import Harness
from .narrow import Part, Row
from .white_box import WhiteBox


def reads(h: Harness, box: WhiteBox, up: Port, down: Port, row: Row) -> None:
    """Of the reads of any one ID."""
    _parts_follow(h, up, down, "ar", row)
    byte = ReadLane(h, up, down, gathers=True)
    identity, above, below = byte.identity, byte.above, byte.below
    gather = box.parts["reads"]
    byte.buffered(gather.parts["r"])
    middle = gather.signal("begun").bit_select(identity, 1)
    h.invariant("whether a beat has begun", middle == byte.middle)
    byte.stands(byte.middle, byte.kept.as_value(), gather.word(h.m, "pieces", identity))
    here = above.sizes(byte.done)
    same_beat = ((byte.lane >> here) == (byte.reached >> here)) & (byte.lane < byte.reached)
    h.invariant("what has come lies before what comes", ~byte.middle | ~byte.kept.seen | same_beat)
    whole_words = byte.reached[: byte.word] == 0
    h.invariant("a beat that has begun is not whole", ~byte.middle | (whole_words & ~ends_at(byte.reached, here)))
    h.invariant("reads that have come", (byte.done == row.first_done) & (byte.index == row.first_index))

    mine = row.rest.held & (row.rest.request.id == identity)
    h.invariant("the size of what is split", ~mine | (above.sizes(row.done) == row.rest.request.size))
    current = row.parts[0].offset == below.current.address
    h.invariant("where the next beat lies", ~row.parts[0].there | current)
    for part, burst, one, length in zip(row.parts, row.belongs, below.entries, below.lengths, strict=False):
        lanes_known(h, part.info, one, length, row.rest.component.narrow_max, part.there)
        h.invariant("the size of each", ~part.there | (part.info.size == above.sizes(burst)))
    _chain(h, row, byte.middle, byte.reached, mine, row.rest.at)


def writes(h: Harness, box: WhiteBox, up: Port, down: Port, row: Row) -> None:
    """Of all writes."""
    _parts_follow(h, up, down, "aw", row)
    byte = WriteLane(h, up, down, splits=True)
    a, b, above, below = up.writes, down.writes, byte.above, byte.below
    split = box.parts["split_aw"]
    newest = above.sizes(Mux(a.count == 0, 0, a.count - 1))
    h.invariant("the size of the newest above", ~a.known | (newest == up.field("awsize")))
    goes_on = Mux(b.known, ~split.final, row.rest.held)
    size = Mux(row.rest.held, row.rest.request.size, up.field("awsize"))
    h.invariant("the size of what is split", ~goes_on | (above.sizes(row.done) == size))
    offer = below.layout(Array(each.as_value() for each in below.entries)[Mux(b.count == 0, 0, b.count - 1)])
    same = (offer.address == down.field("awaddr")[: byte.bits]) & (offer.size == down.field("awsize"))
    h.invariant("the newest below", ~b.known | (same & (offer.burst == down.field("awburst"))))
    current = row.parts[0].offset == below.current.address
    h.invariant("where the next beat lies", ~row.parts[0].there | current)
    entries = Array(each.as_value() for each in below.entries)
    for k, (part, burst) in enumerate(zip(row.parts, row.belongs, strict=True)):
        which = (b.complete + k)[:2]
        one, length = below.layout(entries[which]), Array(below.lengths)[which]
        lanes_known(h, part.info, one, length, row.rest.component.narrow_max, part.there)
        h.invariant("the size of each", ~part.there | (part.info.size == above.sizes(burst)))
    payload = split.o.payload
    offered = (((payload.addr[: byte.bits] >> payload.size) + payload.len + 1) << payload.size)[: byte.bits]
    here = above.sizes(a.complete)
    whole_words = byte.reached[: byte.word] == 0
    h.invariant("a beat that has begun is not whole", ~byte.middle | (whole_words & ~ends_at(byte.reached, here)))
    responses(h, box, up, down)
    follows = Mux(b.known, offered, row.rest.at[: byte.bits])
    _chain(h, row, byte.middle, byte.reached, goes_on, follows)


def responses(h: Harness, box: WhiteBox, up: Port, down: Port) -> None:
    """The response of a write is the worst of its parts'; which of these is the last is for P7."""
    m, gather = h.m, box.parts["responses"]
    [(identity, _)] = up.due
    layout = data.StructLayout({"failed": 1, "none": 1})
    kept, whole = Signal(layout, name="response_kept"), Signal(layout, name="response")
    waiting, stored = Signal(range(4), name="responses"), [Signal(layout, name=f"response{n}") for n in range(2)]
    resp = down.bus.bresp
    m.d.comb += [whole.failed.eq(kept.failed | resp[1]), whole.none.eq(kept.none | (resp == 3))]
    comes = down.taken("b") & (down.field("bid") == identity)
    last = comes & gather.parts["parts"].component.head.final
    with m.If(comes):
        m.d.sync += kept.eq(Mux(last, 0, whole.as_value()))
    offered = up.bus.bvalid & (up.field("bid") == identity)
    gone = offered & up.bus.bready
    m.d.sync += waiting.eq(waiting + last - gone)
    shift(m, [each.as_value() for each in stored], waiting, last, whole.as_value(), gone)

    def tells(response: Value, known: data.View) -> Value:
        return (response[1] == known.failed) & ((response == 3) == known.none)

    worst = (waiting != 0) & tells(up.bus.bresp, stored[0])
    h.claim("a write has failed if a part of it has, and as the worst of these", worst, when=offered)
    h.invariant("the worst so far", tells(gather.signal("earlier").word_select(identity, 2), kept))
    beats = buffered(h, gather.parts["b"])
    waits = [there & (beat.id == identity) for there, beat in beats]
    h.invariant("responses that wait", waiting == sum(waits))
    known = Array(each.as_value() for each in stored)
    for place, there, (_, beat) in zip((Const(0), waits[0]), waits, beats, strict=True):
        h.invariant("a response that waits", ~there | tells(beat.resp, layout(known[place])))


def _end(part: Part, row: Row, bits: int) -> Value:
    """Address of the byte after a part."""
    step = lanes.smaller(part.info.size, row.rest.component.narrow_max)
    return (((part.offset >> step) + part.left) << step)[:bits]


def _chain(h: Harness, row: Row, middle: Value, reached: Value, more: Value, at: Value) -> None:
    """A part that ends within a beat above is followed by one that begins there, or by what is `more`, at `at`."""
    bits = len(reached)
    first = row.parts[0]
    h.invariant("a beat that has begun goes on", ~middle | first.there | more)
    begins = Mux(first.there, first.offset, at[:bits])[:bits]
    h.invariant("and where it ended", ~middle | (begins == reached))
    for n, part in enumerate(row.parts):
        end = _end(part, row, bits)
        after = row.parts[n + 1] if n + 1 < len(row.parts) else None
        there = after.there if after else 0
        begins = Mux(there, after.offset if after else 0, at[:bits])[:bits]
        goes_on = (there | more) & (begins == end)
        h.invariant("a part goes on where it ended", ~part.there | ends_at(end, part.info.size) | goes_on)


def _parts_follow(h: Harness, up: Port, down: Port, channel: str, row: Row) -> None:
    """A part begins where the one before it ended: in a container that wraps at its start, and each FIXED beat anew.

    All else of it is as its request says.
    """
    m, rest = h.m, row.rest
    alike = ("id", "cache", "prot", "qos", "user")
    names = ("addr", "len", "size", "burst", *alike)
    layout = data.StructLayout({name: len(up.field(channel + name)) for name in names})
    request, first = (Signal(layout, name=f"{channel}_{what}") for what in ("request", "first"))
    expected = Signal(PAGE_BITS, name=f"{channel}_expected")
    m.d.comb += [first[name].eq(up.field(channel + name)) for name in names]
    with m.If(up.taken(channel)):
        m.d.sync += request.eq(first)
    whole = layout(Mux(rest.held, request.as_value(), first.as_value()))
    address, length, size = (down.field(channel + name) for name in ("addr", "len", "size"))
    end = (((address[:PAGE_BITS] >> size) + length + 1) << size)[:PAGE_BITS]
    container = ((whole.len + 1) << whole.size)[:PAGE_BITS]
    start = whole.addr[:PAGE_BITS]
    with m.If(down.taken(channel)):
        m.d.sync += expected.eq(end)
        with m.If((whole.burst == Burst.WRAP) & ((end & (container - 1)[:PAGE_BITS]) == 0)):
            m.d.sync += expected.eq(start & ~(container - 1)[:PAGE_BITS])
        with m.If((whole.burst == Burst.FIXED) & ends_at(end, whole.size)):
            m.d.sync += expected.eq(start)
    right = address == Cat(Mux(rest.held, expected, start), whole.addr[PAGE_BITS:])
    offered = getattr(down.bus, f"{channel}valid")
    h.claim("a part begins where the one before it ended", right, when=offered)
    same = Cat(down.field(channel + name) == whole[name] for name in alike).all()
    h.claim("a part is what its request is", same, when=offered)
    same = Cat(rest.request[name] == request[name] for name in names).all()
    h.invariant("what is split is the request as it was", ~rest.held | (same & (rest.at == expected)))
