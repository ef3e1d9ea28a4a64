# amaranth: UnusedElaboratable=no
"""Lanes are steered as commanded, never belong to two controllers, and never leak."""

import dataclasses
import random

import pytest

from hdl.control.lane_switch import LANE_BITS, LaneSwitch
from hdl.plan.plan import LANE_WIDTHS

from .harness import board, simulate


def with_lanes(lanes, *widest):
    """The example card with other numbers of lanes."""
    plan = board("quad")
    devices = tuple(
        dataclasses.replace(plan.devices[0], index=d, name=f"nvme{d}", lanes=w) for d, w in enumerate(widest)
    )
    return dataclasses.replace(plan, lanes=lanes, devices=devices)


PLANS = pytest.mark.parametrize(
    "plan",
    [board("quad"), board("wide"), with_lanes(1, 1), with_lanes(12, 8, 4, 16, 2), with_lanes(32, 16, 16, 1)],
    ids=("quad", "wide", "smallest", "twelve", "thirty-two"),
)


class Model:
    """Who has which lanes, by the rules of the programmer's guide."""

    def __init__(self, plan):
        self.plan = plan
        self.run = [(0, 0) for _ in plan.devices]
        self.refused = [0 for _ in plan.devices]

    def lanes(self, d):
        first, width = self.run[d]
        return set(range(first, first + width))

    def steer(self, d, first, width, in_reset):
        others = set().union(*(self.lanes(other) for other in range(len(self.run)) if other != d))
        fits = width == 0 or (
            width in LANE_WIDTHS
            and width <= self.plan.devices[d].lanes
            and first % width == 0
            and first + width <= self.plan.lanes
            and not others & set(range(first, first + width))
        )
        self.refused[d] = int(not (fits and in_reset))
        if not self.refused[d]:
            self.run[d] = first, width


def pack(lanes):
    return sum(value << LANE_BITS * n for n, value in enumerate(lanes))


def unpack(value, lanes):
    return [value >> LANE_BITS * n & (1 << LANE_BITS) - 1 for n in range(lanes)]


def status(ctx, switch):
    devices = range(len(switch.plan.devices))
    return [
        (
            (ctx.get(getattr(switch, f"status_first{d}")), ctx.get(getattr(switch, f"status_width{d}"))),
            ctx.get(getattr(switch, f"status_refused{d}")),
        )
        for d in devices
    ]


async def check_data(ctx, switch, model, generator):
    """Random words on all lanes: each end sees what its partner sent one cycle before, or zeros."""
    plan = switch.plan
    from_card = [generator.getrandbits(LANE_BITS) for _ in range(plan.lanes)]
    from_controllers = [[generator.getrandbits(LANE_BITS) for _ in range(device.lanes)] for device in plan.devices]
    ctx.set(switch.lane_rx, pack(from_card))
    for d, words in enumerate(from_controllers):
        ctx.set(getattr(switch, f"tx{d}"), pack(words))
    await ctx.tick()
    transmitted = [0] * plan.lanes
    for d, device in enumerate(plan.devices):
        first, width = model.run[d]
        for k in range(width):
            transmitted[first + k] = from_controllers[d][k]
        received = [from_card[first + k] if k < width else 0 for k in range(device.lanes)]
        assert unpack(ctx.get(getattr(switch, f"rx{d}")), device.lanes) == received
    assert unpack(ctx.get(switch.lane_tx), plan.lanes) == transmitted


@PLANS
def test_random_commands(plan):
    """Whatever is commanded: the status and the data follow the rules, and a refused command changes nothing."""
    generator, switch, model = random.Random(1), LaneSwitch(plan), Model(plan)
    carried_out = 0

    async def bench(ctx):
        nonlocal carried_out
        for _ in range(150):
            d = generator.randrange(len(plan.devices))
            width = generator.choice((0, 1, 1, 2, 4, 8, 16, generator.randrange(32)))
            first = generator.randrange(1 << max(1, (plan.lanes - 1).bit_length()))
            if generator.randrange(3):
                first = first // max(1, width) * max(1, width)
            for other in range(len(plan.devices)):
                in_reset = generator.randrange(5) > 0
                ctx.set(getattr(switch, f"in_reset{other}"), in_reset)
                ctx.set(getattr(switch, f"first{other}"), generator.randrange(plan.lanes))
                ctx.set(getattr(switch, f"width{other}"), generator.choice((1, 2)))
                if other == d:
                    model.steer(d, first, width, in_reset)
            ctx.set(getattr(switch, f"first{d}"), first)
            ctx.set(getattr(switch, f"width{d}"), width)
            ctx.set(getattr(switch, f"steer{d}"), 1)
            await ctx.tick()
            ctx.set(getattr(switch, f"steer{d}"), 0)
            assert status(ctx, switch) == list(zip(model.run, model.refused, strict=True))
            carried_out += not model.refused[d]
            await ctx.tick()
            await check_data(ctx, switch, model, generator)

    simulate(switch, bench)
    assert 20 < carried_out < 130, "the test has tried both"


def test_two_commands_at_once():
    """Even commands in the same cycle never give one lane to two controllers: the first device's counts."""
    plan = board("quad")
    switch = LaneSwitch(plan)

    async def bench(ctx):
        for d in range(2):
            ctx.set(getattr(switch, f"in_reset{d}"), 1)
            ctx.set(getattr(switch, f"first{d}"), 4)
            ctx.set(getattr(switch, f"width{d}"), 4 >> d)
            ctx.set(getattr(switch, f"steer{d}"), 1)
        await ctx.tick()
        assert status(ctx, switch) == [((4, 4), 0), ((0, 0), 1)]

    simulate(switch, bench)


def test_bystander_sees_nothing():
    """While another controller's lanes change, a controller's own lanes pass every word, in every cycle."""
    plan = board("quad")
    switch, generator = LaneSwitch(plan), random.Random(2)

    async def bench(ctx):
        for d in range(2):
            ctx.set(getattr(switch, f"in_reset{d}"), 1)
        ctx.set(switch.first0, 4)
        ctx.set(switch.width0, 4)
        ctx.set(switch.steer0, 1)
        await ctx.tick()
        ctx.set(switch.steer0, 0)
        ctx.set(switch.in_reset0, 0)
        await ctx.tick()
        for cycle in range(60):
            ctx.set(switch.steer1, cycle % 3 == 0)
            ctx.set(switch.first1, generator.randrange(8))
            ctx.set(switch.width1, generator.choice((0, 1, 2, 4, 8)))
            up = [generator.getrandbits(LANE_BITS) for _ in range(8)]
            down = [generator.getrandbits(LANE_BITS) for _ in range(8)]
            ctx.set(switch.lane_rx, pack(up))
            ctx.set(switch.tx0, pack(down))
            ctx.set(switch.tx1, generator.getrandbits(LANE_BITS * 8))
            await ctx.tick()
            assert unpack(ctx.get(switch.rx0), 8) == [*up[4:], 0, 0, 0, 0]
            assert unpack(ctx.get(switch.lane_tx), 8)[4:] == down[:4]

    simulate(switch, bench)


def test_a_card_without_lanes_is_an_error():
    with pytest.raises(ValueError, match=r"^A lane switch needs PCIe lanes; card 'mini' has none$"):
        LaneSwitch(board("mini"))
