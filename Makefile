# One command each; all set-up included. Needs Python 3.11 or later, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test dev lint types bench clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

run: $(VENV)/installed  ## publish from the configured source (the synthetic sample where none is set)
	$(BIN)/monitor run

test: $(VENV)/installed  ## run the tests
	$(BIN)/pytest -n auto

dev: $(VENV)/installed  ## open the Dagster UI on http://localhost:3000
	$(BIN)/monitor dev

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/monitor check

types: $(VENV)/installed
	$(BIN)/mypy

bench: $(VENV)/installed  ## measure beside the named alternatives; not part of the tests
	$(BIN)/python tests/benchmarks

clean:  ## remove what runs and tools made; definitions, code and the sample stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find data -mindepth 1 -maxdepth 1 ! -name sample -exec rm -rf {} +
