"""The plan: every index, width, address and route of a card, resolved and checked. Pure Python."""

from .blocks import register_map
from .manifest import manifest
from .plan import Context, Device, Initiator, Plan, Target
from .planner import plan_card
from .registers import Access, Block, Field, Register, RegisterMap

__all__ = [
    "Access",
    "Block",
    "Context",
    "Device",
    "Field",
    "Initiator",
    "Plan",
    "Register",
    "RegisterMap",
    "Target",
    "manifest",
    "plan_card",
    "register_map",
]
