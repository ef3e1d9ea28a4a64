"""Time slots of a target: slices that have slots of their own, and nobody else's timing in them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..plan.plan import SLOT_CYCLES, Plan, Target
from .splitter import LONGEST_WHOLE


def turn_layout(plan: Plan) -> data.StructLayout:
    """Whose turn it is.

    timed : 1 bit per slice
        Slices that have slots of their own; while nobody has, all is as without slots.
    owned, slice
        The present slot is this slice's. Otherwise it is open to all that have none, and to the scrubber.
    elapsed
        Cycles since the slot began.
    """
    return data.StructLayout(
        {"timed": plan.slices, "owned": 1, "slice": plan.slice_bits, "elapsed": exact_log2(SLOT_CYCLES)}
    )


def slot_members(plan: Plan, target: Target) -> dict[str, wiring.Member]:
    """How the table is written.

    slot_write, slot_index, slot_owned, slot_slice : In
        Its write port.
    timed : In(slices)
        Slices that have slots of their own.
    """
    return {
        "slot_write": In(1),
        "slot_index": In(exact_log2(target.time_slots)),
        "slot_owned": In(1),
        "slot_slice": In(plan.slice_bits),
        "timed": In(plan.slices),
    }


class TimeSlots(wiring.Component):
    """The table of slots, which goes round for ever: `SLOT_CYCLES` cycles for each.

    The table keeps what was written through a reset; before, all slots are open. What is written takes effect when the
    slot next begins.

    Members
    -------
    turn : Out(turn_layout)
        From registers, but for `timed`.
    and those of :func:`slot_members`
    """

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan, self.target = plan, target
        super().__init__({**slot_members(plan, target), "turn": Out(turn_layout(plan))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        owner_layout = data.StructLayout({"owned": 1, "slice": self.plan.slice_bits})
        m.submodules.table = table = Memory(shape=owner_layout, depth=max(16, self.target.time_slots), init=[])
        write, read = table.write_port(), table.read_port(domain="comb")
        elapsed, number = self.turn.elapsed, Signal(range(self.target.time_slots))
        following = Signal.like(number)
        m.d.comb += [
            write.en.eq(self.slot_write),
            write.addr.eq(self.slot_index),
            write.data.owned.eq(self.slot_owned),
            write.data.slice.eq(self.slot_slice),
            following.eq(number + 1),
            read.addr.eq(following),
            self.turn.timed.eq(self.timed),
        ]
        m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(elapsed.all()):
            m.d.sync += [number.eq(following), self.turn.owned.eq(read.data.owned), self.turn.slice.eq(read.data.slice)]
        return m


class Starts(wiring.Component):
    """Says when a request may be granted so that its data ends with its slot, however long it is.

    A request takes `LONGEST_WHOLE` beats at most, so it is soon enough if the target will be free for it that many
    cycles before the slot ends. How long the target is busy with what it was granted is counted here.

    Members
    -------
    elapsed : In
        Of the slot.
    granted : In(1), length : In(8)
        A request of that many beats less one is granted in this cycle.
    may_next : Out(1)
        Whether another one may be granted in the next cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {"elapsed": In(exact_log2(SLOT_CYCLES)), "granted": In(1), "length": In(8), "may_next": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The cycle of the slot, from the present one on, in which the target is free.
        free = Signal(range(2 * SLOT_CYCLES))
        free_next = Signal.like(free)
        busy = Signal.like(free)
        upcoming = Signal.like(free)
        begins = self.elapsed.all()
        m.d.comb += [
            upcoming.eq(Mux(begins, 0, self.elapsed + 1)),
            busy.eq(Mux(self.granted, free + self.length + 1, free)),
            free_next.eq(Mux(begins, 0, Mux(busy > upcoming, busy, upcoming))),
            self.may_next.eq(free_next <= SLOT_CYCLES - LONGEST_WHOLE),
        ]
        m.d.sync += free.eq(free_next)
        return m
