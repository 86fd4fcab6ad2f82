"""Which precision and which configuration suit this machine."""

from __future__ import annotations

import statistics
import time

import keras
from keras import ops

WORTHWHILE = 1.2  # Half the bits must be this much faster before the weights lose them.


def has_gpu() -> bool:
    """Whether Keras's backend sees a GPU."""
    return bool(keras.distribution.list_devices("gpu"))


def fastest_precision() -> str:
    """Returns "bfloat16" where this machine is faster in it, else "float32".

    GPUs are taken to be. CPUs differ by a factor of ten either way, so one convolution like
    those of the memory is timed in both.
    """
    if has_gpu():
        return "bfloat16"
    ratio = _convolution_seconds("float32") / _convolution_seconds("bfloat16")
    return "bfloat16" if ratio >= WORTHWHILE else "float32"


def _convolution_seconds(dtype: str) -> float:
    images = ops.cast(keras.random.normal((8, 16, 16, 32), seed=1), dtype)
    kernel = ops.cast(keras.random.normal((5, 5, 32, 128), seed=2), dtype)
    seconds = []
    for _ in range(8):
        begin = time.perf_counter()
        convolved = ops.conv(images, kernel, padding="same", data_format="channels_last")
        ops.convert_to_numpy(ops.cast(convolved[0, 0, 0], "float32"))  # Waits for the result.
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:])
