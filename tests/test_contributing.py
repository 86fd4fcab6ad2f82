"""What CONTRIBUTING.md says is true. Its cell and its drawn data are rows of the contract tests."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from contributing_page import FILES, PAGE, shown

from iprnn_tf import load_model
from iprnn_tf.cells import CELLS
from trainers.configuration.training_config import CELL_SETTINGS, TrainingConfig

ROOT = Path(__file__).parent.parent


def test_the_pages_cell_makes_a_model_that_is_saved(monkeypatch, tmp_path):
    # The choices of --cell are fixed at import, so the page's stands in for another.
    monkeypatch.setitem(CELLS, "stgru", shown("iprnn_tf/cells/leaky.py").LeakyCell)
    config = TrainingConfig(filters=3, kernel_size=3, num_layers=2, mixed_precision="float32")
    model = config.build_model()
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert [type(cell).__name__ for cell in loaded.cell.cells] == ["LeakyCell"] * 2
    for saved, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert (saved == weight).all()


def test_the_pages_test_of_its_cell_passes_and_can_fail(monkeypatch, randomize):
    cell = shown("iprnn_tf/cells/leaky.py")
    monkeypatch.setitem(sys.modules, "iprnn_tf.cells.leaky", cell)
    test = shown("tests/test_leaky.py").test_a_step_is_the_equations
    test(randomize)
    monkeypatch.setattr(cell.LeakyCell, "call", lambda cell, features, states: (features, states))
    with pytest.raises(AssertionError):
        test(randomize)


def test_every_file_that_is_named_is_there():
    named = set(re.findall(r"(?:export|iprnn_tf|tests|trainers)/[\w/.]+\w", PAGE)) - set(FILES)
    assert len(named) > 8
    assert [path for path in named if not (ROOT / path).exists()] == []


TABLES = {
    "iprnn_tf.cells": ["CELLS"],
    "iprnn_tf.data": ["DRAWN", "FOOTAGE"],
    "iprnn_tf.models": ["MODELS"],
    "trainers.configuration.systems": ["SYSTEMS"],
    "test_cell_contract": ["CELLS"],
    "test_dataset_contract": ["ROWS"],
    "test_footage": ["LAYOUTS"],
}


@pytest.mark.parametrize("module", TABLES)
def test_the_tables_are_where_the_page_says(module):
    for table in TABLES[module]:
        assert f"`{table}`" in PAGE
        assert hasattr(importlib.import_module(module), table)


def test_the_settings_of_cells_are_those_of_the_page():
    assert [name for name in CELL_SETTINGS if f"`--{name}`" not in PAGE] == []


def test_the_targets_of_make_are_those_of_the_makefile():
    [commands, _] = re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S)
    targets = re.findall(r"^make ([\w-]+)", commands, re.M)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["install", "test", "test-all", "test-kernels", "test-backends"]
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)
