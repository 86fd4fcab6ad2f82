"""Where a prediction differs from the truth, and in which direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from iprnn_tf.visualization.layout import Picture

# From Okabe and Ito's palette, which any colour vision tells apart.
_TOO_DARK, _TOO_BRIGHT = (0, 114, 178), (213, 94, 0)  # Blue and vermilion.
_WHITE, _UNKNOWN = 255.0, 128.0
_GAMMA = 0.5  # An error of 0.01 has a tenth of the colour: the eye finds it.


def difference_maps(targets: Any, predictions: Any) -> Picture:
    """Draws the signed error of every pixel, the mean over its channels.

    White is no error; blue a prediction that is too dark, vermilion one that is too bright. The
    colour is full at an error of 1, from black to white, and its share grows with the square root
    of the error, so that small ones show. Predictions are clipped to [0, 1] first. Where the truth
    is NaN it isn't known, and the map is grey.

    Args:
        targets: True frames `(..., H, W, C)`, float in [0, 1] or uint8.
        predictions: Predicted frames of the same shape.

    Returns:
        Pictures `(..., H, W, 3)`, uint8.

    Raises:
        ValueError: If the shapes differ, or the frames are neither float nor uint8.
    """
    targets, predictions = np.asarray(targets), np.asarray(predictions)
    types = {targets.dtype, predictions.dtype}
    fine = all(kind == np.uint8 or kind.kind == "f" for kind in types)
    if targets.shape != predictions.shape or targets.ndim < 3 or not fine:
        raise ValueError(
            "Targets and predictions are frames (..., H, W, C) of one shape, float or uint8. "
            f"Received: {targets.shape} of {targets.dtype} and {predictions.shape} of "
            f"{predictions.dtype}. Cut one of them, or cast."
        )
    truth = _floats(targets)
    errors = np.mean(np.nan_to_num(_floats(predictions)) - truth, axis=-1, keepdims=True)
    colours = np.where(errors < 0, _TOO_DARK, _TOO_BRIGHT)
    drawn = _WHITE + np.abs(errors) ** _GAMMA * (colours - _WHITE)
    return np.round(np.where(np.isnan(errors), _UNKNOWN, drawn)).astype(np.uint8)


def _floats(frames: np.ndarray) -> np.ndarray:
    if frames.dtype == np.uint8:
        return np.divide(frames, 255.0, dtype=np.float32)
    return np.clip(frames.astype(np.float32), 0.0, 1.0)
