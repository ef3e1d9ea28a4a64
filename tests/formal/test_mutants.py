"""The proofs are checked: a fault planted in the sources makes its proof fail, with a trace."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import PAGE, page

from .mutants import MUTANTS, QUICK

ROOT = Path(__file__).parents[2]
CARDS = (ROOT / "boards", ROOT / "tests" / "sim")
PROVE = "import sys; from sim.cli import main; sys.exit(main())"


PLANTED = [mutant for mutant in MUTANTS if mutant.quick or os.environ.get("FAULTS") == "all"]


def test_names():
    """The quick ones are all there, and no two are called alike."""
    names = [mutant.name for mutant in MUTANTS]
    assert set(names) >= QUICK and len(set(names)) == len(names)


def test_each_is_still_a_change_of_the_sources():
    """Also of those that only `make mutate` plants."""
    there = {m.name: (ROOT / "hdl" / m.file).read_text(encoding="utf-8").count(m.text) for m in MUTANTS}
    assert {name: count for name, count in there.items() if count != 1} == {}


def test_the_page_of_faults_is_not_stale():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: build/venv/bin/python -m tests.faults"


@pytest.mark.parametrize("mutant", PLANTED, ids=lambda mutant: mutant.name)
def test_a_fault_is_found(tmp_path, mutant):
    for package in ("hdl", "sim", "ram"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    mutant.plant(tmp_path / "hdl")
    card = next(folder for folder in CARDS if (folder / mutant.card).exists()) / mutant.card
    command = [sys.executable, "-c", PROVE, "prove", str(card), "--only", mutant.proof]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    reasons = [line for line in done.stdout.splitlines() if line.startswith(("  does not hold: ", "  the induction"))]
    assert any(mutant.red in reason for reason in reasons), done.stdout
