"""Each export says exactly what the plan says; other people's tools read it back."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from peakrdl_svd.importer import SVDImporter
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, Node, RegNode
from systemrdl.rdltypes.builtin_enums import AccessType, OnWriteType

from hdl import VERSION
from hdl.card import find_card
from hdl.exports import FORMATS, export_registers
from hdl.plan import Access, Plan, manifest, plan_card, register_map
from tests.cards import plan_of, random_cards, random_plans

CARDS = ("mini", "quad", "wide")


class Bits(NamedTuple):
    """A field as every format can tell it."""

    low: int
    width: int
    access: Access
    reset: int
    values: tuple[str, ...]


Seen = dict[tuple[int, str], Bits]
"""Fields by their register's address and their name."""


@pytest.fixture(params=CARDS)
def plan(request: pytest.FixtureRequest) -> Plan:
    """The plan of a shipped card."""
    return plan_card(find_card(request.param))


def planned(plan: Plan) -> Seen:
    """What an export has to say."""
    return {
        (block.address(member, register.name), field.name): Bits(
            field.lsb, field.width, field.access, field.reset, field.values
        )
        for block in register_map(plan).blocks
        for member in range(block.count)
        for register in block.registers
        for field in register.fields
    }


def _nodes(node: Node) -> Iterator[FieldNode]:
    for child in node.children(unroll=True):
        if isinstance(child, FieldNode):
            yield child
        else:
            yield from _nodes(child)


def _access(field: FieldNode) -> Access:
    software, on_write = field.get_property("sw"), field.get_property("onwrite")
    if on_write is OnWriteType.woclr:
        return Access.WRITE_ONE_TO_CLEAR
    return {AccessType.rw: Access.READ_WRITE, AccessType.r: Access.READ_ONLY, AccessType.w: Access.COMMAND}[software]


def compiled(top: AddrmapNode) -> Seen:
    """What the SystemRDL compiler has understood."""
    seen = {}
    for field in _nodes(top):
        assert isinstance(field.parent, RegNode)
        encode: Any = field.get_property("encode")
        values = tuple(entry.name for entry in sorted(encode, key=int)) if encode else ()
        reset: Any = field.get_property("reset") or 0
        key = (field.parent.absolute_address, field.inst_name)
        seen[key] = Bits(field.low, field.width, _access(field), reset, values)
    return seen


def compile_rdl(text: str, folder: Path) -> AddrmapNode:
    """The address map of a SystemRDL text."""
    path = folder / "card.rdl"
    path.write_text(text)
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    return compiler.elaborate().top


def test_systemrdl(plan: Plan, tmp_path: Path) -> None:
    top = compile_rdl(export_registers(plan, "rdl"), tmp_path)
    assert compiled(top) == planned(plan)
    assert top.inst_name == plan.card


@settings(max_examples=5)
@given(plan=random_plans())
def test_systemrdl_of_any_card(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert compiled(compile_rdl(export_registers(plan, "rdl"), tmp_path_factory.getbasetemp())) == planned(plan)


def test_svd(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "card.svd"
    path.write_text(export_registers(plan, "svd"))
    compiler = RDLCompiler()
    SVDImporter(compiler).import_file(str(path))
    assert compiled(compiler.elaborate().top) == planned(plan)


def c_expressions(plan: Plan) -> dict[str, int]:
    """C expressions, and what they have to be."""
    card = plan.card.upper()
    expected = {f"{card}_REGISTER_SPACE": 1 << register_map(plan).address_bits}
    for block in register_map(plan).blocks:
        prefix = f"{card}_{block.name.upper()}"
        for register in block.registers:
            name = f"{prefix}_{register.name}"
            for member, label in enumerate(block.members):
                index = f"(0u + {prefix}_INDEX_{label.upper()})" if label else ""
                expected[f"{name}{index}"] = block.address(member, register.name)
            for field in register.fields:
                expected[f"{name}_{field.name.upper()}_MASK >> {name}_{field.name.upper()}_SHIFT"] = 2**field.width - 1
                expected[f"{name}_{field.name.upper()}_SHIFT"] = field.lsb
                for value, meaning in enumerate(field.values):
                    expected[f"{name}_{field.name.upper()}_{meaning.upper()}"] = value
    return expected


@pytest.mark.parametrize(("compiler", "suffix"), [(["gcc", "-std=c11"], "c"), (["g++"], "cpp")])
def test_c_header(plan: Plan, compiler: list[str], suffix: str, tmp_path: Path) -> None:
    expected = c_expressions(plan)
    (tmp_path / "card.h").write_text(export_registers(plan, "c"))
    prints = "\n".join(f'    printf("%lu\\n", (unsigned long)({expression}));' for expression in expected)
    source = (
        f'#include <stdio.h>\n#include "card.h"\n#include "card.h"\nint main(void) {{\n{prints}\n    return 0;\n}}\n'
    )
    (tmp_path / f"main.{suffix}").write_text(source)
    warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*compiler, *warnings, f"main.{suffix}", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    assert dict(zip(expected, map(int, printed), strict=True)) == expected


@given(plan=random_plans())
def test_c_names_are_unique(plan: Plan) -> None:
    names = re.findall(r"#define (\w+)", export_registers(plan, "c"))
    assert len(set(names)) == len(names)


def test_json(plan: Plan) -> None:
    content = json.loads(export_registers(plan, "json"))
    seen = {
        (block["base"] + index * block["stride"] + register["offset"], name): (
            field["lsb"],
            field["width"],
            Access(field["access"]),
            field["reset"],
        )
        for block in content["blocks"].values()
        for index in range(len(block["members"]))
        for register in block["registers"].values()
        for name, field in register["fields"].items()
    }
    assert seen == {key: bits[:4] for key, bits in planned(plan).items()}


def _markdown_rows(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Block, register and cells of each row that describes a field."""
    block = register = ""
    for line in text.splitlines():
        if line.startswith("## "):
            block, register = line[3:], ""
        elif line.startswith("### "):
            register = line[4:].split(",")[0]
        elif register and re.match(r"\| \d", line):
            yield block, register, [cell.strip() for cell in line.strip("|").split(" | ")]


def test_markdown(plan: Plan) -> None:
    rows = list(_markdown_rows(export_registers(plan, "md")))
    expected = [
        (block.name, register.name, field)
        for block in register_map(plan).blocks
        for register in block.registers
        for field in register.fields
    ]
    assert len(rows) == len(expected)
    for (block, register, cells), (block_name, register_name, field) in zip(rows, expected, strict=True):
        high, _, low = cells[0].partition(":")
        assert (block, register, cells[1].strip("`")) == (block_name, register_name, field.name)
        assert (int(low or high), int(high)) == (field.lsb, field.lsb + field.width - 1)
        assert cells[2:4] == [field.access.upper(), f"{field.reset:#x}"]
        assert all(f"{value}: {name}" in cells[4] for value, name in enumerate(field.values))


def test_html_is_one_page_that_needs_no_network(plan: Plan) -> None:
    page = export_registers(plan, "html")
    assert not re.search(r"https?:|<link|<script|src=|@import|url\(", page)
    identities = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(identities)) == len(identities)
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in identities
    for block in register_map(plan).blocks:
        for register in block.registers:
            assert f"{block.name}.{register.name}" in identities
    for strip in re.findall(r'<div class="bits">(.*?)</div>', page, re.DOTALL):
        assert sum(map(int, re.findall(r"span (\d+)", strip))) == 32


@pytest.mark.parametrize("form", FORMATS)
def test_same_bytes_and_a_notice(plan: Plan, form: str) -> None:
    text = export_registers(plan, form)
    assert export_registers(plan_card(find_card(plan.card)), form) == text
    start = text[:400]
    for part in (f"card {plan.card},", manifest(plan)["hash"], f"hardslice {VERSION}", "do not edit"):
        assert part in start


@settings(max_examples=5)
@given(card=random_cards())
def test_description_cannot_break_an_export(card: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever characters the free text has."""
    folder = tmp_path_factory.getbasetemp()
    text = '<b>"A" \\ & </b> */ /* // {% x %} ü ]]> -- |'
    plan = plan_of({**card, "description": text})
    assert compile_rdl(export_registers(plan, "rdl"), folder).get_property("desc") == text
    path = folder / "odd.svd"
    path.write_text(export_registers(plan, "svd"), encoding="utf-8")
    compiler = RDLCompiler()
    SVDImporter(compiler).import_file(str(path))
    assert "&lt;b&gt;" in export_registers(plan, "html")


def test_unknown_format(plan: Plan) -> None:
    with pytest.raises(KeyError):
        export_registers(plan, "docx")
