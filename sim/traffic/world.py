"""A card under load whose slices change: generators follow what their contexts hold."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from hdl.traffic.settings import REGIONS, SLOTS, STATISTICS
from ram import Answer, Inventory

from ..bench.marks import now
from .desk import COUNTERS, PLANES, READ, Desk
from .lots import Holder, deal, holders, keeps, owner_of

SHAPES: dict[str, dict[str, int]] = {
    "single": {"length": 0, "slot_bits": 6},
    "short": {"length_mask": 7, "slot_bits": 7, "bursts": 0b111, "size_mask": 3, "offset_mask": 63},
    "narrow": {"length_mask": 15, "slot_bits": 7, "bursts": 0b110, "size_mask": 7, "partial": 1},
    "long": {"length_mask": 255, "slot_bits": 11, "slot_mask": 3},
}
"""Bursts. A place holds the longest of its bursts from the largest offset on, on a bus of 64 bits."""
SHARES = {"single": 3, "short": 4, "narrow": 2, "long": 1}
"""How often each is drawn."""
PATTERNS = {"sequential": 0, "random": 1, "strided": 2, "hotspot": 3}
DRAIN_CYCLES = 32
"""How often it is looked whether what was under way has ended."""
PATIENCE = 200_000
"""Cycles after which that is a failure."""
ERRORS = ("response", "data", "last", "unasked")


class World:
    """A desk, and what every context works on.

    Parameters
    ----------
    desk : Desk
    seed : object
        Of what the generators are told. A port's settings depend on it and on the port alone.
    """

    def __init__(self, desk: Desk, seed: object) -> None:
        self.desk, self.card, self.seed = desk, desk.description, seed
        self.holders = holders(self.card)
        self.shapes: dict[int, dict[str, int]] = {}
        self.ports = range(len(self.card.initiators))
        self._rounds: dict[int, int] = {}

    # ------------------------------------------------------------ generators

    def _active(self, port: int) -> dict[int, Holder]:
        """Regions of a port that are in use, and by whom."""
        return {region: holder for holder in self.holders.values() if holder.port == port for region in holder.lots}

    def _route(self, port: int, without: Iterable[int] = ()) -> dict[str, int]:
        """Settings that lead to the regions in use."""
        usable = sorted(self._active(port).keys() - set(without))
        if not usable:
            return {"run": 0}
        places = [usable[number % len(usable)] for number in range(REGIONS)]
        return {"route": sum(region << 3 * number for number, region in enumerate(places)), "region_mask": 7}

    async def shape(self, port: int) -> None:
        """Give a port other traffic, from nothing: what it had written is forgotten."""
        desk = self.desk
        for plane in PLANES:
            await desk.set(port, plane, run=0)
        await self._drained({port: range(REGIONS)})
        await desk.set(port, READ, forget=(1 << REGIONS) - 1)
        turn = self._rounds[port] = self._rounds.get(port, 0) + 1
        rng = Random(f"{self.seed}/{port}/{turn}")
        ids = (1 << desk.manifest["fabric"]["id_width"]) - 1
        # Both planes walk over the same places: reads ask for what was written, in the shape in which it was written.
        shape = SHAPES[rng.choices(list(SHARES), list(SHARES.values()))[0]]
        bases, route = self._bases(port), self._route(port)
        for plane in PLANES:
            settings: dict[str, Any] = {
                **bases, **route, **shape, "pattern": PATTERNS[rng.choice(sorted(PATTERNS))],
                "stride": rng.randrange(1, 64, 2), "region_walk": rng.randrange(2),
                "id_mask": rng.choice((0, 3, 15)) & ids, "pause_mask": rng.choice((0, 0, 0, 3, 31)),
                "limit": rng.choice((4, 16, 32)), "reluctance": rng.choice((0, 0, 0, 64, 200)),
            }  # fmt: skip
            await desk.tell(port, plane, **({"run": 1} | settings))

    async def memories(self, rng: Random) -> None:
        """Let memories answer as they like: in stretches, some of them out of order between sources and interleaved.

        Which of them do that stays: a memory that changes its order while it owes answers would give wrong ones. One
        that does, and rests most of the time, may leave a request for so long that a card with timeouts cuts it off.
        """
        for target, described in enumerate(self.desk.manifest["targets"]):
            scatter = Random(f"{self.seed}/{target}").randrange(2)
            longest = 40 if scatter and described["timeout"] else 160
            await self.desk.memory(target, scatter=scatter, pauses=rng.choice((0, 0, 0, 40, longest)))

    def _bases(self, port: int) -> dict[str, int]:
        result: dict[str, int] = {}
        for region, holder in self._active(port).items():
            result |= {f"base{region}": holder.lots[region].window, f"user{region}": holder.user}
        return result

    async def _drained(self, leaving: Mapping[int, Iterable[int]]) -> None:
        """Wait until nothing is under way in some regions of some ports."""
        for port, regions in leaving.items():
            mask, since = sum(1 << region for region in regions), now()
            while await self.desk.busy_regions(port) & mask:
                assert now() - since < PATIENCE, f"{self.card.initiators[port].name} is never answered"
                await self.desk.cycles(DRAIN_CYCLES)

    # ------------------------------------------------------------ changes

    async def begin(self) -> None:
        """Let everybody run who has something to work on."""
        deal(self.card, self.desk.manager.inventory, self.holders)
        for port in sorted({holder.port for holder in self.holders.values() if holder.lots}):
            await self.shape(port)

    async def change(self, answer: Answer, *, rude: bool = False) -> dict[str, int]:
        """Carry out a change while everybody runs. A context stops only with what it is about to lose.

        Parameters
        ----------
        rude : bool
            Cores and devices that change hands go on, whatever they are answered, until their reset.

        Returns
        -------
        dict
            `begin` and `end`, the cycles of the first and the last register access, and `operations`, their number.
        """
        desk, before, after = self.desk, self.desk.manager.inventory, answer.after
        assert answer.ok and answer.transition is not None, answer.reason
        leaving: dict[int, list[int]] = {}
        resets: set[int] = set()
        for holder in self.holders.values():
            lost = [number for number, lot in holder.lots.items() if not keeps(self.card, before, after, holder, lot)]
            moves = owner_of(self.card, before, holder.name) != owner_of(self.card, after, holder.name)
            if self.card.initiators[holder.port].kind != "host" and moves:
                resets.add(holder.port)
            if lost:
                leaving.setdefault(holder.port, []).extend(lost)
        for port in leaving:
            if rude and port in resets and not _friends(before):
                for plane in PLANES:
                    await desk.set(port, plane, mute=1)
                leaving[port] = []
                continue
            for plane in PLANES:
                await desk.set(port, plane, **self._route(port, leaving[port]))
        await self._drained(leaving)
        done = {"begin": now(), "operations": len(answer.transition.operations)}
        await desk.carry_out(answer.transition)
        done["end"] = now()
        desk.manager.commit(answer)
        for holder in self.holders.values():
            for number, lot in list(holder.lots.items()):
                if not keeps(self.card, before, after, holder, lot):
                    del holder.lots[number]
        for port in resets:
            for plane in PLANES:
                desk.told.setdefault((port, plane), {}).update(run=0, mute=0)  # the reset did it
        await self._follow()
        return done

    async def _follow(self) -> None:
        """Contexts take up what they have gained."""
        dealt = deal(self.card, self.desk.manager.inventory, self.holders)
        fresh: dict[int, int] = {}
        for holder, region in dealt:
            fresh[holder.port] = fresh.get(holder.port, 0) | 1 << region
        for port, mask in fresh.items():
            if port not in self._rounds:
                await self.shape(port)
                continue
            await self.desk.set(port, READ, forget=mask)
            for plane in PLANES:
                await self.desk.set(port, plane, **self._bases(port))
                await self.desk.set(port, plane, **self._route(port))
                await self.desk.set(port, plane, run=1)

    # ------------------------------------------------------------ what became of it

    async def check(self, what: str) -> None:
        """AssertionError if a generator has seen something wrong."""
        for port in self.ports:
            for plane in PLANES:
                if (await self.desk.ask(port, plane, STATISTICS.index("errors")))[0]:
                    values = await self.desk.ask(port, plane, *range(COUNTERS))
                    seen = dict(zip(STATISTICS, values, strict=True))
                    kinds = [name for bit, name in enumerate(ERRORS) if seen["first_error"] >> bit & 1]
                    region = seen["first_place"] // SLOTS
                    held = self._active(port).get(region)
                    place = held.lots[region] if held else "nobody's"
                    raise AssertionError(
                        f"{self.card.initiators[port].name}: {seen['errors']} wrong {('reads', 'writes')[plane]} after "
                        f"{what}, the first one: {', '.join(kinds)} in region {region} ({place})"
                    )


def _friends(inventory: Inventory) -> bool:
    """Whether slices share anything: a core that runs into its hand-over may then touch what both may."""
    return any(region.shares for owner in inventory.slices for region in owner.regions)
