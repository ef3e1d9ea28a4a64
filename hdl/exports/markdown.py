"""The register map as a Markdown page."""

from collections.abc import Iterable, Iterator

from ..plan import Block, Register
from .product import Product

_INTRODUCTION = """\
The register port is AXI4-Lite with 32-bit data. Every register is 32 bits wide; a register's address is its block's
base, plus its index times the stride, plus its own offset. Bits that are not listed read as zero and ignore writes.
Access: RW is read and written by software. RO is read only. WO is written to start something and reads as zero. W1C
reads as it is and is cleared by writing one."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Lines of a Markdown table; bars in the cells are escaped."""
    titles = list(head)
    yield f"| {' | '.join(titles)} |"
    yield "|" + " --- |" * len(titles)
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |"


def _register(register: Register) -> Iterator[str]:
    yield from ("", f"### {register.name}, offset {register.offset:#04x}", "", register.doc, "")
    rows = []
    for field in register.fields:
        meaning = field.doc
        if field.values:
            meaning += " " + ", ".join(f"{value}: {name}" for value, name in enumerate(field.values)) + "."
        bits = f"{field.lsb + field.width - 1}:{field.lsb}" if field.width > 1 else str(field.lsb)
        rows.append((bits, f"`{field.name}`", field.access.upper(), f"{field.reset:#x}", meaning))
    yield from table(("bits", "field", "access", "reset", "meaning"), rows)


def _block(block: Block) -> Iterator[str]:
    yield from ("", f"## {block.name}", "", block.doc)
    if block.is_array:
        yield ""
        rows = ((str(i), f"`{name}`", f"{block.base + i * block.stride:#06x}") for i, name in enumerate(block.members))
        yield from table(("index", "name", "address"), rows)
    for register in block.registers:
        yield from _register(register)


def write(product: Product) -> str:
    """Markdown text: a table of the blocks, then for each block its registers and their fields."""
    plan = product.plan
    lines = [f"<!-- {product.notice} -->", f"# Registers of {plan.card}", "", _INTRODUCTION, ""]
    rows = []
    for block in product.registers.blocks:
        stride = f"{block.stride:#x}" if block.is_array else ""
        rows.append((f"[{block.name}](#{block.name})", f"{block.base:#06x}", str(block.count), stride, block.doc))
    lines.extend(table(("block", "base", "count", "stride", "purpose"), rows))
    for block in product.registers.blocks:
        lines.extend(_block(block))
    return "\n".join([*lines, ""])
