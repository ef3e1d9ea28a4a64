"""Faults that Yosys plants in a netlist are found by the proofs of the block, or change nothing."""

import os

import pytest

from sim.prove.prover import tool_folder

from .netlist import BLOCKS, Netlist, outcome

ALL = os.environ.get("FAULTS") == "all"


@pytest.mark.parametrize("block", BLOCKS if ALL else ("barrier",))
def test_no_fault_is_left(tmp_path, block):
    of = outcome(block, tmp_path)
    assert of.found and not of.left, of


def test_what_a_proof_finds_changes_something(tmp_path):
    netlist = Netlist("epochs", tmp_path / "netlist", tool_folder(tmp_path / "tools"), number=4)
    assert [(netlist.found(n), netlist.changes_nothing(n)) for n in range(4)] == [(True, False)] * 4


def test_what_nobody_reads_changes_nothing(tmp_path):
    of = outcome("delivery, writes", tmp_path)
    assert of.found and of.none and not of.left, of
