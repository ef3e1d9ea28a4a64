"""Who replays what on a card, and which other slices are changed meanwhile."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from hdl.errors import Refusal
from hdl.traffic.settings import REGIONS
from ram import Card, SliceDefinition

from .cache import KIBI
from .trace import NAMES, Trace, stored

MOVED = 64 * KIBI
"""Bytes that the neighbours pass on to each other, if a quarter of the bank is as much."""


@dataclass
class Neighbours:
    """Two slices beside the tenants, in the same bank; every change is a transition of the RAM, with scrub.

    In turn: the first grows by `granules`; these move to the second, in one transition; the second shrinks.

    Members
    -------
    bank : str
    first : int
        Granule from which on the moved ones lie; the two before it are what each neighbour always has.
    granules, granule : int
        How many move, and the bytes of one.
    step : int
        Which of `HOLDERS` it is now.
    """

    NAMES: ClassVar = ("left", "right")
    HOLDERS: ClassVar = (None, 0, 1)  # who has the moved granules, in turn

    bank: str
    first: int
    granules: int
    granule: int
    step: int = field(default=0, init=False)

    @property
    def bytes(self) -> int:
        """Of memory that a change moves."""
        return self.granules * self.granule

    def _one(self, index: int) -> SliceDefinition:
        memory = [self._piece("own", self.first - 1 - index, 1)]
        if self.HOLDERS[self.step] == index:
            memory.append(self._piece("moved", self.first, self.granules))
        return SliceDefinition.model_validate({"slice": self.NAMES[index], "memory": memory})

    def _piece(self, name: str, first: int, granules: int) -> dict[str, Any]:
        extents = [{"target": self.bank, "first": first, "granules": granules}]
        return {"name": name, "size": granules * self.granule, "extents": extents}

    def definitions(self) -> list[SliceDefinition]:
        """Both as they are now."""
        return [self._one(index) for index in range(len(self.NAMES))]

    def following(self) -> list[SliceDefinition]:
        """What the next transition changes."""
        before = {definition.slice: definition for definition in self.definitions()}
        self.step = (self.step + 1) % len(self.HOLDERS)
        return [definition for definition in self.definitions() if definition != before[definition.slice]]


@dataclass(frozen=True)
class Layout:
    """Tenants and neighbours of a card.

    Members
    -------
    card : Card
    bank : str
        The memory that everybody uses.
    ports : dict
        Program to the name of its port.
    pages : int
        4 KiB pages of each tenant, one in a granule; its trace is folded onto them.
    neighbours : Neighbours
    """

    card: Card
    bank: str
    ports: dict[str, str]
    pages: int
    neighbours: Neighbours

    @classmethod
    def of(cls, card: Card, bank: str | None = None) -> "Layout":
        """The layout of a card, on its first memory unless another one is named.

        Raises
        ------
        Refusal
            There is no such memory, or the card is too small.
        """
        banks = [target.name for target in card.targets if target.kind == "memory"]
        if not banks or (bank is not None and bank not in banks):
            raise Refusal(f"the card has no memory {bank or 'at all'}; replay needs one of {', '.join(banks) or 'any'}")
        bank = bank or banks[0]
        index = card.target[bank]
        reaching = [port for port in card.initiators if index in port.targets and port.kind in ("core", "host")]
        ports = sorted(reaching, key=lambda port: port.kind != "core")[: min(len(NAMES), card.fabric.slices - 2)]
        granules = card.targets[index].granules
        pages = REGIONS
        while pages and pages * len(ports) > granules // 2:
            pages //= 2
        moved = min(MOVED // card.fabric.granule, granules // 4)
        if not ports or not pages or not moved:
            raise Refusal(
                f"{card.card} is too small to replay on: it takes 3 slices, a core or a host, and 4 granules in {bank}"
            )
        neighbours = Neighbours(bank, granules - moved, moved, card.fabric.granule)
        return cls(card, bank, {name: port.name for name, port in zip(NAMES, ports, strict=False)}, pages, neighbours)

    def tenants(self) -> list[SliceDefinition]:
        """A slice for each program."""
        made = []
        for name, port in self.ports.items():
            context = next(one for one in self.card.contexts if self.card.initiators[one.initiator].name == port)
            kind = {"host": "contexts", "core": "cores"}[self.card.kind(context.name)]
            memory = [{"name": "heap", "size": self.pages * self.card.fabric.granule, "targets": [self.bank]}]
            made.append(
                SliceDefinition.model_validate({"slice": f"runs_{name}", kind: [context.name], "memory": memory})
            )
        return made


def programs(layout: Layout, requests: int) -> dict[str, Trace]:
    """The first requests of each tenant's stored trace."""
    return {name: stored(name).first(requests) for name in layout.ports}
