"""Sequences over time: one picture for each moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from iprnn_tf.visualization.layout import (
    GAP,
    HEIGHT,
    INK,
    WHITE,
    WIDE_GAP,
    WIDTH,
    Picture,
    check_named,
    checked,
    joined,
    observed,
    predicted,
)

_OBSERVED, _PREDICTED = "#a0a0a0", "#d55e00"
_BORDER = 2


class Panel(NamedTuple):
    """What one side of a picture shows of every sequence.

    Args:
        label: stands above.
        frames: `(B, H, W, C)`, one of each sequence.
        is_prediction: then the border has a colour.
    """

    label: str
    frames: np.ndarray
    is_prediction: bool = False


def animation(context: Any, targets: Any, predictions: Any, scale: int = 2) -> Picture:
    """Draws a batch of sequences over time, the truth and the prediction side by side.

    While the context lasts, both sides show it. Then the border of the prediction takes colour:
    the model is on its own. Labels are left out above frames too narrow for them.

    Args:
        context: Observed frames `(B, T, H, W, C)`.
        targets: True future frames `(B, K, H, W, C)`, NaN where they aren't known, or None: the
            prediction stands alone.
        predictions: Predicted frames `(B, K, H, W, C)`.
        scale: Whole factor by which frames are enlarged, without smoothing.

    Returns:
        Pictures `(T + K, H', W', 3)`.

    Raises:
        ValueError: If the frames don't fit together, there are none, or `scale` is below one.
    """
    return comparison(context, targets, {"prediction": predictions}, scale)


def comparison(
    context: Any, targets: Any, predictions: Mapping[str, Any], scale: int = 2
) -> Picture:
    """Draws a batch of sequences over time, the truth beside several models' predictions.

    Args:
        context: Observed frames `(B, T, H, W, C)`.
        targets: True future frames `(B, K, H, W, C)`, NaN where they aren't known, or None.
        predictions: Predicted frames `(B, K, H, W, C)` by the label that stands above them.
        scale: Whole factor by which frames are enlarged, without smoothing.

    Returns:
        Pictures `(T + K, H', W', 3)`.

    Raises:
        ValueError: If the frames don't fit together, there are none, or `scale` is below one.
    """
    check_named(predictions)
    horizons = {name: np.shape(frames)[1:2] for name, frames in predictions.items()}
    if len(set(horizons.values())) > 1:
        raise ValueError(
            f"Predictions that are compared have one length. Received: {horizons}. Cut them."
        )
    arrays = [checked(context, targets, frames, axes="BTHWC") for frames in predictions.values()]
    observed_frames, truth, _ = arrays[0]
    future = [] if truth is None else [_panels("truth", truth)]
    for name, (*_, frames) in zip(predictions, arrays, strict=True):
        future.append(_panels(name, frames, is_prediction=True))
    past = [_panels("context", observed_frames)] * len(future)
    moments = [moment for sides in (past, future) for moment in zip(*sides, strict=True)]
    return np.stack([side_by_side(moment, scale) for moment in moments])


def side_by_side(panels: Sequence[Panel], scale: int = 2) -> Picture:
    """Draws one moment of a batch of sequences.

    Args:
        panels: what is shown of each sequence, from left to right, of one shape. Labels are left
            out above frames too narrow for them.
        scale: Whole factor by which frames are enlarged, without smoothing.

    Returns:
        A picture; several sequences make a grid in it.

    Raises:
        ValueError: If `scale` is below one.
    """
    if scale < 1:
        raise ValueError(f"scale must be at least 1. Received: scale={scale}. Pass a whole number.")
    drawn = [_bordered(panel, scale) for panel in panels]
    sequences = joined(drawn, GAP, WIDTH)  # (B, h, w, 3)
    columns = math.ceil(math.sqrt(len(sequences)))
    empty = np.full((-len(sequences) % columns, *sequences.shape[1:]), WHITE, np.uint8)
    cells = np.concatenate([sequences, empty]).reshape(-1, columns, *sequences.shape[1:])
    rows = [joined(row, WIDE_GAP, WIDTH) for row in cells]
    size = min(14, drawn[0].shape[WIDTH] // 8)
    header = size + 6 if size >= 9 else 0  # Smaller letters are illegible.
    margins = ((WIDE_GAP + header, WIDE_GAP), (WIDE_GAP, WIDE_GAP), (0, 0))
    picture = np.pad(joined(rows, WIDE_GAP, HEIGHT), margins, constant_values=WHITE)
    return _labelled(picture, panels, size, sequences.shape[WIDTH]) if header else picture


def _panels(name: str, frames: np.ndarray, is_prediction: bool = False) -> list[Panel]:
    length = frames.shape[1]
    return [
        Panel(f"{name} {time + 1}/{length}", frames[:, time], is_prediction)
        for time in range(length)
    ]


def _bordered(panel: Panel, scale: int) -> Picture:
    draw = predicted if panel.is_prediction else observed
    enlarged = draw(panel.frames).repeat(scale, HEIGHT).repeat(scale, WIDTH)
    batch, height, width, _ = enlarged.shape
    bordered = np.empty((batch, height + 2 * _BORDER, width + 2 * _BORDER, 3), np.uint8)
    bordered[:] = ImageColor.getrgb(_PREDICTED if panel.is_prediction else _OBSERVED)
    bordered[:, _BORDER:-_BORDER, _BORDER:-_BORDER] = enlarged
    return bordered


def _labelled(picture: np.ndarray, panels: Sequence[Panel], size: int, width: int) -> Picture:
    image, font = Image.fromarray(picture), ImageFont.load_default(size)
    pen = ImageDraw.Draw(image)
    for left in range(WIDE_GAP, image.width - WIDE_GAP, width + WIDE_GAP):
        for side, panel in enumerate(panels):
            centre = left + width * (2 * side + 1) // (2 * len(panels))
            ink = _PREDICTED if panel.is_prediction else INK
            pen.text((centre, WIDE_GAP + size // 2), panel.label, ink, font, anchor="mm")
    return np.asarray(image)
