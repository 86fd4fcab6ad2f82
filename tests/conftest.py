"""Shared fixtures."""

import math
import os

import keras
import numpy as np
import pytest

from trainers import train

TINY = [
    "--dataset=mnist",
    "--config=small",
    "--filters=4",
    "--kernel_size=3",
    "--num_layers=1",
    "--context_frames=3",
    "--horizon=3",
    "--short_horizon=0",
    "--batch_size=4",
    "--validation_sequences=8",
    "--validation_every=1",
    "--test_sequences=200",
    "--checkpoint_seconds=0",
    "--mixed_precision=float32",
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Skips what oneDNN refuses where it is held to fewer instructions than the CPU has.

    TensorFlow asks the CPU, and so hands it bfloat16 that it has no kernels for then.
    """
    try:
        return (yield)
    except Exception as error:
        held = os.environ.get("ONEDNN_MAX_CPU_ISA")
        if held and "could not create a primitive" in str(error):
            pytest.skip(f"oneDNN has no kernels for this, held to {held}.")
        raise


@pytest.fixture(name="randomize")
def _randomize():
    """Gives a layer weights that no initialiser would, biases and scales included.

    Those of many inputs are smaller, so that gates don't saturate.
    """

    def assign(layer, seed=0):
        rng = np.random.default_rng(seed)
        for weight in layer.weights:
            scale = min(0.4, 2 / math.sqrt(math.prod(weight.shape[:-1])))
            values = rng.normal(0.0, scale, weight.shape).astype("float32")
            weight.assign(np.abs(values) if weight.name.endswith("variance") else values)
        return layer

    return assign


@pytest.fixture(scope="session", name="tiny_run")
def _tiny_run(tmp_path_factory):
    """A finished run of a few steps on real digits."""
    output = tmp_path_factory.mktemp("runs") / "tiny"
    train.main([*TINY, "--steps=4", "--steps_per_epoch=2", f"--output={output}"])
    return output


@pytest.fixture(scope="session", name="tiny_flags")
def _tiny_flags():
    """The flags of a run that takes seconds."""
    return TINY


@pytest.fixture(name="channels_first")
def _channels_first():
    """Sets what a keras.json may hold, to be asked for where it should begin."""
    yield lambda: keras.config.set_image_data_format("channels_first")
    keras.config.set_image_data_format("channels_last")
