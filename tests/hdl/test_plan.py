"""The plan: complete, consistent, and what the manifest says of it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from hdl.card import find_card
from hdl.plan import Plan, RegisterMap, manifest, plan_card, register_map
from hdl.plan.blocks import FAULT_KINDS, HANDOVER_PHASES, REKEY_PHASES
from hdl.plan.manifest import digest
from hdl.plan.registers import REGISTER_BYTES, Access, Field, Register, pack
from hdl.plan.tables import tables
from tests.cards import random_plans


def quad() -> Plan:
    """The plan of the example card."""
    return plan_card(find_card("quad"))


@given(plan=random_plans())
def test_ports_and_contexts_agree(plan: Plan) -> None:
    for index, port in enumerate(plan.initiators):
        assert port.index == index
        assert port.targets, "an initiator must reach something"
        assert all(index in plan.targets[target].initiators for target in port.targets)
        assert [context.number for context in port.contexts] == list(range(len(port.contexts)))
        assert all(context.initiator == index for context in port.contexts)
    for index, target in enumerate(plan.targets):
        assert target.index == index
        assert target.initiators, "somebody must reach a target"
        assert all(index in plan.initiators[source].targets for source in target.initiators)
        assert target.granules * plan.granule == target.size
        assert target.size <= 1 << target.address_bits
        assert target.keyed == (target.granules if target.kind == "memory" else 1)
    assert [context.index for context in plan.contexts] == list(range(len(plan.contexts)))
    for device in plan.devices:
        assert plan.initiators[device.initiator].device == device.index
        assert plan.targets[device.target].device == device.index
    assert len(set(plan.port_names)) == len(plan.initiators) + len(plan.targets)


@given(plan=random_plans())
def test_widths_hold_every_value(plan: Plan) -> None:
    assert plan.slices <= 1 << plan.slice_bits
    assert plan.keys <= 1 << plan.key_bits
    assert plan.classes <= 1 << plan.class_bits
    assert len(plan.initiators) < 1 << plan.source_bits, "the scrubber's ID comes after the initiators'"
    assert max(len(port.contexts) for port in plan.initiators) <= 1 << plan.user_bits
    assert max(target.granules for target in plan.targets) <= 1 << plan.physical_granule_bits
    assert 8 << plan.size_max == plan.data_width


def words(registers: RegisterMap) -> list[tuple[int, Register]]:
    """All registers of a map with their addresses."""
    return [
        (block.address(member, register.name), register)
        for block in registers.blocks
        for member in range(block.count)
        for register in block.registers
    ]


@given(plan=random_plans())
def test_registers_do_not_overlap(plan: Plan) -> None:
    registers = register_map(plan)
    addresses = [address for address, _ in words(registers)]
    assert len(set(addresses)) == len(addresses)
    assert all(address % REGISTER_BYTES == 0 and 0 <= address < 1 << registers.address_bits for address in addresses)
    for block in registers.blocks:
        assert block.stride & (block.stride - 1) == 0
        assert all(register.offset < block.stride for register in block.registers)


@given(plan=random_plans())
def test_fields_do_not_overlap(plan: Plan) -> None:
    for _, register in words(register_map(plan)):
        taken = 0
        for field in register.fields:
            mask = ((1 << field.width) - 1) << field.lsb
            assert field.width > 0
            assert mask < 1 << 32
            assert not mask & taken
            assert field.reset < 1 << field.width
            assert len(field.values) <= 1 << field.width
            taken |= mask
        assert len({field.access is Access.COMMAND for field in register.fields}) == 1, "a command has no other bits"


@settings(max_examples=30)
@given(plan=random_plans(ports=6, contexts=64))
def test_fields_hold_every_value(plan: Plan) -> None:
    """What the fixed fields of the fault log and of the commands must be able to say about any card."""
    registers = register_map(plan)

    def limit(block: str, register: str, field: str) -> int:
        found = {entry.name: entry for entry in registers.block(block).registers}[register]
        return 1 << {entry.name: entry for entry in found.fields}[field].width

    assert len(plan.initiators) <= limit("fault", "HEAD", "initiator")
    assert len(plan.targets) <= min(limit("fault", "HEAD", "target"), limit("window", "FILL", "target"))
    assert plan.slices <= limit("fault", "HEAD", "slice")
    assert max(len(port.contexts) for port in plan.initiators) <= limit("fault", "HEAD", "context")
    assert plan.fault_log < limit("fault", "LEVEL", "entries")
    assert len(FAULT_KINDS) <= limit("fault", "HEAD", "kind")
    assert len(plan.contexts) <= limit("window", "CONTEXT", "index")
    assert plan.window_granules <= limit("window", "FIRST", "granule")
    assert plan.window_granules < limit("window", "COUNT", "granules")
    assert max(target.granules for target in plan.targets) <= limit("window", "FILL", "granule")
    assert plan.slices <= limit("initiator", "HANDOVER", "slice")
    assert plan.keys <= min(limit("target", "REKEY", "key"), limit("initiator", "KEY", "key"))
    assert len(REKEY_PHASES) <= limit("target", "STATUS", "phase")
    assert len(HANDOVER_PHASES) <= limit("initiator", "STATUS", "phase")
    assert max(plan.physical_bits, plan.address_width) <= 64
    if plan.devices:
        assert plan.lanes <= limit("controller", "STEER", "first")
        assert max(device.lanes for device in plan.devices) < limit("controller", "STEER", "width")


@given(plan=random_plans())
def test_manifest_survives_json(plan: Plan) -> None:
    content = manifest(plan)
    again = json.loads(json.dumps(content))
    assert again == content
    assert digest(again) == content["hash"]


def test_any_change_of_the_manifest_is_seen() -> None:
    content = manifest(quad())

    def leaves(node: Any) -> list[tuple[Any, Any]]:
        items = list(node.items() if isinstance(node, dict) else enumerate(node))
        deeper = [leaf for _, value in items if isinstance(value, dict | list) for leaf in leaves(value)]
        return deeper + [(node, key) for key, value in items if not isinstance(value, dict | list)]

    places = [(node, key) for node, key in leaves(content) if key != "hash"]
    assert len(places) > 500
    for node, key in places[:: len(places) // 50]:
        before = node[key]
        node[key] = "changed"
        assert digest(content) != content["hash"]
        node[key] = before
    assert digest(content) == content["hash"]


@pytest.mark.parametrize(
    "change", [{"slices": 7}, {"keys": 15}, {"granule": 8192}, {"outstanding": 8}, {"fault_log": 8}, {"clock": 1}]
)
def test_another_card_has_another_hash(change: dict[str, int]) -> None:
    assert manifest(replace(quad(), **change))["hash"] != manifest(quad())["hash"]  # type: ignore[arg-type]


def test_plan_is_frozen() -> None:
    with pytest.raises(AttributeError):
        quad().slices = 3  # type: ignore[misc]


def test_register_map_knows_its_blocks() -> None:
    registers = register_map(quad())
    target = registers.block("target")
    assert target.address(2, "REKEY") == target.base + 2 * target.stride + 0x8
    for missing in (lambda: target.address(0, "NONE"), lambda: registers.block("none")):
        with pytest.raises(KeyError):
            missing()


def test_pack_aligns_arrays_and_leaves_out_empty_ones() -> None:
    def register(offset: int) -> Register:
        return Register(f"R{offset}", offset, "", (Field("value", 0, 32, Access.READ_WRITE, ""),))

    one, many = [register(0)], [register(0), register(8)]
    packed = pack([("a", ("",), "", one), ("none", (), "", one), ("b", ("x", "y", "z"), "", many)])
    assert [(block.name, block.base, block.stride) for block in packed.blocks] == [("a", 0, 4), ("b", 64, 16)]
    assert packed.address_bits == 7


def test_tables_of_the_example() -> None:
    sizes = {(table.name, table.port): (table.entries, table.width, table.bits) for table in tables(quad())}
    # 4 contexts of 1024 granules; one bit for each of 6 targets, and 8 bits for one of 256 granules; reads and writes
    assert sizes["window", "host0"] == (4096, 14, 4096 * 14 * 2)
    assert sizes["keys", "bank3"] == (256, 4, 256 * 4 * 2)
    assert sizes["keys", "nvme0_registers"] == (1, 4, 8)
