"""Settings that every test shares: where tools keep their caches, and how Hypothesis searches."""

import gc
import os
from pathlib import Path

import hypothesis
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase

ROOT = Path(__file__).resolve().parent.parent
HYPOTHESIS_CACHE = ROOT / "build" / "cache" / "hypothesis"

# A Yosys that happens to be installed is never used, here as in the Makefile.
os.environ["AMARANTH_USE_YOSYS"] = "builtin"

# Simulators make objects by the million: looking for cycles among them as often as usual takes a sixth of the time.
gc.set_threshold(100_000, 20, 20)

set_hypothesis_home_dir(HYPOTHESIS_CACHE)
hypothesis.settings.register_profile(
    "local",
    deadline=None,  # no timed tests: a slow machine is no failure
    database=DirectoryBasedExampleDatabase(HYPOTHESIS_CACHE / "examples"),
    print_blob=True,  # every failure says how to reproduce it
)
# A run that judges a commit must give the same answer twice.
hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("local"), derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")
