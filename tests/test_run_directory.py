"""What a run directory tells of how the run was made."""

import json

import pytest

from trainers.configuration import run_directory
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import TrainingConfig


@pytest.fixture(name="machine")
def _machine(monkeypatch):
    """Says where the program runs."""
    here = {"commit": "a", "accelerators": []}
    monkeypatch.setattr(run_directory, "provenance", here.copy)
    return here


def test_a_run_tells_every_machine_and_version_that_it_went_on_with(machine, tmp_path):
    run = RunDirectory(tmp_path)
    run.create(TrainingConfig())
    first = json.loads(run.config_file.read_text())
    for step, changes in enumerate(({}, {"accelerators": ["H200"]}, {}, {"commit": "b"})):
        machine.update(changes)
        run.note_machine(step)
    later = [
        {"from_step": 1, "commit": "a", "accelerators": ["H200"]},
        {"from_step": 3, "commit": "b", "accelerators": ["H200"]},
    ]
    assert json.loads(run.config_file.read_text()) == {**first, "resumed": later}
    assert run.read_config() == TrainingConfig()
