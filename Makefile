# `make serve` starts the service, `make test` runs every check there is, `make bench` measures beside others.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: serve test lint screenshots bench clean

serve: $(VENV)/.server
	exec $(BIN)/rollout serve

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check rollout tests
	$(BIN)/ruff format --check rollout tests
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: $(VENV)/.dev  # the pictures in docs/console.md
	ROLLOUT_SCREENSHOTS=docs/console $(BIN)/python -m pytest tests/console/test_browser_screenshots.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.server: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[server]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[server,batch,dev]'
	touch $@ $(VENV)/.server

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/sdks/js/node_modules benchmarks/.peers
