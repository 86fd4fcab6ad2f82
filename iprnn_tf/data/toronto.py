"""The standard Moving MNIST test file, `mnist_test_seq.npy`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf

NUM_FRAMES = 20
FILE_MD5 = "be083ec986bfe91a449d63653c411eb2"


def load_toronto_test_set(
    path: str | os.PathLike[str], md5: str | None = FILE_MD5
) -> tf.data.Dataset:
    """Returns the 10,000 sequences on which most papers report, each uint8 `(20, 64, 64, 1)`.

    The file is mapped into memory, so that only the sequences in use are read.

    Args:
        path: `mnist_test_seq.npy`, as published at
            http://www.cs.toronto.edu/~nitish/unsupervised_video/: uint8 `(20, 10000, 64, 64)`.
        md5: what the file's MD5 must be, or None for any uint8 array `(20, N, H, W)`.

    Raises:
        ValueError: if the file is missing or damaged, or isn't that file.
    """
    path = Path(path)
    try:
        sequences = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"The Moving MNIST test file must be a .npy array. Received: {path} ({error}). "
            "Download mnist_test_seq.npy again."
        ) from error
    if sequences.dtype != np.uint8 or sequences.ndim != 4 or sequences.shape[0] != NUM_FRAMES:
        raise ValueError(
            "The Moving MNIST test file holds uint8 frames of shape (20, N, H, W). "
            f"Received: {path} with {sequences.dtype} of shape {sequences.shape}. "
            "Download mnist_test_seq.npy again."
        )
    if md5 is not None:
        _check_md5(path, md5)
    return _sequences(sequences)


def _sequences(sequences: np.ndarray) -> tf.data.Dataset:
    _, count, height, width = sequences.shape

    def read(index: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(sequences[:, index, ..., None])

    def load(index: tf.Tensor) -> tf.Tensor:
        frames = tf.numpy_function(read, [index], tf.uint8)
        return tf.ensure_shape(frames, (NUM_FRAMES, height, width, 1))

    return tf.data.Dataset.range(count).map(load, num_parallel_calls=tf.data.AUTOTUNE)


def _check_md5(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != expected:
        raise ValueError(
            f"The Moving MNIST test file has the MD5 {expected}. Received: {path} with {found}. "
            "It is damaged or another file; download it again."
        )
