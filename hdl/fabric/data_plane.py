"""The data plane: every ingress, the switch, every egress. What it obeys comes from the control plane."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi_ports import AnyEgress, AnyRead, AnyWrite, axi_members, connect_initiator, connect_target
from ..network.connect import connect_network
from ..plan.plan import Initiator, Plan, Target
from . import layouts
from .cutoff import Cutoff
from .egress import Egress
from .egress_strict import StrictEgress
from .epochs import Epochs
from .gate import guard_members
from .ingress_read import IngressRead
from .ingress_strict import StrictIngress
from .ingress_write import IngressWrite
from .load_level import LEVEL_BITS, LoadLevel
from .ports import fill_members, owner_members
from .scrubber import connect_scrubber, scrubber_members
from .time_slots import TimeSlots, slot_members

PLANES = ("read", "write")
RIGHTS = ("rights_write", "rights_key", "rights_slices")
"""Members of a gate's guard that all gates of a plane share."""


def _initiator_control(plan: Plan, port: Initiator) -> wiring.Signature:
    """What the control plane and an initiator port tell each other."""
    told = {
        **{f"{plane}_fault_valid": Out(1) for plane in PLANES},
        **{f"{plane}_fault": Out(layouts.fault(plan)) for plane in PLANES},
        **{f"{plane}_events": Out(layouts.meter_events(plan)) for plane in PLANES},
        "drained": Out(len(port.contexts)),
    }
    owners = {name: member for name, member in owner_members(plan, port).items() if not name.startswith("eligible")}
    # Reads and writes may have a budget each, the rest is the same for both.
    budgets = {f"{plane}_eligible{n}": In(1) for plane in PLANES for n in range(len(port.contexts))}
    return wiring.Signature({**owners, **budgets, "isolate": In(1), "fill_enable": In(1), **told})


def _target_control(plan: Plan, target: Target) -> wiring.Signature:
    """What the control plane and a target port tell each other."""
    guard = {name: member for name, member in guard_members(plan).items() if name not in RIGHTS}
    scrub: dict[str, wiring.Member] = {}
    if target.kind == "memory":
        scrub = {
            **scrubber_members(plan),
            "scrubbed": Out(1),
            "scrub_error": Out(1),
        }
    faults = {
        **{f"{plane}_fault_valid": Out(1) for plane in PLANES},
        **{f"{plane}_fault": Out(layouts.fault(plan)) for plane in PLANES},
    }
    cut = {"scrubs": In(1), "attach": In(1), "cut": Out(1), "settled": Out(1)} if target.timeout else {}
    load: dict[str, wiring.Member] = {"load": Out(LEVEL_BITS * plan.slices)} if plan.load_unit else {}
    slots = slot_members(plan, target) if target.time_slots else {}
    return wiring.Signature({**guard, **scrub, **faults, **cut, **load, **slots, "drain": In(2), "drained": Out(2)})


class DataPlane(wiring.Component):
    """All that a request passes on its way to a target and back.

    Members
    -------
    <initiator>_<AXI4 signal>, <target>_<AXI4 signal>
        As at the card.
    <initiator>, <target> : In
        What the control plane and the port tell each other: owners and contracts of the contexts, events and faults;
        what guards the target, its scrubber's port, and the two clients of its epochs (rekey, barrier).
    fill_context, fill_granule, fill_entry : In
        Write port of all windows; each port has its own `fill_enable`.
    rights_write : In(2)
        For reads, for writes; with `rights_key`, `rights_slices` the write port of all tables of rights.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        fill = {name: member for name, member in fill_members(plan).items() if name != "fill_enable"}
        super().__init__(
            {
                **axi_members(plan),
                **{port.name: Out(_initiator_control(plan, port)) for port in plan.initiators},
                **{target.name: Out(_target_control(plan, target)) for target in plan.targets},
                **fill,
                "rights_write": In(2),
                "rights_key": In(plan.key_bits),
                "rights_slices": In(plan.slices),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        reads: list[AnyRead] = []
        writes: list[AnyWrite] = []
        for port in (port.alike for port in plan.initiators):
            reads.append(StrictIngress(plan, port, write=False) if plan.strict else IngressRead(plan, port))
            writes.append(StrictIngress(plan, port, write=True) if plan.strict else IngressWrite(plan, port))
        kind = StrictEgress if plan.strict else Egress
        egress_reads = [kind(plan, target.alike, write=False) for target in plan.targets]
        egress_writes = [kind(plan, target.alike, write=True) for target in plan.targets]
        for port, read, write in zip(plan.initiators, reads, writes, strict=True):
            m.submodules[f"ingress_read_{port.name}"] = read
            m.submodules[f"ingress_write_{port.name}"] = write
            connect_initiator(m, self, port.name, read, write)
            self._connect_ingress(m, port, read, write)
        for target, egress_read, egress_write in zip(plan.targets, egress_reads, egress_writes, strict=True):
            m.submodules[f"egress_read_{target.name}"] = egress_read
            m.submodules[f"egress_write_{target.name}"] = egress_write
            connect_target(m, self, target.name, egress_read, egress_write)
            self._connect_egress(m, target, egress_read, egress_write)
            if target.timeout:
                self._connect_cutoff(m, target, egress_read, egress_write)
            if target.time_slots:
                m.submodules[f"slots_{target.name}"] = slots = TimeSlots(plan, target.alike)
                control = getattr(self, target.name)
                for name in slot_members(plan, target):
                    m.d.comb += getattr(slots, name).eq(getattr(control, name))
                m.d.comb += [egress_read.turn.eq(slots.turn), egress_write.turn.eq(slots.turn)]
            if plan.load_unit:
                m.submodules[f"load_{target.name}"] = load = LoadLevel(plan)
                m.d.comb += [
                    load.sample0.eq(egress_read.sample),
                    load.sample1.eq(egress_write.sample),
                    getattr(self, target.name).load.eq(load.level),
                ]
            for egress, ingresses in ((egress_read, reads), (egress_write, writes)):
                if not plan.network:  # which is connected below, all at once
                    self._connect_switch(m, target, egress, ingresses)
        if plan.network:
            connect_network(m, plan, plan.network, reads, egress_reads)
            connect_network(m, plan, plan.network, writes, egress_writes)
        return m

    def _connect_switch(
        self, m: Module, target: Target, egress: AnyEgress, ingresses: Sequence[AnyRead | AnyWrite]
    ) -> None:
        """The crossbar: wires only; each target's gate arbitrates."""
        t = target.index
        for n, source in enumerate(target.initiators):
            ingress = ingresses[source]
            m.d.comb += [
                egress.request_valid[n].eq(ingress.request_valid[t]),
                getattr(egress, f"asking{n}").eq(ingress.asking),
                getattr(egress, f"rest{n}").eq(ingress.rest),
                getattr(egress, f"class{n}").eq(ingress.request_class),
            ]
            if egress.write:
                m.d.comb += [
                    getattr(egress, f"beat{n}").eq(ingress.beat),
                    egress.beat_valid[n].eq(ingress.beat_valid[t] if self.plan.strict else ingress.beat_valid),
                    ingress.beat_ready[t].eq(egress.beat_ready[n]),
                ]
            if isinstance(ingress, StrictIngress):
                m.d.comb += getattr(ingress, f"lane{t}").eq(getattr(egress, f"lane{n}"))
            else:
                m.d.comb += [
                    ingress.request_ready[t].eq(egress.request_ready[n]),
                    getattr(egress, f"note{n}").eq(ingress.note),
                ]
                if isinstance(ingress, IngressWrite):
                    m.d.comb += getattr(egress, f"last{n}").eq(ingress.last)
                wiring.connect(m, getattr(egress, f"return{n}"), getattr(ingress, f"return{t}"))

    def _connect_ingress(self, m: Module, port: Initiator, read: AnyRead, write: AnyWrite) -> None:
        control = getattr(self, port.name)
        for name, plane in zip(PLANES, (read, write), strict=True):
            m.d.comb += [
                plane.isolate.eq(control.isolate),
                plane.fill_enable.eq(control.fill_enable),
                plane.fill_context.eq(self.fill_context),
                plane.fill_granule.eq(self.fill_granule),
                plane.fill_entry.eq(self.fill_entry),
                getattr(control, f"{name}_fault_valid").eq(plane.fault_valid),
                getattr(control, f"{name}_fault").eq(plane.fault),
                getattr(control, f"{name}_events").eq(plane.events),
                *(
                    getattr(plane, member).eq(
                        getattr(control, f"{name}_{member}" if member.startswith("eligible") else member)
                    )
                    for member in owner_members(self.plan, port)
                ),
            ]
        m.d.comb += control.drained.eq(read.drained & write.drained)

    def _connect_cutoff(self, m: Module, target: Target, read: AnyEgress, write: AnyEgress) -> None:
        control = getattr(self, target.name)
        m.submodules[f"cutoff_{target.name}"] = cutoff = Cutoff(target.alike)
        m.d.comb += [
            read.cut.eq(cutoff.cut),
            write.cut.eq(cutoff.cut),
            cutoff.overdue.eq(Cat(read.overdue, write.overdue)),
            cutoff.swept.eq(Cat(read.swept, write.swept)),
            cutoff.attach.eq(control.attach),
            control.cut.eq(cutoff.cut),
            control.settled.eq(cutoff.settled),
        ]
        if target.kind == "memory":
            m.d.comb += [
                cutoff.scrubs.eq(control.scrubs),
                cutoff.scrub_moves.eq((control.scrub_valid & control.scrub_ready) | control.scrubbed),
            ]

    def _connect_egress(self, m: Module, target: Target, read: AnyEgress, write: AnyEgress) -> None:
        control = getattr(self, target.name)
        m.submodules[f"epochs_{target.name}"] = epochs = Epochs(clients=2)
        m.d.comb += [
            epochs.drain.eq(control.drain),
            control.drained.eq(epochs.drained),
            epochs.behind.eq(read.behind | write.behind),
        ]
        for plane, (name, egress) in enumerate(zip(PLANES, (read, write), strict=True)):
            m.d.comb += [
                egress.epoch.eq(epochs.epoch),
                *(
                    getattr(egress, member).eq(getattr(control, member))
                    for member in guard_members(self.plan)
                    if member not in RIGHTS
                ),
                egress.rights_write.eq(self.rights_write[plane]),
                egress.rights_key.eq(self.rights_key),
                egress.rights_slices.eq(self.rights_slices),
                getattr(control, f"{name}_fault_valid").eq(egress.fault_valid),
                getattr(control, f"{name}_fault").eq(egress.fault),
            ]
        if target.kind == "memory":
            connect_scrubber(m, self.plan, control, write, len(target.initiators))
            m.d.comb += [
                control.scrubbed.eq(write.scrubbed),
                control.scrub_error.eq(write.scrub_error),
            ]
