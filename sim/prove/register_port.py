"""P1, P7 at the register port: AXI4-Lite, and a register reads as it was written."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Mux, Signal

from hdl.bus.axi import Response
from hdl.control.register_store import WORD_BITS, RegisterStore
from hdl.plan.registers import TOKEN_BITS

from .axi import Port
from .harness import Harness
from .white_box import WhiteBox

ACCESS = 4
"""Cycles of an access at most."""
MOST = 3
"""Reads, and writes, that the checker can tell apart; the port takes no more than two."""


def store(claims: Callable[[Harness, WhiteBox], None], address_bits: int) -> Harness:
    """The store behind the port, and what is claimed of it: :func:`accesses` or :func:`contents`."""
    h = Harness()
    h.without_contents.append("values")
    claims(h, h.place(RegisterStore(address_bits, TOKEN_BITS)))
    return h


def accesses(h: Harness, box: WhiteBox) -> None:
    """Any accesses, and a decoder that says what it likes."""
    bus = box.bus
    port = Port(h, bus, "registers")
    port.offers_stay()
    port.answers_belong(MOST)
    read, write, (_, due), writes = port.reads[0], port.writes, port.due[0], box.signal("writes")
    address_held, data_held = box.signal("address_held"), box.signal("data_held")
    busy = ~box.state("access", "IDLE") & ~box.state("access", "SWEEP")
    nothing = ~(address_held | data_held | bus.bvalid | bus.rvalid)
    h.invariant("nothing is taken before all registers have their value", nothing, when=box.state("access", "SWEEP"))
    h.invariant("one read at a time", ~bus.rvalid, when=busy & ~writes)
    h.invariant("a write begins when it is whole", address_held & data_held & ~bus.bvalid, when=busy & writes)
    h.invariant("reads", read.count == bus.rvalid + (busy & ~writes))
    h.invariant("addresses", write.addresses + due == address_held + bus.bvalid)
    h.invariant("data", write.complete + due == data_held + bus.bvalid)
    h.invariant("writes", write.count == write.addresses + write.known)

    # Nothing waits but for the sweep, for its other half, or for whoever does not take an answer.
    awake, answered = ~box.state("access", "SWEEP"), bus.bvalid
    for channel, count in (("aw", write.addresses), ("w", write.complete)):
        none = count + due == answered
        h.claim(f"what {channel.upper()} has is taken if nothing of it waits", getattr(bus, f"{channel}ready"),
                when=awake & none)  # fmt: skip
    since = Signal(range(ACCESS + 1))
    h.m.d.sync += since.eq(Mux(busy, since + 1, 0))
    progress = {"FETCH": 0, "LATCH": 1, "MERGE": 2, "COMMIT": 3}
    for name, cycles in progress.items():
        h.invariant("how far it is", since == cycles, when=box.state("access", name))
    h.invariant("a state that is there", Cat(box.state("access", name) for name in progress).any(), when=busy)
    h.claim("an access takes its cycles and no more", since < ACCESS, when=busy)
    waits = (write.addresses + due != answered) & (write.complete + due != answered)
    begins = Signal()
    h.m.d.sync += begins.eq(awake & ~busy & waits & ~answered)
    h.claim("a write that is whole is begun at once", busy & writes, when=begins)
    reads = (read.count == 0) & ~busy & ~(waits & ~answered)
    h.claim("a read is taken if no access is under way", bus.arready, when=awake & reads)


def contents(h: Harness, box: WhiteBox) -> None:
    """One register, any one, from its reset value on, with any accesses to it and all others."""
    m = h.m
    bus, word = box.bus, box.component.word
    chosen = h.constant(len(word), "register")
    in_state = {name: box.state("access", name) for name in ("SWEEP", "IDLE", "FETCH", "LATCH", "MERGE", "COMMIT")}
    sweeps, writes = in_state["SWEEP"], box.signal("writes")
    busy = ~in_state["IDLE"] & ~sweeps
    h.assume(sweeps | (box.reset_value == 0), environment="a reset value is given in the sweep only")

    # What was asked for.
    to_write, data, strobe, to_read = Signal(len(word)), Signal(32), Signal(4, init=0b1111), Signal(len(word))
    token = Signal(TOKEN_BITS)
    with m.If(bus.awvalid & bus.awready):
        m.d.sync += [to_write.eq(bus.awaddr >> WORD_BITS), token.eq(bus.awaddr >> len(word) + WORD_BITS)]
    with m.If(bus.wvalid & bus.wready):
        m.d.sync += [data.eq(bus.wdata), strobe.eq(bus.wstrb)]
    with m.If(bus.arvalid & bus.arready):
        m.d.sync += to_read.eq(bus.araddr >> WORD_BITS)
    h.invariant("the address of a write", (box.signal("write_word") == to_write) & (box.component.token == token))
    h.invariant("its data", (box.component.written == data) & (box.signal("strobe") == strobe))
    h.invariant("nothing is written in the sweep", (data == 0) & (strobe == 0b1111), when=sweeps)
    h.invariant("which register", word == Mux(writes, to_write, to_read), when=busy)
    held = box.signal("address_held") & box.signal("data_held")
    h.invariant("a write is whole", held, when=busy & writes)

    # What the register holds.
    here, holds, known = word == chosen, Signal(32), Signal()
    expected = Cat(
        Mux(strobe[n], data.word_select(n, 8), holds.word_select(n, 8)) & ~box.absent.word_select(n, 8)
        for n in range(4)
    )
    with m.If(sweeps & here):
        m.d.sync += [holds.eq(box.reset_value), known.eq(1)]
    with m.Elif(box.commit & box.kept & here):
        m.d.sync += holds.eq(expected)
    h.show("holds", holds)
    swept = ~sweeps | (word > chosen)
    h.invariant("swept", known == swept)
    h.invariant("it is there", box.word(m, "values", chosen) == holds, when=known)
    latched = in_state["MERGE"] | in_state["COMMIT"]
    h.invariant("it is fetched", box.looked("values") == holds, when=in_state["LATCH"] & here)
    h.invariant("it is latched", box.signal("old") == holds, when=latched & here)
    h.invariant("it is fetched still", box.looked("values") == holds, when=in_state["MERGE"] & here)
    h.claim("a write is for the register that was named", word == to_write, when=box.commit)
    h.claim("a write changes the bytes that it names", box.value == expected, when=box.commit & here)
    h.claim("what is not there is not written", box.mapped & strobe.any(), when=box.commit)
    h.claim("what is not allowed is not written, nor announced", box.allowed, when=box.commit | box.ahead)
    ended, was_write, was_here, kept = Signal(), Signal(), Signal(), Signal(32)
    mapped, allowed = Signal(), Signal()
    m.d.sync += [
        ended.eq((in_state["MERGE"] & ~writes) | in_state["COMMIT"]),
        was_write.eq(writes),
        was_here.eq(here),
        kept.eq(holds | box.shown),
        mapped.eq(box.mapped),
        allowed.eq(box.allowed),
    ]
    told = Mux(was_write, bus.bresp, bus.rresp)
    h.claim("a register reads as it was written", bus.rvalid & (bus.rdata == kept), when=ended & ~was_write & was_here)
    taken = Mux(was_write & ~allowed, Response.SLVERR, Response.OKAY)
    h.claim("who asks is told what became of it", told == Mux(mapped, taken, Response.DECERR), when=ended)
