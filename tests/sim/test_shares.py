"""Look-up tables of each kind of module, from what Yosys counts."""

from sim.measure.ecp5 import by_module


def test_instances_are_multiplied_and_numbers_dropped():
    modules = {
        "\\top": {"LUT4": 5, "\\top_port": 2, "\\top_port_1": 1, "TRELLIS_FF": 9},
        "\\top_port": {"LUT4": 10, "\\queue": 3},
        "\\top_port_1": {"LUT4": 20, "\\queue": 1},
        "\\queue": {"LUT4": 2},
    }
    statistics = {"modules": {name: {"num_cells_by_type": cells} for name, cells in modules.items()}}
    assert by_module(statistics, "top") == {"port": 40, "queue": 14, "top": 5}
