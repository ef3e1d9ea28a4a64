"""A card with a traffic generator on each initiator port and a memory behind each target port."""

from amaranth.hdl import (
    Array,
    Cat,
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Instance,
    Module,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..plan.blocks import register_map
from ..plan.plan import Plan, Target
from ..top import card_members
from .generator import TrafficGenerator
from .memory import TrafficMemory
from .register_master import RegisterMaster, access_members
from .replay import ENTRIES, entry_layout
from .settings import MOST_WORDS
from .signature import WIDTH, PortSignature

ACCESS = ("order", "kind", "address", "value", "mask", "polls")
ANSWER = ("done", "seen", "failed")


def words(plan: Plan, target: Target) -> int:
    """Words of the memory behind a target: all of it, unless it is larger than any test needs."""
    return min(1 << (target.address_bits - plan.size_max), MOST_WORDS)


class Harness(wiring.Component):
    """The card itself is a black box: its Verilog is generated apart.

    Inputs are registers first, the reset too. So nothing inside depends on them within a cycle, and a simulator need
    not look at the whole card whenever one of them may have changed, which is at both edges of the clock.

    Members
    -------
    access_<name>
        Ports of the :class:`RegisterMaster` that has the card's register port.
    interrupt : Out(1)
    write_setting, setting_port, setting_plane, setting, setting_value : In
        See :class:`TrafficGenerator`; the port is an initiator's index.
    target_write, target_port, target_scatter, target_pauses, target_dead : In
        Settings of a memory, see :class:`TrafficMemory`.
    measure, clear : In(1)
        For all generators at once.
    statistic_port, statistic_plane, statistic : In
    value : Out(32)
        The statistic that was asked for in the cycle before.
    idle : Out(initiators)
    signatures : Out(32 * initiators)
        A :class:`PortSignature` of all signals of each initiator's port, those beside AXI included.
    replay_store, replay_port, replay_at, replay_entry : In
        Fills the program of a generator, see :class:`Replay`; the port is an initiator's index.
    replay_start : In(initiators)
        These begin, all in the same cycle.
    replay_loop : In(1)
        For all generators at once.
    replay_ended : Out(initiators)
    replay_cycles : Out(32)
        Of the generator `replay_port`.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(_members(plan))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inner = Board(self.plan)
        m.domains.board = ClockDomain("board", local=True)
        reset = Signal(init=1, reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.d.comb += [ClockSignal("board").eq(ClockSignal()), ResetSignal("board").eq(reset)]
        m.submodules.board = DomainRenamer("board")(inner)
        for name, member in self.signature.members.items():
            outside, inside = getattr(self, name), getattr(inner, name)
            if member.flow == Out:
                m.d.comb += outside.eq(inside)
            else:
                taken = Signal.like(outside, name=f"{name}_taken", reset_less=True)
                m.d.sync += taken.eq(outside)
                m.d.comb += inside.eq(taken)
        return m


def _members(plan: Plan) -> dict[str, wiring.Member]:
    access = access_members(register_map(plan).bus_bits)
    return {
        **{f"access_{name}": In(access[name].shape) for name in ACCESS},
        **{f"access_{name}": Out(access[name].shape) for name in ANSWER},
        "interrupt": Out(1),
        "write_setting": In(1),
        "setting_port": In(8),
        "setting_plane": In(1),
        "setting": In(6),
        "setting_value": In(32),
        "target_write": In(1),
        "target_port": In(8),
        "target_scatter": In(1),
        "target_pauses": In(8),
        "target_dead": In(1),
        "measure": In(1),
        "clear": In(1),
        "statistic_port": In(8),
        "statistic_plane": In(1),
        "statistic": In(5),
        "value": Out(32),
        "idle": Out(len(plan.initiators)),
        "signatures": Out(WIDTH * len(plan.initiators)),
        "replay_store": In(1),
        "replay_port": In(8),
        "replay_at": In(range(ENTRIES)),
        "replay_entry": In(entry_layout().size),
        "replay_start": In(len(plan.initiators)),
        "replay_loop": In(1),
        "replay_ended": Out(len(plan.initiators)),
        "replay_cycles": Out(32),
    }


class Board(wiring.Component):
    """What the harness holds; it has the members of :class:`Harness`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(_members(plan))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        self.wires: dict[str, Signal] = {}
        connections: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for name, member in card_members(plan).items():
            self.wires[name] = Signal(member.shape, name=f"card_{name}")
            connections[("i_" if member.flow == In else "o_") + name] = self.wires[name]
        m.submodules.card = Instance(plan.card, **connections)
        m.d.comb += self.interrupt.eq(self.wires["interrupt"])
        self._registers(m)
        values, signatures, replay_cycles = [], [], []
        for port in plan.initiators:
            generator = TrafficGenerator(plan)
            m.submodules[f"generator_{port.name}"] = generator
            mine = self.setting_port == port.index
            m.d.comb += [
                generator.number.eq(port.index + 1),
                generator.write_setting.eq(self.write_setting & mine),
                generator.setting_plane.eq(self.setting_plane),
                generator.setting.eq(self.setting),
                generator.setting_value.eq(self.setting_value),
                generator.reset.eq(self.wires[f"{port.name}_reset"] if port.has_reset else 0),
                generator.measure.eq(self.measure),
                generator.clear.eq(self.clear),
                generator.statistic_plane.eq(self.statistic_plane),
                generator.statistic.eq(self.statistic),
                self.idle[port.index].eq(generator.idle),
                generator.replay_store.eq(self.replay_store & (self.replay_port == port.index)),
                generator.replay_at.eq(self.replay_at),
                generator.replay_entry.eq(self.replay_entry),
                generator.replay_start.eq(self.replay_start[port.index]),
                generator.replay_loop.eq(self.replay_loop),
                self.replay_ended[port.index].eq(generator.replay_ended),
            ]
            values.append(generator.value)
            replay_cycles.append(generator.replay_cycles)
            self._connect(m, port.name, generator.port)
            signatures.append(self._sign(m, port.name))
        m.d.comb += [
            self.value.eq(Array(values)[self.statistic_port]),
            self.replay_cycles.eq(Array(replay_cycles)[self.replay_port]),
            self.signatures.eq(Cat(signatures)),
        ]
        for target in plan.targets:
            memory = TrafficMemory(plan, target.address_bits, words(plan, target))
            m.submodules[f"memory_{target.name}"] = memory
            m.d.comb += memory.seed.eq(100 + target.index)
            self._settings(m, target, memory)
            self._connect(m, target.name, memory.port)
        return m

    def _registers(self, m: Module) -> None:
        m.submodules.master = master = RegisterMaster(register_map(self.plan).bus_bits)
        for name in ACCESS:
            m.d.comb += getattr(master, name).eq(getattr(self, f"access_{name}"))
        for name in ANSWER:
            m.d.comb += getattr(self, f"access_{name}").eq(getattr(master, name))
        for key, member in master.bus.signature.members.items():
            inside, outside = getattr(master.bus, key), self.wires[f"control_{key}"]
            m.d.comb += outside.eq(inside) if member.flow == Out else inside.eq(outside)

    def _sign(self, m: Module, name: str) -> Value:
        """Signature of all signals whose names begin with the port's."""
        signals = Cat(wire for wire_name, wire in self.wires.items() if wire_name.startswith(f"{name}_"))
        m.submodules[f"signature_{name}"] = signature = PortSignature(len(signals))
        m.d.comb += signature.signals.eq(signals)
        return signature.value

    def _settings(self, m: Module, target: Target, memory: TrafficMemory) -> None:
        for name in ("scatter", "pauses", "dead"):
            register = Signal.like(getattr(memory, name), name=f"{target.name}_{name}")
            with m.If(self.target_write & (self.target_port == target.index)):
                m.d.sync += register.eq(getattr(self, f"target_{name}"))
            m.d.comb += getattr(memory, name).eq(register)

    def _connect(self, m: Module, name: str, port: wiring.FlippedInterface) -> None:
        for key, member in port.signature.members.items():
            inside, outside = getattr(port, key), self.wires[f"{name}_{key}"]
            m.d.comb += outside.eq(inside) if member.flow == Out else inside.eq(outside)
