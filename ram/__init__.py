"""The Resource Allocation Manager: decides who owns what of a card, and emits the register operations for it."""

from .definition import SliceDefinition, load_definition
from .errors import Refusal
from .inventory import Inventory
from .manager import Answer, Code, Manager, ResourceType
from .manifest import Card, load_card
from .operations import Compare, Operation, Transition, Wait, Write
from .transport import ExecutionError, FileTransport, Transport, execute

__all__ = [
    "Answer",
    "Card",
    "Code",
    "Compare",
    "ExecutionError",
    "FileTransport",
    "Inventory",
    "Manager",
    "Operation",
    "Refusal",
    "ResourceType",
    "SliceDefinition",
    "Transition",
    "Transport",
    "Wait",
    "Write",
    "execute",
    "load_card",
    "load_definition",
]
