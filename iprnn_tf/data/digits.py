"""The real MNIST digits that ship with the package, split so that no digit is in two splits."""

from __future__ import annotations

import functools
import zipfile
from importlib import resources

import numpy as np

SPLITS = ("train", "validation", "test")
NUM_TRAINING_DIGITS = 55_000  # Of MNIST's 60,000 training digits; the others are for validation.


@functools.cache
def load_digits(split: str) -> np.ndarray:
    """Returns the digits of a split, uint8 `(N, 28, 28)`.

    Args:
        split: "train" (MNIST's first 55,000 training digits), "validation" (its last 5,000) or
            "test" (its 10,000 test digits).

    Raises:
        ValueError: if there is no such split.

    Reference:
        LeCun and Cortes, the MNIST database of handwritten digits (CC BY-SA 3.0).
    """
    check_split(split)
    if split == "test":
        return _read("x_test")
    training = _read("x_train")
    if split == "train":
        return training[:NUM_TRAINING_DIGITS]
    return training[NUM_TRAINING_DIGITS:]


def _read(name: str) -> np.ndarray:
    path = resources.files("iprnn_tf.data").joinpath("mnist.npz")
    try:
        with path.open("rb") as file, np.load(file) as mnist:
            return mnist[name]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The package ships the digits as {path}. Received: {type(error).__name__}: {error}. "
            "Install iprnn_tf again."
        ) from error


def check_split(split: str) -> None:
    """Raises a ValueError that lists the splits, unless `split` is one of them."""
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}.")
