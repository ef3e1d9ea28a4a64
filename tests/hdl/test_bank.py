# amaranth: UnusedElaboratable=no
"""The register bank does what the register map says, for every register of a card."""

import random

import pytest
from amaranth.hdl import Module, ResetInserter, Signal

from hdl.bus.axi import Response
from hdl.control.bank import Bank
from hdl.plan import Access, Field, Register, register_map
from hdl.plan.blocks import OWNER
from hdl.plan.registers import TOKEN_BITS, RegisterMap, pack

from .harness import board, simulate


def quad() -> RegisterMap:
    return register_map(board("quad"))


async def handshake(ctx, valid, ready, delay=0):
    """Hold `valid` after `delay` cycles until the other side is ready."""
    for _ in range(delay):
        await ctx.tick()
    ctx.set(valid, 1)
    taken = False
    while not taken:
        taken = ctx.get(ready)
        await ctx.tick()
    ctx.set(valid, 0)


async def write(ctx, bank, address, value, strobe=0b1111, *, lead=0):
    """Write a register; W comes `lead` cycles after AW, or before it if negative. Returns the response."""
    bus = bank.bus
    ctx.set(bus.awaddr, address)
    ctx.set(bus.wdata, value)
    ctx.set(bus.wstrb, strobe)
    waiting = {"aw": max(0, -lead), "w": max(0, lead)}
    while waiting:
        taken = []
        for channel, delay in waiting.items():
            ctx.set(getattr(bus, f"{channel}valid"), delay == 0)
            if delay == 0 and ctx.get(getattr(bus, f"{channel}ready")):
                taken.append(channel)
            waiting[channel] = max(0, delay - 1)
        await ctx.tick()
        for channel in taken:
            ctx.set(getattr(bus, f"{channel}valid"), 0)
            del waiting[channel]
    while not ctx.get(bus.bvalid):
        await ctx.tick()
    response = ctx.get(bus.bresp)
    await handshake(ctx, bus.bready, bus.bvalid)
    return response


async def read(ctx, bank, address):
    """Read a register. Returns response and data."""
    bus = bank.bus
    ctx.set(bus.araddr, address)
    await handshake(ctx, bus.arvalid, bus.arready)
    while not ctx.get(bus.rvalid):
        await ctx.tick()
    answer = ctx.get(bus.rresp), ctx.get(bus.rdata)
    await handshake(ctx, bus.rready, bus.rvalid)
    return answer


def every_register(registers):
    """(block, member, register, address) of each register of the map."""
    for block in registers.blocks:
        for member in range(block.count):
            for register in block.registers:
                yield block, member, register, block.address(member, register.name)


def mask(field: Field) -> int:
    return ((1 << field.width) - 1) << field.lsb


def byte_mask(strobe: int) -> int:
    return sum(0xFF << (8 * byte) for byte in range(4) if strobe >> byte & 1)


def model_write(registers: RegisterMap, held: dict[int, int], address: int, value: int, strobe: int) -> None:
    """What a write does to the stored bits: read-write bits take the value, write-one-to-clear bits go."""
    for _, _, register, at in every_register(registers):
        if at == address:
            for field in register.fields:
                bits = mask(field) & byte_mask(strobe)
                if field.access is Access.READ_WRITE:
                    held[at] = held[at] & ~bits | value & bits
                elif field.access is Access.WRITE_ONE_TO_CLEAR:
                    held[at] &= ~(value & bits)


def reset_values(registers: RegisterMap) -> dict[int, int]:
    stored = (Access.READ_WRITE, Access.WRITE_ONE_TO_CLEAR)
    return {
        address: sum(field.reset << field.lsb for field in register.fields if field.access in stored)
        for _, _, register, address in every_register(registers)
    }


def test_random_access_is_as_the_map_says():
    """Any sequence of writes, byte strobes, channel orders and hardware inputs reads back as the map's fields say."""
    registers, generator = quad(), random.Random(1)
    bank = Bank(registers)
    held = reset_values(registers)
    inputs = dict.fromkeys(held, 0)
    known = list(every_register(registers))

    async def bench(ctx):
        async def check(block, member, register, address):
            readable = sum(mask(field) for field in register.fields if field.access is not Access.COMMAND)
            expected = 0 if register.external else (held[address] | inputs[address]) & readable
            assert await read(ctx, bank, address) == (Response.OKAY, expected), (block.name, member, register.name)

        for entry in known:
            await check(*entry)  # the reset values
        for _ in range(600):
            block, member, register, address = generator.choice(known)
            for field in register.fields:
                if field.access is Access.READ_ONLY and not register.external:
                    value = generator.randrange(1 << field.width)
                    ctx.set(bank.field(block.name, member, register.name, field.name), value)
                    inputs[address] = inputs[address] & ~mask(field) | value << field.lsb
                elif field.access is Access.WRITE_ONE_TO_CLEAR and generator.randrange(2):
                    name = f"{block.name}{member}_{register.name}_{field.name}_set".lower()
                    ctx.set(getattr(bank, name), 1)
                    await ctx.tick()
                    ctx.set(getattr(bank, name), 0)
                    held[address] |= mask(field)
            if generator.randrange(4):
                value, strobe = generator.getrandbits(32), generator.choice((0, 1, 2, 4, 8, 15, 15, 15, 6))
                lead = generator.randrange(-3, 4)
                assert (
                    await write(ctx, bank, address | generator.randrange(4), value, strobe, lead=lead) == Response.OKAY
                )
                model_write(registers, held, address, value, strobe)
            await check(*generator.choice(known))
            await check(block, member, register, address)
        for block, member, register, address in known:
            await check(block, member, register, address)
            check_fields(ctx, bank, block, member, register, held[address])

    simulate(bank, bench)


def check_fields(ctx, bank, block, member, register, value):
    """The flip-flops of a register hold `value`."""
    for field in register.fields:
        if field.access is Access.READ_WRITE and not register.stored:
            shown = ctx.get(bank.field(block.name, member, register.name, field.name))
            assert shown << field.lsb == value & mask(field)


def command_values(ctx, bank, block, member, register):
    return {f.name: ctx.get(bank.field(block.name, member, register.name, f.name)) for f in register.fields}


def test_a_write_under_an_older_token_changes_nothing():
    """Whatever its address, its data and its bytes; it is answered SLVERR, and the owner's writes go on."""
    registers, generator = quad(), random.Random(3)
    bank = Bank(registers, owner=OWNER)
    fence = registers.block(OWNER[0]).address(0, OWNER[1])
    known = [entry for entry in every_register(registers) if not entry[2].external]
    bits, newest, owner = registers.address_bits, (1 << TOKEN_BITS) - 1, 0
    outputs = [bank.field(*place, field.name) for place, field in _flip_flops(registers)]
    outputs += [bank.strobe(block.name, member, register.name) for block, member, register, _ in known
                if register.is_command]  # fmt: skip
    refused, running, at_rest = [], [True], []

    async def bench(ctx):
        nonlocal owner
        held = reset_values(registers)
        for _ in range(600):
            kind = generator.randrange(8)
            if kind == 0 and owner < newest:
                token = min(newest, owner + generator.choice((0, 1, 1, 7, 300)))
                assert await write(ctx, bank, token << bits | fence, token) == Response.OKAY
                owner = held[fence] = token
            elif kind == 1:  # not the token itself, not all bytes, or one that is older
                token, value, strobe = generator.choice(
                    [(owner + 1, owner + 2, 15), (owner + 1, owner, 15), (owner, owner, 7), (owner - 1, owner - 1, 15)]
                )
                if 0 <= token <= newest:
                    assert await write(ctx, bank, token << bits | fence, value, strobe) == Response.SLVERR
            else:
                _, _, register, address = generator.choice(known)
                other = generator.choice([token for token in (0, owner - 1, owner + 1, newest) if token != owner])
                token, value = generator.choice((owner, other)), generator.getrandbits(32)
                if not 0 <= token <= newest or address == fence:
                    continue
                refused[:] = [True] * (token != owner)
                at_rest[:] = [ctx.get(signal) for signal in outputs]
                response = await write(ctx, bank, token << bits | address, value, lead=generator.randrange(-2, 3))
                assert response == (Response.OKAY if token == owner else Response.SLVERR)
                refused.clear()
                if token == owner:
                    model_write(registers, held, address, value, 0b1111)
                readable = sum(mask(field) for field in register.fields if field.access is not Access.COMMAND)
                under = generator.randrange(newest + 1) << bits  # reads may carry any token
                assert await read(ctx, bank, under | address) == (Response.OKAY, held[address] & readable)
            assert await read(ctx, bank, fence) == (Response.OKAY, owner)
        assert owner > 1000
        running.clear()

    async def watch(ctx):
        while running:
            if refused:
                assert [ctx.get(signal) for signal in outputs] == at_rest
            await ctx.tick()

    simulate(bank, bench, watch)


def _flip_flops(registers: RegisterMap):
    """Where a field has flip-flops, and the field."""
    for block, member, register, _ in every_register(registers):
        for field in register.fields:
            if field.access is Access.READ_WRITE and not register.stored:
                yield (block.name, member, register.name), field


def test_commands_strobe_once_with_their_value():
    """Each write to a command register strobes that register alone, for one cycle, with the written bytes' value."""
    registers, generator = quad(), random.Random(2)
    bank = Bank(registers)
    commands = [entry for entry in every_register(registers) if entry[2].is_command]
    others = [entry for entry in every_register(registers) if not entry[2].is_command]
    seen, expected, running = [], [], [True]

    async def bench(ctx):
        for _, _, register, address in [*commands, *generator.sample(others, 20)] * 2:
            value, strobe = generator.getrandbits(32), generator.randrange(16)
            await write(ctx, bank, address, value, strobe, lead=generator.randrange(-1, 2))
            if strobe and register.is_command:
                kept = value & byte_mask(strobe)
                expected.append((address, {f.name: (kept & mask(f)) >> f.lsb for f in register.fields}))
        await ctx.tick().repeat(4)

        running.clear()

    async def watch(ctx):
        while running:
            for block, member, register, address in commands:
                if ctx.get(bank.strobe(block.name, member, register.name)):
                    seen.append((address, command_values(ctx, bank, block, member, register)))
            await ctx.tick()

    simulate(bank, bench, watch)
    assert seen == expected


def test_set_wins_over_clear():
    """A cause that comes up in the very cycle in which it is cleared is not lost."""
    bank = Bank(quad())
    address = bank.registers.block("interrupt").address(0, "PENDING")

    async def bench(ctx):
        ctx.set(bank.interrupt0_pending_fault_set, 1)
        await write(ctx, bank, address, 0b11111)
        assert ctx.get(bank.interrupt0_pending_fault)
        ctx.set(bank.interrupt0_pending_fault_set, 0)
        await write(ctx, bank, address, 0b11110)
        assert ctx.get(bank.interrupt0_pending_fault)
        await write(ctx, bank, address, 0b00001)
        assert not ctx.get(bank.interrupt0_pending_fault)

    simulate(bank, bench)


def test_address_without_register_is_refused():
    """An address without a register answers DECERR, reads zero, and a write to it changes nothing."""
    registers, generator = quad(), random.Random(3)
    bank = Bank(registers)
    known = {address for *_, address in every_register(registers)}
    holes = [address for address in range(0, 1 << registers.address_bits, 4) if address not in known]
    held = reset_values(registers)

    async def bench(ctx):
        for address in generator.sample(holes, min(len(holes), 150)):
            assert await write(ctx, bank, address, 0xFFFFFFFF) == Response.DECERR, hex(address)
            assert await read(ctx, bank, address) == (Response.DECERR, 0), hex(address)
        for block, member, register, address in every_register(registers):
            check_fields(ctx, bank, block, member, register, held[address])

    simulate(bank, bench)


def test_external_registers_come_from_the_memory():
    """A counter's register shows what a memory with two cycles of latency has for its slice and word."""
    registers = quad()
    bank = Bank(registers)
    block = registers.block("slice")
    external = [register for register in block.registers if register.external]
    running = [True]

    def content(member, word):
        return 0xA5000000 | member << 8 | word

    async def memory(ctx):
        before = None
        while running:
            address = ctx.get(bank.external_member), ctx.get(bank.external_word)
            asked = ctx.get(bank.external_enable) and address == before
            await ctx.tick()
            ctx.set(bank.external_data, content(*address) if asked else 0)
            before = address

    async def bench(ctx):
        for member in range(block.count):
            for word, register in enumerate(external):
                address = block.address(member, register.name)
                assert await read(ctx, bank, address) == (Response.OKAY, content(member, word))
            assert await read(ctx, bank, block.address(member, "BURST")) == (Response.OKAY, 0)
        running.clear()

    simulate(bank, bench, memory)


def test_reads_and_writes_do_not_wait_for_each_other():
    """A response that is not taken holds up its own channel only, and stays as it is."""
    registers = quad()
    bank = Bank(registers)
    first = registers.block("window").address(0, "FIRST")
    bus = bank.bus

    async def bench(ctx):
        ctx.set(bus.awaddr, first)
        ctx.set(bus.wstrb, 15)
        for value in (7, 9):  # B is not taken: the second write is accepted but not carried out
            ctx.set(bus.wdata, value)
            await handshake(ctx, bus.awvalid, bus.awready)
            await handshake(ctx, bus.wvalid, bus.wready)
        for _ in range(3):
            assert await read(ctx, bank, first) == (Response.OKAY, 7)
        assert not ctx.get(bus.awready) and not ctx.get(bus.wready)
        await handshake(ctx, bus.bready, bus.bvalid)
        await handshake(ctx, bus.bready, bus.bvalid)

        ctx.set(bus.araddr, first)
        await handshake(ctx, bus.arvalid, bus.arready)  # R is not taken
        for value in (11, 13):
            assert await write(ctx, bank, first, value) == Response.OKAY
            assert ctx.get(bank.window0_first_granule) == value
            assert (ctx.get(bus.arready), ctx.get(bus.rvalid), ctx.get(bus.rdata)) == (0, 1, 9)
        await handshake(ctx, bus.rready, bus.rvalid)
        assert await read(ctx, bank, first) == (Response.OKAY, 13)

    simulate(bank, bench)


def test_latency():
    """A value and its response are there six cycles after the later of AW and W, a read four cycles after AR."""
    bank = Bank(quad())
    first = bank.registers.block("window").address(0, "FIRST")
    bus = bank.bus

    async def bench(ctx):
        await swept(ctx, bank)
        ctx.set(bus.awaddr, first)
        ctx.set(bus.wdata, 5)
        ctx.set(bus.wstrb, 15)
        await handshake(ctx, bus.awvalid, bus.awready)
        await handshake(ctx, bus.wvalid, bus.wready, delay=3)
        for _ in range(5):
            assert (ctx.get(bank.window0_first_granule), ctx.get(bus.bvalid)) == (0, 0)
            await ctx.tick()
        assert (ctx.get(bank.window0_first_granule), ctx.get(bus.bvalid)) == (5, 1)
        ctx.set(bus.araddr, first)
        await handshake(ctx, bus.arvalid, bus.arready)
        for _ in range(3):
            assert not ctx.get(bus.rvalid)
            await ctx.tick()
        assert (ctx.get(bus.rvalid), ctx.get(bus.rdata)) == (1, 5)

    simulate(bank, bench)


async def swept(ctx, bank):
    """Wait until the bank takes accesses. Returns the cycles that it took."""
    cycles = 0
    while not ctx.get(bank.bus.arready):
        await ctx.tick()
        cycles += 1
    return cycles


def stored_registers(registers):
    return [(block, register) for block in registers.blocks for register in block.registers if register.stored]


def copies(bank):
    """What hardware that keeps copies of all stored registers has, and a background process that keeps them."""
    held: dict[tuple[str, int, str], int] = {}

    async def keep(ctx):
        while True:
            for block, register in stored_registers(bank.registers):
                if ctx.get(bank.write_strobe(block.name, register.name)):
                    member = ctx.get(getattr(bank, f"{block.name}_member"))
                    held[block.name, member, register.name] = ctx.get(bank.stored_value)
            await ctx.tick()

    return held, keep


def test_writes_to_stored_registers_are_announced():
    """Copies from the announced writes are at any time what software reads back, byte strobes and holes included."""
    registers, generator = quad(), random.Random(4)
    bank = Bank(registers)
    held, keep = copies(bank)
    stored = [entry for entry in every_register(registers) if entry[2].stored]
    model = reset_values(registers)

    async def bench(ctx):
        for _ in range(300):
            block, member, register, address = generator.choice(stored)
            value, strobe = generator.getrandbits(32), generator.randrange(16)
            if not generator.randrange(4):  # a neighbour that may be something else, or nothing
                address ^= 1 << generator.randrange(2, 8)
            await write(ctx, bank, address, value, strobe, lead=generator.randrange(-1, 2))
            model_write(registers, model, address, value, strobe)
            for block, member, register, address in stored:
                assert held[block.name, member, register.name] == model[address], (block.name, member, register.name)
        for *_, address in stored:
            assert await read(ctx, bank, address) == (Response.OKAY, model[address])

    simulate(bank, bench, keep)


def test_reset_sweeps_before_the_first_access():
    """After any reset all registers have their reset values and the copies too, before an access is accepted."""
    registers, generator = quad(), random.Random(5)
    bank = Bank(registers)
    reset = Signal()
    card = Module()
    card.submodules.bank = ResetInserter(reset)(bank)
    held, keep = copies(bank)
    known = list(every_register(registers))
    bus = bank.bus

    async def bench(ctx):
        for _ in range(2):
            for valid in (bus.awvalid, bus.wvalid, bus.arvalid):
                ctx.set(valid, 1)
            assert await swept(ctx, bank) == 1 << registers.address_bits - 2
            for valid in (bus.awvalid, bus.wvalid, bus.arvalid):
                ctx.set(valid, 0)
            members = {
                (b.name, n, register.name) for b, register in stored_registers(registers) for n in range(b.count)
            }
            await ctx.tick()
            assert {key: value for key, value in held.items() if key in members} == dict.fromkeys(members, 0)
            for block, member, register, address in known:
                assert await read(ctx, bank, address) == (Response.OKAY, reset_values(registers)[address])
                check_fields(ctx, bank, block, member, register, reset_values(registers)[address])
            for *_, address in known:
                await write(ctx, bank, address, generator.getrandbits(32))
            ctx.set(bus.awvalid, 1)  # a write is half taken when the reset comes
            await ctx.tick().repeat(2)
            ctx.set(bus.awvalid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)

    simulate(card, bench, keep)


def small_map(**count: int) -> RegisterMap:
    """Blocks of `count` register files with one register each."""
    field = Field("value", 0, 8, Access.READ_WRITE, "A value.", 3)
    return pack(
        [
            (
                name,
                tuple(f"{name}{n}" for n in range(number)),
                "A block.",
                [Register("VALUE", 0, "A register.", (field,))],
            )
            for name, number in count.items()
        ]
    )


@pytest.mark.parametrize("counts", [{"one": 1}, {"one": 1, "other": 1}, {"three": 3, "one": 1}, {"one": 1, "five": 5}])
def test_smallest_maps(counts):
    """Blocks with one register file, and blocks whose number of files is no power of two, are told apart."""
    registers = small_map(**counts)
    bank = Bank(registers)
    known = list(every_register(registers))

    async def bench(ctx):
        for number, (*_, address) in enumerate(known):
            assert await read(ctx, bank, address) == (Response.OKAY, 3)
            assert await write(ctx, bank, address, 100 + number) == Response.OKAY
        for number, (*_, address) in enumerate(known):
            assert await read(ctx, bank, address) == (Response.OKAY, 100 + number)
        holes = set(range(0, 1 << registers.address_bits, 4)) - {address for *_, address in known}
        for address in holes:
            assert await read(ctx, bank, address) == (Response.DECERR, 0)

    simulate(bank, bench)


def test_two_blocks_with_external_registers_are_an_error():
    register = Register("VALUE", 0, "A register.", (Field("value", 0, 8, Access.READ_ONLY, "A value."),), external=True)
    registers = pack([("one", ("",), "A block.", [register]), ("two", ("",), "A block.", [register])])
    with pytest.raises(ValueError, match=r"^Only one block can have external registers, not 2$"):
        Bank(registers)


def test_constants_read_back():
    """A constant has no port, and software reads it."""
    registers = quad()
    bank = Bank(registers, {("identity", "HASH2"): 0xDEADBEEF})
    assert not hasattr(bank, "identity0_hash2_value")

    async def bench(ctx):
        identity = registers.block("identity")
        assert await read(ctx, bank, identity.address(0, "HASH2")) == (Response.OKAY, 0xDEADBEEF)
        assert await write(ctx, bank, identity.address(0, "HASH2"), 5) == Response.OKAY
        assert await read(ctx, bank, identity.address(0, "HASH2")) == (Response.OKAY, 0xDEADBEEF)
        assert await read(ctx, bank, identity.address(0, "HASH1")) == (Response.OKAY, 0)

    simulate(bank, bench)


def test_registers_that_cannot_be_are_errors():
    """What the bank could not keep its word about is refused, with the register's name."""
    value = Field("value", 0, 8, Access.READ_WRITE, "A value.", 3)
    start = Field("start", 8, 1, Access.COMMAND, "A command.")
    both = Register("BOTH", 0, "A register.", (value, start))
    with pytest.raises(ValueError, match=r"^Register 'BOTH' has commands, so it cannot have other fields$"):
        Bank(pack([("one", ("",), "A block.", [both])]))
    stored = Register("KEPT", 0, "A register.", (value,), stored=True)
    text = r"^Register 'KEPT' is stored, so its fields must be read-write and 0 after reset$"
    with pytest.raises(ValueError, match=text):
        Bank(pack([("one", ("",), "A block.", [stored])]))
