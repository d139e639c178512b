# make demo | make test | make lint: each does its own set-up, in any order, again and again.
PYTHON ?= python3
VENV ?= .venv
BOARD_VENV ?= .venv36
FLEET_VENV ?= .venv-fleet
PIP_ARGS ?=
PY := $(VENV)/bin/python
BOARD_PY := $(BOARD_VENV)/bin/python
# A Python 3.6, as on a TX2: on the PATH, or pyenv's.
PYTHON36 ?= $(shell for p in $$(command -v python3.6) "$$(pyenv root 2>/dev/null)"/versions/3.6.*/bin/python3.6; do \
    "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 6))' 2>/dev/null && echo "$$p" && break; done)
# The suites run in parallel; many tests wait. Those that compare times (marked `alone`) are slow, and run by themselves.
WORKERS ?= 3
SHORT := -q -m "not slow" -n $(WORKERS)
SLOW := -q -m "slow and not alone" -n 2 --dist loadfile
ALONE := -q -m "slow and alone"

.PHONY: demo test test-slow test-host test-host-slow test-board test-board-slow lint formats fleet clean

demo: $(VENV)/.ready
	$(VENV)/bin/joulebird demo

# The board's Python first: the tests of boards over ssh give it to their boards.
test: test-board test-host

# Kills, cut lines, lost power, faults on a wire, benchmarks: both Pythons again.
test-slow: test-board-slow test-host-slow

test-host: $(VENV)/.ready-tests
	$(PY) -m pytest $(SHORT)

test-host-slow: $(VENV)/.ready-tests
	$(PY) -m pytest $(SLOW)
	$(PY) -m pytest $(ALONE)

# The board suite: devices, baselines and harness under the Python and torch of a TX2.
ifeq ($(PYTHON36),)
test-board test-board-slow:
	@echo "joulebird: no Python 3.6 here, so the board suite was LEFT OUT (devices, baselines, harness on Python 3.6 with torch 1.10)."
	@echo "  To run it: install pyenv, then 'pyenv install 3.6.15', and type 'make test' again; or make test PYTHON36=/path/to/python3.6"
	@test "$(CI)" != true || { echo "In CI that is a failure."; exit 1; }
else
test-board: $(BOARD_VENV)/.ready
	$(BOARD_PY) -m pytest $(SHORT)

test-board-slow: $(BOARD_VENV)/.ready
	$(BOARD_PY) -m pytest $(SLOW)
	$(BOARD_PY) -m pytest $(ALONE)
endif

# The tables of docs/formats.md and docs/schemas, from harness/core/formats.py and the settings.py of core and host.
formats: $(VENV)/.ready
	$(PY) docs/generate.py

lint: $(VENV)/.ready-tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m tests.lint

$(VENV)/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "joulebird needs Python 3.11 or newer, and $(PYTHON) is %s.\n  Name another one: make demo PYTHON=python3.11" % sys.version.split()[0])'
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	    else $(PYTHON) -m venv --without-pip $(VENV) && $(PY) bootstrap_pip.py; fi || { \
	    echo "joulebird: $(PYTHON) could not make a virtual environment with pip."; \
	    echo "  On Debian and Ubuntu: sudo apt-get install python3-venv, then the same command again."; rm -rf $(VENV); exit 1; }
	$(PY) -m pip install --disable-pip-version-check -q $(PIP_ARGS) -r requirements.txt
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-tests: $(VENV)/.ready tests/requirements.txt
	$(PY) -m pip install --disable-pip-version-check -q -r tests/requirements.txt
	@touch $@

$(BOARD_VENV)/.ready: tests/requirements-board.txt
	"$(PYTHON36)" -m venv $(BOARD_VENV)
	$(BOARD_PY) -m pip install --disable-pip-version-check -q pip==21.3.1
	$(BOARD_PY) -m pip install --disable-pip-version-check -q setuptools==59.6.0 wheel==0.37.1
	$(BOARD_PY) -m pip install --disable-pip-version-check -q -r tests/requirements-board.txt
	@touch $@

# Snakemake, for the tests of several boards; without it they are left out, and say so.
fleet: $(FLEET_VENV)/.ready

$(FLEET_VENV)/.ready: tests/requirements-fleet.txt
	@$(PYTHON) -m venv $(FLEET_VENV)
	$(FLEET_VENV)/bin/python -m pip install --disable-pip-version-check -q -r tests/requirements-fleet.txt
	@touch $@

clean:
	rm -rf $(VENV) $(BOARD_VENV) $(FLEET_VENV) demo-runs build dist *.egg-info
