"""Frames that are drawn, and their places in a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Picture = np.ndarray
HEIGHT, WIDTH = -3, -2  # Axes of a picture.
DRAWABLE_CHANNELS = (1, 3)  # Grey and RGB.
GAP, WIDE_GAP = 2, 10
WHITE = 255
INK = "#323232"
_MIDDLE_GREY = 0.5


def checked(context: Any, targets: Any, predictions: Any, axes: str) -> list[Any]:
    """Returns the three as arrays, or None for targets that aren't given.

    Args:
        context: observed frames.
        targets: true future frames, or None.
        predictions: predicted frames.
        axes: what the axes are, "THWC" or "BTHWC".

    Raises:
        ValueError: if the frames don't fit together, or there are none.
    """
    given = {"context": context, "targets": targets, "predictions": predictions}
    optional = ["targets"] if targets is None else []
    frames = {name: np.asarray(x) for name, x in given.items() if name not in optional}
    shapes = {name: x.shape for name, x in frames.items()}
    types = {x.dtype.name for x in frames.values()}
    time = axes.index("T")
    future = shapes["predictions"]
    alike = {shape[:time] + shape[time + 1 :] for shape in (shapes["context"], future)}
    fine = len(future) == len(axes) and future[-1] in DRAWABLE_CHANNELS and len(alike) == 1
    fine = fine and shapes.get("targets", future) == future and 0 not in shapes["context"] + future
    if not fine or any("int" in name and name != "uint8" for name in types):
        raise ValueError(
            f"Frames must be float or uint8 of shape ({', '.join(axes)}), C 1 or 3, and differ in "
            f"the length of the context only. Received: {shapes} of {types}. Add axes, cast, or "
            "cut the targets to the horizon."
        )
    return [frames.get(name) for name in given]


def check_named(predictions: Mapping[str, Any]) -> None:
    """Refuses to compare nothing.

    Raises:
        ValueError: if there are no predictions.
    """
    if not predictions:
        raise ValueError(
            "A comparison needs predictions by name. Received: none. Pass one model's at least."
        )


def observed(frames: np.ndarray) -> Picture:
    """Returns observed or true frames as uint8 RGB; NaN, what isn't known, is middle grey."""
    return _rgb(frames, nan=_MIDDLE_GREY)


def predicted(frames: np.ndarray) -> Picture:
    """Returns predicted frames as uint8 RGB; NaN is black."""
    return _rgb(frames, nan=0.0)


def joined(pictures: Sequence[np.ndarray] | np.ndarray, gap: int, axis: int) -> Picture:
    """Joins pictures along an axis, with white gaps of so many pixels between them."""
    shape = list(pictures[0].shape)
    shape[axis] = gap
    blank = np.full(shape, WHITE, np.uint8)
    parts = [part for picture in pictures for part in (blank, picture)]
    return np.concatenate(parts[1:], axis)


def _rgb(frames: np.ndarray, nan: float) -> Picture:
    if frames.dtype != np.uint8:
        frames = np.nan_to_num(frames.astype("float32"), nan=nan, posinf=1.0)
        frames = np.round(np.clip(frames, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.broadcast_to(frames, (*frames.shape[:-1], 3))
