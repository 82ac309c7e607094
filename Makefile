# Everything runs in .venv, which the first target that needs it sets up.
#   make app         the dashboard            (RUNS=folder for runs of your own)
#   make test        every test that is not slow, in minutes  (ARGS='tests/limoe_core -k moe')
#   make test-all    the slow ones too: meshes, processes, browser, notebooks, benchmarks
#   make test-long   a thousand cases of each property, and more meshes: long
#   make lint        ruff, mypy, spelling, and which way imports go
#   make train       train emoji-tiny         (ARGS='--run checkpoints/other --train.steps 100')
#   make bench       speed and memory
#   make soak        attacks on runs and on the dashboard: an hour or more
#   make data        fetch more art styles (needs npm; ARGS=icons: the icon set, 104 MB)
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help app test test-all test-long lint format train bench soak data requirements

ARGS ?=
# Tests run in two processes; a file's tests stay together, so what they share is made once.
JOBS ?= 2
RUNS ?=
BIN := .venv/bin
TESTS = $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

help:
	@sed -n 's/^#   //p' Makefile

app: .venv/app.stamp
	$(BIN)/streamlit run app $(if $(RUNS),-- --runs "$(RUNS)")

test: .venv/dev.stamp
	$(TESTS) -m "not slow and not long" $(ARGS)

test-all: .venv/dev.stamp
	$(TESTS) $(ARGS)

test-long: .venv/dev.stamp
	HYPOTHESIS_PROFILE=thorough $(TESTS) -m "long or hypothesis" $(ARGS)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: .venv/app.stamp
	$(BIN)/python -m limoe_core.train --preset emoji-tiny --run checkpoints/my-run $(ARGS)

bench: .venv/app.stamp
	$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/app.stamp
	$(BIN)/python -m benchmarks.resilience $(ARGS)

data: .venv/app.stamp
	$(BIN)/python -m limoe_core.data.fetch $(ARGS)

# A stamp is newer than what was installed from, so nothing is installed twice.
.venv/app.stamp: requirements.txt
	$(call install,requirements.txt)

.venv/dev.stamp: requirements-dev.txt requirements.txt
	$(call install,requirements-dev.txt)
	@touch .venv/app.stamp

define install
@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed; found none. Name one with make PYTHON=/path/to/python3.11" >&2; exit 1; }
@echo "Setting up .venv from $(1) with $(PYTHON): once, about a minute, 1.7 GB"
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
@$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary -r $(1)
@touch $@
@echo "Done. To type commands yourself: source $(BIN)/activate"
endef

# For maintainers, after a change of pyproject.toml: names and versions only, for every platform.
COMPILE = uv pip compile --universal --python-version 3.11 --quiet --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make requirements" pyproject.toml
requirements:
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra dev --extra tensorboard --constraint requirements.txt --output-file requirements-dev.txt
