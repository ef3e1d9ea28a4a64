"""`hardslice replay`: who replays what, what changes meanwhile, and a short run of all of it on a small card."""

import json
import os
from pathlib import Path

import pytest

from hdl.errors import Refusal
from hdl.plan import manifest, plan_card
from ram import Manager, load_card
from sim.cocotb_run import SimulationError
from sim.measure import replay
from sim.traffic.replay_plan import Layout, programs

ROOT = Path(__file__).resolve().parents[2]
TRIO = Path(__file__).parent / "trio" / "card.yaml"
REQUESTS = 150


def described(path, folder):
    """The card as the RAM sees it."""
    file = folder / "manifest.json"
    file.write_text(json.dumps(manifest(plan_card(path))))
    return load_card(file)


def test_cores_come_first_and_every_tenant_has_its_pages_in_the_bank(tmp_path):
    layout = Layout.of(described(ROOT / "boards" / "quad" / "card.yaml", tmp_path), "bank2")
    assert layout.ports == {"sort": "core0", "sqlite3": "core1", "gzip": "core2", "cc1": "core3"}
    assert (layout.pages, layout.neighbours.bytes) == (8, 64 << 10)
    assert {entry.targets for one in layout.tenants() for entry in one.memory} == {("bank2",)}
    assert {len(one.requests) for one in programs(layout, 77).values()} == {77}


def test_the_ram_grants_every_change_and_the_tenants_keep_what_they_have(tmp_path):
    """A neighbour grows, the other takes it over, and gives it back: three transitions, again and again."""
    card = described(TRIO, tmp_path)
    layout = Layout.of(card)
    manager = Manager(card)
    first = manager.apply(*layout.tenants(), *layout.neighbours.definitions())
    assert first.ok, first.reason
    manager.commit(first)
    before = {name: manager.inventory.layout(card, f"runs_{name}") for name in layout.ports}
    changed = []
    for _ in range(6):
        definitions = layout.neighbours.following()
        answer = manager.apply(*definitions)
        assert answer.ok, answer.reason
        manager.commit(answer)
        held = [len(manager.inventory.layout(card, name)) for name in layout.neighbours.NAMES]
        changed.append(([one.slice for one in definitions], held))
    moved = layout.neighbours.granules
    assert changed == 2 * [
        (["left"], [1 + moved, 1]),
        (["left", "right"], [1, 1 + moved]),
        (["right"], [1, 1]),
    ]
    assert before == {name: manager.inventory.layout(card, f"runs_{name}") for name in layout.ports}


def test_a_card_that_is_too_small_or_a_memory_that_is_not_there_is_refused(tmp_path):
    card = described(TRIO, tmp_path)
    with pytest.raises(Refusal, match="the card has no memory bank7; replay needs one of bank0, bank1"):
        Layout.of(card, "bank7")
    small = card.model_copy(update={"fabric": card.fabric.model_copy(update={"slices": 2})})
    with pytest.raises(Refusal, match="trio is too small to replay on: it takes 3 slices"):
        Layout.of(small)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working folder whose builds are shared with everybody, and nothing else."""
    cache = ROOT / "build" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "cache").symlink_to(cache)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "AMARANTH_USE_YOSYS", "builtin")
    return tmp_path / "build" / "trio"


@pytest.mark.xdist_group("trio harness")
def test_programs_run_alone_together_and_while_the_card_changes(elsewhere, capsys):
    """All that they read is right, sharing only adds to their time, and the table says what the file says."""
    assert replay.main(TRIO, requests=REQUESTS) == 0
    result = json.loads((elsewhere / "replay.json").read_text())
    assert (result["wrong"], result["command"]) == (0, f"hardslice replay {TRIO} --requests {REQUESTS}")
    assert [tenant["program"] for tenant in result["tenants"]] == ["sort", "sqlite3"]
    # Each ran to its end three times at least.
    assert result["checked"] >= 3 * REQUESTS * len(result["tenants"])
    assert result["changes"]["count"] >= 1
    shown = capsys.readouterr().out
    for tenant in result["tenants"]:
        cycles = tenant["cycles"]
        # A read stops its program, and takes as long as its line has beats, and the way there and back.
        stops = (tenant["requests"] - tenant["writes"]) * 16
        assert tenant["without_stalls"] + stops < cycles["alone"] <= cycles["shared"]
        assert tenant["slowdown"]["reconfiguration / alone"] == cycles["reconfiguration"] / cycles["alone"]
        for experiment in replay.EXPERIMENTS:
            assert str(cycles[experiment]) in shown
            assert tenant["mean_read_latency"][experiment] <= tenant["longest_read_latency"][experiment]


def test_a_run_that_dies_leaves_no_result(elsewhere, capsys, monkeypatch):
    """What an earlier run has found does not stand for it."""
    elsewhere.mkdir()
    (elsewhere / "replay.json").write_text("{}")

    def die(*arguments):
        raise SimulationError("it crashed")

    monkeypatch.setattr(replay, "run", die)
    assert replay.main(TRIO) == 1
    assert "hardslice: replay failed: it crashed" in capsys.readouterr().err
    assert not (elsewhere / "replay.json").exists()
