# `make train` and `make test` are all a fresh machine needs: python3 and a package index.
PYTHON ?= python3
VENV ?= .venv
MINUTES ?= 11.5
PROCESSES ?= 2
BIN := $(VENV)/bin

# What is tested on every backend of Keras: all that speaks keras.ops. A quick part is in `make test`.
LIBRARY_TESTS := author autoencoders cell_contract charts conv_rnn dynamic_rollout files folded_rnn \
	frame_weights freezing iprnn lengths loading losses masks_and_states metrics mixed_precision \
	model_contract next_frames openstl optimizers picture_files pixels presets reversible rival_cells rollout \
	scheduled_sampling ssim stgru training_mode visualization
QUICK_TESTS := masks_and_states on_device
IN_PROCESSES := --numprocesses=$(PROCESSES) --dist=loadfile
ON_JAX := KERAS_BACKEND=jax JAX_PLATFORMS=cpu $(BIN)/python -m pytest
ON_TORCH := KERAS_BACKEND=torch KERAS_TORCH_DEVICE=cpu $(BIN)/python -m pytest

.PHONY: help train test test-all test-kernels test-backends notebook lint install clean

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

train: $(VENV)/installed ## install, and train on the digits that ship with the package
	$(BIN)/python -m trainers.train --dataset=mnist --max_minutes=$(MINUTES)

test: $(VENV)/installed-dev lint ## linters and the tests that take minutes at most
	$(BIN)/python -m pytest $(IN_PROCESSES)
	$(ON_JAX) $(IN_PROCESSES) $(QUICK_TESTS:%=tests/test_%.py)

test-all: $(VENV)/installed-dev lint ## the slow tests too, one by one: some measure times
	$(BIN)/python -m pytest -m "slow or not slow"
	$(MAKE) test-kernels test-backends

test-kernels: $(VENV)/installed-dev ## the tests on oneDNN's kernels, on those for AVX2, on TensorFlow's
	TF_ENABLE_ONEDNN_OPTS=1 $(BIN)/python -m pytest $(IN_PROCESSES)
	TF_ENABLE_ONEDNN_OPTS=1 ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest $(IN_PROCESSES)
	TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m pytest $(IN_PROCESSES)

test-backends: $(VENV)/installed-dev ## the library's tests on JAX and, where it is installed, PyTorch
	$(ON_JAX) -m "slow or not slow" $(IN_PROCESSES) $(LIBRARY_TESTS:%=tests/test_%.py) \
		tests/test_on_device.py
	@if $(BIN)/python -c "import torch" 2>/dev/null; then \
		$(ON_TORCH) -m "slow or not slow" $(IN_PROCESSES) $(LIBRARY_TESTS:%=tests/test_%.py); \
	else \
		echo "PyTorch isn't installed, so nothing was tested on it: see CONTRIBUTING.md."; \
	fi

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
