"""Time slots: a slice that has some, beside others that saturate its target, and once more, same seed, alone."""

from ram.definition import Qos

from ..bench.card import cycles
from ..bench.load import Load
from ..bench.marks import now
from . import STOPPED
from .qos import SLICES, contenders
from .setting import Setting

TIMED = "timed"
SLOTS = 2
MEASURE_CYCLES = 3000


async def run(setting: Setting) -> None:
    """The same start for both twins; then only in one of them do the others use the target."""
    card = setting.card
    wanted = contenders(setting, (TIMED, *SLICES), slotted=True)
    await setting.boot()
    await card.closed()
    if not wanted:
        setting.skip("time slots", "no memory with time slots is reached by three ports with a slice of their own each")
        card.mark(STOPPED)
        return await card.quiet()
    qos = Qos(time_slots=SLOTS)
    for definition in wanted:
        await setting.create(definition.model_copy(update={"qos": qos}) if definition.slice == TIMED else definition)
    timed = setting.holding(TIMED)
    target = card.targets[timed.regions[0].target].name
    setting.run_traffic(timed)
    loads: list[Load] = []
    with setting.phase("a slice with time slots", what="time_slots", target=target, slice=timed.number):
        if setting.variant == "beside":
            for name in SLICES:
                held = setting.holding(name)
                for write in (False, True):
                    loads.append(Load(*held.contexts[0], held.regions[0], write=write, outstanding=6))
        await cycles(MEASURE_CYCLES if setting.until is None else setting.until - now())
    card.mark(STOPPED)
    await setting.stop_traffic()
    for load in loads:
        await load.stop()
    await card.quiet()
