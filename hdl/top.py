"""The card's fabric: every part in its place. Follow :meth:`Card.elaborate` to see who talks to whom."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .axi_ports import flat
from .bus import axi
from .control.bank import Bank
from .control.barrier import Barrier
from .control.fault_log import FaultLog, origins
from .control.handover import Handover
from .control.lane_switch import LANE_BITS, LaneSwitch
from .control.meter import Meter
from .control.outstanding import Outstanding
from .control.rekey import Rekey
from .control.window_fill import WindowFill
from .edge.ports import connect_edges, edge_members
from .fabric.data_plane import PLANES, DataPlane
from .fabric.load_level import LEVEL_BITS
from .plan.blocks import INTERRUPTS, OWNER, register_map
from .plan.manifest import manifest
from .plan.plan import Plan
from .plan.registers import MAGIC, MAP_VERSION


def _attached_members(plan: Plan) -> dict[str, wiring.Member]:
    """Outputs to cores and devices, and the lanes."""
    members: dict[str, wiring.Member] = {}
    for port in plan.initiators:
        if port.has_reset:
            members[f"{port.name}_reset"] = Out(1, init=1)
        if port.kind == "core":
            members[f"{port.name}_hold"] = Out(1, init=1)
            members[f"{port.name}_boot_address"] = Out(plan.address_width)
    members |= {f"{target.name}_cut_off": Out(1) for target in plan.targets if target.timeout}
    if plan.load_unit:
        members |= {f"{target.name}_load": Out(LEVEL_BITS * plan.slices) for target in plan.targets}
    if plan.lanes:
        members |= {"lane_rx": In(LANE_BITS * plan.lanes), "lane_tx": Out(LANE_BITS * plan.lanes)}
    for device in plan.devices:
        members[f"{device.name}_lane_rx"] = Out(LANE_BITS * device.lanes)
        members[f"{device.name}_lane_tx"] = In(LANE_BITS * device.lanes)
    return members


def _identity(plan: Plan) -> dict[tuple[str, str], int]:
    """Values of the registers that tell which card this is."""
    words = manifest(plan)["hash"]
    hashes = {("identity", f"HASH{n}"): int(words[8 * n : 8 * n + 8], 16) for n in range(4)}
    return {("identity", "MAGIC"): MAGIC, ("identity", "VERSION"): MAP_VERSION, **hashes}


def card_members(plan: Plan) -> dict[str, wiring.Member]:
    """The ports of a card, see :class:`Card`."""
    control = axi.LiteSignature(address_width=register_map(plan).bus_bits)
    return {
        **edge_members(plan),
        **flat("control", control, manager=False),
        "interrupt": Out(1),
        **_attached_members(plan),
    }


class Card(wiring.Component):
    """The whole fabric of a card.

    Members
    -------
    <initiator>_<AXI4 signal>, <target>_<AXI4 signal>
        An AXI4 or AXI4-Lite port each, named as in the card description.
    control_<AXI4-Lite signal>
        The register port, for the RAM alone. Address bits above the map carry a token, see
        :class:`hdl.control.fence.Fence`; who has no use for that ties them to 0.
    interrupt : Out(1)
    <core>_reset, <core>_hold, <core>_boot_address, <device>_dma_reset : Out
    <target>_cut_off : Out(1)
        If the target has a timeout: it is cut off and sees no request. It must be reset before it is attached again.
    <target>_load : Out(2 * slices)
        If the card has load levels: two bits for each slice, see :class:`hdl.fabric.load_level.LoadLevel`.
    lane_rx, lane_tx, <device>_lane_rx, <device>_lane_tx
        Physical lanes, and the lanes of each controller.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.registers = register_map(plan)
        super().__init__(card_members(plan))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        self.bank = m.submodules.bank = Bank(self.registers, _identity(plan), OWNER)
        self.meter = m.submodules.meter = Meter(plan)
        self.barrier = m.submodules.barrier = Barrier(len(plan.targets))
        self.data_plane = m.submodules.data_plane = DataPlane(plan)
        self.handovers, self.rekeys = [], []
        for port in plan.initiators:
            self.handovers.append(Handover(plan, port.alike))
            m.submodules[f"handover_{port.name}"] = self.handovers[-1]
        for target in plan.targets:
            self.rekeys.append(Rekey(plan, target.alike))
            m.submodules[f"rekey_{target.name}"] = self.rekeys[-1]
        isolate = [handover.isolate for handover in self.handovers]
        self.held = connect_edges(m, plan, self, self.data_plane, isolate)
        self._connect_control_port(m)
        self._connect_meter(m)
        self._connect_outstanding(m)
        self._connect_initiators(m)
        self._connect_targets(m)
        self._connect_handover(m)
        self._connect_windows(m)
        self._connect_faults(m)
        self._connect_lanes(m)
        self._connect_barrier_and_interrupt(m)
        return m

    def _connect_control_port(self, m: Module) -> None:
        bus = self.bank.bus
        for name, member in bus.signature.members.items():
            outside, inside = getattr(self, f"control_{name}"), getattr(bus, name)
            m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)

    def _connect_meter(self, m: Module) -> None:
        plan, bank, meter = self.plan, self.bank, self.meter
        for context in plan.contexts:
            handover = self.handovers[context.initiator]
            m.d.comb += [
                getattr(meter, f"owner_slice{context.index}").eq(getattr(handover, f"slice{context.number}")),
                getattr(meter, f"owner_owned{context.index}").eq(getattr(handover, f"charged{context.number}")),
            ]
        m.d.comb += [
            meter.qos_write.eq(bank.write_strobe("slice", "QOS")),
            meter.rate_write.eq(bank.write_strobe("slice", "RATE")),
            meter.burst_write.eq(bank.write_strobe("slice", "BURST")),
            *(
                getattr(meter, f"{register.lower()}_write").eq(bank.write_strobe("slice", register))
                for register in ("WRITE_RATE", "WRITE_BURST")
                if plan.separate_budgets
            ),
            meter.contract_slice.eq(bank.slice_member),
            meter.contract_value.eq(bank.stored_value),
            meter.snapshot.eq(bank.strobe("counters", 0, "SNAPSHOT")),
            bank.field("counters", 0, "STATUS", "busy").eq(meter.busy),
            meter.external_enable.eq(bank.external_enable),
            meter.external_member.eq(bank.external_member),
            meter.external_word.eq(bank.external_word),
            bank.external_data.eq(meter.external_data),
        ]

    def _connect_outstanding(self, m: Module) -> None:
        """Who may send: those that have tokens, or those of them that have not too much outstanding."""
        plan, meter = self.plan, self.meter
        self.budgets: Meter | Outstanding = meter
        if not plan.slice_outstanding:
            return
        self.budgets = m.submodules.outstanding = outstanding = Outstanding(plan)
        for port in plan.initiators:
            for plane in PLANES:
                name = f"{plane}{port.index}"
                m.d.comb += getattr(outstanding, name).eq(getattr(meter, name))
        for c in range(len(plan.contexts)):
            m.d.comb += [
                getattr(outstanding, f"owner_slice{c}").eq(getattr(meter, f"owner_slice{c}")),
                *(
                    getattr(outstanding, f"{plane}_budget{c}").eq(getattr(meter, f"{plane}_eligible{c}"))
                    for plane in PLANES
                ),
            ]
        for s in range(plan.slices):
            m.d.comb += getattr(outstanding, f"limit{s}").eq(self.bank.field("slice", s, "OUTSTANDING", "requests"))

    def _connect_initiators(self, m: Module) -> None:
        plan, meter = self.plan, self.meter
        for port, handover in zip(plan.initiators, self.handovers, strict=True):
            control = getattr(self.data_plane, port.name)
            drained = control.drained & ~self.held[port.index] if port.index in self.held else control.drained
            m.d.comb += [
                getattr(meter, f"read{port.index}").eq(control.read_events),
                getattr(meter, f"write{port.index}").eq(control.write_events),
                handover.drained.eq(drained),
                control.isolate.eq(handover.isolate),
            ]
            for context in port.contexts:
                n = context.number
                for what in ("slice", "owned"):
                    m.d.comb += getattr(control, f"{what}{n}").eq(getattr(handover, f"{what}{n}"))
                for what in ("class", *(("piece",) if plan.piece_bits else ())):
                    m.d.comb += getattr(control, f"{what}{n}").eq(getattr(meter, f"{what}{context.index}"))
                several = len(port.contexts) > 1
                for what in ("read_eligible", "write_eligible"):
                    source = meter if several else self.budgets  # several are asked for the rest when they are sent
                    m.d.comb += getattr(control, f"{what}{n}").eq(getattr(source, f"{what}{context.index}"))
                told = ("spaced", *(("room",) if several else ())) if plan.slice_outstanding else ()
                for what in told:
                    m.d.comb += getattr(control, f"{what}{n}").eq(getattr(self.budgets, f"{what}{context.index}"))

    def _connect_targets(self, m: Module) -> None:
        plan, bank, plane = self.plan, self.bank, self.data_plane
        first, last = (self._range_end(m, register) for register in ("FIRST", "LAST"))
        for t, (target, rekey) in enumerate(zip(plan.targets, self.rekeys, strict=True)):
            control = getattr(plane, target.name)
            m.d.comb += [
                control.drain.eq(Cat(rekey.drain, self.barrier.drain[t])),
                Cat(rekey.drained, self.barrier.drained[t]).eq(control.drained),
                rekey.command.eq(bank.strobe("target", t, "REKEY")),
                rekey.first.eq(first),
                rekey.last.eq(last),
                rekey.key.eq(bank.field("target", t, "REKEY", "key")),
                rekey.scrub.eq(bank.field("target", t, "REKEY", "scrub")),
                bank.field("target", t, "STATUS", "phase").eq(rekey.phase),
                bank.field("target", t, "STATUS", "refused").eq(rekey.refused),
                bank.field("target", t, "STATUS", "failed").eq(rekey.failed),
                bank.field("target", t, "PROGRESS", "granule").eq(rekey.progress),
            ]
            for name in ("revoke", "revoke_first", "revoke_last", "key_write", "key_granule", "key_value"):
                m.d.comb += getattr(control, name).eq(getattr(rekey, name))
            if target.timeout:
                m.d.comb += [
                    control.attach.eq(bank.strobe("target", t, "ATTACH")),
                    bank.field("target", t, "STATUS", "cut_off").eq(control.cut),
                    bank.field("target", t, "STATUS", "settled").eq(control.settled),
                    getattr(self, f"{target.name}_cut_off").eq(control.cut),
                    control.scrubs.eq(rekey.scrubs),
                    rekey.cut.eq(control.cut),
                ]
            if target.time_slots:
                m.d.comb += [
                    control.slot_write.eq(bank.strobe("target", t, "SLOT")),
                    control.slot_index.eq(bank.field("target", t, "SLOT", "index")),
                    control.slot_owned.eq(bank.field("target", t, "SLOT", "owned")),
                    control.slot_slice.eq(bank.field("target", t, "SLOT", "slice")),
                    control.timed.eq(bank.field("target", t, "TIMED", "slices")),
                ]
            if plan.load_unit:
                m.d.comb += getattr(self, f"{target.name}_load").eq(control.load)
            if target.kind == "memory":
                m.d.comb += [
                    control.scrub_burst.eq(rekey.scrub_burst),
                    control.scrub_valid.eq(rekey.scrub_valid),
                    control.scrub_first.eq(rekey.scrub_first),
                    control.scrub_last.eq(rekey.scrub_last),
                    rekey.scrub_ready.eq(control.scrub_ready),
                    rekey.scrub_done.eq(control.scrubbed),
                    rekey.scrub_error.eq(control.scrub_error),
                ]
        m.d.comb += [
            plane.rights_write.eq(Cat(bank.write_strobe("key", right) for right in ("READ", "WRITE"))),
            plane.rights_key.eq(bank.key_member),
            plane.rights_slices.eq(bank.stored_value),
        ]

    def _range_end(self, m: Module, register: str) -> Value:
        """FIRST or LAST of the target that the bank's access is for: the only one that can get a command now."""
        bank = self.bank
        depth = max(16, 1 << len(bank.target_member))  # distributed RAM comes 16 deep
        m.submodules[f"range_{register.lower()}"] = copy = Memory(
            shape=self.plan.physical_granule_bits, depth=depth, init=[]
        )
        write, read = copy.write_port(), copy.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(bank.write_strobe("target", register)),
            write.addr.eq(bank.target_member),
            write.data.eq(bank.stored_value),
            read.addr.eq(bank.target_member),
        ]
        return read.data

    def _connect_handover(self, m: Module) -> None:
        plan, bank = self.plan, self.bank
        for i, (port, handover) in enumerate(zip(plan.initiators, self.handovers, strict=True)):
            m.d.comb += [
                handover.command.eq(bank.strobe("initiator", i, "HANDOVER")),
                handover.slice.eq(bank.field("initiator", i, "HANDOVER", "slice")),
                handover.assign.eq(bank.field("initiator", i, "HANDOVER", "assign")),
                handover.context.eq(bank.field("initiator", i, "HANDOVER", "context")),
                handover.key.eq(bank.field("initiator", i, "KEY", "key")),
                bank.field("initiator", i, "STATUS", "phase").eq(handover.phase),
                bank.field("initiator", i, "STATUS", "refused").eq(handover.refused),
                bank.field("initiator", i, "STATUS", "in_reset").eq(handover.reset),
                bank.field("initiator", i, "STATUS", "on_hold").eq(handover.hold),
            ]
            for context in port.contexts:
                m.d.comb += [
                    bank.field("context", context.index, "OWNER", "slice").eq(
                        getattr(handover, f"slice{context.number}")
                    ),
                    bank.field("context", context.index, "OWNER", "owned").eq(
                        getattr(handover, f"owned{context.number}")
                    ),
                ]
            if port.has_reset:
                m.d.comb += getattr(self, f"{port.name}_reset").eq(handover.reset)
            if port.kind == "core":
                # Without BOOT_HIGH if addresses have 32 bits: the register is there, its flip-flops are not.
                words = ("BOOT_LOW", "BOOT_HIGH")[: 1 + (plan.address_width > 32)]
                boot = Cat(bank.field("initiator", i, word, "address") for word in words)
                m.d.comb += [
                    getattr(self, f"{port.name}_hold").eq(handover.hold),
                    getattr(self, f"{port.name}_boot_address").eq(boot),
                ]
            if port.device is not None:
                rekey = self.rekeys[plan.devices[port.device].target]
                m.d.comb += [
                    rekey.handover.eq(handover.rekey),
                    rekey.handover_key.eq(handover.rekey_key),
                    rekey.grant.eq(handover.rekey_grant),
                    handover.rekey_held.eq(rekey.held),
                    handover.rekey_finished.eq(rekey.finished),
                ]

    def _connect_windows(self, m: Module) -> None:
        bank = self.bank
        self.window_fill = m.submodules.window_fill = fill = WindowFill(self.plan)
        m.d.comb += [
            fill.context.eq(bank.field("window", 0, "CONTEXT", "index")),
            fill.first.eq(bank.field("window", 0, "FIRST", "granule")),
            fill.count.eq(bank.field("window", 0, "COUNT", "granules")),
            fill.start.eq(bank.strobe("window", 0, "FILL")),
            *(
                getattr(fill, name).eq(bank.field("window", 0, "FILL", name))
                for name in ("granule", "target", "readable", "writable")
            ),
            bank.field("window", 0, "STATUS", "busy").eq(fill.busy),
        ]
        m.d.comb += [
            self.data_plane.fill_context.eq(fill.write_context),
            self.data_plane.fill_granule.eq(fill.write_granule),
            self.data_plane.fill_entry.eq(fill.write_entry),
        ]
        for i, port in enumerate(self.plan.initiators):
            m.d.comb += getattr(self.data_plane, port.name).fill_enable.eq(fill.write_enable[i])

    def _connect_faults(self, m: Module) -> None:
        bank = self.bank
        plan = self.plan
        self.fault_log = m.submodules.fault_log = log = FaultLog(plan, origins(plan))
        for n, origin in enumerate(origins(plan)):
            ports = plan.initiators if origin.place == "initiator" else plan.targets
            control, source = getattr(self.data_plane, ports[origin.index].name), getattr(log, f"source{n}")
            plane = PLANES[origin.write]
            m.d.comb += [
                source.valid.eq(getattr(control, f"{plane}_fault_valid")),
                source.fault.eq(getattr(control, f"{plane}_fault")),
            ]
        m.d.comb += [
            log.pop.eq(bank.strobe("fault", 0, "POP")),
            bank.field("fault", 0, "LEVEL", "entries").eq(log.level),
            bank.field("fault", 0, "LOST", "count").eq(log.lost),
            *(
                bank.field("fault", 0, "HEAD", name).eq(log.head[name])
                for name in ("kind", "write", "initiator", "target", "context", "slice", "owned")
            ),
            Cat(bank.field("fault", 0, "ADDRESS_LOW", "value"), bank.field("fault", 0, "ADDRESS_HIGH", "value")).eq(
                log.head.address
            ),
        ]

    def _connect_lanes(self, m: Module) -> None:
        if not self.plan.lanes:
            return
        bank = self.bank
        m.submodules.lane_switch = switch = LaneSwitch(self.plan)
        m.d.comb += [switch.lane_rx.eq(self.lane_rx), self.lane_tx.eq(switch.lane_tx)]
        for d, device in enumerate(self.plan.devices):
            m.d.comb += [
                getattr(switch, f"in_reset{d}").eq(self.handovers[device.initiator].reset),
                getattr(switch, f"steer{d}").eq(bank.strobe("controller", d, "STEER")),
                getattr(switch, f"first{d}").eq(bank.field("controller", d, "STEER", "first")),
                getattr(switch, f"width{d}").eq(bank.field("controller", d, "STEER", "width")),
                *(
                    bank.field("controller", d, "STATUS", name).eq(getattr(switch, f"status_{name}{d}"))
                    for name in ("first", "width", "refused")
                ),
                getattr(self, f"{device.name}_lane_rx").eq(getattr(switch, f"rx{d}")),
                getattr(switch, f"tx{d}").eq(getattr(self, f"{device.name}_lane_tx")),
            ]

    def _newly_cut_off(self, m: Module) -> Value:
        cut = Cat(getattr(self.data_plane, target.name).cut for target in self.plan.targets if target.timeout)
        before = Signal(max(1, len(cut)))
        m.d.sync += before.eq(cut)
        return (cut & ~before).any()

    def _connect_barrier_and_interrupt(self, m: Module) -> None:
        bank, barrier = self.bank, self.barrier
        causes = {
            "fault": self.fault_log.pending,
            "rekey": Cat(rekey.finished for rekey in self.rekeys).any(),
            "handover": Cat(handover.finished for handover in self.handovers).any(),
            "barrier": barrier.finished,
            "window": self.window_fill.done,
            "cut_off": self._newly_cut_off(m),
        }
        pending = []
        for cause in INTERRUPTS:
            value = bank.field("interrupt", 0, "PENDING", cause)
            m.d.comb += getattr(bank, f"interrupt0_pending_{cause}_set").eq(causes[cause])
            pending.append(value & bank.field("interrupt", 0, "ENABLE", cause))
        raised = Signal()
        m.d.sync += raised.eq(Cat(pending).any())
        m.d.comb += [
            barrier.start.eq(bank.strobe("barrier", 0, "COMMAND")),
            bank.field("barrier", 0, "STATUS", "busy").eq(barrier.busy),
            self.interrupt.eq(raised),
        ]
