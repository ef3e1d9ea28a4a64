"""Faults that Yosys plants in a netlist are found by the proofs of the block."""

from .netlist import survivors


def test_faults_of_a_netlist(tmp_path):
    assert survivors("epochs", tmp_path, number=4) == (4, [])
