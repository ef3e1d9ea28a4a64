"""A card with a few of everything, so that random requests soon meet its limits."""

import json
from typing import Any

from hdl.card.config import CardConfig
from hdl.plan import manifest
from hdl.plan.planner import elaborate

DESCRIPTION: dict[str, Any] = {
    "card": "sample",
    "fabric": {
        "data_width": 64, "address_width": 32, "id_width": 2, "slices": 3, "keys": 6, "classes": 2,
        "granule": "4KiB", "window": "128KiB", "outstanding": 4, "fault_log": 4, "clock": "100MHz",
    },
    "initiators": {
        "host": {"kind": "host", "contexts": 3}, "core0": {"kind": "core"}, "core1": {"kind": "core"},
        "crypto": {"kind": "device"},
    },
    "targets": {
        "near": {"kind": "memory", "size": "48KiB"}, "far": {"kind": "memory", "size": "64KiB"},
        "uart": {"kind": "peripheral", "size": "4KiB"},
    },
    "pcie": {
        "lanes": 4,
        "devices": {"disk": {"registers": "8KiB", "lanes": 4}, "modem": {"registers": "4KiB", "lanes": 1}},
    },
    "connectivity": {"crypto": ["near", "far"], "disk_dma": ["far", "disk_registers"]},
}  # fmt: skip


def small_content() -> dict[str, Any]:
    """Its manifest, as it would be read from a file."""
    plan = elaborate(CardConfig.model_validate(DESCRIPTION))
    return dict(json.loads(json.dumps(manifest(plan))))
