"""What all scenarios work with: a card, the RAM that runs it, the slices, and the marks for the judge."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ram import Answer, Inventory, Manager, Operation, SliceDefinition, Transition, Write, execute
from ram import Card as CardDescription
from ram.definition import Qos

from ..bench.card import Card
from ..bench.holding import Holding, common_regions, holding, owners
from ..bench.traffic import BYSTANDER, NAMED, STEADY, Pace, Traffic
from .change import describe, named

Succession = Callable[[Transition, Callable[[Operation, int], None]], Awaitable[int]]


class Setting:
    """A card on the bench with its RAM.

    Parameters
    ----------
    card : Card
    description : ram.Card
        The same card as the RAM knows it.
    definitions : list of SliceDefinition
        The slices that the scenario runs.
    variant : str or None
        Of the scenario.
    until : int or None
        Cycle in which an earlier variant stopped its traffic.

    Members
    -------
    manager : ram.Manager
        The RAM.
    traffic : dict
        Random traffic of the slices that have some, by name.
    """

    def __init__(
        self, card: Card, description: CardDescription, definitions: list[SliceDefinition],
        variant: str | None = None, until: int | None = None,
    ) -> None:  # fmt: skip
        self.card, self.description, self.definitions = card, description, definitions
        self.variant, self.until = variant, until
        self.manager = Manager(description)
        self.traffic: dict[str, Traffic] = {}

    # ------------------------------------------------------------ who has what

    @property
    def inventory(self) -> Inventory:
        """The RAM's state."""
        return self.manager.inventory

    def holding(self, name: str) -> Holding:
        """What a slice holds now."""
        return holding(self.card, self.description, self.inventory, name)

    @property
    def holdings(self) -> list[Holding]:
        """All slices, in order of creation."""
        return [self.holding(owner.name) for owner in self.inventory.slices]

    def private_key(self, name: str) -> int:
        """The key of a slice's private memory."""
        owner = self.inventory.slice(name)
        assert owner is not None, f"no slice {name}"
        return owner.private_key

    # ------------------------------------------------------------ marks

    @contextmanager
    def phase(self, name: str, **measure: Any) -> Iterator[None]:
        """A stretch of the run during which nobody's resources change."""
        self.card.mark(
            "phase_begin", name=name, owners=owners(self.description, self.inventory), measure=measure or None
        )
        yield
        self.card.mark("phase_end", name=name)

    def skip(self, step: str, reason: str) -> None:
        """Note a step that this card cannot have."""
        self.card.mark("skipped", step=step, reason=reason)

    # ------------------------------------------------------------ changes

    async def boot(self) -> None:
        """Reset the card, and empty its fault log from then on."""
        await self.card.boot()
        self.card.start(self.card.watch_faults())

    async def bring_up(self) -> None:
        """From reset until all slices exist; they come up together."""
        await self.boot()
        await self.card.closed()
        await self.change(self.manager.apply(*self.definitions), "create", "all slices come up")

    async def create(self, definition: SliceDefinition) -> Holding:
        """Bring up a slice."""
        await self.change(self.manager.apply(definition), "create", f"{definition.slice} comes up")
        return self.holding(definition.slice)

    async def contract(self, name: str, qos: dict[str, Any]) -> None:
        """Give a slice another quality of service; nothing is changed if it has that already."""
        wanted = self.manager.definition(name).model_copy(update={"qos": Qos.model_validate(qos)})
        answer = self.manager.apply(wanted)
        if answer.after != self.inventory:
            await self.change(answer, "quality", f"{name} gets another contract")

    async def change(
        self, answer: Answer, what: str, title: str, *, expect: Callable[[Holding], None] | None = None,
        succession: Succession | None = None,
    ) -> None:  # fmt: skip
        """Carry out what the RAM has decided, while the slices run; AssertionError if the RAM refuses.

        Software does not touch what its slice is about to lose, and touches what it gains once it has it. `expect` is
        called, before anything is written, with what the slice that grows will hold. With `succession` another RAM owns
        the card in the end, see :func:`sim.scenarios.succession.succeed`.
        """
        assert answer.ok and answer.transition is not None, f"{title}: {answer.reason}"
        before, after = self.inventory, answer.after
        await self._prepare(before, after)
        mark = self.card.mark
        described = describe(self.description, before, after)
        mark("transition_begin", name=title, what=what, **described)
        if expect is not None:
            grown = next(owner.name for owner in after.slices if owner.index == described["grows"])
            expect(holding(self.card, self.description, after, grown))

        def note(operation: Operation, index: int) -> None:
            write = isinstance(operation, Write)
            value = operation.value if isinstance(operation, Write) else operation.expected
            mark("operation", address=operation.address, value=value, write=write, reason=operation.reason)

        changing = named(before, after)
        for name, traffic in self.traffic.items():
            traffic.phase = NAMED if name in changing else BYSTANDER
        async with self.card.sequence:
            token = after.token
            if succession is None:
                await execute(answer.transition, self.card, on_operation=note)
            else:
                token = await succession(answer.transition, note)
        for traffic in self.traffic.values():
            traffic.phase = STEADY
        self.manager.commit(answer)
        self.manager.inventory = after.model_copy(update={"token": token})
        mark("transition_end", name=title, result=str(answer.code))
        self._check_lanes()
        for name, traffic in self.traffic.items():
            if after.slice(name) is not None:
                traffic.use(self.holding(name).regions)

    async def _prepare(self, before: Inventory, after: Inventory) -> None:
        """Software learns what will change."""
        moved: dict[int, str] = {}
        for owner in after.slices:
            for port, _ in holding(self.card, self.description, after, owner.name).contexts:
                moved[port.index] = owner.name
        for name in list(self.traffic):
            if after.slice(name) is None:
                await self.traffic.pop(name).stop()
                continue
            for port, _ in self.holding(name).contexts:
                following = moved.get(port.index, name)
                if port.kind != "host" and following != name and following in self.traffic:
                    self.traffic[name].hand_over(port, self.traffic[following])
            self.traffic[name].use(common_regions(self.description, before, after, name))
        for traffic in self.traffic.values():
            await traffic.turn()

    def _check_lanes(self) -> None:
        """The lanes go where the RAM has steered them; AssertionError otherwise."""
        if self.card.lanes is None:
            return
        devices = self.description.device
        steering = {
            devices[attachment.device]: (attachment.first_lane, attachment.lanes)
            for owner in self.inventory.slices
            for attachment in owner.attachments
        }
        wrong = self.card.lanes.wrong(steering)
        assert not wrong, "; ".join(wrong)

    # ------------------------------------------------------------ traffic

    def run_traffic(self, held: Holding, pace: Pace | None = None) -> None:
        """Let all contexts of a slice run random traffic."""
        self.traffic[held.name] = Traffic(held.regions, held.contexts, self.card.seed, pace=pace)

    async def stop_traffic(self) -> None:
        """Let all traffic end, everybody's in the same cycle, and note what became of it."""
        for traffic in self.traffic.values():
            traffic.stopping = True
        tallies = {name: await traffic.stop() for name, traffic in self.traffic.items()}
        self.traffic.clear()
        text = ", ".join(f"{name} {tally.done} done, {tally.refused} refused" for name, tally in tallies.items())
        self.card.mark("progress", text=text)
