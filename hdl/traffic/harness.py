"""A card with a traffic generator on each initiator port and a memory behind each target port."""

from amaranth.hdl import Array, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi_ports import flat
from ..bus import axi
from ..plan.blocks import register_map
from ..plan.plan import Plan, Target
from ..top import Card
from .generator import TrafficGenerator
from .memory import TrafficMemory
from .replay import ENTRIES, entry_layout

MOST_WORDS = 1 << 17
"""Of a memory that is simulated: 1 MiB at 64 bits."""


def words(plan: Plan, target: Target) -> int:
    """Words of the memory behind a target: all of it, unless it is larger than any test uses."""
    return min(1 << (target.address_bits - plan.size_max), MOST_WORDS)


class Harness(wiring.Component):
    """The card itself is a black box: its Verilog is generated apart.

    Members
    -------
    control_<AXI4-Lite signal>
        The card's register port.
    interrupt : Out(1)
    write_setting, setting_port, setting_plane, setting, setting_value : In
        See :class:`TrafficGenerator`; the port is an initiator's index.
    target_write, target_port, target_scatter, target_pauses, target_dead : In
        Settings of a memory, see :class:`TrafficMemory`.
    measure, clear : In(1)
        For all generators at once.
    statistic_port, statistic_plane, statistic : In
    value : Out(32)
    idle : Out(initiators)
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
        control = axi.LiteSignature(address_width=register_map(plan).address_bits)
        super().__init__(
            {
                **flat("control", control, manager=False),
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
                "replay_store": In(1),
                "replay_port": In(8),
                "replay_at": In(range(ENTRIES)),
                "replay_entry": In(entry_layout().size),
                "replay_start": In(len(plan.initiators)),
                "replay_loop": In(1),
                "replay_ended": Out(len(plan.initiators)),
                "replay_cycles": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        wires: dict[str, Signal] = {}
        connections: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for name, member in Card(plan).signature.members.items():
            wires[name] = Signal(member.shape, name=f"card_{name}")
            connections[("i_" if member.flow == In else "o_") + name] = wires[name]
        m.submodules.card = Instance(plan.card, **connections)
        for name, member in flat("control", axi.LiteSignature(address_width=1), manager=False).items():
            outside = getattr(self, name)
            m.d.comb += wires[name].eq(outside) if member.flow == In else outside.eq(wires[name])
        m.d.comb += self.interrupt.eq(wires["interrupt"])

        values = []
        replay_cycles = []
        for port in plan.initiators:
            generator = TrafficGenerator(plan, port, seed=port.index + 1)
            m.submodules[f"generator_{port.name}"] = generator
            mine = self.setting_port == port.index
            m.d.comb += [
                generator.write_setting.eq(self.write_setting & mine),
                generator.setting_plane.eq(self.setting_plane),
                generator.setting.eq(self.setting),
                generator.setting_value.eq(self.setting_value),
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
            self._connect(m, wires, port.name, generator.port)
        m.d.comb += [
            self.value.eq(Array(values)[self.statistic_port]),
            self.replay_cycles.eq(Array(replay_cycles)[self.replay_port]),
        ]
        for target in plan.targets:
            memory = TrafficMemory(plan, target, words(plan, target), seed=100 + target.index)
            m.submodules[f"memory_{target.name}"] = memory
            self._settings(m, target, memory)
            self._connect(m, wires, target.name, memory.port)
        return m

    def _settings(self, m: Module, target, memory: TrafficMemory) -> None:
        for name in ("scatter", "pauses", "dead"):
            register = Signal.like(getattr(memory, name), name=f"{target.name}_{name}")
            with m.If(self.target_write & (self.target_port == target.index)):
                m.d.sync += register.eq(getattr(self, f"target_{name}"))
            m.d.comb += getattr(memory, name).eq(register)

    def _connect(self, m: Module, wires: dict[str, Signal], name: str, port) -> None:
        for key, member in port.signature.members.items():
            inside, outside = getattr(port, key), wires[f"{name}_{key}"]
            m.d.comb += outside.eq(inside) if member.flow == Out else inside.eq(outside)
