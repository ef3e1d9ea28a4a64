"""The bus side of the register bank: takes accesses, one after the other, and keeps what software has written."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..bus import axi

WORD_BITS = 2
"""Address bits inside a 32-bit register; they are not looked at (IHI 0022H, B1.1.1: all accesses are bus-wide)."""


class RegisterStore(wiring.Component):
    """A block RAM with one word for each address of the register map, behind AXI4-Lite.

    The decoder beside it looks at `word` for three cycles before its answers are used, so that it can take two.
    A write is merged with the old value byte by byte; where software writes commands the old value is zero.

    After reset every word is written with its reset value, one in each cycle; accesses wait for that.

    Latency: with AR accepted in cycle 0, `word` is shown from cycle 1, the decoder is asked in cycle 3, and R is valid
    in cycle 4. With the later of AW and W accepted in cycle 0, `word` is shown from cycle 2, the decoder is asked in
    cycle 4, `commit` comes in cycle 5, and B is valid in cycle 6.

    Parameters
    ----------
    address_bits : int
        Of a register, in bytes.
    token_bits : int
        Bits of the bus address above those: the token of who writes.

    Members
    -------
    bus : In(axi.LiteSignature)
    word : Out
        Address of the access that is carried out, in registers; of the word that is swept.
    sweeping : Out(1)
        The reset value of `word` is taken from `reset_value` in this cycle.
    reset_value : In(32)
    mapped : In(1)
        There is a register.
    kept : In(1)
        Software reads back what it has written.
    absent : In(32)
        If it does: bits that the register does not have.
    shown : In(32)
        Bits that software reads and has not written.
    value : Out(32)
        With `commit`: the new value of the register. Zero while `sweeping` and a cycle longer.
    ahead : Out(1)
        `commit` comes in the next cycle.
    commit : Out(1)
        The register is written; not without a register, a byte that is chosen, or leave.
    token : Out
        What the write carries; it stays until `commit`, and so do `written` and `whole`.
    written : Out(32)
        Its data.
    whole : Out(1)
        It names all bytes.
    allowed : In(1)
        The write that is carried out may take place.
    """

    def __init__(self, address_bits: int, token_bits: int) -> None:
        self.address_bits = address_bits
        super().__init__(
            {
                "bus": In(axi.LiteSignature(address_width=address_bits + token_bits)),
                "word": Out(address_bits - WORD_BITS),
                "sweeping": Out(1),
                "reset_value": In(32),
                "mapped": In(1),
                "kept": In(1),
                "absent": In(32),
                "shown": In(32),
                "value": Out(32),
                "ahead": Out(1),
                "commit": Out(1),
                "token": Out(token_bits),
                "written": Out(32),
                "whole": Out(1),
                "allowed": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self.bus
        write_word = Signal.like(self.word)
        strobe = Signal(4, init=0b1111)
        address_held = Signal()
        data_held = Signal()
        write_waits = Signal()
        writes = Signal()
        old = Signal(32)
        there = Signal()
        m.d.comb += [self.whole.eq(strobe.all()), there.eq(self.mapped & strobe.any() & self.allowed)]
        read_response = Mux(self.mapped, axi.Response.OKAY, axi.Response.DECERR)
        write_response = Mux(self.mapped & ~self.allowed, axi.Response.SLVERR, read_response)

        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [
                write_word.eq(bus.awaddr >> WORD_BITS),
                self.token.eq(bus.awaddr >> self.address_bits),
                address_held.eq(1),
            ]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [self.written.eq(bus.wdata), strobe.eq(bus.wstrb), data_held.eq(1)]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        m.d.comb += [
            bus.awready.eq(~address_held & ~self.sweeping),
            bus.wready.eq(~data_held & ~self.sweeping),
            write_waits.eq(address_held & data_held & ~bus.bvalid),
        ]

        m.submodules.values = values = Memory(shape=32, depth=1 << len(self.word), init=[])
        write, read = values.write_port(), values.read_port()
        m.d.sync += old.eq(read.data)  # the block RAM's own output is slow
        for byte in range(4):
            part = slice(8 * byte, 8 * byte + 8)
            m.d.comb += self.value[part].eq(Mux(strobe[byte], self.written[part], old[part]) & ~self.absent[part])
        m.d.comb += [
            read.addr.eq(self.word),
            write.addr.eq(self.word),
            write.data.eq(self.value | self.reset_value),  # one of them is 0
            write.en.eq(self.sweeping | (self.commit & self.kept)),
        ]

        with m.FSM(name="access"):
            with m.State("SWEEP"):
                m.d.comb += self.sweeping.eq(1)
                m.d.sync += self.word.eq(self.word + 1)
                with m.If(self.word.all()):
                    m.next = "IDLE"
            with m.State("IDLE"):
                # A write waits until its predecessor's B is taken, so that reads and writes take turns.
                m.d.comb += bus.arready.eq(~write_waits & ~bus.rvalid)
                m.d.sync += [
                    writes.eq(write_waits),
                    self.word.eq(Mux(write_waits, write_word, bus.araddr >> WORD_BITS)),
                ]
                with m.If(write_waits | (bus.arvalid & bus.arready)):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += read.en.eq(1)
                m.next = "LATCH"
            with m.State("LATCH"):
                m.next = "MERGE"
            with m.State("MERGE"):
                with m.If(writes):
                    m.d.comb += self.ahead.eq(there)
                    m.next = "COMMIT"
                with m.Else():
                    m.d.sync += [bus.rvalid.eq(1), bus.rdata.eq(old | self.shown), bus.rresp.eq(read_response)]
                    m.next = "IDLE"
            with m.State("COMMIT"):
                m.d.comb += self.commit.eq(there)
                m.d.sync += [address_held.eq(0), data_held.eq(0), bus.bvalid.eq(1), bus.bresp.eq(write_response)]
                m.next = "IDLE"
        return m
