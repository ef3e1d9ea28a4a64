"""`hardslice bench --load`: where requests go, what could be carried at most, and a short run on a small card."""

import json
import re
from pathlib import Path

import pytest

from hdl.errors import Refusal
from hdl.plan import plan_card
from sim.measure import load

ROOT = Path(__file__).resolve().parents[2]
MESH = ROOT / "boards" / "mesh16" / "card.yaml"
RING = ROOT / "boards" / "ring8" / "card.yaml"
TRIO = Path(__file__).parent / "trio" / "card.yaml"


def test_permutations_send_each_router_to_the_target_next_to_its_image():
    plan = plan_card(MESH)
    network = plan.network
    found = load.patterns(plan)
    assert set(found) == {"uniform", "hotspot", "bit-complement", "neighbour", "transpose"}

    def distance(a, b):
        return abs(a % 4 - b % 4) + abs(a // 4 - b // 4)

    images = {
        "bit-complement": lambda x, y: (3 - x, 3 - y),
        "neighbour": lambda x, y: ((x + 1) % 4, y),
        "transpose": lambda x, y: (y, x),
    }
    for name, image in images.items():
        for port, targets in found[name].items():
            at = network.initiators[port]
            x, y = image(at % 4, at // 4)
            far = [distance(4 * y + x, there) for there in network.targets]
            assert len(set(targets)) == 1 and far[targets[0]] == min(far)
    assert set(load.patterns(plan_card(RING))) == {"uniform", "hotspot", "bit-complement", "neighbour"}


def test_uniform_and_hotspot_are_what_each_port_reaches():
    found = load.patterns(plan_card(TRIO))
    assert found["uniform"] == {0: [0, 1] * 4, 1: [1] * 8, 2: [0, 1] * 4}
    assert found["hotspot"] == {0: [0] * 4 + [0, 1] * 2, 1: [1] * 8, 2: [0] * 4 + [0, 1] * 2}


def test_what_is_full_first():
    """By hand: half of two ports and all of a third go to one bank; then links, counted over the paths themselves."""
    plan = plan_card(TRIO)
    assert load.bound(plan, load.patterns(plan)["uniform"], write=False) == (0.5, "bank1")
    plan = plan_card(MESH)
    network = plan.network
    for name, destinations in load.patterns(plan).items():
        for write in (False, True):
            most, _ = load.bound(plan, destinations, write=write)
            used = {}
            for flow in network.flows:
                share = destinations[flow.initiator].count(flow.target) / 8
                used[flow.target] = used.get(flow.target, 0) + share
                for channel in flow.request if write else flow.response:
                    link = channel.source, channel.sink
                    used[link] = used.get(link, 0) + share
            assert most == pytest.approx(1 / max(1, *used.values())), name


def test_loads_rise_to_a_little_more_than_can_be_carried():
    assert load.rates(0.5) == [16, 32, 48, 64, 80, 96, 112, 128, 144]
    assert load.rates(1.0)[-1] == 255 and load.rates(0.001) == [1]


def test_a_port_that_reaches_no_memory_is_refused(tmp_path):
    card = tmp_path / "card.yaml"
    card.write_text(TRIO.read_text().replace("host1: [bank1, nvme_registers]", "host1: [nvme_registers]"))
    with pytest.raises(Refusal, match="'host1' reaches 0 memories; for this it is 1 to 8"):
        load.patterns(plan_card(card))


@pytest.mark.xdist_group("trio harness")
def test_a_crossbar_carries_what_it_can(tmp_path, monkeypatch, capsys):
    """No latency is below that of one request alone, none of it is lost, and the slowest port gets its share."""
    cache = ROOT / "build" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "cache").symlink_to(cache)
    monkeypatch.chdir(tmp_path)
    assert load.main(TRIO) == 0
    curves = json.loads((tmp_path / "build" / "trio" / "load.json").read_text())
    assert [(curve["pattern"], curve["plane"]) for curve in curves] == [
        ("uniform", "read"), ("uniform", "write"), ("hotspot", "read"), ("hotspot", "write"),
    ]  # fmt: skip
    for curve in curves:
        points = curve["points"]
        for point in points[:4]:
            assert point["accepted"] == pytest.approx(point["offered"], rel=0.1)
        assert max(point["accepted"] for point in points) > 0.7 * curve["bound"]
        assert all(6 <= point["mean"] <= point["longest"] for point in points)
        assert points[0]["mean"] < 8 < points[-1]["mean"]
    assert "uniform, reads" in capsys.readouterr().out
    picture = (tmp_path / "build" / "trio" / "load.svg").read_text()
    assert len(re.findall("<path", picture)) == len(curves)
