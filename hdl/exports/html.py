"""The register map as one HTML page that needs nothing else, not even a network."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from ..plan import Field, Register
from ..plan.registers import REGISTER_BYTES
from .product import Product

_TEMPLATE = Path(__file__).with_name("registers.html.jinja")


def _strip(register: Register) -> list[tuple[int, Field | None]]:
    """Runs of bits from bit 31 down: how many, and the field that has them, if any."""
    runs: list[tuple[int, Field | None]] = []
    top = 8 * REGISTER_BYTES
    for field in sorted(register.fields, key=lambda field: -field.lsb):
        end = field.lsb + field.width
        if end < top:
            runs.append((top - end, None))
        runs.append((field.width, field))
        top = field.lsb
    if top:
        runs.append((top, None))
    return runs


def write(product: Product) -> str:
    """HTML text: the blocks at the side, for each register a picture of its bits and a table of its fields."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(plan=product.plan, notice=product.notice, registers=product.registers, strip=_strip)
    return page.rstrip("\n") + "\n"
