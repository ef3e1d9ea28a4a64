"""The checker of AXI, by a block that breaks one rule at a time; and the adapters of ports that differ."""

from pathlib import Path

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.bus import axi
from hdl.edge.wires import pass_channel
from hdl.plan import plan_card
from sim.prove.axi import CHANNELS, Port
from sim.prove.card import proofs
from sim.prove.harness import Harness
from sim.prove.prover import Proof, job, run, tool_folder
from sim.prove.run import open_assumptions, prove

ODD = Path(__file__).parents[1] / "sim" / "odd" / "card.yaml"
SIGNATURE = axi.Signature(data_width=32, address_width=13, id_width=1, user_width=1)


class _Wires(wiring.Component):
    """Passes everything, but for one thing that it does wrong, most of them from the third cycle on."""

    def __init__(self, wrong):
        self.wrong = wrong
        super().__init__({"up": In(SIGNATURE), "down": Out(SIGNATURE)})

    def elaborate(self, platform):
        m = Module()
        up, down = self.up, self.down
        for channel in CHANNELS:
            pass_channel(m, up, down, channel)
        count, before = Signal(2), Signal()
        m.d.sync += [count.eq(Mux(count == 3, 3, count + 1)), before.eq(up.arvalid & ~up.arready)]
        with m.If(count == 3):
            match self.wrong:
                case "takes an offer back":
                    m.d.comb += [down.arvalid.eq(up.arvalid & ~before), up.arready.eq(down.arready & ~before)]
                case "offers something else":
                    m.d.comb += down.araddr.eq(up.araddr ^ before)
                case "a burst without a type":
                    m.d.comb += down.arburst.eq(up.arburst | 2)
                case "over the end of a page":
                    m.d.comb += down.araddr.eq(up.araddr | 0xFF8)
                case "ends a read early":
                    m.d.comb += up.rlast.eq(1)
                case "does not end its data":
                    m.d.comb += down.wlast.eq(0)
                case "more data than was said":
                    m.d.comb += down.awlen.eq(0)
                case "answers a write that is not there":
                    m.d.comb += [up.bvalid.eq(1), up.bid.eq(0)]
        with m.Else():
            if self.wrong == "offers in reset":
                m.d.comb += down.wvalid.eq(1)
        if self.wrong == "another ID":
            m.d.comb += up.rid.eq(~down.rid)
        return m


WRONG = {
    "": "",
    "takes an offer back": "AR of down: an offer stays until it is taken",
    "offers something else": "AR of down: an offer stays until it is taken",
    "offers in reset": "W of down: none right after a reset",
    "a burst without a type": "AR of down: a burst that AXI allows",
    "over the end of a page": "AR of down: a burst that AXI allows",
    "ends a read early": "R of up: its last beat is told, and no other",
    "another ID": "R of up: it was asked for",
    "does not end its data": "W of down: its last beat is told, and no other",
    "more data than was said": "AW of down: it is as long as its data",
    "answers a write that is not there": "B of up: it was asked for, and all data is there",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_checker(tmp_path, wrong):
    def build():
        harness = Harness()
        box = harness.place(_Wires(wrong))
        for name in ("up", "down"):
            port = Port(harness, getattr(box, name), name)
            port.offers_stay()
            port.bursts_are_legal(4)
            port.answers_belong(2)
        return harness

    proof = Proof("wires", "P7", "it obeys AXI", build, None, 7, 7, bounded=True)
    verdict = run(job(proof), tmp_path / "wires", tool_folder(tmp_path / "tools"), tmp_path / "cache")
    assert verdict.proved == (not wrong)
    assert not wrong or f"does not hold: {WRONG[wrong]}" in verdict.failed


def test_adapters(tmp_path, monkeypatch):
    """Both sides of one of each kind, for ever; `hardslice prove tests/sim/odd` is about all of them."""
    monkeypatch.chdir(tmp_path)
    kinds = ("Limit at slim", "IdRemap at few", "Widen at tap", "Narrow at core", "LiteInitiator at tap", "LiteTarget")
    wanted = [one for one in proofs(plan_card(ODD)) if one.name.startswith(kinds)]
    assert len(wanted) == 3 * len(kinds) + 1  # the data of reads and writes of one that splits are two proofs
    verdicts = prove(wanted, tmp_path / "proofs")
    assert [verdict.failed for verdict in verdicts] == [[]] * len(wanted)
    assert open_assumptions(verdicts) == []
    without = [verdict for verdict in verdicts if verdict.name != "Widen at tap, all of AXI"]
    assert open_assumptions(without) == ["Widen at tap, all of AXI"]
