"""The register map as a header for C11 and C++: macros only, so that it fits any way to reach the card."""

from collections.abc import Iterator

from ..plan import Block, Field
from ..plan.registers import TOKEN_BITS
from .product import Product


def _define(name: str, value: str, comment: str = "") -> str:
    remark = f" /* {comment} */" if comment else ""
    return f"#define {name} {value}{remark}"


def _field(prefix: str, field: Field) -> Iterator[str]:
    name = f"{prefix}_{field.name.upper()}"
    mask = ((1 << field.width) - 1) << field.lsb
    yield _define(f"{name}_SHIFT", str(field.lsb), f"{field.access.upper()}: {field.doc}")
    yield _define(f"{name}_MASK", f"{mask:#010x}u")
    if field.reset:
        yield _define(f"{name}_RESET", f"{field.reset:#x}u")
    for value, meaning in enumerate(field.values):
        yield _define(f"{name}_{meaning.upper()}", f"{value}u")


def _block(card: str, block: Block) -> Iterator[str]:
    prefix = f"{card}_{block.name.upper()}"
    yield ""
    yield f"/* {block.name}: {block.doc} */"
    yield _define(f"{prefix}_BASE", f"{block.base:#x}u")
    if block.is_array:
        yield _define(f"{prefix}_STRIDE", f"{block.stride:#x}u")
        yield _define(f"{prefix}_COUNT", f"{block.count}u")
        for index, member in enumerate(block.members):
            yield _define(f"{prefix}_INDEX_{member.upper()}", f"{index}u")
    for register in block.registers:
        name = f"{prefix}_{register.name}"
        yield ""
        yield f"/* {register.doc} */"
        if block.is_array:
            yield _define(f"{name}(index)", f"({prefix}_BASE + {prefix}_STRIDE * (index) + {register.offset:#x}u)")
        else:
            yield _define(name, f"({prefix}_BASE + {register.offset:#x}u)")
        for field in register.fields:
            yield from _field(name, field)


def write(product: Product) -> str:
    """C text: for each register its byte offset (with an index for arrays), for each field its shift and mask."""
    card = product.plan.card.upper()
    guard = f"HARDSLICE_{card}_REGISTERS_H"
    lines = [f"/* {product.notice} */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines.append(_define(f"{card}_MANIFEST", f'"{product.manifest["hash"]}"'))
    lines.append(_define(f"{card}_REGISTER_SPACE", f"{product.size:#x}u", "bytes"))
    comment = "a write carries its owner's token in the address bits from here on"
    lines.append(_define(f"{card}_TOKEN_SHIFT", str(product.registers.address_bits), comment))
    lines.append(_define(f"{card}_TOKEN_BITS", str(TOKEN_BITS)))
    for block in product.registers.blocks:
        lines.extend(_block(card, block))
    return "\n".join([*lines, "", f"#endif /* {guard} */", ""])
