"""Which precision and which configuration suit this machine."""

from __future__ import annotations

import math
import statistics
import time

import keras
from keras import ops

TIMED_CONVOLUTIONS = 12
WORTHWHILE = 1.2  # Half the bits must be this much faster before the weights lose them.


def has_gpu() -> bool:
    """Whether Keras's backend sees a GPU."""
    return any(device.startswith(("gpu", "cuda")) for device in keras.distribution.list_devices())


def compiles_by_default() -> bool:
    """Whether a step is compiled with XLA unasked: JAX has no other graphs, CPUs prefer none."""
    return keras.backend.backend() == "jax"


def fastest_precision() -> str:
    """Returns "bfloat16" where this machine is faster in it, else "float32".

    GPUs are taken to be. CPUs differ by a factor of ten either way, so one convolution like
    those of the memory is timed in both.
    """
    if has_gpu():
        return "bfloat16"
    # In turns, and the best of each, so that a busy moment decides nothing.
    rates = [(convolution_rate("bfloat16"), convolution_rate("float32")) for _ in range(4)]
    bfloat16, float32 = (max(column) for column in zip(*rates, strict=True))
    ratio = bfloat16 / float32
    return "bfloat16" if ratio >= WORTHWHILE else "float32"


def convolution_rate(
    dtype: str, batch: int = 8, size: int = 16, channels: int = 32, kernel_size: int = 5
) -> float:
    """Returns the floating-point operations a second of one convolution of an STGRU.

    Args:
        dtype: "float32" or "bfloat16".
        batch: number of images.
        size: their height and width.
        channels: F; the convolution has 4F outputs.
        kernel_size: its side.
    """
    shape = (kernel_size, kernel_size, channels, 4 * channels)
    images = ops.cast(keras.random.normal((batch, size, size, channels), seed=1), dtype)
    kernel = ops.cast(keras.random.normal(shape, seed=2), dtype)
    seconds = []
    for _ in range(TIMED_CONVOLUTIONS):
        begin = time.perf_counter()
        convolved = ops.conv(images, kernel, padding="same", data_format="channels_last")
        ops.convert_to_numpy(ops.cast(convolved[0, 0, 0], "float32"))  # Waits for the result.
        seconds.append(time.perf_counter() - begin)
    operations = 2 * batch * size**2 * math.prod(shape)
    return operations / statistics.median(seconds[2:])
