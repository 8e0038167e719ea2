# Everything a developer types. Needs Python 3.11 or newer and Git; the rest is set up in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CORES := 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long lint types docs bench lock clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/done ## Set up .venv with the locked packages

.venv/done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cloche needs Python 3.11 or newer: make PYTHON=/path/to/python")'
	$(PYTHON) -m venv .venv
	grep -A 100 '^uv==' requirements.lock | awk 'NR > 1 && /^[a-z]/ { exit } { print }' > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes --requirements requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: setup ## Take a real model through its life, and leave it to play with
	$(BIN)/python demo/story.py $(DEMO)

test: setup lint types ## Check everything that CI checks
	$(BIN)/pytest -q -n $(CORES) --dist worksteal -m "not slow" $(TESTS)

test-long: setup ## The longer form of the slow suites
	CLOCHE_TESTS_START=1 $(BIN)/pytest -q -n $(CORES) --dist worksteal $(TESTS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	for system in win32 darwin; do \
	    $(BIN)/mypy --platform $$system --no-warn-unreachable --no-warn-return-any --no-warn-unused-ignores \
	        --exclude capture/bootstrap/cloche_inside --cache-dir .mypy_cache/$$system src/cloche || exit 1; \
	done

docs: setup ## Write the generated reference again
	$(BIN)/python tools/reference.py

bench: setup ## Measure what docs/benchmarks.md claims, peers side by side
	$(BIN)/python bench/run.py $(BENCH)

lock: ## Resolve the locked packages again
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export --quiet --format requirements-txt --no-header --no-annotate --no-emit-project --all-groups --all-extras --output-file requirements.lock > /dev/null

clean: ## Remove what was set up here
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
