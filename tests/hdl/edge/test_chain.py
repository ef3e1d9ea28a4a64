"""A port gets the adapters that it needs, no others; what they make of it is the port of the manifest."""

import pytest
from hypothesis import given

from hdl.bus import axi
from hdl.edge.chain import initiator_stages, target_stages
from hdl.edge.ports import edge_members
from hdl.plan import Plan, manifest
from hdl.plan.edge import Edge
from tests.cards import random_plans
from tests.hdl.harness import board

FABRIC = {"address_width": 32, "user_width": 2}


def names(stages) -> list[str]:
    return [type(stage).__name__ for stage in stages]


@pytest.mark.parametrize(
    ("edge", "wanted"),
    [
        (Edge("axi4", 64, 6, 16), []),
        (Edge("axi4", 64, 2, 16), []),
        (Edge("axi4", 64, 6, 4), ["Limit"]),
        (Edge("axi4", 32, 4, 16), ["Widen"]),
        (Edge("axi4", 128, 4, 4), ["Limit", "Narrow"]),
        (Edge("axi4", 128, 6, 16), ["IdRemap", "Narrow"]),
        (Edge("axi4lite", 64, 0, 16), ["LiteInitiator"]),
        (Edge("axi4lite", 32, 0, 1), ["LiteInitiator", "Limit", "Widen"]),
    ],
)
def test_adapters_of_an_initiator(edge, wanted):
    inner = axi.Signature(data_width=64, id_width=6, **FABRIC)
    assert names(initiator_stages(edge, inner, 16)) == wanted


@pytest.mark.parametrize(
    ("edge", "wanted"),
    [
        (Edge("axi4", 64, 9), []),
        (Edge("axi4", 64, 12), []),
        (Edge("axi4", 64, 5), ["IdRemap"]),
        (Edge("axi4", 128, 9), ["IdRemap", "Widen"]),
        (Edge("axi4", 32, 2), ["IdRemap", "Narrow"]),
        (Edge("axi4lite", 64, 0), ["IdRemap", "Narrow", "LiteTarget"]),
        (Edge("axi4lite", 32, 0), ["IdRemap", "Narrow", "LiteTarget"]),
    ],
)
def test_adapters_of_a_target(edge, wanted):
    inner = axi.Signature(data_width=64, id_width=9, **FABRIC)
    stages = target_stages(edge, inner)
    assert names(stages) == wanted
    converts = any(name in wanted for name in ("Widen", "Narrow"))
    assert all(stage.down.signature.id_width <= 4 for stage in stages if converts and stage is stages[0])


def test_a_narrow_fabric_reaches_a_wide_axi4_lite():
    inner = axi.Signature(data_width=32, id_width=3, **FABRIC)
    assert names(target_stages(Edge("axi4lite", 64, 0), inner)) == ["Narrow", "Widen", "LiteTarget"]


@pytest.mark.parametrize("card", ["mini", "quad", "wide", "bench4"])
def test_shipped_cards_need_none(card):
    plan = board(card)
    assert not any(plan.differs(port) for port in plan.ports)


@given(plan=random_plans())
def test_pins_are_what_the_manifest_says(plan: Plan) -> None:
    members = edge_members(plan)
    described = manifest(plan)
    for port in (*described["initiators"], *described["targets"]):
        name = port["name"]
        assert members[f"{name}_rdata"].shape == port["data_width"]
        if port["protocol"] == "axi4":
            assert members[f"{name}_rid"].shape == port["id_width"]
        else:
            assert f"{name}_rid" not in members and f"{name}_wlast" not in members
            assert port["id_width"] == 0
