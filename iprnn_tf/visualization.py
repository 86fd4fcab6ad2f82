"""Pictures of predictions: strips, animations and curves over lead time, without matplotlib.

Frames are floats in [0, 1] or uint8, channels last, with one channel or three. Pictures are uint8
RGB arrays `(H', W', 3)`.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from iprnn_tf.files import replacing

# Okabe and Ito's palette, which any colour vision tells apart.
_CURVES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a")
_INK, _GRID, _OBSERVED, _PREDICTED = "#323232", "#e2e2e2", "#a0a0a0", "#d55e00"

Path = str | os.PathLike[str]
Picture = np.ndarray
Point = tuple[float, float]
_Side = tuple[str, np.ndarray, str]  # Label, frames (B, T, H, W, 3), colour of the border.
_HEIGHT, _WIDTH = -3, -2  # Axes of a picture.
_GAP, _WIDE_GAP, _BORDER = 2, 10, 2


def filmstrip(context: Any, targets: Any, predictions: Any) -> Picture:
    """Draws one sequence as a picture: every prediction stands under the frame it predicts.

    A wide gap parts the context from the future. Without targets there is one row.

    Args:
        context: Observed frames `(T, H, W, C)`.
        targets: True future frames `(K, H, W, C)`, or None.
        predictions: Predicted frames `(K, H, W, C)`.

    Raises:
        ValueError: If the frames don't fit together, or there are none.
    """
    context, targets, predictions = _checked(context, targets, predictions, axes="THWC")
    observed, predicted = (_joined(frames, _GAP, _WIDTH) for frames in (context, predictions))
    if targets is None:
        return _joined([observed, predicted], _WIDE_GAP, _WIDTH)
    above = observed, _joined(targets, _GAP, _WIDTH)
    below = np.full_like(observed, 255), predicted
    return _joined([_joined(row, _WIDE_GAP, _WIDTH) for row in (above, below)], _GAP, _HEIGHT)


def filmstrips(context: Any, targets: Any, predictions: Any) -> Picture:
    """Draws a batch of sequences, `(B, T, H, W, C)`, as filmstrips one below the other."""
    context, targets, predictions = _checked(context, targets, predictions, axes="BTHWC")
    truths = [None] * len(context) if targets is None else targets
    strips = [filmstrip(*frames) for frames in zip(context, truths, predictions, strict=True)]
    return _joined(strips, _WIDE_GAP, _HEIGHT)


def animation(context: Any, targets: Any, predictions: Any, scale: int = 2) -> Picture:
    """Draws a batch of sequences over time, the truth and the prediction side by side.

    While the context lasts, both sides show it. Then the border of the prediction takes colour:
    the model is on its own. Labels are left out above frames too narrow for them.

    Args:
        context: Observed frames `(B, T, H, W, C)`.
        targets: True future frames `(B, K, H, W, C)`, or None: the prediction stands alone.
        predictions: Predicted frames `(B, K, H, W, C)`.
        scale: Whole factor by which frames are enlarged, without smoothing.

    Returns:
        Pictures `(T + K, H', W', 3)`.

    Raises:
        ValueError: If the frames don't fit together, there are none, or `scale` is below one.
    """
    context, targets, predictions = _checked(context, targets, predictions, axes="BTHWC")
    if scale < 1:
        raise ValueError(f"scale must be at least 1. Received: scale={scale}. Pass a whole number.")
    truth = [] if targets is None else [("truth", targets, _OBSERVED)]
    future = [*truth, ("prediction", predictions, _PREDICTED)]
    past = [("context", context, _OBSERVED)] * len(future)
    scenes = [
        _scene(sides, t, scale) for sides in (past, future) for t in range(len(sides[0][1][0]))
    ]
    return np.stack(scenes)


def error_curve(
    curves: Mapping[str, Sequence[float]], title: str = "", ylabel: str = ""
) -> Picture:
    """Draws a metric over lead time, one labelled curve per model, as a picture of 640x400.

    The vertical axis starts at zero unless the values are far from it.

    Args:
        curves: Values per lead time, from 1, by label: seven curves at most.
        title: What is compared, in Latin letters: the font has no arrows.
        ylabel: The metric, with its unit.

    Raises:
        ValueError: If there are no curves or too many, or values are missing or not finite.
    """
    values = [np.asarray(curve, "float64") for curve in curves.values()]
    fine = all(v.ndim == 1 and v.size and np.isfinite(v).all() for v in values)
    if not fine or not 1 <= len(values) <= len(_CURVES):
        raise ValueError(
            f"Pass 1 to {len(_CURVES)} curves of one finite number per lead time. Received: "
            f"curves={dict(curves)}. Leave out what is missing, or draw several pictures."
        )
    chart = _Chart(values)
    chart.text((24, 24), title, 18)
    chart.text((24, _Chart.top - 20), ylabel, 12)
    chart.draw_legend(list(curves))
    chart.draw_axes()
    for curve, colour in zip(values, _CURVES, strict=False):
        points = [chart.point(k, value) for k, value in enumerate(curve, start=1)]
        chart.line(points, colour, 2)
        chart.dots(points if len(points) <= 30 else [], colour)
    return np.asarray(chart.image.reduce(3))


def save_png(path: Path, picture: Picture) -> None:
    """Writes a picture; a file half written never takes the place of a good one."""
    image = _images([picture])[0]
    with replacing(path) as unfinished:
        image.save(unfinished, format="PNG")


def save_gif(path: Path, pictures: Iterable[Picture], frames_per_second: float = 5) -> None:
    """Writes pictures as an endless animation; a half-written file never replaces a good one."""
    if not 0 < frames_per_second <= 50:
        raise ValueError(
            "frames_per_second must be above 0, and at most 50, all that browsers show. "
            f"Received: frames_per_second={frames_per_second}. Leave pictures out instead."
        )
    first, *others = _images(pictures)
    pause = round(1000 / frames_per_second)
    with replacing(path) as unfinished:
        first.save(unfinished, "GIF", save_all=True, append_images=others, duration=pause, loop=0)


def _checked(context: Any, targets: Any, predictions: Any, axes: str) -> list[Any]:
    given = {"context": context, "targets": targets, "predictions": predictions}
    optional = ["targets"] if targets is None else []
    frames = {name: np.asarray(x) for name, x in given.items() if name not in optional}
    shapes = {name: x.shape for name, x in frames.items()}
    types = {x.dtype.name for x in frames.values()}
    time = axes.index("T")
    future = shapes["predictions"]
    alike = {shape[:time] + shape[time + 1 :] for shape in (shapes["context"], future)}
    fine = len(future) == len(axes) and future[-1] in (1, 3) and len(alike) == 1
    fine = fine and shapes.get("targets", future) == future and 0 not in shapes["context"] + future
    if not fine or any("int" in name and name != "uint8" for name in types):
        raise ValueError(
            f"Frames must be float or uint8 of shape ({', '.join(axes)}), C 1 or 3, and differ in "
            f"the length of the context only. Received: {shapes} of {types}. Add axes, cast, or "
            "cut the targets to the horizon."
        )
    return [_rgb(frames[name]) if name in frames else None for name in given]


def _rgb(frames: np.ndarray) -> Picture:
    if frames.dtype != np.uint8:
        frames = np.nan_to_num(frames.astype("float32"), posinf=1.0)  # NaN is drawn black.
        frames = np.round(np.clip(frames, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.broadcast_to(frames, (*frames.shape[:-1], 3))


def _joined(pictures: Sequence[np.ndarray] | np.ndarray, gap: int, axis: int) -> Picture:
    shape = list(pictures[0].shape)
    shape[axis] = gap
    blank = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (blank, picture)]
    return np.concatenate(parts[1:], axis)


def _panels(frames: np.ndarray, scale: int, colour: str) -> Picture:
    enlarged = frames.repeat(scale, _HEIGHT).repeat(scale, _WIDTH)
    batch, height, width, _ = enlarged.shape
    panels = np.empty((batch, height + 2 * _BORDER, width + 2 * _BORDER, 3), np.uint8)
    panels[:] = ImageColor.getrgb(colour)
    panels[:, _BORDER:-_BORDER, _BORDER:-_BORDER] = enlarged
    return panels


def _scene(sides: list[_Side], time: int, scale: int) -> Picture:
    panels = [_panels(frames[:, time], scale, colour) for _, frames, colour in sides]
    sequences = _joined(panels, _GAP, _WIDTH)  # (B, h, w, 3)
    columns = math.ceil(math.sqrt(len(sequences)))
    empty = np.full((-len(sequences) % columns, *sequences.shape[1:]), 255, np.uint8)
    cells = np.concatenate([sequences, empty]).reshape(-1, columns, *sequences.shape[1:])
    rows = [_joined(row, _WIDE_GAP, _WIDTH) for row in cells]
    size = min(14, panels[0].shape[_WIDTH] // 8)
    header = size + 6 if size >= 9 else 0  # Smaller letters are illegible.
    margins = ((_WIDE_GAP + header, _WIDE_GAP), (_WIDE_GAP, _WIDE_GAP), (0, 0))
    picture = np.pad(_joined(rows, _WIDE_GAP, _HEIGHT), margins, constant_values=255)
    return _labelled(picture, sides, time, size, sequences.shape[_WIDTH]) if header else picture


def _labelled(picture: np.ndarray, sides: list[_Side], time: int, size: int, width: int) -> Picture:
    image, font = Image.fromarray(picture), ImageFont.load_default(size)
    pen = ImageDraw.Draw(image)
    for left in range(_WIDE_GAP, image.width - _WIDE_GAP, width + _WIDE_GAP):
        for side, (name, frames, colour) in enumerate(sides):
            centre = left + width * (2 * side + 1) // (2 * len(sides))
            ink = _INK if colour == _OBSERVED else colour
            text = f"{name} {time + 1}/{frames.shape[1]}"
            pen.text((centre, _WIDE_GAP + size // 2), text, ink, font, anchor="mm")
    return np.asarray(image)


class _Chart:
    """A plot drawn at three times its size, for smooth edges; points are in final pixels."""

    left, right, top, bottom = 72, 616, 104, 350

    def __init__(self, values: list[np.ndarray]):
        low, high = min(v.min() for v in values), max(v.max() for v in values)
        self.ticks = _ticks(0.0 if 0 <= low <= high / 2 else low, high)
        self.horizon = max(map(len, values))
        self.image = Image.new("RGB", (3 * 640, 3 * 400), "white")
        self.pen = ImageDraw.Draw(self.image)

    def point(self, lead_time: int, value: float) -> Point:
        across = (lead_time - 0.5) / self.horizon  # Half a step of room on either side.
        up = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        x = self.left + across * (self.right - self.left)
        return x, self.bottom - up * (self.bottom - self.top)

    def line(self, points: Sequence[Point], colour: str, width: int) -> None:
        self.pen.line([(3 * x, 3 * y) for x, y in points], colour, 3 * width, joint="curve")

    def dots(self, points: Sequence[Point], colour: str) -> None:
        for x, y in points:
            self.pen.circle((3 * x, 3 * y), 9, colour)

    def text(self, point: Point, text: str, size: int, anchor: str = "lm") -> None:
        font = ImageFont.load_default(3 * size)
        self.pen.text((3 * point[0], 3 * point[1]), text, _INK, font, anchor=anchor)

    def draw_legend(self, labels: list[str]) -> None:
        x, y = 24.0, 48
        for label, colour in zip(labels, _CURVES, strict=False):
            width = 24 + self.pen.textlength(label, ImageFont.load_default(3 * 12)) / 3
            if x > 24 and x + width > self.right:
                x, y = 24.0, y + 16
            self.line([(x, y), (x + 18, y)], colour, 2)
            self.dots([(x + 9, y)], colour)
            self.text((x + 24, y), label, 12)
            x += width + 18

    def draw_axes(self) -> None:
        decimals = max(0, -math.floor(math.log10(self.ticks[1] - self.ticks[0]) + 1e-9))
        for tick in self.ticks:
            _, y = self.point(1, tick)
            self.line([(self.left, y), (self.right, y)], _GRID, 1)
            self.text((self.left - 8, y), f"{tick:.{decimals}f}", 12, "rm")
        step = max(1, round(_step(self.horizon / 10)))
        for k in sorted({1, *range(step, self.horizon + 1, step)}):
            x, y = self.point(k, self.ticks[0])
            self.line([(x, y), (x, y + 5)], _INK, 1)
            self.text((x, y + 16), str(k), 12, "mm")
        self.line([(self.left, self.bottom), (self.right, self.bottom)], _INK, 1)
        self.text(((self.left + self.right) / 2, 384), "lead time (frames)", 12, "mm")


def _ticks(low: float, high: float) -> list[float]:
    step = _step((high - low or abs(high) or 1.0) / 5)
    first = math.floor(low / step)
    return [step * i for i in range(first, max(math.ceil(high / step), first + 1) + 1)]


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))


def _images(pictures: Iterable[np.ndarray]) -> list[Image.Image]:
    arrays = [np.asarray(picture) for picture in pictures]
    kinds = {(array.dtype.name, *array.shape) for array in arrays}
    fine = all(len(k) == 4 and k[0] == "uint8" and k[3] == 3 and 0 not in k for k in kinds)
    if len(kinds) != 1 or not fine:
        raise ValueError(
            "Pictures must be uint8, all of one shape (H, W, 3), and at least one. Received: "
            f"{len(arrays)} pictures of these types and shapes: {kinds}. Draw frames first."
        )
    return [Image.fromarray(array) for array in arrays]
