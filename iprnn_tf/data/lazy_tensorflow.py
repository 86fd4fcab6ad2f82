"""TensorFlow, imported when a pipeline is first built: who trains without pipelines needs none.

from iprnn_tf.data import lazy_tensorflow as tf
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import keras


def __getattr__(name: str) -> Any:
    return getattr(_tensorflow(), name)


@functools.cache
def _tensorflow() -> Any:
    import tensorflow  # Takes seconds, and may not be there at all.

    if keras.backend.backend() != "tensorflow":
        # It only prepares data then, and must not take the memory of the accelerator.
        with contextlib.suppress(RuntimeError):  # It is in use, as its user wishes.
            tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow
