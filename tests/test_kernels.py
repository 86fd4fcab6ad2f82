"""TensorFlow computes with oneDNN's kernels, unless its user says otherwise."""

import os
import platform
import subprocess
import sys

import pytest

from programs import kernels

TOLD = """
import os, sys
import trainers
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"), "tensorflow" in sys.modules)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is for x86.")
@pytest.mark.parametrize(("given", "used"), [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_the_kernels_are_chosen_before_tensorflow_loads(given, used):
    environment = {key: value for key, value in os.environ.items() if key != kernels.SWITCH}
    command = [sys.executable, "-c", TOLD]
    told = subprocess.run(command, env=environment | given, capture_output=True, text=True)
    assert told.stdout.split() == [used, "False"], told.stderr


@pytest.mark.parametrize(
    ("value", "whose"), [("1", "oneDNN's"), ("true", "oneDNN's"), ("0", "TensorFlow's own")]
)
def test_one_line_says_whose_kernels_compute(monkeypatch, value, whose):
    monkeypatch.setenv(kernels.SWITCH, value)
    assert kernels.in_use().startswith(f"{whose} kernels compute (")


def test_where_tensorflow_decides_nothing_is_said(monkeypatch):
    monkeypatch.delenv(kernels.SWITCH, raising=False)
    assert kernels.in_use() is None
