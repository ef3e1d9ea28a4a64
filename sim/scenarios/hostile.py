"""Two slices saturate a bank while a third one stalls, or does not keep the protocol, or another target dies."""

from random import Random
from typing import Any

from ram import SliceDefinition

from ..bench.burst import Burst
from ..bench.card import cycles
from ..bench.load import Load
from ..bench.ports import Target
from ..bench.rude import WAYS, Rude
from .qos import MEASURE_CYCLES, SETTLE_CYCLES, SLICES, contenders
from .setting import Setting

HOSTILE = "hostile"
GRIP_CYCLES = 400
"""From the beginning of the stall until it is measured: all that the hostile port can have under way is by then."""


def _channels(model: Any) -> dict[str, tuple[bool, Any]]:
    """What the hostile port does: is it a write, and which channel stops."""
    return {
        "takes no read data": (False, model.read_if.r_channel),
        "takes no write responses": (True, model.write_if.b_channel),
        "stops giving write data": (True, model.write_if.w_channel),
    }


async def run(setting: Setting) -> None:
    """Undisturbed first, then each kind of stall; the bystanders read and then write."""
    wanted = contenders(setting, (*SLICES, HOSTILE))
    await setting.boot()
    await setting.card.closed()
    if setting.description.fabric.isolation != "strict":
        wanted = []
        setting.skip("a port stalls", "with isolation: basic it holds up others at the same target")
    elif not wanted:
        setting.skip("a port stalls", "no memory is reached by three ports with a slice of their own each")
    for definition in wanted:
        await setting.create(definition)
    if wanted:
        holding = setting.holding(HOSTILE)
        port, context = holding.contexts[0]
        for what, (write, channel) in {"nobody stalls": (False, None), **_channels(port.master)}.items():
            for bystanders in (False, True):
                load = Load(port, context, holding.regions[0], write=write, outstanding=16) if channel else None
                await cycles(SETTLE_CYCLES)
                if channel:
                    channel.pause = True
                    await cycles(GRIP_CYCLES)
                await _bystanders(setting, f"{what}, others {'write' if bystanders else 'read'}", write=bystanders)
                if channel and load:
                    channel.pause = False
                    await load.stop()
        await _rude_port(setting)
        await _dying_target(setting)
    await setting.card.quiet()


async def _rude_port(setting: Setting) -> None:
    """The third slice breaks the protocol in each way that concerns the handshakes."""
    card, holding = setting.card, setting.holding(HOSTILE)
    port, context = holding.contexts[0]
    for way in WAYS:
        for bystanders in (False, True):
            await card.settle()
            card.mark("rude_begin", name=port.name)
            rude = Rude(port, context, holding.regions[0], Random(f"{card.seed}/{way}/{bystanders}"), way)
            await cycles(SETTLE_CYCLES)
            title = f"a third port {way}, others {'write' if bystanders else 'read'}"
            await _bystanders(setting, title, write=bystanders, rivals=1)
            await rude.stop()
            await card.settle()
            card.mark("rude_end", name=port.name)


async def _dying_target(setting: Setting) -> None:
    """The third slice uses another memory, which does nothing any more; it is cut off, and attached again."""
    card, holding = setting.card, setting.holding(HOSTILE)
    port, context = holding.contexts[0]
    shared = holding.regions[0].target
    found = [target for target in card.targets if target.timeout and target.kind == "memory" and target.index != shared]
    target = next((target for target in found if target.index in port.targets), None)
    if target is None:
        return setting.skip("a target dies", "no other memory with a timeout is reached by the third slice")
    definition = setting.manager.definition(HOSTILE).model_dump(mode="json", by_alias=True, exclude_none=True)
    definition["memory"].append({"name": "far", "size": card.granule, "targets": [target.name]})
    wanted = SliceDefinition.model_validate(definition)
    await setting.change(setting.manager.apply(wanted), "grow", f"{HOSTILE} gets memory in {target.name}")
    far = next(region for region in setting.holding(HOSTILE).regions if region.target == target.index)
    for write in (False, True):
        load = Load(port, context, far, write=write, outstanding=16)
        await cycles(SETTLE_CYCLES)
        target.dead(True)
        await cycles(GRIP_CYCLES)
        what = f"a target of {'writes' if write else 'reads'} dies, others {'write' if write else 'read'}"
        await _bystanders(setting, what, write=write)
        await card.until(lambda fields: fields["settled"] == 1, "target", "STATUS", target.index)
        await load.stop()
        await _attach(setting, target)
        reply = await port.read(Burst(far.base, 1, port.size_max, user=context))
        assert reply is not None and reply.ok, f"{target.name} does not answer after it was attached again"


async def _attach(setting: Setting, target: Target) -> None:
    """The target comes back to life; it was reset by the cut-off."""
    target.dead(False)
    await setting.change(setting.manager.attach(target.name), "attach", f"{target.name} is attached again")


async def _bystanders(setting: Setting, title: str, *, write: bool, rivals: int = 0) -> None:
    """Measure them while they saturate their target; `rivals` others use it too."""
    holdings = [setting.holding(name) for name in SLICES]
    loads = [Load(*holding.contexts[0], holding.regions[0], write=write, outstanding=6) for holding in holdings]
    await cycles(SETTLE_CYCLES)
    target = setting.card.targets[holdings[0].regions[0].target].name
    numbers = [holding.number for holding in holdings]
    with setting.phase(title, what="hostile", target=target, slices=numbers, rivals=rivals):
        await cycles(MEASURE_CYCLES)
    for load in loads:
        await load.stop()
