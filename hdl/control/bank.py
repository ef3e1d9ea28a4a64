"""The register bank: the register map as hardware, behind AXI4-Lite."""

from collections.abc import Iterator, Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from ..bus import axi
from ..plan.plan import bits_for
from ..plan.registers import TOKEN_BITS, Access, Block, Register, RegisterMap
from .fence import Fence
from .register_store import WORD_BITS, RegisterStore


def _name(block: Block, member: int, register: Register) -> str:
    return f"{block.name}{member}_{register.name}".lower()


def _members(name: str, register: Register, *, constant: bool) -> Iterator[tuple[str, Member]]:
    for field in register.fields:
        port = f"{name}_{field.name}".lower()
        if field.access is Access.READ_WRITE and not register.stored:
            yield port, Out(field.width, init=field.reset)
        elif field.access is Access.READ_ONLY and not (register.external or constant):
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

    What software has written stands in one block RAM, from which it is read back, and into which a write is merged
    byte by byte. Hardware gets it in two ways: fields of ordinary registers have flip-flops of their own, and a write
    to a `stored` register is announced, so that whoever needs its value keeps a copy where the look-up takes place.

    After reset the bank writes the reset values into the block RAM, one register in each cycle, and announces zeros for
    all stored registers; accesses wait until it has done so, ``2**(address_bits - 2)`` cycles after reset.

    AW and W may come in any order; one write and one read may be accepted, independently of each other, and are
    carried out one after the other. An address without a register reads as zero, ignores writes, and answers DECERR,
    so that a wrong script notices. Bits without a field read as zero. WSTRB chooses the bytes that a write changes.
    Address bits above those of the map carry a token: a write under another one than the owner's changes nothing and
    answers SLVERR, see :class:`hdl.control.fence.Fence`; reads may carry any.

    Latency, if the bank does nothing else: with the later of AW and W accepted in cycle 0, a command and a write to a
    stored register have their strobe in cycle 5, a field has its new value and B is valid in cycle 6. With AR accepted
    in cycle 0, fields are read in cycle 2 and R is valid in cycle 4. Another access under way adds at most 5 cycles.

    Parameters
    ----------
    registers : RegisterMap
    constants : Mapping of (block, register) to int
        Values of read-only registers with one field that never change; these have no members.
    owner : (block, register), optional
        The register of a block of one whose first field is the owner's token. Without one all writes take place.

    Members
    -------
    bus : In(axi.LiteSignature)
    <block><member>_<register>_<field>
        Lower case; `member` is a number, 0 also where a block has one register file only. Read-write: Out, the value;
        a stored register has none. Read-only: In. Command: Out, bytes that the write left out are zero; meaningful in
        the cycle of the strobe only. Write-one-to-clear: Out, the value, and with ``_set`` appended In, which sets
        bits and wins over a write.
    <block><member>_<register>_strobe : Out(1)
        For registers with a command: one cycle for each write.
    <block>_<register>_write : Out(1)
        For stored registers: in this cycle, `stored_value` is the new value of the register in the block's register
        file `<block>_member`. Comes for every register file after reset, with 0.
    <block>_member : Out
    stored_value : Out(32)
    external_member, external_word : Out
        If a block has registers with values outside the bank: which register file, and which of its external
        registers, counted from 0 in the order of the map.
    external_enable : Out(1)
        The bank asks for the register that these have shown for a cycle.
    external_data : In(32)
        The value, one cycle later; 0 if the bank did not ask.

    Raises
    ------
    ValueError
        More than one block has external registers; a register has commands and stays readable; a stored register has
        anything but read-write fields that are zero after reset.
    """

    def __init__(
        self,
        registers: RegisterMap,
        constants: Mapping[tuple[str, str], int] | None = None,
        owner: tuple[str, str] | None = None,
    ) -> None:
        self.registers, self.constants, self.owner = registers, constants or {}, owner
        members: dict[str, Member] = {"bus": In(axi.LiteSignature(address_width=registers.bus_bits))}
        for block, member, register in self.each():
            constant = (block.name, register.name) in self.constants
            members |= dict(_members(_name(block, member, register), register, constant=constant))
        for block in registers.blocks:
            for register in block.registers:
                _check(register)
                if register.stored:
                    members |= {
                        f"{block.name}_{register.name}_write".lower(): Out(1),
                        f"{block.name}_member": Out(bits_for(block.count)),
                        "stored_value": Out(32),
                    }
        external = [block for block in registers.blocks if any(register.external for register in block.registers)]
        if len(external) > 1:
            raise ValueError(f"Only one block can have external registers, not {len(external)!r}")
        self.external = external[0] if external else None
        if self.external:
            words = sum(register.external for register in self.external.registers)
            members |= {
                "external_enable": Out(1),
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

    def write_strobe(self, block: str, register: str) -> Value:
        """The strobe of a stored register, for all register files of its block."""
        return getattr(self, f"{block}_{register}_write".lower())

    def each(self) -> Iterator[tuple[Block, int, Register]]:
        """All registers: block, number of the register file, register."""
        for block in self.registers.blocks:
            for member in range(block.count):
                for register in block.registers:
                    yield block, member, register

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = RegisterStore(self.registers.address_bits, TOKEN_BITS)
        wiring.connect(m, wiring.flipped(self.bus), store.bus)
        inside = self._decode(m, store)
        self._reset_values(m, store)
        for block, member, register in self.each():
            if any(field.access is not Access.READ_ONLY for field in register.fields) and not register.stored:
                here = Signal(name=f"{_name(block, member, register)}_here")
                place = (member * block.stride + register.offset) >> WORD_BITS
                m.d.comb += here.eq(inside[block.name] & (store.word[: region_bits(block)] == place))
                self._write(m, store, here, _name(block, member, register), register)
        self._announce(m, store, inside)
        self._fence(m, store)
        return m

    def _fence(self, m: Module, store: RegisterStore) -> None:
        """Decides in the third of the cycles that a decoder has."""
        if self.owner is None:
            m.d.comb += store.allowed.eq(1)
            return
        name, register = self.owner
        block = self.registers.block(name)
        [described] = [candidate for candidate in block.registers if candidate.name == register]
        m.submodules.fence = fence = Fence(TOKEN_BITS)
        m.d.sync += fence.takes_over.eq(store.word == block.address(0, register) >> WORD_BITS)
        m.d.comb += [
            fence.token.eq(store.token),
            fence.value.eq(store.written),
            fence.whole.eq(store.whole),
            fence.owner.eq(self.field(name, 0, register, described.fields[0].name)),
            store.allowed.eq(fence.allowed),
        ]

    # ------------------------------------------------------------ decoding

    def _decode(self, m: Module, store: RegisterStore) -> dict[str, Signal]:
        """The block in the first cycle, what is there in the second one. Returns the block."""
        inside = {}
        mapped = Signal()
        kept = Signal()
        absent = Signal(32)
        shown = self.external_data if self.external else Const(0, 32)
        for block in self.registers.blocks:
            bits, file_bits = region_bits(block), _file_bits(block)
            inside[block.name] = Signal(name=f"inside_{block.name}")
            m.d.sync += inside[block.name].eq(store.word[bits:] == block.base >> WORD_BITS + bits)
            index, member = store.word[:file_bits], store.word[file_bits:bits]
            word = Signal(32, name=f"{block.name}_word")
            m.d.sync += word.eq(0)
            with m.If(inside[block.name] & (member < block.count)):
                with m.Switch(index):
                    for register in block.registers:
                        with m.Case(register.offset >> WORD_BITS):
                            m.d.comb += [mapped.eq(1), kept.eq(_is_kept(register)), absent.eq(_absent(register))]
                            if any(field.access in _SHOWN for field in register.fields) and not register.external:
                                values = [self._value(block, number, register) for number in range(block.count)]
                                m.d.sync += word.eq(_pick(values, member))
            if block is self.external:
                self._ask_outside(m, block, inside[block.name], index, member)
            shown = shown | word
        m.d.sync += [store.mapped.eq(mapped), store.kept.eq(kept), store.absent.eq(absent)]
        m.d.comb += store.shown.eq(shown)
        return inside

    def _ask_outside(self, m: Module, block: Block, inside: Value, index: Value, member: Value) -> None:
        m.d.comb += self.external_member.eq(member)
        with m.Switch(index):
            for number, register in enumerate(register for register in block.registers if register.external):
                with m.Case(register.offset >> WORD_BITS):
                    m.d.comb += [
                        self.external_word.eq(number),
                        self.external_enable.eq(inside & (member < block.count)),
                    ]

    def _value(self, block: Block, member: int, register: Register) -> Value:
        """What the hardware shows in a register, 32 bits."""
        parts: list[Value] = []
        for field in sorted(register.fields, key=lambda field: field.lsb):
            parts.append(Const(0, field.lsb - len(Cat(parts))))
            if field.access not in _SHOWN:
                parts.append(Const(0, field.width))
            elif (block.name, register.name) in self.constants:
                parts.append(Const(self.constants[block.name, register.name], field.width))
            else:
                parts.append(self.field(block.name, member, register.name, field.name))
        return Cat(parts)

    # ------------------------------------------------------------ values

    def _reset_values(self, m: Module, store: RegisterStore) -> None:
        """What software reads back after reset: 0 nearly everywhere."""
        with m.If(store.sweeping):
            with m.Switch(store.word):
                for block, member, register in self.each():
                    value = sum(field.reset << field.lsb for field in register.fields if field.access in _KEPT)
                    if value:
                        with m.Case(block.address(member, register.name) >> WORD_BITS):
                            m.d.comb += store.reset_value.eq(value)

    def _write(self, m: Module, store: RegisterStore, here: Signal, name: str, register: Register) -> None:
        """Flip-flops and strobe of a register."""
        if register.is_command:
            m.d.sync += getattr(self, f"{name}_strobe").eq(store.ahead & here)
        for field in register.fields:
            port = getattr(self, f"{name}_{field.name}".lower())
            value = store.value[field.lsb : field.lsb + field.width]
            if field.access is Access.COMMAND:
                m.d.comb += port.eq(value)
            elif field.access is Access.READ_WRITE:
                with m.If(store.commit & here):
                    m.d.sync += port.eq(value)
            elif field.access is Access.WRITE_ONE_TO_CLEAR:
                clear = value & (store.commit & here).replicate(field.width)
                m.d.sync += port.eq((port & ~clear) | getattr(self, f"{name}_{field.name}_set".lower()))

    def _announce(self, m: Module, store: RegisterStore, inside: dict[str, Signal]) -> None:
        """Strobes of stored registers. A sweep goes over all addresses, so over all register files of each block."""
        for block in self.registers.blocks:
            bits, file_bits = region_bits(block), _file_bits(block)
            for register in block.registers:
                if register.stored:
                    here = inside[block.name] & (store.word[:file_bits] == register.offset >> WORD_BITS)
                    m.d.sync += self.write_strobe(block.name, register.name).eq((store.ahead & here) | store.sweeping)
                    m.d.comb += [
                        getattr(self, f"{block.name}_member").eq(store.word[file_bits:bits]),
                        self.stored_value.eq(store.value),
                    ]


_KEPT = (Access.READ_WRITE,)
_SHOWN = (Access.READ_ONLY, Access.WRITE_ONE_TO_CLEAR)


def _check(register: Register) -> None:
    kinds = {field.access for field in register.fields}
    if Access.COMMAND in kinds and len(kinds) > 1:
        raise ValueError(f"Register {register.name!r} has commands, so it cannot have other fields")
    if register.stored and (kinds != {Access.READ_WRITE} or any(field.reset for field in register.fields)):
        raise ValueError(f"Register {register.name!r} is stored, so its fields must be read-write and 0 after reset")


def region_bits(block: Block) -> int:
    """Bits of a register's number inside the aligned region that holds a block."""
    return max(0, (block.count * block.stride - 1).bit_length() - WORD_BITS)


def _file_bits(block: Block) -> int:
    """Bits of a register's number inside one register file."""
    return max(0, (block.stride - 1).bit_length() - WORD_BITS)


def _is_kept(register: Register) -> bool:
    """Whether software reads back what it has written."""
    return any(field.access in _KEPT for field in register.fields)


def _absent(register: Register) -> int:
    """Bits that a kept register does not have."""
    fields = sum((1 << field.width) - 1 << field.lsb for field in register.fields)
    return ~fields & 0xFFFFFFFF if _is_kept(register) else 0


def _pick(values: Sequence[Value], index: Value) -> Value:
    """``values[index]`` as a tree of multiplexers; any of them if there is no such value."""
    if len(values) == 1:
        return values[0]
    half = 1 << (len(values) - 1).bit_length() - 1
    return Mux(index[half.bit_length() - 1], _pick(values[half:], index), _pick(values[:half], index))
