"""The register bank: the register map as hardware, behind AXI4-Lite."""

from collections.abc import Iterator

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from ..bus import axi
from ..plan.plan import bits_for
from ..plan.registers import Access, Block, Field, Register, RegisterMap

WORD_BITS = 2
"""Address bits inside a 32-bit register; they are not looked at (IHI 0022H, B1.1.1: all accesses are bus-wide)."""


def _name(block: Block, member: int, register: Register) -> str:
    return f"{block.name}{member}_{register.name}".lower()


def _members(name: str, register: Register) -> Iterator[tuple[str, Member]]:
    for field in register.fields:
        port = f"{name}_{field.name}".lower()
        if field.access is Access.READ_WRITE:
            yield port, Out(field.width, init=field.reset)
        elif field.access is Access.READ_ONLY and not register.external:
            yield port, In(field.width)
        elif field.access is Access.COMMAND:
            yield port, Out(field.width)
        elif field.access is Access.WRITE_ONE_TO_CLEAR:
            yield port, Out(field.width, init=field.reset)
            yield f"{port}_set", In(field.width)
    if register.is_command:
        yield f"{name}_strobe", Out(1)


class Bank(wiring.Component):
    """All registers of a card.

    AW and W may come in any order; one write and one read may be under way, independently of each other. An address
    without a register reads as zero, ignores writes, and answers DECERR, so that a wrong script notices. Bits without
    a field read as zero. WSTRB chooses the bytes that a write changes.

    Latency: with the later of AW and W accepted in cycle 0, a field has its new value, a command its strobe, and B
    is valid in cycle 2. With AR accepted in cycle 0, fields are read in cycle 1 and R is valid in cycle 3.

    Parameters
    ----------
    registers : RegisterMap

    Members
    -------
    bus : In(axi.LiteSignature)
    <block><member>_<register>_<field>
        Lower case; `member` is a number, 0 also where a block has one register file only. Read-write: Out, the value.
        Read-only: In. Command: Out, bytes that the write left out are zero; meaningful in the cycle of the strobe
        only. Write-one-to-clear: Out, the value, and with ``_set`` appended In, which sets bits and wins over a write.
    <block><member>_<register>_strobe : Out(1)
        For registers with a command: one cycle for each write.
    external_member, external_word : Out
        If a block has registers with values outside the bank: which register file, and which of its external
        registers, counted from 0 in the order of the map.
    external_data : In(32)
        The value, one cycle later.

    Raises
    ------
    ValueError
        More than one block has external registers.
    """

    def __init__(self, registers: RegisterMap) -> None:
        self.registers = registers
        members: dict[str, Member] = {"bus": In(axi.LiteSignature(address_width=registers.address_bits))}
        for block, member, register in self._each():
            members |= dict(_members(_name(block, member, register), register))
        external = [block for block in registers.blocks if any(register.external for register in block.registers)]
        if len(external) > 1:
            raise ValueError(f"Only one block can have external registers, not {len(external)!r}")
        self.external = external[0] if external else None
        if self.external:
            words = sum(register.external for register in self.external.registers)
            members |= {
                "external_member": Out(bits_for(self.external.count)),
                "external_word": Out(bits_for(words)),
                "external_data": In(32),
            }
        super().__init__(members)

    def field(self, block: str, member: int, register: str, field: str) -> Value:
        """The member of the signature that belongs to a field."""
        return getattr(self, f"{block}{member}_{register}_{field}".lower())

    def strobe(self, block: str, member: int, register: str) -> Value:
        """The strobe of a register with a command."""
        return getattr(self, f"{block}{member}_{register}_strobe".lower())

    def _each(self) -> Iterator[tuple[Block, int, Register]]:
        for block in self.registers.blocks:
            for member in range(block.count):
                for register in block.registers:
                    yield block, member, register

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._write(m)
        self._read(m)
        return m

    # ------------------------------------------------------------ writes

    def _write(self, m: Module) -> None:
        bus = self.bus
        write_address = Signal(self.registers.address_bits)
        write_data = Signal(32)
        write_strobe = Signal(4)
        address_held = Signal()
        data_held = Signal()
        write_now = Signal()
        command_data = Signal(32)
        mapped = Signal(name="write_mapped")

        m.d.comb += [
            bus.awready.eq(~address_held),
            bus.wready.eq(~data_held),
            write_now.eq(address_held & data_held & ~bus.bvalid),
        ]
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [write_address.eq(bus.awaddr), address_held.eq(1)]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [write_data.eq(bus.wdata), write_strobe.eq(bus.wstrb), data_held.eq(1)]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(write_now):
            m.d.sync += [
                address_held.eq(0),
                data_held.eq(0),
                bus.bvalid.eq(1),
                bus.bresp.eq(Mux(mapped, axi.Response.OKAY, axi.Response.DECERR)),
            ]
            for byte in range(4):
                part = slice(8 * byte, 8 * byte + 8)
                m.d.sync += command_data[part].eq(Mux(write_strobe[byte], write_data[part], 0))

        for block in self.registers.blocks:
            inside, offset = self._block(m, block, write_address, "write")
            known = [
                (member * block.stride + register.offset) >> WORD_BITS
                for member in range(block.count)
                for register in block.registers
            ]
            with m.If(inside):
                with m.Switch(offset):
                    with m.Case(*known):
                        m.d.comb += mapped.eq(1)
            for member in range(block.count):
                for register in block.registers:
                    if any(field.access is not Access.READ_ONLY for field in register.fields):
                        name = _name(block, member, register)
                        selected = Signal(name=f"{name}_write")
                        word = (member * block.stride + register.offset) >> WORD_BITS
                        m.d.comb += selected.eq(write_now & inside & (offset == word))
                        self._write_register(m, name, register, selected, write_data, write_strobe, command_data)

    def _write_register(
        self, m: Module, name: str, register: Register, selected: Signal, data: Signal, strobe: Signal, command: Signal
    ) -> None:
        if register.is_command:
            m.d.sync += getattr(self, f"{name}_strobe").eq(selected & strobe.any())
        for field in register.fields:
            port = getattr(self, f"{name}_{field.name}".lower())
            if field.access is Access.COMMAND:
                m.d.comb += port.eq(command[field.lsb : field.lsb + field.width])
            elif field.access is Access.READ_WRITE:
                with m.If(selected):
                    for byte, low, high in _bytes(field):
                        with m.If(strobe[byte]):
                            m.d.sync += port[low - field.lsb : high - field.lsb].eq(data[low:high])
            elif field.access is Access.WRITE_ONE_TO_CLEAR:
                clear = [Mux(selected & strobe[byte], data[low:high], 0) for byte, low, high in _bytes(field)]
                m.d.sync += port.eq((port & ~Cat(clear)) | getattr(self, f"{name}_{field.name}_set".lower()))

    # ------------------------------------------------------------ reads

    def _read(self, m: Module) -> None:
        bus = self.bus
        read_address = Signal(self.registers.address_bits)
        words: list[Value] = []
        hits: list[Value] = []

        for block in self.registers.blocks:
            inside, offset = self._block(m, block, read_address, "read")
            word = Signal(32, name=f"{block.name}_word")
            hit = Signal(name=f"{block.name}_hit")
            m.d.sync += [word.eq(0), hit.eq(0)]
            with m.If(inside):
                with m.Switch(offset):
                    for member in range(block.count):
                        for register in block.registers:
                            with m.Case((member * block.stride + register.offset) >> WORD_BITS):
                                m.d.sync += [word.eq(self._value(block, member, register)), hit.eq(1)]
            words.append(word)
            hits.append(hit)
            if block is self.external:
                external_hit = self._address_external(m, block, inside, offset)
                words.append(Mux(hit & external_hit, self.external_data, 0))

        with m.FSM(name="read"):
            with m.State("IDLE"):
                m.d.comb += bus.arready.eq(1)
                with m.If(bus.arvalid):
                    m.d.sync += read_address.eq(bus.araddr)
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "MERGE"
            with m.State("MERGE"):
                merged = words[0]
                for other in words[1:]:
                    merged = merged | other
                m.d.sync += [
                    bus.rdata.eq(merged),
                    bus.rresp.eq(Mux(Cat(hits).any(), axi.Response.OKAY, axi.Response.DECERR)),
                ]
                m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += bus.rvalid.eq(1)
                with m.If(bus.rready):
                    m.next = "IDLE"

    def _address_external(self, m: Module, block: Block, inside: Value, offset: Value) -> Signal:
        external_hit = Signal()
        register_bits = (block.stride >> WORD_BITS).bit_length() - 1
        m.d.comb += self.external_member.eq(offset[register_bits:])
        m.d.sync += external_hit.eq(0)
        with m.If(inside):
            with m.Switch(offset[:register_bits]):
                for number, register in enumerate(register for register in block.registers if register.external):
                    with m.Case(register.offset >> WORD_BITS):
                        m.d.comb += self.external_word.eq(number)
                        m.d.sync += external_hit.eq(1)
        return external_hit

    def _value(self, block: Block, member: int, register: Register) -> Value:
        """All 32 bits of a register, as software reads them."""
        parts: list[Value] = []
        for field in sorted(register.fields, key=lambda field: field.lsb):
            parts.append(Const(0, field.lsb - len(Cat(parts))))
            hidden = register.external or field.access is Access.COMMAND
            parts.append(Const(0, field.width) if hidden else self.field(block.name, member, register.name, field.name))
        return Cat(parts)

    def _block(self, m: Module, block: Block, address: Signal, what: str) -> tuple[Signal, Value]:
        """Whether an address is in the aligned region that holds a block, and the register's number in it."""
        region_bits = (block.count * block.stride - 1).bit_length()
        inside = Signal(name=f"{what}_{block.name}")
        m.d.comb += inside.eq(address[region_bits:] == block.base >> region_bits)
        return inside, address[WORD_BITS:region_bits] if region_bits > WORD_BITS else Const(0, 1)


def _bytes(field: Field) -> Iterator[tuple[int, int, int]]:
    """The bytes of the register that a field touches: byte, and the field's bits in it as a half-open range."""
    end = field.lsb + field.width
    for byte in range(field.lsb // 8, (end + 7) // 8):
        yield byte, max(field.lsb, 8 * byte), min(end, 8 * byte + 8)
