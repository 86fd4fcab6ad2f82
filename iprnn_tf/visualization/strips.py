"""Sequences in one picture: frames from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iprnn_tf.visualization.differences import difference_maps
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

_SMALLEST_TEXT, _LARGEST_TEXT = 10, 20  # Pixels.


def filmstrip(context: Any, targets: Any, predictions: Any) -> Picture:
    """Draws one sequence as a picture: every prediction stands under the frame it predicts.

    Under every prediction stands its difference from the truth: white where they are equal, blue
    where the prediction is too dark, vermilion where it is too bright (`difference_maps`). A wide
    gap parts the context from the future; the rows are named under it, where there is room.
    Without targets there is one row.

    Args:
        context: Observed frames `(T, H, W, C)`.
        targets: True future frames `(K, H, W, C)`, NaN where they aren't known, or None.
        predictions: Predicted frames `(K, H, W, C)`.

    Raises:
        ValueError: If the frames don't fit together, or there are none.
    """
    context, targets, predictions = checked(context, targets, predictions, axes="THWC")
    past, future = _row(observed(context)), _row(predicted(predictions))
    if targets is None:
        return joined([past, future], WIDE_GAP, WIDTH)
    differences = _row(difference_maps(targets, predictions))
    rows = (
        (past, _row(observed(targets))),
        (_named("prediction", past.shape), future),
        (_named("prediction - truth", past.shape), differences),
    )
    return joined([joined(row, WIDE_GAP, WIDTH) for row in rows], GAP, HEIGHT)


def comparison_strip(context: Any, targets: Any, predictions: Mapping[str, Any]) -> Picture:
    """Draws one sequence, and under its future that of several models, a row for each.

    Args:
        context: Observed frames `(T, H, W, C)`.
        targets: True future frames `(K, H, W, C)`.
        predictions: Predicted frames `(K, H, W, C)`, by the name that stands to their left.

    Raises:
        ValueError: If the frames don't fit together, or there are none.
    """
    check_named(predictions)
    rows: list[tuple[Picture, Picture]] = []
    for name, frames in predictions.items():
        seen, truth, future = checked(context, targets, frames, axes="THWC")
        past = _row(observed(seen))
        if not rows:
            rows.append((past, _row(observed(truth))))
        rows.append((_named(name, past.shape), _row(predicted(future))))
    return joined([joined(row, WIDE_GAP, WIDTH) for row in rows], GAP, HEIGHT)


def filmstrips(context: Any, targets: Any, predictions: Any) -> Picture:
    """Draws a batch of sequences, `(B, T, H, W, C)`, as filmstrips one below the other."""
    context, targets, predictions = checked(context, targets, predictions, axes="BTHWC")
    truths = [None] * len(context) if targets is None else targets
    strips = [filmstrip(*frames) for frames in zip(context, truths, predictions, strict=True)]
    return joined(strips, WIDE_GAP, HEIGHT)


def _named(name: str, shape: tuple[int, ...]) -> Picture:
    """White, with the name of the row to its right, if it fits."""
    height, width, _ = shape
    size = min(height // 3, _LARGEST_TEXT)
    image = Image.new("RGB", (width, height), (WHITE,) * 3)
    font = ImageFont.load_default(size) if size >= _SMALLEST_TEXT else None
    if font and font.getlength(name) < width:
        place = (width - GAP, height / 2)
        ImageDraw.Draw(image).text(place, name, INK, font, anchor="rm")
    return np.asarray(image)


def _row(frames: Picture) -> Picture:
    return joined(frames, GAP, WIDTH)
