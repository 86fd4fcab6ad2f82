"""The peak of memory, as each system tells it."""

import types

import numpy as np
import psutil
import pytest

from programs import memory


@pytest.mark.parametrize("status", [memory.STATUS, None], ids=["Linux", "another Unix"])
def test_the_peak_of_memory_is_that_of_the_process(status, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", status or tmp_path / "missing")
    before = memory.peak_memory()
    filled = np.ones(200_000_000, np.uint8)
    assert 10_000_000 < before <= memory.peak_memory()
    assert memory.peak_memory() > filled.nbytes


def test_windows_tells_the_peak_of_the_working_set(monkeypatch, tmp_path):
    told = types.SimpleNamespace(memory_info=lambda: types.SimpleNamespace(peak_wset=123))
    monkeypatch.setattr(psutil, "Process", lambda: told)
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    assert memory.peak_memory() == 123
