"""Functional coverage: the list of impossible bins agrees with the bursts that are drawn, and holes are named."""

import json
from random import Random
from types import SimpleNamespace

import pytest

from sim.bench.burst import even_burst, random_burst
from sim.bench.coverage import NOWHERE, sample, write_hits
from sim.coverage import CROSSES, Numbers, collect, impossible, reachable

CHUNK = 16
RESPONSES = {"OKAY": 0, "SLVERR": 2, "DECERR": 3}


def draw(number, data_bytes, function=even_burst):
    """Sample that many random transactions, with every outcome."""
    rng = Random(7)
    port = SimpleNamespace(size_max=data_bytes.bit_length() - 1, targets_before={})
    for _ in range(number):
        burst = function(rng, 0x10000, 0x2000, port.size_max)
        response = rng.choice(list(RESPONSES))
        sample(
            port,
            burst,
            SimpleNamespace(response=RESPONSES[response]),
            write=rng.random() < 0.5,
            target=NOWHERE if response == "DECERR" else rng.randrange(3),
            phase=rng.choice(("steady", "bystander", "named")),
            chunk=CHUNK,
        )


def test_even_bursts_reach_every_bin_and_nothing_else(tmp_path):
    numbers = Numbers(8, CHUNK)
    draw(30_000, 8)
    write_hits(tmp_path / "coverage.json")
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert written["samples"] == 30_000
    for cross, found in written["hits"].items():
        possible = {" ".join(values) for values in reachable(cross, numbers)}
        assert set(found) <= possible, f"{cross}: {sorted(set(found) - possible)}"
    result = collect([tmp_path / "coverage.json"], numbers)
    assert not any(result["holes"].values()) and result["part"] == 1


def test_holes_are_named_and_runs_add_up(tmp_path):
    numbers = Numbers(8, CHUNK)
    for name, samples, direction in (("a", 2, "read"), ("b", 1, "write")):
        hits = {"shape": [f"{direction} INCR 1 full aligned whole"], "outcome": [], "way": []}
        (tmp_path / name).write_text(json.dumps({"samples": samples, "hits": hits}))
    result = collect([tmp_path / "a", tmp_path / "b"], numbers)
    assert result["samples"] == 3
    assert result["crosses"]["shape"]["hit"] == 2
    assert "read WRAP 2-4 full aligned whole" in result["holes"]["shape"]
    assert "read INCR 1 full aligned whole" not in result["holes"]["shape"]
    assert result["bins"] == sum(len(list(reachable(cross, numbers))) for cross in CROSSES)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"burst": "FIXED", "length": "17-64"}, "16 beats at most"),
        ({"burst": "WRAP", "length": "1"}, "2, 4, 8 or 16"),
        ({"burst": "INCR", "length": "5-16", "split": "split"}, "fits into the chunk"),
        ({"burst": "INCR", "length": "17-64", "split": "whole"}, "does not fit"),
        ({"path": "same", "response": "DECERR"}, "leads nowhere"),
    ],
)
def test_a_bin_that_cannot_be_has_a_reason(values, reason):
    assert reason in impossible(values, Numbers(8, CHUNK))


def test_random_bursts_are_possible_too(tmp_path):
    draw(3_000, 4, random_burst)
    write_hits(tmp_path / "coverage.json")  # everything that this process has sampled, on two buses
    both = {
        cross: {" ".join(values) for data_bytes in (4, 8) for values in reachable(cross, Numbers(data_bytes, CHUNK))}
        for cross in CROSSES
    }
    for cross, found in json.loads((tmp_path / "coverage.json").read_text())["hits"].items():
        assert set(found) <= both[cross]
