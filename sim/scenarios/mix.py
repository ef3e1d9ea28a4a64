"""Mix: bursts of every shape, to what slices own, to what others own, and to nowhere, while everything changes."""

from functools import partial
from random import Random

from ..bench.card import cycles
from ..bench.coverage import NOWHERE
from ..bench.holding import Holding
from ..bench.probe import Place, Window
from ..bench.traffic import Pace, Region
from .hitless import NEWCOMER, changes
from .setting import Setting
from .succession import succeed

BEFORE_CYCLES = 12_000
"""Traffic while nothing changes: the rarest of all shapes should come."""
BETWEEN_CYCLES = 200


async def run(setting: Setting) -> None:
    """Steady, then everything that the card can change, one after another; another RAM takes over in each of them."""
    await setting.bring_up()
    for holding in setting.holdings:
        await let_loose(setting, holding)
    with setting.phase("all slices run, and trespass"):
        await cycles(BEFORE_CYCLES)
    for what, title, answer in changes(setting):
        rng = Random(f"{setting.card.seed}/{title}")
        await setting.change(answer, what, title, succession=partial(succeed, setting, rng))
        if what == "create":
            await let_loose(setting, setting.holding(NEWCOMER))
        with setting.phase(f"after: {title}"):
            await cycles(BETWEEN_CYCLES)
    await setting.stop_traffic()
    await setting.card.quiet()


async def let_loose(setting: Setting, held: Holding) -> None:
    """Traffic of a slice whose windows also lead to what it does not own."""
    trespasses: dict[tuple[int, int], list[Region]] = {}
    for port, context in held.contexts:
        window = Window(setting.card, port, context)
        first, size = window.spare(held, 2), setting.card.granule
        regions = [Region(first * size, size, NOWHERE, 0)]
        place = foreign(setting, held, port.targets)
        if place is not None:
            await window.point([place], first + 1)
            regions.append(Region((first + 1) * size, size, *place))
        trespasses[port.index, context] = regions
    setting.run_traffic(held, Pace(idle=0.2, longest=20))
    setting.traffic[held.name].trespasses = trespasses


def foreign(setting: Setting, held: Holding, targets: list[int]) -> Place | None:
    """A granule of memory that another slice owns and does not share."""
    own = {(region.target, region.granule + n) for region in held.regions
           for n in range(region.length // setting.card.granule)}  # fmt: skip
    memory = [target.index for target in setting.card.targets if target.kind == "memory"]
    for other in setting.holdings:
        for region in other.regions if other.name != held.name else ():
            if region.target in targets and region.target in memory and (region.target, region.granule) not in own:
                return region.target, region.granule
    return None
