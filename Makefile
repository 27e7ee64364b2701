# Every target sets up what it needs. `make` alone lists them.
SHELL := /bin/sh
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo
export DAGSTER_HOME ?= $(CURDIR)/.dagster

.DEFAULT_GOAL := help
.PHONY: help dev demo ui test test-fast fuzz lint format lock servers clean

help:  ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: apt-get install python3.11 (or make PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(VENV); } \
		|| { echo "The venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing the locked packages into $(VENV) (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

dev: $(STAMP)  ## Set up the virtual environment

demo: $(STAMP)  ## Land, derive and check a few dozen people's files through Dagster
	@$(BIN)/python -m orchestration.demo --folder $(DEMO)

ui: $(STAMP)  ## Open the Dagster UI on what the demo did (http://127.0.0.1:3000)
	@SHELFLIFE_SETTINGS=$(DEMO)/shelflife.yaml DAGSTER_HOME=$(CURDIR)/$(DEMO)/dagster $(BIN)/dagster dev -w workspace.yaml

servers:  ## Install the servers that tests run against (Debian packages; as root)
	@missing=""; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	{ command -v varnishd || test -x /usr/sbin/varnishd; } >/dev/null || missing="$$missing varnish"; \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
		|| echo "Not installed:$$missing. Their tests are skipped, and say so."

test: $(STAMP) servers lint  ## Lint, type-check and run every test
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

test-fast: $(STAMP)  ## The tests that need neither Dagster nor a server, under a minute
	@$(BIN)/python -m pytest -n 2 -m "not slow and not dagster and not server"

fuzz: $(STAMP)  ## Fuzz every parser for ten minutes each, coverage-guided (nightly)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),600)

lint: $(STAMP)  ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(STAMP)  ## Format and fix what ruff can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock:  ## Pin every package with hashes (needs uv)
	uv pip compile --quiet --generate-hashes --no-strip-extras --no-header --all-extras --group dev --python-version 3.11 pyproject.toml -o requirements.lock

clean:  ## Remove the demo and the caches
	rm -rf $(DEMO) .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis
