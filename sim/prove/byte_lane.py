"""P2 through what makes another data width: any byte lane, followed from one side to the other.

Where the bytes of a beat lie is computed here from the addresses at the ports, by AMBA AXI, IHI 0022H, A3.4.2. What is
followed is a lane of the wider side. A *word* is as wide as the narrower side: AXI moves a beat within one.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import exact_log2

from hdl.bus.axi import Burst

from .axi import Port, shift
from .axi_pass import buffered
from .harness import Harness
from .white_box import WhiteBox


def end_of_beat(address: Value, size: Value) -> Value:
    """Address of the byte after a beat."""
    return (((address >> size) + 1) << size)[: len(address)]


def address_after(address: Value, size: Value, burst: Value, length: Value) -> Value:
    """Low bits of the address of the beat that comes after one."""
    end = end_of_beat(address, size)
    container = (length + 1) << size
    wraps = (burst == Burst.WRAP) & ((end & (container - 1)[: len(end)]) == 0)
    return Mux(burst == Burst.FIXED, address, Mux(wraps, end - container, end))[: len(address)]


def ends_at(address: Value, size: Value) -> Value:
    """Whether an address is the first after a piece of ``2**size`` bytes."""
    return (address & ((Const(1, len(address) + 1) << size) - 1)[: len(address)]) == 0


class Bursts:
    """Requests of a port that are not done: low bits of the address of each, its AxSIZE and type, the oldest first.

    Members
    -------
    there : list of Value
        Whether there are so many and one more.
    entries : list of {address, size, burst}
    lengths : list of Value
        AxLEN of each.
    current : {address, size, burst}
        Of the burst whose beat is next; `address` is that of the beat.
    """

    def __init__(self, h: Harness, port: Port, channel: str, bits: int) -> None:
        self.layout = data.StructLayout({"address": bits, "size": 3, "burst": 2})
        self._h, self._port, self._channel = h, port, channel
        self._name = f"{port.name}_{channel}"
        self._at = Signal(bits, name=f"{self._name}_at")

    @classmethod
    def of_reads(cls, h: Harness, port: Port, identity: Value, bits: int) -> Bursts:
        """Reads of an ID."""
        bursts = cls(h, port, "ar", bits)
        known = [(one.count, one.number, one.leaves, *one.lengths) for one in port.reads]
        alone = len(known) == 1  # the port's checker follows this ID
        count, number, leaves, *lengths = known[0] if alone else (Array(n)[identity] for n in zip(*known, strict=True))
        enters = port.taken("ar") & (port.field("arid") == identity)
        beat = port.taken("r") & (port.field("rid") == identity)
        bursts._keep(count, lengths, enters, leaves, Const(0), number, beat)
        return bursts

    @classmethod
    def of_writes(cls, h: Harness, port: Port, bits: int) -> Bursts:
        """Writes; the address that is offered is one of them."""
        bursts, writes = cls(h, port, "aw", bits), port.writes
        lengths = [named[:8] for named in writes.named]
        bursts._keep(writes.count, lengths, writes.comes, writes.whole, writes.complete, writes.number, port.taken("w"))
        return bursts

    def _keep(
        self, count: Value, lengths: list[Value], enters: Value, leaves: Value, first: Value, number: Value, beat: Value
    ) -> None:
        """`first` of them is the one whose beat is next, its beat `number`."""
        m = self._h.m
        address, size, burst = (getattr(self._port.bus, self._channel + name) for name in ("addr", "size", "burst"))
        entry = Cat(address[: len(self._at)], size, burst)
        kept = [Signal(self.layout, name=f"{self._name}_{n}") for n in range(len(lengths))]
        shift(m, [each.as_value() for each in kept], count, enters, entry, leaves)
        self.entries, self.lengths = kept, lengths
        self.there = [count > n for n in range(len(lengths))]
        chosen = self.layout(Array(each.as_value() for each in kept)[first])
        self.current = Signal(self.layout, name=f"{self._name}_current")
        here = Mux(number == 0, chosen.address, self._at)
        m.d.comb += [self.current.eq(chosen), self.current.address.eq(here)]
        with m.If(beat):
            m.d.sync += self._at.eq(address_after(here, chosen.size, chosen.burst, Array(lengths)[first]))
        for there, one, length in zip(self.there, kept, lengths, strict=True):
            wrap = Cat(length == n for n in (1, 3, 7, 15)).any()
            legal = (one.burst != 3) & ((one.burst != Burst.WRAP) | (wrap & ends_at(one.address, one.size)))
            most = exact_log2(self._port.bus.signature.data_width // 8)
            self._h.invariant("each is a burst that AXI allows", ~there | (legal & (one.size <= most)))

    def sizes(self, which: Value) -> Value:
        """AxSIZE of one of them."""
        return Array(one.size for one in self.entries)[which]


class _Lane:
    """One lane of the wider side.

    Members
    -------
    lane : Value
        Any of them.
    """

    def __init__(self, h: Harness, up: Port, down: Port) -> None:
        widths = [exact_log2(port.bus.signature.data_width // 8) for port in (up, down)]
        self.bits, self.word = max(1, *widths), min(widths)
        self.lane = h.constant(self.bits, "lane")
        self._widths = {up.name: widths[0], down.name: widths[1]}

    def of(self, port: Port, word: Value, width: int) -> Value:
        """What the lane has, `width` bits of each, of data or strobes of a port."""
        return word.word_select(self.lane[: self._widths[port.name]], width)

    def same_word(self, address: Value) -> Value:
        """Whether it lies in the word of an address."""
        return (self.lane >> self.word) == (address >> self.word)


class ReadLane(_Lane):
    """A reference for a lane of read data of any one ID: what has come below, until it goes above.

    Parameters
    ----------
    gathers : bool
        Beats below make up those above; otherwise there is one for one.

    Members
    -------
    above, below : Bursts
    done, index : Signal
        Bursts above of which all has come below, and beats of the next.
    middle, reached : Signal
        A beat above has begun to come; the address that is next then.
    seen, value, failed, none : Signal
        Of that beat: whether the lane has come, and what, and whether some response was an error, or DECERR.
    waiting : Signal
        Beats that have come and have not gone above; `beats` {seen, value, failed, none}, the oldest first.
    """

    def __init__(self, h: Harness, up: Port, down: Port, *, gathers: bool) -> None:
        super().__init__(h, up, down)
        self._h, self._up, self._gathers = h, up, gathers
        m = h.m
        [reads] = up.reads
        identity = self.identity = reads.identity
        self.above, self.below = (Bursts.of_reads(h, port, identity, self.bits) for port in (up, down))
        here = self.below.current
        end = end_of_beat(here.address, here.size)
        goes = down.taken("r") & (down.field("rid") == identity)
        self.done, self.index = Signal(2, name="read_done"), Signal(9, name="read_index")
        self.middle, self.reached = Signal(name="read_middle"), Signal(self.bits, name="read_reached")
        self.layout = data.StructLayout({"seen": 1, "value": 8, "failed": 1, "none": 1})
        self.kept, beat = Signal(self.layout, name="read_kept"), Signal(self.layout, name="read_beat")
        ends = ends_at(end, self.above.sizes(self.done)) if gathers else Const(1)
        comes = self.same_word(here.address)
        before = [Mux(self.middle, self.kept[name], 0) for name in ("seen", "value", "failed", "none")]
        resp = down.bus.rresp
        m.d.comb += [
            beat.seen.eq(before[0] | comes),
            beat.value.eq(Mux(comes, self.of(down, down.bus.rdata, 8), before[1])),
            beat.failed.eq(before[2] | resp[1]),
            beat.none.eq(before[3] | (resp == 3)),
        ]
        last = goes & ends & (self.index == Array(reads.lengths)[self.done])
        m.d.sync += self.done.eq(self.done + last - reads.leaves)
        with m.If(goes):
            m.d.sync += [
                self.kept.eq(beat),
                self.middle.eq(~ends),
                self.reached.eq(end),
                self.index.eq(Mux(last, 0, self.index + ends)),
            ]
        self.waiting = Signal(range(4), name="read_waiting")
        self.beats = [Signal(self.layout, name=f"read_beat{n}") for n in range(2)]
        offered = up.bus.rvalid & (up.field("rid") == identity)
        gone = offered & up.bus.rready
        m.d.sync += self.waiting.eq(self.waiting + (goes & ends) - gone)
        shift(m, [each.as_value() for each in self.beats], self.waiting, goes & ends, beat.as_value(), gone)
        first, shown = self.beats[0], self.of(up, up.bus.rdata, 8)
        h.claim("a beat above has come from below", self.waiting != 0, when=offered)
        h.claim("a byte is what came on its lane below", shown == first.value, when=offered & first.seen)
        told = (up.bus.rresp[1] == first.failed) & ((up.bus.rresp == 3) == first.none)
        h.claim("a beat is an error if a beat that it came from was, the worst of these", told, when=offered)
        if gathers:
            h.claim("a lane on which nothing came is zero", shown == 0, when=offered & ~first.seen)

    def stands(self, there: Value, known: Value, beat: Any) -> None:
        """What a beat in the adapter has is what is `known` of it, if it is `there`."""
        kept, value = self.layout(known), self.of(self._up, beat.data, 8)
        told = (beat.resp[1] == kept.failed) & ((beat.resp == 3) == kept.none)
        right = Mux(kept.seen, value == kept.value, value == 0 if self._gathers else 1)
        self._h.invariant("a byte that waits", ~there | (told & right))

    def buffered(self, buffer: WhiteBox) -> None:
        """The same of the beats in front of the port."""
        beats = buffered(self._h, buffer)
        waits = [there & (beat.id == self.identity) for there, beat in beats]
        self._h.invariant("beats that wait", self.waiting == sum(waits))
        known = Array(each.as_value() for each in self.beats)
        for place, there, (_, beat) in zip((Const(0), waits[0]), waits, beats, strict=True):
            self.stands(there, known[place], beat)


class WriteLane(_Lane):
    """The same of write data, which is not stored on its way.

    Members
    -------
    above, below : Bursts
    middle, reached : Signal
        A part of the beat that is offered above has gone below; the address that is next then.
    """

    def __init__(self, h: Harness, up: Port, down: Port, *, splits: bool) -> None:
        super().__init__(h, up, down)
        m, bus = h.m, down.bus
        self.above, self.below = (Bursts.of_writes(h, port, self.bits) for port in (up, down))
        here = self.below.current
        end = end_of_beat(here.address, here.size)
        ends = ends_at(end, self.above.sizes(up.writes.complete)) if splits else Const(1)
        self.middle, self.reached = Signal(name="write_middle"), Signal(self.bits, name="write_reached")
        with m.If(down.taken("w")):
            m.d.sync += [self.middle.eq(~ends), self.reached.eq(end)]
        strobe = self.of(down, bus.wstrb, 1)
        alike = (self.of(down, bus.wdata, 8) == self.of(up, up.bus.wdata, 8)) & (strobe == self.of(up, up.bus.wstrb, 1))
        comes = self.same_word(here.address)
        h.claim("a byte is what came on its lane above, and its strobe", alike, when=bus.wvalid & comes)
        h.claim("a beat above goes with the last of its beats below", up.taken("w") == (down.taken("w") & ends))
        h.claim("data goes only while it is offered above", up.bus.wvalid, when=bus.wvalid)
        if splits:
            follows = here.address == self.reached
            h.claim("the beats of a beat follow one another", follows, when=bus.wvalid & self.middle)
        else:
            h.claim("nothing is written on other lanes", ~strobe, when=bus.wvalid & ~comes)


def lanes_known(h: Harness, entry: Any, one: Any, length: Value, size_max: int, there: Value) -> None:
    """What an adapter has stored of a burst's lanes is what the burst that was offered below says."""
    bits = len(entry.offset)
    container = ((length << one.size) | ((Const(1, bits + 1) << one.size) - 1))[:bits]
    mask = Mux(one.burst == Burst.FIXED, 0, Mux(one.burst == Burst.WRAP, container, Const(-1, bits)))[:bits]
    size = Mux(entry.size > size_max, size_max, entry.size)
    same = (entry.offset == one.address) & (size == one.size) & (entry.mask == mask)
    h.invariant("what is known of its lanes", ~there | same)
