"""What `hardslice prove` does on a small card, and that what proves nothing does not pass."""

import json
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.errors import Refusal
from hdl.plan import manifest, plan_card
from sim.prove.axi_rules import kept
from sim.prove.card import proofs
from sim.prove.harness import Harness
from sim.prove.prover import Proof, Verdict, ended, job, run, tool_folder
from sim.prove.run import main, open_assumptions, prove
from sim.report.results import load

BOARDS = Path(__file__).parents[2] / "boards"


@pytest.fixture(scope="module")
def proved(tmp_path_factory):
    """The mini card's result, proved in a folder of its own."""
    folder = tmp_path_factory.mktemp("mini")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code = main(BOARDS / "mini" / "card.yaml")
    return code, folder / "build" / "mini" / "proofs.json"


@pytest.mark.xdist_group("mini proved")
def test_mini_is_proved(proved):
    code, result = proved
    content = json.loads(result.read_text())
    assert code == 0 and all(proof["proved"] and proof["claims"] for proof in content["proofs"])
    plan = plan_card(BOARDS / "mini" / "card.yaml")
    assert [proof["name"] for proof in content["proofs"]] == [proof.name for proof in proofs(plan)]
    assert load(result, manifest(plan)) == content


@pytest.mark.xdist_group("mini proved")
def test_what_is_assumed_is_proved(proved):
    """No claim rests on one that nobody makes."""
    content = json.loads(proved[1].read_text())
    assert content["open"] == []
    assert content["axi"] and not [rule["says"] for rule in content["axi"] if rule["missing"]]


def test_a_card_with_long_ids_and_many_ports(tmp_path, monkeypatch):
    """It sweeps them after a reset, for longer than a cover goes; what comes about is shown with short ones.

    And it has a gate that more than four sources share, so that what is chosen there is coded in two parts.
    """
    monkeypatch.chdir(tmp_path)
    plan = plan_card(BOARDS.parent / "tests" / "sim" / "odd" / "card.yaml")
    names = ("order of IDs, reads", "translation of slim, reads", "bystander at few, writes")
    wanted = [one for one in proofs(plan) if one.name in names]
    assert [verdict.failed for verdict in prove(wanted, tmp_path / "proofs")] == [[], [], []]


def test_a_rule_needs_all_its_claims():
    """What nobody claims, or does not hold, is missing."""
    plan = plan_card(BOARDS / "mini" / "card.yaml")
    names = list(kept(plan, [])[0]["claims"])
    made = Verdict("gate", "P1", "", names[1:], 0, 0, [], [], proved=True)
    assert kept(plan, [made])[0]["missing"] == names[:1]
    failed = Verdict("other gate", "P1", "", names[1:2], 0, 0, [], [])
    assert kept(plan, [made, failed])[0]["missing"] == names[:2]


class _Counter(wiring.Component):
    """Counts to 5 and begins anew."""

    def __init__(self):
        super().__init__({"go": In(1), "count": Out(3)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.go):
            m.d.sync += self.count.eq(self.count + 1)
            with m.If(self.count == 5):
                m.d.sync += self.count.eq(0)
        return m


def _prove(tmp_path, describe):
    def build():
        harness = Harness()
        describe(harness, harness.place(_Counter()))
        return harness

    proof = Proof("counter", "P1", "it counts to 5", build)
    return run(job(proof), tmp_path / "counter", tool_folder(tmp_path / "tools"), tmp_path / "cache")


def test_a_claim_that_holds(tmp_path):
    def describe(h, box):
        h.claim("never more than 5", box.count <= 5, when=box.count != 0)

    verdict = _prove(tmp_path, describe)
    assert verdict.proved and verdict.claims == ["never more than 5"] and not verdict.failed
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert _prove(tmp_path, describe).seconds == verdict.seconds, "the verdict comes from the cache"


def test_a_claim_that_does_not_hold(tmp_path):
    """The trace shows how it comes about, from reset on."""

    def describe(h, box):
        h.show("counted", box.count)
        h.claim("never 5", box.count != 5, when=box.count != 0)

    verdict = _prove(tmp_path, describe)
    assert not verdict.proved and verdict.failed == ["does not hold: never 5"]
    assert [line.split() for line in verdict.trace.splitlines()] == [
        ["cycle", *"0123456"],
        ["counted", *"0123455"],
    ]
    assert not (tmp_path / "cache").exists(), "a failure is not kept"


def test_an_induction_that_does_not_close(tmp_path):
    """A true claim that needs an invariant is not proved, and nobody says that it does not hold."""

    def describe(h, box):
        h.claim("never 7", box.count != 7, when=box.count != 0)

    verdict = _prove(tmp_path, describe)
    assert not verdict.proved and verdict.failed == ["the induction does not close: never 7"]


def test_a_premise_that_never_comes_about(tmp_path):
    def describe(h, box):
        h.claim("never more than 5", box.count <= 5)
        h.claim("empty words", box.go, when=box.count == 6)

    verdict = _prove(tmp_path, describe)
    assert not verdict.proved
    assert verdict.failed == ["never comes about: empty words"]


def test_a_claim_that_is_lost(tmp_path):
    """Something that is true by itself never reaches the solver: it would be no proof."""

    def describe(h, box):
        h.claim("counts", box.count <= 5)
        h.cover(box.go)
        h.claim("the same as itself", box.count == box.count)

    verdict = _prove(tmp_path, describe)
    assert not verdict.proved
    assert verdict.failed == ["proves nothing, it is simplified to true: the same as itself"]


@pytest.mark.parametrize(
    ("log", "result"),
    [
        ("SBY [proof_prove] DONE (PASS, rc=0)", "PASS"),
        ("SBY [proof_find] Reached TIMEOUT (30 seconds). Terminating.\nAttributeError: 'NoneType'", "TIMEOUT"),
        ("SBY [proof_find] engine_0: starting process", None),
    ],
)
def test_how_a_tool_ended(log, result):
    assert ended(log) == result


def test_open_assumptions(tmp_path):
    def describe(h, box):
        h.claim("never more than 5", box.count <= 5, when=box.count != 0)
        h.assume(Signal(name="x") == 0, "somebody else's claim")

    assert open_assumptions([_prove(tmp_path, describe)]) == ["somebody else's claim"]


def test_alike_proofs_keep_what_is_their_own(tmp_path, monkeypatch):
    """They are solved once; each rests on what it names itself."""
    monkeypatch.chdir(tmp_path)

    def build(claim):
        harness = Harness()
        box = harness.place(_Counter())
        harness.assume(box.go, claim)
        harness.claim("never more than 5", box.count <= 5, when=box.count != 0)
        return harness

    wanted = [
        Proof(name, "P1", "it counts to 5", lambda name=name: build(f"{name} claims so")) for name in ("one", "two")
    ]
    verdicts = prove(wanted, tmp_path / "proofs")
    assert all(verdict.proved for verdict in verdicts)
    assert len(list((tmp_path / "build" / "cache" / "prove").iterdir())) == 1
    assert [(verdict.name, verdict.assumed) for verdict in verdicts] == [
        ("one", ["one claims so"]),
        ("two", ["two claims so"]),
    ]


def test_an_unknown_name():
    with pytest.raises(Refusal, match="no proof of mini has 'gatte' in its name"):
        main(BOARDS / "mini" / "card.yaml", ["gatte"])
