"""The register map as CMSIS-SVD 1.3, for debuggers. Offsets count from the card's register port."""

from xml.etree import ElementTree

from .. import VERSION
from ..plan import Access, Block, Field, Register
from .product import Product

_ACCESS = {
    Access.READ_WRITE: "read-write",
    Access.READ_ONLY: "read-only",
    Access.COMMAND: "write-only",
    Access.WRITE_ONE_TO_CLEAR: "read-write",
}


def _add(parent: ElementTree.Element, **texts: str | int) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = str(text)


def _field(parent: ElementTree.Element, field: Field) -> None:
    element = ElementTree.SubElement(parent, "field")
    _add(element, name=field.name, description=field.doc, bitOffset=field.lsb, bitWidth=field.width)
    _add(element, access=_ACCESS[field.access])
    if field.access is Access.WRITE_ONE_TO_CLEAR:
        _add(element, modifiedWriteValues="oneToClear")
    if field.values:
        values = ElementTree.SubElement(element, "enumeratedValues")
        for value, name in enumerate(field.values):
            _add(ElementTree.SubElement(values, "enumeratedValue"), name=name, value=value)


def _register(parent: ElementTree.Element, register: Register) -> None:
    element = ElementTree.SubElement(parent, "register")
    reset = sum(field.reset << field.lsb for field in register.fields)
    _add(element, name=register.name, description=register.doc, addressOffset=f"{register.offset:#x}")
    _add(element, resetValue=f"{reset:#010x}")
    fields = ElementTree.SubElement(element, "fields")
    for field in register.fields:
        _field(fields, field)


def _cluster(parent: ElementTree.Element, block: Block) -> None:
    element = ElementTree.SubElement(parent, "cluster")
    if block.is_array:
        _add(element, dim=block.count, dimIncrement=f"{block.stride:#x}", name=f"{block.name}[%s]")
    else:
        _add(element, name=block.name)
    _add(element, description=block.doc, addressOffset=f"{block.base:#x}")
    for register in block.registers:
        _register(element, register)


def write(product: Product) -> str:
    """SVD text: one peripheral named after the card, one cluster (or array of them) per block."""
    plan = product.plan
    device = ElementTree.Element("device", {"schemaVersion": "1.3"})
    device.append(ElementTree.Comment(f" {product.notice} "))
    _add(device, name=plan.card, version=VERSION, description=plan.description or plan.card)
    _add(device, addressUnitBits=8, width=32, size=32, access="read-write", resetValue=0, resetMask="0xffffffff")
    peripheral = ElementTree.SubElement(ElementTree.SubElement(device, "peripherals"), "peripheral")
    _add(peripheral, name=plan.card, description="The register port.", baseAddress="0x0")
    _add(ElementTree.SubElement(peripheral, "addressBlock"), offset="0x0", size=f"{product.size:#x}", usage="registers")
    registers = ElementTree.SubElement(peripheral, "registers")
    for block in product.registers.blocks:
        _cluster(registers, block)
    ElementTree.indent(device)
    text: str = ElementTree.tostring(device, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
