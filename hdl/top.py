"""The card's fabric: every part in its place. Follow :meth:`Card.elaborate` to see who talks to whom."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi_ports import axi_members, connect_initiator, connect_target, flat
from .bus import axi
from .control.bank import Bank
from .control.barrier import Barrier
from .control.fault_log import FaultLog
from .control.handover import Handover
from .control.lane_switch import LANE_BITS, LaneSwitch
from .control.meter import Meter
from .control.rekey import Rekey
from .control.window_fill import WindowFill
from .fabric.egress_read import EgressRead
from .fabric.egress_write import EgressWrite
from .fabric.epochs import Epochs
from .fabric.ingress_read import IngressRead
from .fabric.ingress_write import IngressWrite
from .plan.blocks import INTERRUPTS, register_map
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
    if plan.lanes:
        members |= {"lane_rx": In(LANE_BITS * plan.lanes), "lane_tx": Out(LANE_BITS * plan.lanes)}
    for device in plan.devices:
        members[f"{device.name}_lane_rx"] = Out(LANE_BITS * device.lanes)
        members[f"{device.name}_lane_tx"] = In(LANE_BITS * device.lanes)
    return members


class Card(wiring.Component):
    """The whole fabric of a card.

    Members
    -------
    <initiator>_<AXI4 signal>, <target>_<AXI4 signal>
        An AXI4 port each, named as in the card description.
    control_<AXI4-Lite signal>
        The register port, for the RAM alone.
    interrupt : Out(1)
    <core>_reset, <core>_hold, <core>_boot_address, <device>_dma_reset : Out
    lane_rx, lane_tx, <device>_lane_rx, <device>_lane_tx
        Physical lanes, and the lanes of each controller.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.registers = register_map(plan)
        control = axi.LiteSignature(address_width=self.registers.address_bits)
        super().__init__(
            {
                **axi_members(plan),
                **flat("control", control, manager=False),
                "interrupt": Out(1),
                **_attached_members(plan),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        self.bank = m.submodules.bank = Bank(self.registers)
        self.meter = m.submodules.meter = Meter(plan)
        self.barrier = m.submodules.barrier = Barrier(len(plan.targets))
        self.handovers, self.reads, self.writes = [], [], []
        self.rekeys, self.egress_reads, self.egress_writes = [], [], []
        for port in plan.initiators:
            self.handovers.append(Handover(plan, port))
            self.reads.append(IngressRead(plan, port))
            self.writes.append(IngressWrite(plan, port))
            m.submodules[f"handover_{port.name}"] = self.handovers[-1]
            m.submodules[f"ingress_read_{port.name}"] = self.reads[-1]
            m.submodules[f"ingress_write_{port.name}"] = self.writes[-1]
            connect_initiator(m, self, port.name, self.reads[-1], self.writes[-1])
        for target in plan.targets:
            self.rekeys.append(Rekey(plan, target))
            self.egress_reads.append(EgressRead(plan, target))
            self.egress_writes.append(EgressWrite(plan, target))
            m.submodules[f"rekey_{target.name}"] = self.rekeys[-1]
            m.submodules[f"egress_read_{target.name}"] = self.egress_reads[-1]
            m.submodules[f"egress_write_{target.name}"] = self.egress_writes[-1]
            connect_target(m, self, target.name, self.egress_reads[-1], self.egress_writes[-1])
        self._connect_switch(m)
        self._connect_control_port(m)
        self._connect_meter(m)
        self._connect_ingress(m)
        self._connect_egress(m)
        self._connect_handover(m)
        self._connect_windows(m)
        self._connect_faults(m)
        self._connect_lanes(m)
        self._connect_barrier_and_interrupt(m)
        return m

    def _connect_switch(self, m: Module) -> None:
        """The crossbar: wires only; each target's gate arbitrates."""
        planes: tuple[tuple[list[Any], list[Any]], ...] = (
            (self.reads, self.egress_reads),
            (self.writes, self.egress_writes),
        )
        for ingresses, egresses in planes:
            for t, egress in enumerate(egresses):
                for n, source in enumerate(self.plan.targets[t].initiators):
                    ingress = ingresses[source]
                    m.d.comb += [
                        egress.request_valid[n].eq(ingress.request_valid[t]),
                        ingress.request_ready[t].eq(egress.request_ready[n]),
                        getattr(egress, f"request{n}").eq(ingress.request),
                        getattr(egress, f"class{n}").eq(ingress.request_class),
                    ]
                    if ingresses is self.writes:
                        m.d.comb += getattr(egress, f"beat{n}").eq(ingress.beat)
                    wiring.connect(m, getattr(egress, f"response{n}"), getattr(ingress, f"response{t}"))

    def _connect_control_port(self, m: Module) -> None:
        bank, bus = self.bank, self.bank.bus
        for name, member in bus.signature.members.items():
            outside, inside = getattr(self, f"control_{name}"), getattr(bus, name)
            m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        words = manifest(self.plan)["hash"]
        m.d.comb += [
            bank.field("identity", 0, "MAGIC", "value").eq(MAGIC),
            bank.field("identity", 0, "VERSION", "value").eq(MAP_VERSION),
            *(bank.field("identity", 0, f"HASH{n}", "value").eq(int(words[8 * n : 8 * n + 8], 16)) for n in range(4)),
        ]

    def _connect_meter(self, m: Module) -> None:
        plan, bank, meter = self.plan, self.bank, self.meter
        for context in plan.contexts:
            handover = self.handovers[context.initiator]
            m.d.comb += [
                getattr(meter, f"owner_slice{context.index}").eq(getattr(handover, f"slice{context.number}")),
                getattr(meter, f"owner_owned{context.index}").eq(getattr(handover, f"charged{context.number}")),
            ]
        for s in range(plan.slices):
            m.d.comb += [
                getattr(meter, f"rate{s}").eq(bank.field("slice", s, "RATE", "rate")),
                getattr(meter, f"limited{s}").eq(bank.field("slice", s, "RATE", "limited")),
                getattr(meter, f"burst{s}").eq(bank.field("slice", s, "BURST", "beats")),
            ]
        m.d.comb += [
            meter.snapshot.eq(bank.strobe("counters", 0, "SNAPSHOT")),
            bank.field("counters", 0, "STATUS", "busy").eq(meter.busy),
            meter.external_member.eq(bank.external_member),
            meter.external_word.eq(bank.external_word),
            bank.external_data.eq(meter.external_data),
        ]

    def _connect_ingress(self, m: Module) -> None:
        plan, bank, meter = self.plan, self.bank, self.meter
        for port, handover, read, write in zip(plan.initiators, self.handovers, self.reads, self.writes, strict=True):
            m.d.comb += [
                getattr(meter, f"read{port.index}").eq(read.events),
                getattr(meter, f"write{port.index}").eq(write.events),
                handover.drained.eq(read.drained & write.drained),
            ]
            for plane in (read, write):
                m.d.comb += [
                    plane.isolate.eq(handover.isolate),
                    plane.now.eq(meter.now),
                    plane.eligible.eq(meter.eligible),
                ]
                for n in range(len(port.contexts)):
                    for what in ("slice", "owned"):
                        m.d.comb += getattr(plane, f"{what}{n}").eq(getattr(handover, f"{what}{n}"))
                for s in range(plan.slices):
                    m.d.comb += getattr(plane, f"class{s}").eq(bank.field("slice", s, "QOS", "class"))

    def _connect_egress(self, m: Module) -> None:
        plan, bank = self.plan, self.bank
        planes = zip(plan.targets, self.rekeys, self.egress_reads, self.egress_writes, strict=True)
        for t, (target, rekey, read, write) in enumerate(planes):
            epochs = Epochs(plan, clients=2)
            m.submodules[f"epochs_{target.name}"] = epochs
            m.d.comb += [
                epochs.passed_read.eq(read.passed),
                epochs.passed_write.eq(write.passed),
                epochs.done_read.eq(read.done),
                epochs.done_read_epoch.eq(read.done_epoch),
                epochs.done_write.eq(write.done),
                epochs.done_write_epoch.eq(write.done_epoch),
                epochs.drain.eq(Cat(rekey.drain, self.barrier.drain[t])),
                Cat(rekey.drained, self.barrier.drained[t]).eq(epochs.drained),
                rekey.command.eq(bank.strobe("target", t, "REKEY")),
                rekey.first.eq(bank.field("target", t, "FIRST", "granule")),
                rekey.last.eq(bank.field("target", t, "LAST", "granule")),
                rekey.key.eq(bank.field("target", t, "REKEY", "key")),
                rekey.scrub.eq(bank.field("target", t, "REKEY", "scrub")),
                bank.field("target", t, "STATUS", "phase").eq(rekey.phase),
                bank.field("target", t, "STATUS", "refused").eq(rekey.refused),
                bank.field("target", t, "STATUS", "failed").eq(rekey.failed),
                bank.field("target", t, "PROGRESS", "granule").eq(rekey.progress),
            ]
            for egress, right in ((read, "READ"), (write, "WRITE")):
                m.d.comb += egress.epoch.eq(epochs.epoch)
                for name in ("revoke", "revoke_first", "revoke_last", "key_write", "key_granule", "key_value"):
                    m.d.comb += getattr(egress, name).eq(getattr(rekey, name))
                for k in range(plan.keys):
                    m.d.comb += getattr(egress, f"rights{k}").eq(bank.field("key", k, right, "slices"))
            if target.kind == "memory":
                n = len(target.initiators)
                scrubbed = getattr(write, f"response{n}")
                m.d.comb += [
                    getattr(write, f"request{n}").eq(rekey.scrub_request),
                    getattr(write, f"beat{n}").eq(rekey.scrub_beat),
                    write.request_valid[n].eq(rekey.scrub_valid),
                    rekey.scrub_ready.eq(write.request_ready[n]),
                    rekey.scrub_done.eq(scrubbed.valid),
                    rekey.scrub_error.eq(scrubbed.payload.response[1]),
                    scrubbed.ready.eq(1),
                ]

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
                boot = Cat(
                    bank.field("initiator", i, "BOOT_LOW", "address"),
                    bank.field("initiator", i, "BOOT_HIGH", "address"),
                )
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
        for i, planes in enumerate(zip(self.reads, self.writes, strict=True)):
            for plane in planes:
                m.d.comb += [
                    plane.fill_enable.eq(fill.write_enable[i]),
                    plane.fill_context.eq(fill.write_context),
                    plane.fill_granule.eq(fill.write_granule),
                    plane.fill_entry.eq(fill.write_entry),
                ]

    def _connect_faults(self, m: Module) -> None:
        bank = self.bank
        ingresses = [(plane, "initiator", i) for planes in (self.reads, self.writes) for i, plane in enumerate(planes)]
        egresses = [
            (plane, "target", t) for planes in (self.egress_reads, self.egress_writes) for t, plane in enumerate(planes)
        ]
        sources: list[tuple[Any, str, int]] = [*ingresses, *egresses]
        self.fault_log = m.submodules.fault_log = log = FaultLog(self.plan, len(sources))
        for n, (source, place, index) in enumerate(sources):
            port = getattr(log, f"source{n}")
            # The port's own number is added here, so that ports which are alike are one module in the Verilog.
            m.d.comb += [port.valid.eq(source.fault_valid), port.fault.eq(source.fault), port.fault[place].eq(index)]
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

    def _connect_barrier_and_interrupt(self, m: Module) -> None:
        bank, barrier = self.bank, self.barrier
        causes = {
            "fault": self.fault_log.pending,
            "rekey": Cat(rekey.finished for rekey in self.rekeys).any(),
            "handover": Cat(handover.finished for handover in self.handovers).any(),
            "barrier": barrier.finished,
            "window": self.window_fill.done,
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
