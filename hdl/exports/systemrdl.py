"""The register map as SystemRDL 2.0 (Accellera, January 2018)."""

from collections.abc import Iterator

from ..plan import Access, Block, Field, Register
from .product import Product

_ACCESS = {
    Access.READ_WRITE: "sw = rw; hw = r;",
    Access.READ_ONLY: "sw = r; hw = w;",
    Access.COMMAND: "sw = w; hw = r;",
    Access.WRITE_ONE_TO_CLEAR: "sw = rw; hw = w; onwrite = woclr;",
}


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _field(field: Field) -> str:
    encode = f" encode = {field.name}_values;" if field.values else ""
    position = f"{field.name}[{field.lsb + field.width - 1}:{field.lsb}]"
    return f"field {{ desc = {_text(field.doc)}; {_ACCESS[field.access]}{encode} }} {position} = {field.reset:#x};"


def _register(register: Register) -> Iterator[str]:
    yield "reg {"
    yield f"    desc = {_text(register.doc)};"
    for field in register.fields:
        if field.values:
            values = " ".join(f"{name} = {field.width}'d{value};" for value, name in enumerate(field.values))
            yield f"    enum {field.name}_values {{ {values} }};"
    for field in register.fields:
        yield f"    {_field(field)}"
    external = "external " if register.external else ""
    yield f"}} {external}{register.name} @ {register.offset:#x};"


def _block(block: Block) -> Iterator[str]:
    yield "regfile {"
    yield f"    desc = {_text(block.doc)};"
    for register in block.registers:
        yield from (f"    {line}" for line in _register(register))
    array = f"[{block.count}] @ {block.base:#x} += {block.stride:#x}" if block.is_array else f" @ {block.base:#x}"
    yield f"}} {block.name}{array};"


def write(product: Product) -> str:
    """SystemRDL text: an address map named after the card, one register file (or array of them) per block."""
    lines = [
        f"// {product.notice}",
        f"addrmap {product.plan.card} {{",
        f"    desc = {_text(product.plan.description)};",
        "    default regwidth = 32;",
        "    default accesswidth = 32;",
    ]
    for block in product.registers.blocks:
        lines.extend(f"    {line}" for line in _block(block))
    return "\n".join([*lines, "};", ""])
