"""P6 at the register bank: nothing that is written under an older token than the owner's has any effect."""

from __future__ import annotations

from amaranth.hdl import Cat, Mux, Signal, Value

from hdl.control.bank import Bank, region_bits
from hdl.control.register_store import WORD_BITS
from hdl.plan.blocks import OWNER
from hdl.plan.registers import TOKEN_BITS, Access, Field, Register, RegisterMap, pack

from .harness import Harness


def few() -> RegisterMap:
    """One register of each kind beside the owner's: all of them get their value before anything can come about."""
    token = Register("FENCE", 0x0, "", (Field("token", 0, TOKEN_BITS, Access.READ_WRITE, ""),))
    plain = Register("PLAIN", 0x4, "", (Field("value", 0, 8, Access.READ_WRITE, ""),))
    stored = Register("STORED", 0x8, "", (Field("value", 0, 8, Access.READ_WRITE, ""),), stored=True)
    command = Register("COMMAND", 0xC, "", (Field("go", 0, 1, Access.COMMAND, ""),))
    return pack([(OWNER[0], ("",), "", [token, plain, stored, command])])


def bank(registers: RegisterMap) -> Harness:
    """The whole bank, with any accesses."""
    h = Harness()
    m = h.m
    box = h.place(Bank(registers, owner=OWNER))
    store, bus = box.parts["store"], box.bus
    h.without_contents.append("values")
    place = registers.block(OWNER[0]).address(0, OWNER[1]) >> WORD_BITS
    owner = box.component.field(OWNER[0], 0, OWNER[1], "token")
    word, sweeping = store.component.word, store.state("access", "SWEEP")

    # What the write that is carried out was asked for.
    address, data, strobe = Signal(registers.bus_bits), Signal(32), Signal(4, init=0b1111)
    with m.If(bus.awvalid & bus.awready):
        m.d.sync += address.eq(bus.awaddr)
    with m.If(bus.wvalid & bus.wready):
        m.d.sync += [data.eq(bus.wdata), strobe.eq(bus.wstrb)]
    token, register = address[registers.address_bits :], address[WORD_BITS : registers.address_bits]
    h.show("token", token)
    h.show("owner", owner)
    h.invariant("token and address", (store.component.token == token) & (store.signal("write_word") == register))
    h.invariant("data", (store.component.written == data) & (store.signal("strobe") == strobe))
    held = store.signal("address_held") & store.signal("data_held")
    states = ("FETCH", "LATCH", "MERGE", "COMMIT")
    fetch, latch, merge, commits = (store.state("access", name) for name in states)
    writes = store.signal("writes") & (fetch | latch | merge | commits)
    h.invariant("a write is whole", held & (word == register), when=writes)

    # Who may.
    takes_over = (register == place) & (token >= owner) & (data == token) & strobe.all()
    may = Mux(register == place, takes_over, token == owner)
    known, decided = Signal(), Signal()
    fence = box.parts["fence"]
    m.d.comb += [known.eq(writes & ~fetch), decided.eq(writes & (merge | commits))]
    h.invariant("whether the register is the owner's", fence.takes_over == (register == place), when=known)
    inside = [
        box.signal(f"inside_{block.name}")
        == (word >> region_bits(block) == block.base >> WORD_BITS + region_bits(block))
        for block in registers.blocks
    ]
    h.invariant("in which block it is", Cat(inside).all(), when=known)
    absent = (1 << 32) - (1 << TOKEN_BITS)
    h.invariant("the owner has no other bits", store.component.absent == absent, when=decided & (register == place))
    h.claim("a write is allowed to the owner, and to who takes over", store.component.allowed == may, when=decided)
    h.claim("what takes place was allowed", may, when=store.component.commit)

    # What it can change.
    before, before_token, committed, was_register = Signal(TOKEN_BITS), Signal(TOKEN_BITS), Signal(), Signal()
    m.d.sync += [
        before.eq(owner),
        before_token.eq(token),
        committed.eq(store.component.commit),
        was_register.eq(register == place),
    ]
    changed = owner != before
    h.claim("tokens never go back", owner >= before)
    h.claim("the owner changes by a write of its own token", committed & was_register & (owner == before_token),
            when=changed)  # fmt: skip
    fields, strobes = _outputs(box.component)
    kept = Signal(len(fields))
    swept = Signal()
    m.d.sync += [kept.eq(fields), swept.eq(sweeping)]
    h.claim("no register changes without a write that takes place", committed, when=fields != kept)
    h.claim("no command and no stored register is told without one", store.component.commit | swept, when=strobes.any())
    return h


def _outputs(bank: Bank) -> tuple[Value, Value]:
    """What the hardware is told: values of registers that only software changes, and strobes."""
    fields, strobes = [], []
    for block, member, register in bank.each():
        kinds = {field.access for field in register.fields}
        if register.is_command:
            strobes.append(bank.strobe(block.name, member, register.name))
        if register.stored:
            strobes.append(bank.write_strobe(block.name, register.name))
        elif Access.READ_WRITE in kinds:
            fields += [bank.field(block.name, member, register.name, field.name) for field in register.fields
                       if field.access is Access.READ_WRITE]  # fmt: skip
    return Cat(fields), Cat(strobes)
