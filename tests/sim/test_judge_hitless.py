"""Twins: the judge sees a bystander that is disturbed, and only then."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sim.judge import Judgement
from sim.judge.hitless import _touched
from tests.sim.synthetic import Synthetic
from tests.sim.twins import changing, judge, run


def red(judgement: Judgement) -> dict[str, list[str]]:
    """Checks that failed, with the reason."""
    return {verdict.check: verdict.detail for verdict in judgement.verdicts if not verdict.passed}


def shift(card: Synthetic, port: str, cycles: int) -> None:
    """Delay every response at an initiator port from the change on."""
    begin = changing(card)
    for channel in ("R", "B"):
        events = card.events[port, channel]
        card.events[port, channel] = [(e[0] + cycles * (e[0] > begin), *e[1:]) for e in events]


def test_undisturbed(tmp_path: Path) -> None:
    """Nobody notices: green, and the port without a shared memory was compared."""
    judgement = judge(tmp_path)
    assert red(judgement) == {}
    comparison = judgement.comparison
    assert comparison is not None
    assert (comparison.strict, comparison.named, comparison.sharing) == (["core1"], [1], [0, 2])
    assert comparison.requests > 300
    assert comparison.added == 0


def test_strict_bystander_is_delayed(tmp_path: Path) -> None:
    """One cycle on a port that shares nothing is too much, and the report names cycle and signal."""
    failed = red(judge(tmp_path, lambda card: shift(card, "core1", 1)))
    assert "hitless_strict" in failed
    found = re.match(r"core1 differs from cycle (\d+) on: channel", failed["hitless_strict"][0])
    assert found
    assert 0 < int(found[1]) - changing(run("changed")) < 50


def test_sharing_bystander_is_delayed_within_bound(tmp_path: Path) -> None:
    """Who shares a memory may wait a little, and it is measured."""

    def delay(card: Synthetic) -> None:
        shift(card, "host1", 5)
        for mark in card.marks:
            if mark["kind"] == "counters":
                mark["slices"]["2"]["LONGEST_LATENCY"] += 5

    judgement = judge(tmp_path, delay)
    assert red(judgement) == {}
    assert judgement.comparison is not None
    assert judgement.comparison.added == 5


def test_split_bursts_have_a_lower_bound(tmp_path: Path) -> None:
    """Where bursts are split, nobody stands in front with more than a piece; too late is red all the same."""

    def delay(card: Synthetic) -> None:
        shift(card, "host1", 1000)

    judgement = judge(tmp_path / "right", chunk=4)
    assert red(judgement) == {}
    assert judgement.comparison is not None
    fabric = run("quiet", 4).fabric
    assert judgement.comparison.stall_bound == 8 * 4 + fabric["scrub_beats"]
    assert judgement.comparison.bound == (fabric["outstanding"] + 2 * 2) * judgement.comparison.stall_bound
    found = red(judge(tmp_path / "late", delay, chunk=4))
    assert "a request took 1000 cycles longer" in found["hitless_sharing"][0]


def test_bystander_gets_an_error(tmp_path: Path) -> None:
    """A bystander's request fails only in the changed run."""

    def fail(card: Synthetic) -> None:
        place = next(n for n, event in enumerate(card.events["host1", "B"]) if event[0] > changing(card))
        card.events["host1", "B"][place] = (*card.events["host1", "B"][place][:2], 2)

    failed = red(judge(tmp_path, fail))
    assert "responses" in failed


def test_no_strict_bystander(tmp_path: Path) -> None:
    """If everybody shares something with the change, nothing was shown: that is red."""

    def use_everything(card: Synthetic) -> None:
        next(mark for mark in card.marks if mark["kind"] == "transition_begin")["targets"].append("bank3")

    failed = red(judge(tmp_path, use_everything))
    assert failed == {"hitless_strict": ["no bystander is without a shared target: nothing to compare"]}


def test_growing_slice_stalls(tmp_path: Path) -> None:
    """A slice that grows must go on."""
    failed = red(judge(tmp_path, lambda card: shift(card, "core0", 20_000)))
    assert "hitless_growth" in failed


def test_who_shares_a_link_is_touched() -> None:
    """Slice 0 changes: it shares a link with port 1, whose target port 2 uses; port 3 shares nothing with them."""
    paths = [((0, 0), [0, 1]), ((1, 1), [0, 1]), ((2, 1), [4, 5]), ((3, 2), [6, 7])]
    flows = [{"initiator": a, "target": t, "request": [link], "response": []} for (a, t), link in paths]
    asked = [SimpleNamespace(slice=a, initiator=a, target=t, access=True) for (a, t), _ in paths]
    result: Any = SimpleNamespace(asked=asked, reference=SimpleNamespace(handovers=[]))
    targets = [{"name": f"t{n}"} for n in range(3)]
    network = {"network": {"flows": flows}}
    assert _touched({"targets": targets, **network}, (result, result), {0}, set()) == ({0, 1, 2}, {0, 1})
    assert _touched({"targets": targets}, (result, result), {0}, set()) == ({0}, {0}), "a crossbar has no links"
