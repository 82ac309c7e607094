# Everything runs in .venv, which the first target that needs it sets up.
#   make app           the dashboard            (RUNS=folder for runs of your own)
#   make test          every test that is not slow, in minutes  (ARGS='tests/limoe_core -k moe')
#   make test-all      the slow ones too: meshes, processes, browser, notebooks, benchmarks
#   make test-long     a thousand cases of each property, more meshes, whole benchmarks: long
#   make test-pythons  some tests on every other Python that is on this machine
#   make lint          ruff, mypy, spelling, and which way imports go
#   make train         train emoji-tiny         (ARGS='--run checkpoints/other --train.steps 100')
#   make bench         speed and memory
#   make study         the study of docs/study: hours, and it may be stopped  (ARGS='--seeds 3')
#   make results       write the numbers of the runs that ship into README, docs and model cards
#   make notebooks     run the notebooks on the runs that ship, and keep what they show
#   make pictures      take README's pictures of the dashboard, in Chromium
#   make soak          attacks on runs and on the dashboard: an hour or more
#   make data          fetch more art styles (needs npm; ARGS=icons: the icon set, 104 MB)
#   with any of them   ACCELERATOR=cuda13, cuda12 or tpu: JAX for a GPU or TPU, once and for all
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help app test test-all test-long test-pythons lint format train bench study results notebooks pictures soak data requirements

ARGS ?=
# Tests run in two processes; a file's tests stay together, so what they share is made once.
JOBS ?= 2
RUNS ?=
BIN := .venv/bin
TESTS = $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
# The newest that can make a virtual environment.
USABLE = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c '$(USABLE)' 2>/dev/null && { echo "$$p"; break; }; done)

# Named once, an accelerator's JAX stays: it is part of the stamp's name.
INSTALLED := $(patsubst .venv/app-%.stamp,%,$(wildcard .venv/app-*.stamp))
ACCELERATOR ?= $(INSTALLED)
ifneq ($(filter-out cuda13 cuda12 tpu,$(ACCELERATOR)),)
$(error ACCELERATOR is cuda13, cuda12 or tpu, not $(ACCELERATOR))
endif
ifneq ($(filter-out $(ACCELERATOR),$(INSTALLED)),)
$(error .venv has JAX for $(INSTALLED); delete .venv to have another)
endif
APP := .venv/app$(addprefix -,$(ACCELERATOR)).stamp
DEV := .venv/dev$(addprefix -,$(ACCELERATOR)).stamp

# What tests of the recorder of other models need besides.
LENS := .venv/transformers.stamp

help:
	@sed -n 's/^#   //p' Makefile

app: $(APP)
	$(BIN)/streamlit run app $(if $(RUNS),-- --runs "$(RUNS)")

test: $(DEV)
	$(TESTS) -m "not slow and not long" $(ARGS)

test-all: $(DEV) $(LENS)
	$(TESTS) $(ARGS)

test-long: $(DEV)
	HYPOTHESIS_PROFILE=thorough $(TESTS) -m "long or hypothesis" $(ARGS)

test-pythons:
	.ci/pythons

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(APP)
	$(BIN)/python -m limoe_core.train --preset emoji-tiny --run checkpoints/my-run $(ARGS)

bench: $(APP)
	$(BIN)/python -m benchmarks $(ARGS)

study: $(APP)
	$(BIN)/python -m benchmarks.study $(ARGS)

results: $(APP)
	$(BIN)/python -m benchmarks.results $(ARGS)

notebooks: $(DEV)
	$(BIN)/python -m benchmarks.notebooks $(ARGS)

pictures: $(DEV)
	$(BIN)/python -m benchmarks.pictures $(ARGS)

soak: $(APP)
	$(BIN)/python -m benchmarks.resilience $(ARGS)

data: $(APP)
	$(BIN)/python -m limoe_core.data.fetch $(ARGS)

# A stamp is newer than what was installed from, so nothing is installed twice.
$(APP): requirements.txt
	$(call install,requirements.txt)

$(DEV): requirements-dev.txt requirements.txt
	$(call install,requirements-dev.txt)
	@touch $(APP)

$(LENS): requirements-transformers.txt $(DEV)
	$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary -r $<
	@touch $@

define install
@[ -n "$(PYTHON)" ] || { echo "Python 3.11 to 3.14 with venv is needed; found none. Install one (on Debian and Ubuntu python3-venv too), or name it with make PYTHON=/path/to/python3.13" >&2; exit 1; }
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
@echo "Setting up .venv from $(1) with $$($(BIN)/python -V): once, about a minute, 1.7 GB"
@$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary -r $(1) $(ACCELERATOR:%='jax[%]')
@touch $@
@echo "Done. To type commands yourself: source $(BIN)/activate"
endef

# For maintainers, after a change of pyproject.toml: names and versions only, for every platform.
COMPILE = uv pip compile --universal --python-version 3.11 --quiet --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make requirements" pyproject.toml
requirements:
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra dev --extra tensorboard --constraint requirements.txt --output-file requirements-dev.txt
