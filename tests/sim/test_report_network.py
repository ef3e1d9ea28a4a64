"""The picture of a network says how much each link was used, and by whom."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from xml.etree import ElementTree

import pytest

from hdl.plan import manifest, plan_card
from sim.judge.pieces import Asked
from sim.judge.scoreboard import Result
from sim.judge.transactions import Request
from sim.report import network, svg

BOARDS = Path(__file__).resolve().parents[2] / "boards"
BEATS, CYCLES, SLICE = 4, 8, 2


def access(*, write: bool) -> Request:
    """Four beats, of slice 2."""
    request = Request("bank0", write, 0, 1, 0, 0, BEATS - 1, 3, 1, lock=0, cache=0, prot=0, user=SLICE)
    request.beats = [(0, 1)] * BEATS if write else []
    request.responses = [0] if write else [0] * BEATS
    return request


@pytest.mark.parametrize("card", ["ring8", "mesh16"])
@pytest.mark.parametrize("write", [False, True])
def test_a_link_is_as_wide_as_it_was_used(card: str, write: bool) -> None:
    described = manifest(plan_card(BOARDS / card / "card.yaml"))
    routed = described["network"]
    flow = max(routed["flows"], key=lambda one: len(one["request"]) + len(one["response"]))
    request = access(write=write)
    asked = Asked(flow["initiator"], request, request, set(), access=request, target=flow["target"])
    denied = Asked(0, request, request, set(), denied=True)
    result = cast(Result, SimpleNamespace(asked=[asked, denied], trace=SimpleNamespace(cycles=CYCLES)))
    path = [tuple(link) for link in flow["request" if write else "response"]]
    assert network.link_beats(described, result) == {link: {SLICE: BEATS} for link in path}

    core = described["initiators"][-1]["name"]
    memory = [{"target": "bank1", "first": 0, "count": 1, "rights": "rw"}]
    owners = {str(SLICE): {"name": "<alpha>", "contexts": [], "cores": [core], "devices": [], "memory": memory}}
    drawn = network.draw(described, owners, result)
    ElementTree.fromstring(drawn)
    lines = re.findall(r'<path [^>]*stroke="(#\w+)" stroke-width="([\d.]+)"', drawn)
    used = svg.colour(SLICE), f"{network.NARROW + network.WIDE * BEATS / CYCLES:.1f}"
    assert lines.count(used) == len(path)
    assert lines.count((svg.LINE, f"{network.NARROW:.1f}")) == len(routed["links"]) - len(path)
    first, second = (routed["routers"][router] for router in path[0])
    assert f"{first} to {second}: 0.500 beats per cycle; beats of slices: &lt;alpha&gt; 4" in drawn
    for port in (*described["initiators"], *described["targets"]):
        assert f">{port['name']}</text>" in drawn
    assert f"{core}: &lt;alpha&gt;" in drawn and "bank1: &lt;alpha&gt;" in drawn and "bank0: " not in drawn
