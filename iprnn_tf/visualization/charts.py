"""Curves over lead time, and over what training took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iprnn_tf.visualization.layout import INK, Picture

# Okabe and Ito's palette, which any colour vision tells apart, and three darker ones after it.
_CURVES = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a"),
    *("#882255", "#332288", "#117733"),
)
MOST_CURVES = len(_CURVES)
_LARGEST_BUBBLE = 22  # Its radius in pixels.
_GRID = "#e2e2e2"
Point = tuple[float, float]


def error_curve(
    curves: Mapping[str, Sequence[float]],
    title: str = "",
    ylabel: str = "",
    xlabel: str = "lead time (frames)",
) -> Picture:
    """Draws a metric over lead time, one labelled curve per model, as a picture of 640x400.

    The vertical axis starts at zero unless the values are far from it.

    Args:
        curves: Values per lead time, from 1, by label: ten curves at most.
        title: What is compared, in Latin letters: the font has no arrows.
        ylabel: The metric, with its unit.
        xlabel: What the values are counted by, where it isn't lead time.

    Raises:
        ValueError: If there are no curves or too many, or values are missing or not finite.
    """
    values = _arrays(curves, (), "one finite number per lead time")
    horizon = max(map(len, values))
    step = max(1, round(_step(horizon / 10)))
    chart = _Chart(
        [np.stack([np.arange(1, len(v) + 1), v], axis=1) for v in values],
        sorted({1, *range(step, horizon + 1, step)}),
        (0.5, horizon + 0.5),  # Half a step of room on either side.
    )
    return chart.picture(list(curves), title, ylabel, xlabel)


def learning_curve(
    curves: Mapping[str, Sequence[Point]], title: str = "", ylabel: str = "", xlabel: str = "step"
) -> Picture:
    """Draws what was reached over what it took, one labelled curve per run, in 640x400 pixels.

    Both axes start at zero, the vertical one unless the values are far from it.

    Args:
        curves: Pairs of what it took, which isn't negative, and what was reached, by label: ten
            curves at most.
        title: What is compared, in Latin letters.
        ylabel: What was reached, with its unit.
        xlabel: What it took, with its unit.

    Raises:
        ValueError: If there are no curves or too many, or numbers are missing or not finite.
    """
    lines = _arrays(curves, (2,), "pairs of finite numbers")
    marks = _ticks(0.0, max(line[:, 0].max() for line in lines))
    return _Chart(lines, marks, (0.0, marks[-1])).picture(list(curves), title, ylabel, xlabel)


def bubble_chart(
    points: Mapping[str, tuple[float, float, float]],
    title: str = "",
    ylabel: str = "",
    xlabel: str = "",
) -> Picture:
    """Draws what was reached over what it costs, one labelled bubble each, in 640x400 pixels.

    Both axes start at zero, the vertical one unless the values are far from it.

    Args:
        points: Cost, what was reached, and what the area stands for, none of them negative, by
            label: ten at most.
        title: What is compared, in Latin letters.
        ylabel: What was reached, with its unit.
        xlabel: The cost, with its unit.

    Raises:
        ValueError: If there are no points or too many, or numbers are missing or not finite.
    """
    lines = _arrays({name: [point] for name, point in points.items()}, (3,), "three numbers")
    marks = _ticks(0.0, 1.1 * max(line[0, 0] for line in lines))
    chart = _Chart([line[:, :2] for line in lines], marks, (0.0, marks[-1]))
    largest = max(line[0, 2] for line in lines) or 1.0
    chart.radii = [_LARGEST_BUBBLE * math.sqrt(line[0, 2] / largest) for line in lines]
    return chart.picture(list(points), title, ylabel, xlabel)


def _arrays(curves: Mapping[str, Any], shape: tuple[int, ...], values: str) -> list[np.ndarray]:
    """The curves as arrays, whose rows have a shape."""
    arrays = [np.asarray(curve, "float64") for curve in curves.values()]
    fine = all(a.size and a.shape[1:] == shape and a.ndim and np.isfinite(a).all() for a in arrays)
    if not fine or not 1 <= len(arrays) <= MOST_CURVES:
        raise ValueError(
            f"Pass 1 to {MOST_CURVES} curves of {values}. Received: {dict(curves)}. Leave out what "
            "is missing, or draw several pictures."
        )
    return arrays


class _Chart:
    """A plot drawn at three times its size, for smooth edges; points are in final pixels.

    Args:
        curves: `(N, 2)` each, of what is on the horizontal axis and on the vertical one.
        marks: on the horizontal axis.
        across: where that begins and ends.
    """

    left, right, top, bottom = 72, 616, 104, 350

    def __init__(
        self, curves: list[np.ndarray], marks: Sequence[float], across: tuple[float, float]
    ):
        low, high = min(c[:, 1].min() for c in curves), max(c[:, 1].max() for c in curves)
        self.curves, self.marks, self.across = curves, marks, across
        self.ticks = _ticks(0.0 if 0 <= low <= high / 2 else low, high)
        self.radii = [3.0] * len(curves)  # Of the dots.
        self.image = Image.new("RGB", (3 * 640, 3 * 400), "white")
        self.pen = ImageDraw.Draw(self.image)

    def picture(self, labels: list[str], title: str, ylabel: str, xlabel: str) -> Picture:
        self.text((24, 24), title, 18)
        self.text((24, self.top - 20), ylabel, 12)
        self.draw_legend(labels)
        self.draw_axes(xlabel)
        for curve, colour, radius in zip(self.curves, _CURVES, self.radii, strict=False):
            points = [self.point(x, value) for x, value in curve]
            self.line(points, colour, 2)
            self.dots(points if len(points) <= 30 else [], colour, radius)
        return np.asarray(self.image.reduce(3))

    def point(self, x: float, value: float) -> Point:
        begin, end = self.across
        right = (x - begin) / (end - begin)
        up = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return (
            self.left + right * (self.right - self.left),
            self.bottom - up * (self.bottom - self.top),
        )

    def line(self, points: Sequence[Point], colour: str, width: int) -> None:
        self.pen.line([(3 * x, 3 * y) for x, y in points], colour, 3 * width, joint="curve")

    def dots(self, points: Sequence[Point], colour: str, radius: float = 3.0) -> None:
        for x, y in points:
            self.pen.circle((3 * x, 3 * y), 3 * radius, colour)

    def text(self, point: Point, text: str, size: int, anchor: str = "lm") -> None:
        font = ImageFont.load_default(3 * size)
        self.pen.text((3 * point[0], 3 * point[1]), text, INK, font, anchor=anchor)

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

    def draw_axes(self, xlabel: str) -> None:
        for tick, label in zip(self.ticks, _labels(self.ticks), strict=True):
            _, y = self.point(0, tick)
            self.line([(self.left, y), (self.right, y)], _GRID, 1)
            self.text((self.left - 8, y), label, 12, "rm")
        for mark in self.marks:
            x, y = self.point(mark, self.ticks[0])
            self.line([(x, y), (x, y + 5)], INK, 1)
            self.text((x, y + 16), f"{mark:g}", 12, "mm")
        self.line([(self.left, self.bottom), (self.right, self.bottom)], INK, 1)
        self.text(((self.left + self.right) / 2, 384), xlabel, 12, "mm")


def _labels(ticks: list[float]) -> list[str]:
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    return [f"{tick:.{decimals}f}" for tick in ticks]


def _ticks(low: float, high: float) -> list[float]:
    step = _step((high - low or abs(high) or 1.0) / 5)
    first = math.floor(low / step)
    return [step * i for i in range(first, max(math.ceil(high / step), first + 1) + 1)]


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))
