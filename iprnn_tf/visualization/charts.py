"""Curves over lead time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iprnn_tf.visualization.layout import INK, Picture

# Okabe and Ito's palette, which any colour vision tells apart.
_CURVES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a")
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
        curves: Values per lead time, from 1, by label: seven curves at most.
        title: What is compared, in Latin letters: the font has no arrows.
        ylabel: The metric, with its unit.
        xlabel: What the values are counted by, where it isn't lead time.

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
    chart.draw_axes(xlabel)
    for curve, colour in zip(values, _CURVES, strict=False):
        points = [chart.point(k, value) for k, value in enumerate(curve, start=1)]
        chart.line(points, colour, 2)
        chart.dots(points if len(points) <= 30 else [], colour)
    return np.asarray(chart.image.reduce(3))


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
        decimals = max(0, -math.floor(math.log10(self.ticks[1] - self.ticks[0]) + 1e-9))
        for tick in self.ticks:
            _, y = self.point(1, tick)
            self.line([(self.left, y), (self.right, y)], _GRID, 1)
            self.text((self.left - 8, y), f"{tick:.{decimals}f}", 12, "rm")
        step = max(1, round(_step(self.horizon / 10)))
        for k in sorted({1, *range(step, self.horizon + 1, step)}):
            x, y = self.point(k, self.ticks[0])
            self.line([(x, y), (x, y + 5)], INK, 1)
            self.text((x, y + 16), str(k), 12, "mm")
        self.line([(self.left, self.bottom), (self.right, self.bottom)], INK, 1)
        self.text(((self.left + self.right) / 2, 384), xlabel, 12, "mm")


def _ticks(low: float, high: float) -> list[float]:
    step = _step((high - low or abs(high) or 1.0) / 5)
    first = math.floor(low / step)
    return [step * i for i in range(first, max(math.ceil(high / step), first + 1) + 1)]


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))
