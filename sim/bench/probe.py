"""Accesses wherever one likes: the bench plays a wrong RAM, whose window entries point everywhere.

Windows are written directly, since they are no security boundary; keys, rights and hand-overs stay the RAM's.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from random import Random

import cocotb

from .burst import BOUNDARY, Burst
from .card import Card
from .holding import Holding
from .ports import Initiator, Reply
from .traffic import Region

Place = tuple[int, int]
"""A granule: index of the target, number in it."""
OUTSTANDING = 8


class Window:
    """The window of one context, as the bench writes it.

    Parameters
    ----------
    card : Card
    port : Initiator
    context : int
        AxUSER on that port.
    """

    def __init__(self, card: Card, port: Initiator, context: int) -> None:
        self.card, self.port, self.context = card, port, context
        self.index: int = card.manifest["initiators"][port.index]["contexts"][context]
        self.granules: int = card.fabric["window_granules"]

    async def point(self, places: Sequence[Place], first: int = 0) -> None:
        """Let window granules from `first` on lead to these places, readable and writable."""
        entries = list(enumerate(places, first))
        for _, run in groupby(entries, key=lambda entry: (entry[1][0], entry[1][1] - entry[0])):
            found = list(run)
            slot, (target, granule) = found[0]
            await self.card.fill_window(self.index, slot, len(found), target, granule)

    async def restore(self, regions: Iterable[Region]) -> None:
        """Write the window anew as the slice's regions have it; the rest leads nowhere."""
        fill, granule = self.card.fill_window, self.card.granule
        await fill(self.index, 0, self.granules, 0, 0, readable=0, writable=0)
        for region in regions:
            if region.target in self.port.targets:
                rights = {"readable": int(region.readable), "writable": int(region.writable)}
                await fill(
                    self.index,
                    region.base // granule,
                    region.length // granule,
                    region.target,
                    region.granule,
                    **rights,
                )

    def spare(self, holding: Holding, count: int) -> int:
        """First of `count` window granules in a row, from the top, that the slice does not use."""
        granule = self.card.granule
        used = max(((region.base + region.length) // granule for region in holding.regions), default=0)
        first = self.granules - count
        assert first >= used, f"slice {holding.name} has no {count} window granules left"
        return first


def words(rng: Random, burst: Burst, port: Initiator) -> list[int]:
    """Random data for a write."""
    return [rng.getrandbits(8 * port.width) for _ in range(burst.beats)]


async def both(port: Initiator, rng: Random, burst: Burst) -> tuple[Reply | None, Reply | None]:
    """The same burst as a read and as a write."""
    read = cocotb.start_soon(port.read(burst))
    written = await port.write(burst, words(rng, burst, port))
    return await read, written


async def all_of(port: Initiator, rng: Random, bursts: Iterable[Burst]) -> None:
    """Every burst as a read and as a write, several at once."""
    waiting = iter(bursts)

    async def worker() -> None:
        for burst in waiting:
            await both(port, rng, burst)

    for task in [cocotb.start_soon(worker()) for _ in range(OUTSTANDING)]:
        await task


async def probe(window: Window, places: Sequence[Place], rng: Random) -> None:
    """Read and write something in every place."""
    port, granule = window.port, window.card.granule

    def bursts(count: int) -> Iterable[Burst]:
        for slot in range(count):
            page = slot * granule + rng.randrange(granule // BOUNDARY) * BOUNDARY
            offset = rng.randrange(BOUNDARY // port.width - 1) * port.width
            fields = {"id": rng.randrange(port.ids), "user": window.context}
            yield Burst(page + offset, rng.randint(1, 2), port.size_max, **fields)

    for start in range(0, len(places), window.granules):
        chunk = places[start : start + window.granules]
        await window.point(chunk)
        await all_of(port, rng, bursts(len(chunk)))


async def rekey(card: Card, place: Place, key: int, granules: int = 1, *, scrub: bool = True) -> None:
    """Give granules another key without asking the RAM."""
    target, first = place
    async with card.sequence:
        await card.put("target", "FIRST", target, granule=first)
        await card.put("target", "LAST", target, granule=first + granules - 1)
        await card.put("target", "REKEY", target, key=key, scrub=int(scrub))
        await card.until(lambda fields: fields["phase"] == 0, "target", "STATUS", target)
