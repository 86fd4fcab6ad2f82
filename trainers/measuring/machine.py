"""What this machine can do: its accelerator, its precision and its memory."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from iprnn_tf.data import lazy_tensorflow as tf
from programs.memory import peak_memory as peak_main_memory

TIMED_REPETITIONS = 12
MATRIX_SIZE = {False: 1024, True: 8192}  # Without and with a GPU.
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
    try:
        rates = [(convolution_rate("bfloat16"), convolution_rate("float32")) for _ in range(4)]
    except tf.errors.OpError:  # Where oneDNN is held to fewer instructions than the CPU has.
        return "float32"
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
    images = _normal((batch, size, size, channels), dtype)
    kernel = _normal(shape, dtype)
    seconds = _seconds(
        lambda: ops.conv(images, kernel, padding="same", data_format="channels_last")
    )
    return 2 * batch * size**2 * math.prod(shape) / seconds


def matmul_rate(dtype: str, size: int | None = None) -> float:
    """Returns the floating-point operations a second of a product of two square matrices.

    Args:
        dtype: "float32", "bfloat16" or "float16".
        size: their side; by default large enough for the device's best.
    """
    size = size or MATRIX_SIZE[has_gpu()]
    left, right = _normal((size, size), dtype), _normal((size, size), dtype)
    return 2 * size**3 / _seconds(lambda: ops.matmul(left, right))


def _normal(shape: tuple[int, ...], dtype: str) -> Any:
    return ops.cast(keras.random.normal(shape, seed=1), dtype)


def _seconds(compute: Callable[[], Any]) -> float:
    """The median time of a computation, waiting for its result."""
    seconds = []
    for _ in range(TIMED_REPETITIONS):
        begin = time.perf_counter()
        ops.convert_to_numpy(ops.cast(ops.ravel(compute())[0], "float32"))
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:])


def peak_memory() -> int:
    """Returns the most bytes in use so far: of the GPU's memory where there is one."""
    if has_gpu() and keras.backend.backend() == "jax":
        import jax  # Only where it is the backend.

        told = jax.local_devices()[0].memory_stats() or {}  # Not by every allocator.
        return int(told.get("peak_bytes_in_use", 0))
    if has_gpu():
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return peak_main_memory()
