# hardslice: `make help` lists the targets. The first one that needs it sets up build/venv; later calls do no set-up.

CARD ?= quad
SEED ?=
WAVES ?=
PYTHON ?= python3

VENV := build/venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
LOG := build/set-up.log
HARDSLICE := $(BIN)/hardslice
SIM_OPTIONS := $(if $(SEED),--seed $(SEED)) $(if $(filter-out 0,$(WAVES)),--waves)

# A Yosys that happens to be installed is never used: another version would write other Verilog.
export AMARANTH_USE_YOSYS := builtin
# Bytecode goes below build/, see set-up; without it every one of hundreds of simulations compiles its imports anew.
unexport PYTHONDONTWRITEBYTECODE
# `make sim` reports how long it took, set-up included.
export HARDSLICE_STARTED := $(shell date +%s)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help sim test bench prove mutate replay traces verilog waves lint docs clean

help: ## print this list
	@echo "make TARGET [CARD=quad] [SEED=1] [WAVES=1]   (CARD: a name below boards/, or the path of a card.yaml)"
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12 | sed 's/^/  /'

sim: $(READY) ## generate the card, run every scenario on it, print the verdicts, write build/<card>/report.html
	@$(HARDSLICE) sim $(CARD) $(SIM_OPTIONS)

test: $(READY) $(VENV)/prove ## run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests

soak: $(READY) ## millions of checked transactions and 200 changes with twins; build/<card>/soak.json
	@$(HARDSLICE) soak $(CARD) $(if $(SEED),--seed $(SEED))

bench: $(READY) $(VENV)/bench ## measure a card (CARD=bench4): area, clock, cycles, throughput; write build/<card>/bench.json
	@$(HARDSLICE) bench $(if $(filter file default,$(origin CARD)),bench4,$(CARD))

prove: $(READY) $(VENV)/prove ## prove the guarantees of a card, block by block; write build/<card>/proofs.json
	@$(HARDSLICE) prove $(CARD)

mutate: $(READY) $(VENV)/prove ## plant faults: for each in sources or netlists a proof must fail, for each in the Verilog a check
	@FAULTS=all $(BIN)/python -m pytest -n 2 --dist loadgroup tests/formal/test_mutants.py tests/formal/test_netlist.py tests/sim/test_mutants.py

replay: $(READY) ## replay recorded programs on a card: alone, together, while it is reconfigured; write build/<card>/replay.json
	@$(HARDSLICE) replay $(CARD)

traces: $(READY) ## record the programs' traces anew (needs valgrind, sqlite3, gzip, gcc)
	@$(BIN)/python -m sim.traffic.record

verilog: $(READY) ## write build/<card>/<card>.v, its file list, manifest.json and the register exports
	@$(HARDSLICE) generate $(CARD)

waves: WAVES := 1
waves: sim ## like sim, and keep the waveforms (VCD)

lint: $(READY) ## check style, format, types, import rules and spelling
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo --cache-dir build/cache/import-linter
	@$(BIN)/codespell
	@echo "lint: clean"

docs: $(READY) ## renew the generated pages, and the figures in README and docs/ from the last `make sim`
	@$(BIN)/python -m hdl.exports docs
	@$(BIN)/python -m sim.report $(CARD)

clean: ## remove everything that was generated, build/venv included
	rm -rf build

# ---------------------------------------------------------------- set-up

# A tree that was moved or copied has a venv whose paths point to the old place.
ifneq ($(file <$(READY)),$(CURDIR))
.PHONY: $(READY)
endif

define check
@$(1) >/dev/null 2>&1 || { echo "hardslice: $(2)" >&2; exit 2; }
endef

$(READY): pyproject.toml .ci/constraints.txt
	$(call check,test $(words $(CURDIR)) = 1,the path '$(CURDIR)' has a space in it: make and Verilator cannot build there)
	$(call check,command -v $(PYTHON),$(PYTHON) is missing: apt-get install python3 python3-venv)
	$(call check,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))',$(PYTHON) is older than 3.11: install a newer one or name it with PYTHON=)
	$(call check,$(PYTHON) -c 'import ensurepip',python3-venv is missing: apt-get install python3-venv)
	$(call check,command -v g++,g++ is missing: apt-get install g++)
	$(call check,perl -MPod::Usage -e 1,perl is missing: apt-get install perl)
	@mkdir -p build && echo '*' > build/.gitignore
	@echo "set-up 1/3: virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
# Bytecode goes below build/, not beside the sources.
	@echo 'import os, sys; sys.pycache_prefix = os.path.abspath(os.path.join(sys.prefix, os.pardir, "cache", "python"))' \
		> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/bytecode.pth"
	@echo "set-up 2/3: build tools"
# setuptools: python-constraint, which cocotb-coverage needs, comes as source.
	@$(call install,hatchling setuptools)
	@echo "set-up 3/3: hardslice and its pinned packages (half a minute)"
	@$(call install,--no-build-isolation --editable '.[dev]')
	$(call check,test -n "$$($(BIN)/python -m find_libpython)",cocotb needs a shared libpython: apt-get install libpython3-dev)
	@printf %s '$(CURDIR)' > $@

$(VENV)/bench: $(READY)
	@echo "set-up: synthesis, place and route"
	@$(call install,--no-build-isolation --editable '.[bench]')
	@touch $@

$(VENV)/prove: $(READY)
	@echo "set-up: solver of the proofs"
	@$(call install,--no-build-isolation --editable '.[prove]')
	@touch $@

# The whole answer of pip is kept; its last lines are shown when it fails.
install = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check \
	--constraint .ci/constraints.txt $(1) > $(LOG) 2>&1 \
	|| { tail -n 5 $(LOG) >&2; echo "hardslice: set-up failed, the log is $(LOG)" >&2; exit 2; }
