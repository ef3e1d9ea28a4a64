"""What every export is made from."""

from functools import cached_property
from typing import Any

from .. import VERSION
from ..plan import Plan, RegisterMap, manifest, register_map


class Product:
    """A card's register map, and the line that says where a generated file comes from."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The card's manifest."""
        return manifest(self.plan)

    @cached_property
    def registers(self) -> RegisterMap:
        """The card's register map."""
        return register_map(self.plan)

    @property
    def size(self) -> int:
        """Bytes of the register space."""
        return 1 << self.registers.address_bits

    @property
    def notice(self) -> str:
        """The first line of a generated file, without comment marks."""
        return notice(self.plan.card, self.manifest["hash"])


def notice(card: str, digest: str) -> str:
    """Card, manifest hash, generator version, and a warning; one line, without comment marks."""
    return f"card {card}, manifest {digest}, hardslice {VERSION}: generated, do not edit"
