# `make train` and `make test` are all a fresh machine needs: python3 and a package index.
PYTHON ?= python3
VENV ?= .venv
MINUTES ?= 11.5
PROCESSES ?= 2
BIN := $(VENV)/bin

.PHONY: help train test test-all notebook lint install clean

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

train: $(VENV)/installed ## install, and train on the digits that ship with the package
	$(BIN)/python -m trainers.train --dataset=mnist --max_minutes=$(MINUTES)

test: $(VENV)/installed-dev lint ## linters and the tests that take minutes at most
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) --dist=loadfile

test-all: $(VENV)/installed-dev lint ## the slow tests too, one by one: some measure times
	$(BIN)/python -m pytest -m "slow or not slow"

notebook: $(VENV)/installed-dev ## colab/quickstart.ipynb, run from its source colab/quickstart.py
	$(BIN)/python -m colab.build

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/installed ## a virtual environment with this checkout in it

$(VENV)/installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/installed-dev: setup.cfg pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
