"""The fault log: the first denials in full, the others as a count."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..fabric import layouts
from ..plan.plan import Plan, bits_for

LEVEL_BITS = 9
LOST_BITS = 32


@dataclass(frozen=True)
class Origin:
    """Where a source sits: at the initiator or target port of this index, among the reads or the writes."""

    place: Literal["initiator", "target"]
    index: int
    write: bool


def origins(plan: Plan) -> tuple[Origin, ...]:
    """Every place of a card that denies requests: reads then writes of the initiators, then of the targets."""
    ports: tuple[tuple[Literal["initiator", "target"], int], ...] = (
        ("initiator", len(plan.initiators)),
        ("target", len(plan.targets)),
    )
    return tuple(
        Origin(place, index, write) for place, count in ports for write in (False, True) for index in range(count)
    )


class FaultLog(wiring.Component):
    """Collects denials from all over the card. Nobody ever waits for it.

    A source hands over a denial in one cycle and is not asked to wait, so what does not fit is counted: every denial is
    either in the log or in `lost`. A source has room for one denial; the collector moves one in each cycle, and passes
    over no source more than twice for another one. So a denial is lost if the log is full, or if its source's last one
    came in the cycle before or is still waiting for others.

    Latency: a denial in cycle 0 is in the log in cycle 3 if no other source waits, or is in `lost` by cycle 3. A source
    tells late in its cycle whether it denies, so nothing but a register waits for it.

    Parameters
    ----------
    plan : Plan
    sources : Sequence[Origin]
        At least one.

    Members
    -------
    source{n} : In {valid: 1, fault: layouts.fault}
        One denial for each cycle with `valid`. The log knows the source's port and whether it is a write, so these
        fields are not looked at.
    level : Out(9)
        Denials in the log.
    pending : Out(1)
        The log is not empty.
    lost : Out(32)
        Denials that did not get into the log since reset, modulo 2**32.
    head : Out(layouts.fault)
        The oldest denial; zero if the log is empty.
    pop : In(1)
        Drops the oldest denial; nothing happens if the log is empty.

    Raises
    ------
    ValueError
        There is no source.
    """

    def __init__(self, plan: Plan, sources: Sequence[Origin]) -> None:
        if not sources:
            raise ValueError("A fault log needs at least one source")
        self.plan, self.sources = plan, tuple(sources)
        self.layout = layouts.fault(plan)
        source = wiring.Signature({"valid": Out(1), "fault": Out(self.layout)})
        super().__init__(
            {
                **{f"source{n}": In(source) for n in range(len(sources))},
                "level": Out(LEVEL_BITS),
                "pending": Out(1),
                "lost": Out(LOST_BITS),
                "head": Out(self.layout),
                "pop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken = Signal(len(self.sources))
        dropped_at_source = Signal(len(self.sources))
        any_taken = Signal()
        room = Signal(len(self.sources))
        full = Signal()
        self._take_turns(m, taken, dropped_at_source, any_taken, room)
        self._store(m, self._collect(m, taken, room), any_taken, full)

        # Adding up many bits takes a cycle of its own.
        dropped = Signal(bits_for(len(self.sources) + 2))
        m.d.sync += [
            dropped.eq(sum(dropped_at_source, start=Const(0, 1)) + (any_taken & full)),
            self.lost.eq(self.lost + dropped),
        ]
        return m

    def _take_turns(self, m: Module, taken: Signal, dropped: Signal, any_taken: Signal, room: Signal) -> None:
        """One waiting denial goes to the log in each cycle.

        All that wait at some time are a batch, which is served from its lowest source up before the next one is made
        up: so a source is passed over at most twice by each other one, and no order need be remembered.
        """
        count = len(self.sources)
        valid = Signal(count)
        arrived = Signal(count)
        waiting = Signal(count)
        batch = Signal(count)
        in_batch = Signal()
        candidates = Signal(count)
        pool = Signal(count)
        chosen = Signal(count)
        # The turn of the next cycle is chosen now, so that the wide part of the log works from registers.
        m.d.comb += [
            *(valid[n].eq(getattr(self, f"source{n}").valid) for n in range(count)),
            candidates.eq(arrived | (waiting & ~taken)),
            pool.eq(Mux(in_batch, batch, candidates)),
            chosen.eq(pool & -pool),
            room.eq(~(arrived | waiting) | taken),
        ]
        m.d.sync += [
            taken.eq(chosen),
            any_taken.eq(pool.any()),
            batch.eq(pool & ~chosen),
            in_batch.eq((pool & ~chosen).any()),
            arrived.eq(valid & room),
            waiting.eq(candidates),
            dropped.eq(valid & ~room),
        ]

    def _collect(self, m: Module, taken: Signal, room: Signal) -> data.View:
        """The denial whose turn it is, out of one for each source."""
        collected = Signal(self._entry)
        parts: dict[str, list[Value]] = {name: [] for name, _ in self._entry}
        for n, origin in enumerate(self.sources):
            source = getattr(self, f"source{n}")
            known = {origin.place: origin.index, "write": int(origin.write)}
            fields = {name: min(width, self._entry[name].width) for name, width in self._told(origin).items()}
            held = Signal(data.StructLayout(fields), name=f"held{n}")
            # While there is room it follows the source: a source tells late whether it denies.
            with m.If(room[n]):
                m.d.sync += [held[name].eq(source.fault[name]) for name in fields]
            for name in parts:
                if name in fields:
                    parts[name].append(Value.cast(held[name]) & taken[n].replicate(fields[name]))
                elif known.get(name):
                    parts[name].append(Mux(taken[n], known[name], 0))
        m.d.comb += [collected[name].eq(reduce(or_, values, Const(0, 1))) for name, values in parts.items()]
        return collected

    @property
    def _entry(self) -> data.StructLayout:
        """An entry of the log, as wide as this card needs."""
        plan = self.plan
        widths = {
            "initiator": plan.source_bits,
            "target": bits_for(len(plan.targets)),
            "context": plan.user_bits,
            "slice": plan.slice_bits,
        }
        return data.StructLayout({name: widths.get(name, field.width) for name, field in self.layout})

    def _told(self, origin: Origin) -> dict[str, int]:
        """Fields that a source has to tell, with their widths."""
        widths = {name: field.width for name, field in self.layout if name not in ("write", "initiator", "target")}
        if origin.place == "initiator":
            return {**widths, "address": self.plan.address_width}
        return {**widths, "address": self.plan.physical_bits, "initiator": self.layout["initiator"].width}

    def _store(self, m: Module, collected: data.View, any_taken: Signal, full: Signal) -> None:
        """The log itself, a queue; its memory is read asynchronously and becomes distributed RAM."""
        depth = self.plan.fault_log
        m.submodules.log = log = Memory(shape=self._entry, depth=depth, init=[])
        write_port, read_port = log.write_port(), log.read_port(domain="comb")
        oldest = Signal(range(depth))
        newest = Signal(range(depth))
        pushed = Signal()
        popped = Signal()
        m.d.comb += [
            full.eq(self.level == depth),
            pushed.eq(any_taken & ~full),
            popped.eq(self.pop & self.pending),
            self.pending.eq(self.level != 0),
            write_port.addr.eq(newest),
            write_port.data.eq(collected),
            write_port.en.eq(pushed),
            read_port.addr.eq(oldest),
            *(self.head[name].eq(Mux(self.pending, read_port.data[name], 0)) for name, _ in self._entry),
        ]
        # The depth is a power of two, so that the pointers wrap by themselves.
        m.d.sync += [
            self.level.eq(self.level + pushed - popped),
            newest.eq(newest + pushed),
            oldest.eq(oldest + popped),
        ]
