"""The manifest: all that the RAM, the simulation and the exports know of a card."""

import hashlib
import json
from typing import Any

from .. import VERSION
from .blocks import FAULT_KINDS, HANDOVER_PHASES, INTERRUPTS, LOAD_LEVELS, REKEY_PHASES, register_map
from .edge import Edge
from .network.graph import Network
from .plan import (
    FRACTION_BITS,
    KEY_NOBODY,
    LANE_WIDTHS,
    PATH_CYCLES,
    PATIENCE,
    PATIENCE_LEAST,
    SCRUB_BEATS,
    SLOT_CYCLES,
    Plan,
)
from .registers import TOKEN_BITS, RegisterMap

FORMAT = 1


def _registers(registers: RegisterMap) -> dict[str, Any]:
    return {
        block.name: {
            "doc": block.doc,
            "base": block.base,
            "stride": block.stride,
            "members": list(block.members),
            "registers": {
                register.name: {
                    "offset": register.offset,
                    "doc": register.doc,
                    "fields": {
                        field.name: {
                            "lsb": field.lsb,
                            "width": field.width,
                            "access": field.access.value,
                            "reset": field.reset,
                            "doc": field.doc,
                        }
                        for field in register.fields
                    },
                }
                for register in block.registers
            },
        }
        for block in registers.blocks
    }


def _edge(edge: Edge) -> dict[str, Any]:
    """What a bus model at a port must have."""
    return {"protocol": edge.protocol, "data_width": edge.data_width, "id_width": edge.id_width}


def _network(network: Network) -> dict[str, Any]:
    """Routers, their ports, and by which of them each flow goes; `cycles` is what that adds there and back."""
    return {
        "routers": list(network.routers),
        "columns": network.columns,
        "links": [list(link) for link in network.links],
        "initiators": list(network.initiators),
        "targets": list(network.targets),
        "hop_cycles": network.hop_cycles,
        "flows": [
            {
                "initiator": flow.initiator,
                "target": flow.target,
                "request": [[channel.source, channel.sink] for channel in flow.request],
                "response": [[channel.source, channel.sink] for channel in flow.response],
                "cycles": network.cycles(flow),
            }
            for flow in network.flows
        ],
    }


def _describe(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "generator": VERSION,
        "card": plan.card,
        "description": plan.description,
        "fabric": {
            "topology": plan.topology,
            "data_width": plan.data_width,
            "address_width": plan.address_width,
            "id_width": plan.id_width,
            "user_width": plan.user_bits,
            "target_id_width": plan.target_id_bits,
            "source_bits": plan.source_bits,
            "target_user_width": plan.slice_bits,
            "slices": plan.slices,
            "keys": plan.keys,
            "key_nobody": KEY_NOBODY,
            "classes": plan.classes,
            "granule": plan.granule,
            "window_granules": plan.window_granules,
            "outstanding": plan.outstanding,
            "ordering": plan.ordering,
            "isolation": plan.isolation,
            "chunk": plan.chunk,
            "budgets": plan.budgets,
            "slice_outstanding": plan.slice_outstanding,
            "load_unit": plan.load_unit or 0,
            "fault_log": plan.fault_log,
            "clock": plan.clock,
            "scrub_beats": SCRUB_BEATS,
            "patience": PATIENCE,
            "patience_least": PATIENCE_LEAST,
            "slot_cycles": SLOT_CYCLES,
            "path_cycles": PATH_CYCLES[plan.isolation],
            "budget_period": plan.meter_period,
            "budget_fraction_bits": FRACTION_BITS,
            "register_bits": register_map(plan).address_bits,
            "token_bits": TOKEN_BITS,
        },
        "initiators": [
            {
                "name": port.name,
                "kind": port.kind,
                "contexts": [context.index for context in port.contexts],
                "targets": list(port.targets),
                "device": port.device,
                **_edge(plan.edge(port)),
                "outstanding": plan.edge(port).outstanding,
            }
            for port in plan.initiators
        ],
        "targets": [
            {
                "name": port.name,
                "kind": port.kind,
                "size": port.size,
                "granules": port.granules,
                "keyed": port.keyed,
                "address_bits": port.address_bits,
                "initiators": list(port.initiators),
                "device": port.device,
                "ahead": port.ahead,
                "timeout": port.timeout,
                "time_slots": port.time_slots,
                **_edge(plan.edge(port)),
            }
            for port in plan.targets
        ],
        **({"network": _network(plan.network)} if plan.network else {}),
        "pcie": {
            "lanes": plan.lanes,
            "widths": list(LANE_WIDTHS),
            "devices": [
                {"name": device.name, "initiator": device.initiator, "target": device.target, "lanes": device.lanes}
                for device in plan.devices
            ],
        },
        "enumerations": {
            "fault_kind": list(FAULT_KINDS),
            "rekey_phase": list(REKEY_PHASES),
            "handover_phase": list(HANDOVER_PHASES),
            "interrupt": list(INTERRUPTS),
            "load_level": list(LOAD_LEVELS),
        },
        "registers": _registers(register_map(plan)),
    }


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its hash: keys sorted, no white space, UTF-8."""
    body = {key: value for key, value in content.items() if key != "hash"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def manifest(plan: Plan) -> dict[str, Any]:
    """The manifest of a card, its own hash included."""
    content = _describe(plan)
    return {"hash": digest(content), **content}
