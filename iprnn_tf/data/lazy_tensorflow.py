"""TensorFlow, imported when a pipeline is first built: who trains without pipelines needs none.

It stands in for the module: `from iprnn_tf.data import lazy_tensorflow as tf`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from typing import Any

import keras


def is_installed() -> bool:
    """Whether there is a TensorFlow to import."""
    return importlib.util.find_spec("tensorflow") is not None


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # What the import system asks of every module.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_tensorflow(), name)


@functools.cache
def _tensorflow() -> Any:
    import tensorflow  # Takes seconds, and may not be there at all.

    if keras.backend.backend() != "tensorflow":
        # It only prepares data then, and must not take the memory of the accelerator.
        with contextlib.suppress(RuntimeError):  # It is in use, as its user wishes.
            tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow
