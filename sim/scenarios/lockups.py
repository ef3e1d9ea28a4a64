"""Lock-ups: what makes crossbars hang, by the reports of those who use them, on all ports at once."""

from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

import cocotb

from ..bench.burst import Burst, random_burst
from ..bench.card import Stuck, cycles
from ..bench.holding import Holding
from ..bench.load import Load
from ..bench.ports import Initiator, Target
from ..bench.probe import Window, all_of, words
from ..bench.scatter import Scatter
from ..bench.traffic import Region
from .isolation import on_all_contexts, restore_windows
from .setting import Setting

LOAD_CYCLES = 700
MANY = 40
"""Bursts of each context where they are counted."""
OUTSTANDING = 8


async def run(setting: Setting) -> None:
    """All steps, one after another; after each of them every port still gets its answers."""
    await setting.bring_up()
    await setting.card.settle()
    steps = (
        wrong_direction,
        decode_errors,
        many_writes,
        address_with_data,
        data_after_address,
        writes_after_reads,
        reads_after_writes,
        interleaved,
    )
    for step in steps:
        name = step.__doc__.partition("\n")[0].rstrip(".") if step.__doc__ else step.__name__
        with setting.phase(name):
            await step(setting)
            await setting.card.settle()
            await on_all_contexts(setting, "answers", _answers)
        await setting.card.quiet()


def _usable(held: Holding, port: Initiator) -> list[Region]:
    """What a port may read and write for its slice."""
    return [region for region in held.regions if region.readable and region.writable and region.target in port.targets]


async def _answers(held: Holding, window: Window, rng: Random) -> None:
    """One read and one write of a port's own; AssertionError if they are not carried out."""
    port = window.port
    for region in _usable(held, port)[:1]:
        burst = Burst(region.base, 1, port.size_max, user=window.context)
        replies = await port.read(burst), await port.write(burst, words(rng, burst, port))
        assert all(reply is not None and reply.ok for reply in replies), f"{port.name} does not work any more"


async def _between_legal(
    setting: Setting, step: str, illegal: Callable[[Holding, Window], Awaitable[list[Region]]]
) -> None:
    """Every context reads and writes what it owns and what `illegal` says, in turn and with the same IDs."""

    async def attack(held: Holding, window: Window, rng: Random) -> None:
        port, own = window.port, _usable(held, window.port)
        if not own:
            return
        places = [own[0], *await illegal(held, window)]
        regions = [places[number % len(places)] for number in range(MANY)]
        bursts = [
            random_burst(
                rng, region.base, region.length, port.size_max, id=rng.randrange(port.ids), user=window.context
            )
            for region in regions
        ]
        await all_of(port, rng, bursts)

    await on_all_contexts(setting, step, attack)
    await setting.card.settle()
    await restore_windows(setting)


async def wrong_direction(setting: Setting) -> None:
    """Reads of what may only be written, writes of what may only be read."""
    card = setting.card

    async def illegal(held: Holding, window: Window) -> list[Region]:
        own = _usable(held, window.port)[0]
        slot = window.spare(held, 2)
        for number, (readable, writable) in enumerate(((1, 0), (0, 1))):
            await card.fill_window(
                window.index, slot + number, 1, own.target, own.granule, readable=readable, writable=writable
            )
        return [Region((slot + number) * card.granule, card.granule, own.target, own.granule) for number in range(2)]

    await _between_legal(setting, "wrong_direction", illegal)


async def decode_errors(setting: Setting) -> None:
    """Every second request leads nowhere."""

    async def illegal(held: Holding, window: Window) -> list[Region]:
        granule = setting.card.granule
        return [Region(window.spare(held, 1) * granule, granule, -1, 0)]

    await _between_legal(setting, "decode_errors", illegal)


def _busiest(setting: Setting) -> int:
    """The target that most contexts may read and write."""
    found = [
        region.target
        for held in setting.holdings
        for port, _ in held.contexts
        for region in {region.target: region for region in _usable(held, port)}.values()
    ]
    return max(sorted(set(found)), key=found.count)


async def many_writes(setting: Setting) -> None:
    """Writes of every length on all IDs of all ports at once."""
    busiest = _busiest(setting)

    async def attack(held: Holding, window: Window, rng: Random) -> None:
        port = window.port
        own = sorted(_usable(held, port), key=lambda region: region.target != busiest)
        if not own:
            return
        bursts = iter([
            random_burst(rng, own[0].base, own[0].length, port.size_max, id=number % port.ids, user=window.context)
            for number in range(MANY)
        ])  # fmt: skip

        async def worker() -> None:
            for burst in bursts:
                await port.write(burst, words(rng, burst, port))

        for task in [cocotb.start_soon(worker()) for _ in range(OUTSTANDING)]:
            await task

    await on_all_contexts(setting, "many_writes", attack)


class _Watch:
    """What has happened at a target's port, and what is offered there."""

    def __init__(self, target: Target) -> None:
        reads, writes = target.model.read_if, target.model.write_if
        self.channels: dict[str, Any] = {
            "ar": reads.ar_channel, "r": reads.r_channel, "aw": writes.aw_channel, "w": writes.w_channel,
            "b": writes.b_channel,
        }  # fmt: skip
        self.counts = dict.fromkeys(self.channels, 0)

    def offered(self, name: str) -> bool:
        """Whether VALID is high."""
        return bool(int(getattr(self.channels[name].bus, f"{name}valid").value))

    def count(self) -> None:
        """Once in each cycle: what is taken; of data only a last beat counts."""
        for name, channel in self.channels.items():
            if self.offered(name) and int(getattr(channel.bus, f"{name}ready").value):
                self.counts[name] += 1 if name not in ("r", "w") else int(getattr(channel.bus, f"{name}last").value)

    def hold(self, held: bool, *names: str) -> None:
        """Take nothing on these channels."""
        for name in names:
            self.channels[name].pause = held


async def _picky(setting: Setting, rule: Callable[[_Watch], None]) -> None:
    """All ports read and write one target, which waits with one thing for another; both must go on."""
    target = setting.card.targets[_busiest(setting)]
    loads = {
        write: [
            Load(port, context, region, beats=4, write=write, outstanding=4)
            for held in setting.holdings
            for port, context in held.contexts
            for region in [region for region in _usable(held, port) if region.target == target.index][:1]
        ]
        for write in (False, True)
    }
    watch = _Watch(target)
    for _ in range(LOAD_CYCLES):
        await cycles(1)
        watch.count()
        rule(watch)
    watch.hold(False, "ar", "aw", "w")
    for write, some in loads.items():
        done = sum(load.done for load in some)
        if not done:
            raise Stuck(f"no {'write' if write else 'read'} of {target.name} has come to its end")
        for load in some:
            await load.stop()


async def address_with_data(setting: Setting) -> None:
    """A target takes a write's address only while data is offered."""
    await _picky(setting, lambda watch: watch.hold(not watch.offered("w"), "aw"))


async def data_after_address(setting: Setting) -> None:
    """A target takes a write's data only when it has the address."""
    await _picky(setting, lambda watch: watch.hold(watch.counts["aw"] <= watch.counts["w"], "w"))


async def writes_after_reads(setting: Setting) -> None:
    """A target takes a write only after each read."""
    await _picky(setting, lambda watch: watch.hold(watch.counts["aw"] >= watch.counts["r"], "aw"))


async def reads_after_writes(setting: Setting) -> None:
    """A target takes a read only after each write."""
    await _picky(setting, lambda watch: watch.hold(watch.counts["ar"] >= watch.counts["b"], "ar"))


async def interleaved(setting: Setting) -> None:
    """Targets answer out of order and interleave read data."""
    card = setting.card
    scatters = [Scatter(target.model.read_if, Random(f"{card.seed}/{target.name}")) for target in card.targets]

    async def attack(held: Holding, window: Window, rng: Random) -> None:
        port = window.port
        own = _usable(held, port)
        if own:
            await all_of(port, rng, _bursts(rng, own, port, window.context))

    await on_all_contexts(setting, "interleaved", attack)
    for scatter in scatters:
        await scatter.stop()
    card.mark("progress", text=f"{sum(scatter.interleaved for scatter in scatters)} beats interleaved")


def _bursts(rng: Random, own: list[Region], port: Initiator, context: int) -> Iterator[Burst]:
    for number in range(2 * MANY):
        region = own[number % len(own)]
        identity = rng.randrange(port.ids)
        yield random_burst(rng, region.base, region.length, port.size_max, id=identity, user=context)
