"""The state file. What is intended stands there before the card is touched, so nothing is forgotten in a crash."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from .errors import Refusal
from .files import write_atomically
from .invariants import violations
from .inventory import Inventory, empty
from .manager import Answer, Manager
from .manifest import Card
from .operations import Operation, Transition, Wait, Write, identity_of
from .transition import fence, taken_over
from .transport import ExecutionError, FileTransport, Transport, execute

FORMAT = 1


class Intent(NamedTuple):
    """A change that has begun: its transition, the state after it, and how many operations are known to be complete.

    With `begun` the card has been touched even if none is: by a former owner, whose change this one finishes.
    """

    transition: Transition
    after: Inventory
    done: int
    begun: bool = False


class Journal:
    """State of a card in a JSON file, replaced in one step each time; how far a change has come stands beside it.

    Parameters
    ----------
    path : Path
        A file that does not exist stands for a card after reset.
    card : Card

    Members
    -------
    inventory : Inventory
        The state before `intent`.
    intent : Intent or None
        What was under way when the file was written last.

    Raises
    ------
    Refusal
        The file is damaged, or for another card.
    """

    def __init__(self, path: Path, card: Card) -> None:
        self.path, self.card = path, card
        self.progress_path = path.with_name(path.name + ".progress")
        self._load()

    def _load(self) -> None:
        self.inventory, self.intent = empty(self.card), None  # type: Inventory, Intent | None
        if not self.path.exists():
            return
        advice = "restore it, or reset the card and name a new file with --state"
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Refusal(f"{self.path}: cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise Refusal(f"{self.path}: this is not JSON ({' '.join(str(error).split())}); {advice}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT or "hash" not in content:
            raise Refusal(f"{self.path}: this is not a state file of format {FORMAT}; {advice}")
        if content["hash"] != self.card.hash:
            raise Refusal(
                f"{self.path}: this is the state of the card '{content.get('card')}' (hash "
                f"{str(content['hash'])[:16]}...), not of '{self.card.card}' (hash {self.card.hash[:16]}...); "
                "name the right one with --card or --state"
            )
        try:
            self.inventory = Inventory.model_validate(content["inventory"])
            if content["intent"] is not None:
                self.intent = Intent(
                    Transition.from_dict(content["intent"]["transition"]),
                    Inventory.model_validate(content["intent"]["after"]),
                    0,
                    bool(content["intent"].get("begun", False)),
                )
                self.intent = self.intent._replace(done=self._read_progress(self.intent))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise Refusal(f"{self.path}: {where}: {first['msg'].lower()}; {advice}") from None
        except (ValueError, TypeError, KeyError) as error:
            raise Refusal(f"{self.path}: the state is damaged ({error}); {advice}") from None
        wrong = violations(self.card, self.inventory)
        if wrong:
            raise Refusal(f"{self.path}: the state is damaged ({wrong[0]}); {advice}")

    def _save(self) -> None:
        intent: dict[str, Any] | None = None
        if self.intent is not None:
            transition, after, _, begun = self.intent
            intent = {"after": after.model_dump(mode="json"), "transition": transition.to_dict(), "begun": begun}
        content = {
            "format": FORMAT, "card": self.card.card, "hash": self.card.hash,
            "inventory": self.inventory.model_dump(mode="json"), "intent": intent,
        }  # fmt: skip
        write_atomically(self.path, json.dumps(content, indent=1) + "\n")

    def _read_progress(self, intent: Intent) -> int:
        """How far a change had come. It need not survive a power failure, since the card does not either."""
        try:
            generation, token, done = map(int, self.progress_path.read_text(encoding="utf-8").split())
        except (OSError, ValueError):
            return 0
        of_this = (generation, token) == (intent.transition.generation, intent.after.token)
        return done if of_this and 0 <= done <= len(intent.transition.operations) else 0

    # ------------------------------------------------------------ one change

    def begin(self, transition: Transition, after: Inventory) -> None:
        """Write down what is about to happen. ValueError if something else is under way."""
        if self.intent is not None:
            raise ValueError(f"'{self.intent.transition.title}' has not been finished")
        self.progress_path.unlink(missing_ok=True)
        self.intent = Intent(transition, after, 0)
        self._save()

    def progress(self, done: int) -> None:
        """The first `done` operations are complete."""
        assert self.intent is not None, "no change has begun"
        self.intent = self.intent._replace(done=done)
        of_this = f"{self.intent.transition.generation} {self.intent.after.token}"
        write_atomically(self.progress_path, f"{of_this} {done}\n", durable=False)

    def finish(self) -> None:
        """The change is complete: its state is the present one."""
        assert self.intent is not None, "no change has begun"
        self.inventory, self.intent = self.intent.after, None
        self._save()
        self.progress_path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """The change has not touched the card, and does not take place."""
        self.intent = None
        self._save()

    # ------------------------------------------------------------ with a card

    async def carry_out(
        self,
        manager: Manager,
        answer: Answer,
        transport: Transport,
        *,
        on_operation: Callable[[Operation, int], None] | None = None,
    ) -> None:
        """Journal, execute and commit a granted answer.

        Raises
        ------
        ExecutionError
            A register was not as expected. If nothing had been written by then, the change is forgotten; otherwise
            it stays in the journal for `resume`.
        """
        assert answer.transition is not None, answer.reason
        self.begin(answer.transition, answer.after)
        await self._run(transport, answer.transition, 0, on_operation)
        manager.commit(answer)

    async def take_over(
        self,
        manager: Manager,
        token: int,
        transport: Transport,
        *,
        on_operation: Callable[[Operation, int], None] | None = None,
    ) -> None:
        """Own the card from now on: it refuses writes under older tokens, so whoever had it before cannot touch it.

        What that one left unfinished is finished, under the new token. How far it came is read once it can come no
        further.

        Raises
        ------
        Refusal
            The token is not newer than the present one, or does not fit.
        ExecutionError
            As of `carry_out`; also if the card has had a newer owner already, or was reset.
        """
        known = self.inventory if self.intent is None else self.intent.after
        answer = Manager(self.card, known).take_over(token)
        if answer.transition is None:
            raise Refusal(answer.reason)
        if not isinstance(transport, FileTransport):
            begins = self.inventory.generation if self.intent is None else self.intent.transition.generation
            if begins and not await transport.read(self.card.address("identity", 0, "GENERATION")):
                # A card that was reset has no owner to be fenced off; it needs `restore`, under the present token.
                await execute(replace(answer.transition, operations=identity_of(answer.transition)), transport)
            await execute(fence(self.card, token), transport)
            self._load()
            manager.inventory = self.inventory
        if self.intent is None:
            await self.carry_out(manager, manager.take_over(token), transport, on_operation=on_operation)
            return
        transition, after, done, _ = self.intent
        transition = taken_over(self.card, rest_of(transition, done), token)
        self.intent = Intent(transition, after.model_copy(update={"token": token}), 0, begun=True)
        self._save()
        await self._run(transport, transition, 0, on_operation)
        manager.inventory = self.inventory

    async def restore(self, manager: Manager, transport: Transport) -> None:
        """Bring a card that was reset back into the state before `intent`, which has not been then.

        Raises
        ------
        ExecutionError
            As of `carry_out`; also if the card has not been reset. Then nothing has changed, here neither.
        """
        answer = manager.restore()
        assert answer.transition is not None, answer.reason
        if not isinstance(transport, FileTransport):
            await execute(replace(answer.transition, operations=identity_of(answer.transition)), transport)
        self.intent = None
        await self.carry_out(manager, answer, transport)

    async def resume(
        self, transport: Transport, *, on_operation: Callable[[Operation, int], None] | None = None
    ) -> bool:
        """Finish what was under way when the RAM stopped; False if nothing was.

        The engines are given time to finish what they are doing, then the operations that are not known to be
        complete are carried out. One of them may be carried out twice, which changes nothing but that a core or
        device which has just started may start once more. A file gets all operations again.

        Raises
        ------
        ExecutionError
            The card is another one, or has been reset since: the state then has to be built anew.
        """
        if self.intent is None:
            return False
        transition, _, done, _ = self.intent
        if isinstance(transport, FileTransport):
            await self._run(transport, transition, 0, on_operation)
        else:
            remaining = rest_of(transition, done)
            skipped = len(remaining.operations) - (len(transition.operations) - done)
            await self._run(transport, remaining, done - skipped, on_operation)
        return True

    async def _run(
        self,
        transport: Transport,
        transition: Transition,
        offset: int,
        on_operation: Callable[[Operation, int], None] | None,
    ) -> None:
        def note(operation: Operation, index: int) -> None:
            if not isinstance(transport, FileTransport) and offset + index >= 0 and isinstance(operation, Write):
                self.progress(offset + index + 1)
            if on_operation is not None:
                on_operation(operation, index)

        assert self.intent is not None
        untouched = self.intent.done == 0 and not self.intent.begun
        try:
            await execute(transition, transport, on_operation=note)
        except ExecutionError as error:
            if untouched and not any(
                isinstance(operation, Write) for operation in transition.operations[: error.index]
            ):
                self.abandon()
            raise
        if isinstance(transport, FileTransport) and transition.operations:
            transport.save(transition)
        self.finish()


def rest_of(transition: Transition, done: int) -> Transition:
    """What is left of a transition when its first `done` operations are complete, and perhaps one more.

    It begins with the identity, as every transition does, and waits for all engines that the transition uses.
    GENERATION may already have been written if no other write is left.
    """
    operations = transition.operations
    rest = operations[done:]
    writes_left = sum(isinstance(operation, Write) for operation in rest)
    identity = [
        operation
        for operation in identity_of(transition)
        if writes_left > 1 or operation.register != "identity.GENERATION"
    ]
    waits = {operation.address: operation for operation in operations if isinstance(operation, Wait)}
    return Transition(
        transition.title, transition.card, transition.hash, transition.generation, (*identity, *waits.values(), *rest)
    )
