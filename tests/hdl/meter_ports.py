"""Drives the meter's ports and knows what it must have counted."""

import dataclasses
import random
from collections import Counter

import pytest

from hdl.control.meter import SETTLING
from hdl.control.slice_counters import COUNTERS

from .harness import board


def one_of_each():
    """A card with one initiator, one context and one slice."""
    mini = board("mini")
    initiator = dataclasses.replace(mini.initiators[1], index=0, contexts=mini.contexts[:1])
    return dataclasses.replace(mini, initiators=(initiator,), slices=1)


def uneven():
    """Two hosts whose numbers of contexts are no powers of two, so that their ports can show numbers of no context."""
    mini, contexts, initiators = board("mini"), [], []
    for index, count in enumerate((3, 1, 5)):
        first = len(contexts)
        contexts += [
            dataclasses.replace(mini.contexts[0], index=first + n, initiator=index, number=n) for n in range(count)
        ]
        host = mini.initiators[0]
        initiators.append(dataclasses.replace(host, index=index, name=f"host{index}", contexts=tuple(contexts[first:])))
    return dataclasses.replace(mini, initiators=tuple(initiators), slices=3)


PLANS = pytest.mark.parametrize(
    "plan", [board("mini"), board("quad"), one_of_each(), uneven()], ids=("mini", "quad", "smallest", "uneven")
)


class Ports:
    """Drives events of all ports, and keeps what each context has caused."""

    def __init__(self, plan, meter, seed):
        self.plan, self.meter, self.random = plan, meter, random.Random(seed)
        self.forget()

    def forget(self):
        contexts = [None, *(context.index for context in self.plan.contexts)]
        self.caused = {context: Counter() for context in contexts}
        self.longest = dict.fromkeys(contexts, 0)

    def quiet(self, ctx):
        for initiator in self.plan.initiators:
            for plane in ("read", "write"):
                ctx.set(getattr(self.meter, f"{plane}{initiator.index}"), {})

    def _pick(self, initiator):
        """A number as the port may show it, and the context that it means, or None."""
        number = self.random.randrange(1 << self.plan.user_bits)
        if len(initiator.contexts) == 1:
            return initiator.contexts[0].index, number
        return initiator.contexts[number].index if number < len(initiator.contexts) else None, number

    def drive(self, ctx, density):
        """Set the events of one cycle; each kind comes up with the likelihood `density`."""
        now = ctx.get(self.meter.now)
        for initiator in self.plan.initiators:
            for plane in ("read", "write"):
                sent, stalled, done = (self.random.random() < density for _ in range(3))
                length = self.random.choice((0, 3, 255, self.random.randrange(256)))
                denied, latency = self.random.random() < 0.3, self.random.choice((0, 9, self.random.randrange(1 << 16)))
                (sender, sent_context), (waiter, stalled_context), (receiver, done_context) = (
                    self._pick(initiator) for _ in range(3)
                )
                events = {
                    "sent": sent, "sent_context": sent_context, "sent_length": length,
                    "stalled": stalled, "stalled_context": stalled_context,
                    "done": done, "done_context": done_context, "done_denied": denied,
                    "done_birth": (now - latency) % (1 << 16),
                }  # fmt: skip
                ctx.set(getattr(self.meter, f"{plane}{initiator.index}"), events)
                self.caused[sender] += Counter({f"{plane}_beats": sent * (length + 1), f"{plane}_requests": int(sent)})
                self.caused[waiter]["stalls"] += stalled
                self.caused[receiver]["denials"] += done and denied
                if done:
                    self.longest[receiver] = max(self.longest[receiver], latency)

    async def run(self, ctx, cycles, density):
        for _ in range(cycles):
            self.drive(ctx, density)
            await ctx.tick()
        self.quiet(ctx)
        await ctx.tick().repeat(self.plan.meter_period + SETTLING)

    def expected(self, owner):
        """Counters of each slice if the contexts had these owners all the time."""
        result = []
        for s in range(self.plan.slices):
            mine = [context for context, slice_ in owner.items() if slice_ == s]
            total = sum((self.caused[context] for context in mine), Counter())
            total["longest_latency"] = max((self.longest[context] for context in mine), default=0)
            result.append({name: total[name] for name in COUNTERS})
        return result


def set_owners(ctx, meter, owner):
    for context, slice_ in owner.items():
        ctx.set(getattr(meter, f"owner_slice{context}"), slice_ or 0)
        ctx.set(getattr(meter, f"owner_owned{context}"), slice_ is not None)


async def start(ctx, meter, owner):
    """Let the rotation after reset pass, then set the owners."""
    await ctx.tick().repeat(meter.plan.meter_period)
    set_owners(ctx, meter, owner)


async def snapshot(ctx, meter, drive=lambda: None):
    """Take a snapshot and read it; `drive` is called in each cycle. The command stays on while busy, to no effect."""

    async def tick():
        drive()
        await ctx.tick()

    ctx.set(meter.snapshot, 1)
    await tick()
    cycles = 0
    while ctx.get(meter.busy):
        await tick()
        cycles += 1
        assert cycles <= 2 * meter.plan.meter_period + 3
    ctx.set(meter.snapshot, 0)
    result = []
    for s in range(meter.plan.slices):
        values = {}
        for word, name in enumerate(COUNTERS):
            ctx.set(meter.external_member, s)
            ctx.set(meter.external_word, word)
            await tick()
            values[name] = ctx.get(meter.external_data)
        result.append(values)
    return result


def random_owners(plan, generator):
    return {context.index: generator.choice((None, *range(plan.slices))) for context in plan.contexts}


async def saturate(ctx, meter, initiators, length, cycles, slice_):
    """Let ports send one request in each cycle in which their slice is eligible. Returns the beats of each cycle."""
    beats = []
    for _ in range(cycles):
        sent = bool(ctx.get(meter.eligible) >> slice_ & 1)
        for i in initiators:
            ctx.set(getattr(meter, f"read{i}"), {"sent": sent, "sent_length": length})
        beats.append(sent * len(initiators) * (length + 1))
        await ctx.tick()
    for i in initiators:
        ctx.set(getattr(meter, f"read{i}"), {})
    return beats


def set_contract(ctx, meter, slice_, rate, burst, limited=1):
    ctx.set(getattr(meter, f"rate{slice_}"), rate)
    ctx.set(getattr(meter, f"burst{slice_}"), burst)
    ctx.set(getattr(meter, f"limited{slice_}"), limited)
