"""Drives the meter's ports and knows what it must have counted."""

import dataclasses
import random
from collections import Counter

import pytest

from hdl.control.latencies import READ_CYCLES
from hdl.control.slice_counters import COUNTERS
from hdl.control.token_buckets import SETTLING
from hdl.fabric import layouts
from hdl.fabric.layouts import ACCEPTED_MAX

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


class Plane:
    """Requests of one plane of a port, from acceptance to the last response, at random but as a port may have them."""

    def __init__(self, plan, initiator, generator):
        self.plan, self.initiator, self.random = plan, initiator, generator
        self.accepted, self.entered, self.outstanding = [], [], {}
        self.born = None  # of the burst whose first piece was sent last

    def _pick(self):
        """A number as the port may show it, and the context that it means, or None."""
        number, contexts = self.random.randrange(1 << self.plan.user_bits), self.initiator.contexts
        if len(contexts) == 1:
            return contexts[0].index, number
        return contexts[number].index if number < len(contexts) else None, number

    def busy(self):
        return bool(self.accepted or self.entered or self.outstanding)

    def step(self, cycle, density, *, accepts):
        """Events of this cycle, with what they count for which context."""
        likely = [self.random.random() < density for _ in range(5)]
        events, counts = {}, []
        answered = self.random.choice(list(self.outstanding)) if likely[3] and self.outstanding else None
        first = self.born is None or self.random.random() < 0.7
        if likely[2] and (self.entered or not first):
            ticket = self.random.randrange(1 << layouts.ticket_bits(self.plan))
            if ticket not in self.outstanding:
                context, number = self._pick()
                length = self.random.choice((0, 3, 255, self.random.randrange(256)))
                through = self.random.random() < 0.8
                events |= {"sent": 1, "sent_through": through, "sent_context": number, "sent_length": length}
                events |= {"sent_ticket": ticket, "sent_first": int(first)}
                if first:
                    self.born = self.entered.pop(0)
                counts.append((context, {"beats": through * (length + 1), "requests": int(through)}))
                self.outstanding[ticket] = (self.born, context, number)
        if likely[1] and self.accepted:
            events["entered"] = 1
            self.entered.append(self.accepted.pop(0))
        if self.random.random() < 0.02:
            events["dropped"] = 1
            self.accepted.clear()
        elif accepts and likely[0] and len(self.accepted) + len(self.entered) < ACCEPTED_MAX - 1:
            events["accepted"] = 1
            self.accepted.append(cycle)
        if answered is not None:
            birth, context, number = self.outstanding.pop(answered)
            denied, owned = self.random.random() < 0.3, self.random.random() < 0.9
            events |= {"done": 1, "done_owned": owned, "done_denied": denied, "done_context": number}
            events["done_ticket"] = answered
            counts.append((context, {"denials": int(owned and denied), "latency": owned * (cycle - birth)}))
        if likely[4]:
            context, number = self._pick()
            events |= {"stalled": 1, "stalled_context": number}
            counts.append((context, {"stalls": 1}))
        return events, counts


class Ports:
    """Drives events of all ports, and keeps what each context has caused."""

    def __init__(self, plan, meter, seed):
        self.plan, self.meter, self.random = plan, meter, random.Random(seed)
        self.planes = {
            (plane, initiator.index): Plane(plan, initiator, self.random)
            for initiator in plan.initiators
            for plane in ("read", "write")
        }
        self.cycle = 0
        self.forget()

    def forget(self):
        contexts = [None, *(context.index for context in self.plan.contexts)]
        self.caused = {context: Counter() for context in contexts}
        self.longest = dict.fromkeys(contexts, 0)

    def quiet(self, ctx):
        for (plane, index), model in self.planes.items():
            model.born = None  # no cycles are counted until there is traffic again
            ctx.set(getattr(self.meter, f"{plane}{index}"), {})

    def drive(self, ctx, density, *, accepts=True):
        """Set the events of one cycle; each kind that can come up does so with the likelihood `density`."""
        for (plane, index), model in self.planes.items():
            events, counts = model.step(self.cycle, density, accepts=accepts)
            ctx.set(getattr(self.meter, f"{plane}{index}"), events)
            for context, values in counts:
                self.longest[context] = max(self.longest[context], values.pop("latency", 0))
                own = {"beats": f"{plane}_beats", "requests": f"{plane}_requests"}
                self.caused[context] += Counter({own.get(name, name): value for name, value in values.items()})
        self.cycle += 1

    async def run(self, ctx, cycles, density):
        """Traffic, and then the end of all that is under way."""
        for _ in range(cycles):
            self.drive(ctx, density)
            await ctx.tick()
        while any(plane.busy() for plane in self.planes.values()):
            self.drive(ctx, density, accepts=False)
            await ctx.tick()
        self.quiet(ctx)
        await settle(ctx, self.meter)

    def expected(self, owner):
        """Counters of each slice if the contexts had these owners all the time."""
        result = []
        for s in range(self.plan.slices):
            mine = [context for context, slice_ in owner.items() if slice_ == s]
            total = sum((self.caused[context] for context in mine), Counter())
            total["longest_latency"] = max((self.longest[context] for context in mine), default=0)
            result.append({name: total[name] for name in COUNTERS})
        return result


async def settle(ctx, meter):
    """Until every event is counted, latencies too."""
    await ctx.tick().repeat(meter.plan.meter_period + SETTLING + READ_CYCLES)


def set_owners(ctx, meter, owner):
    for context, slice_ in owner.items():
        ctx.set(getattr(meter, f"owner_slice{context}"), slice_ or 0)
        ctx.set(getattr(meter, f"owner_owned{context}"), slice_ is not None)


async def start(ctx, meter, owner):
    """Let the rotation after reset pass, then set the owners."""
    await ctx.tick().repeat(meter.plan.meter_period)
    set_owners(ctx, meter, owner)


async def look(ctx, meter, slice_, word, tick):
    """A counter of the last snapshot, as the bank asks for it."""
    ctx.set(meter.external_member, slice_)
    ctx.set(meter.external_word, word)
    await tick()
    ctx.set(meter.external_enable, 1)
    await tick()
    ctx.set(meter.external_enable, 0)
    return ctx.get(meter.external_data)


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
            values[name] = await look(ctx, meter, s, word, tick)
        result.append(values)
    return result


def random_owners(plan, generator):
    return {context.index: generator.choice((None, *range(plan.slices))) for context in plan.contexts}


async def saturate(ctx, meter, initiators, length, cycles, planes=("read",)):
    """Let ports send a request in each cycle in which their first context is eligible. Returns the beats of each cycle.

    With several planes the beats are a tuple, one for each of them.
    """
    beats = []
    for _ in range(cycles):
        total = dict.fromkeys(planes, 0)
        for plane in planes:
            for i in initiators:
                sent = eligible(ctx, meter, meter.plan.initiators[i].contexts[0].index, plane)
                ctx.set(getattr(meter, f"{plane}{i}"), {"sent": sent, "sent_through": 1, "sent_length": length})
                total[plane] += sent * (length + 1)
        beats.append(tuple(total.values()) if len(planes) > 1 else total[planes[0]])
        await ctx.tick()
    for plane in planes:
        for i in initiators:
            ctx.set(getattr(meter, f"{plane}{i}"), {})
    return beats


def eligible(ctx, meter, context, plane="read"):
    return ctx.get(getattr(meter, f"{plane}_eligible{context}"))


async def set_contract(ctx, meter, slice_, *, rate, burst, limited=1, qos=0, write=None):
    """Write the registers of a slice, one in each cycle; `write` is the rate and the burst of writes alone."""
    ctx.set(meter.contract_slice, slice_)
    words = [("qos", qos), ("rate", limited << 31 | rate), ("burst", burst)]
    if meter.plan.separate_budgets:
        own_rate, own_burst = write or (None, 0)
        limits = write is not None and own_rate is not None
        words += [
            ("write_rate", limits << 31 | (write is not None) << 30 | (own_rate or 0)),
            ("write_burst", own_burst),
        ]
    for name, value in words:
        ctx.set(meter.contract_value, value)
        ctx.set(getattr(meter, f"{name}_write"), 1)
        await ctx.tick()
        ctx.set(getattr(meter, f"{name}_write"), 0)
