"""TensorFlow is imported where a pipeline is built, and leaves the accelerator to Keras."""

import subprocess
import sys

import keras
import pytest
import tensorflow

from iprnn_tf.data import lazy_tensorflow

HIDDEN = """
import sys
sys.modules["tensorflow"] = None  # As where it isn't installed.
import iprnn_tf.data, programs.command_line, trainers.train
try:
    iprnn_tf.data.MovingMNIST().frames("test")
except ImportError as error:
    print("needs", error.name)
"""


@pytest.mark.parametrize(("backend", "hidden"), [("tensorflow", []), ("jax", [([], "GPU")])])
def test_another_backend_keeps_the_gpus_to_itself(monkeypatch, backend, hidden):
    asked = []
    monkeypatch.setattr(
        tensorflow.config, "set_visible_devices", lambda *devices: asked.append(devices)
    )
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    lazy_tensorflow._tensorflow.cache_clear()
    assert lazy_tensorflow.uint8 is tensorflow.uint8
    assert lazy_tensorflow.constant is tensorflow.constant
    assert asked == hidden


def test_programs_load_without_tensorflow_until_a_pipeline_needs_it(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True)
    assert done.stdout == "needs tensorflow\n", done.stderr
