"""One RAM after the other: the first is stopped in the middle of a change, and wakes up when another owns the card."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import cocotb

from ram import ExecutionError, Operation, Transition, Write, execute
from ram.journal import rest_of
from ram.transition import taken_over

from ..bench.card import Card
from .setting import Setting


class Posted:
    """A bus that tells nobody what became of a write, as PCIe."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.read = card.read

    async def write(self, address: int, value: int) -> None:
        """Write a register; it may be refused."""
        await self.card.control.write(address, value.to_bytes(4, "little"))


async def succeed(setting: Setting, rng: Random, transition: Transition, note: Callable[[Operation, int], None]) -> int:
    """Carry a change out by two RAMs; the first goes on while the second finishes. Returns the owner's token.

    What it still had to do would do no harm, since the second does the same. So it also tries to take every right away.
    """
    card, operations = setting.card, transition.operations
    writes = [index for index, operation in enumerate(operations) if isinstance(operation, Write)]
    stop = rng.choice(writes) + rng.randrange(2)
    token = setting.inventory.token + 1
    await execute(replace(transition, operations=operations[:stop]), card, on_operation=note)
    rest = taken_over(setting.description, rest_of(transition, stop), token)
    begun = next(index for index, operation in enumerate(rest.operations) if isinstance(operation, Write)) + 1
    await execute(replace(rest, operations=rest.operations[:begun]), card, on_operation=note)
    late = cocotb.start_soon(_wake_up(setting, replace(transition, operations=operations[stop:])))
    await execute(replace(rest, operations=rest.operations[begun:]), card, on_operation=note)
    await late
    return token


async def _wake_up(setting: Setting, rest: Transition) -> None:
    transport, described, token = Posted(setting.card), setting.description, setting.inventory.token
    try:
        await execute(rest, transport)
    except ExecutionError:
        for key in range(described.fabric.keys):
            for register in ("READ", "WRITE"):
                await transport.write(described.under(token, described.address("key", key, register)), 0)
        return
    raise AssertionError(f"'{rest.title}': the RAM that was stopped believes that it has finished")
