"""Measuring predictors by one protocol, next to the trivial baselines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iprnn_tf.losses import FrameSquaredError
from iprnn_tf.metrics import FrameMetric, standard_metrics
from iprnn_tf.models import BlackFrames, CopyLastFrame, VideoPredictor
from trainers import command_line

Results = dict[str, dict[str, dict[str, Any]]]  # Of predictors, metrics, mean or per lead time.
UNITS = {"mse": "sum of squares per frame", "mae": "sum of absolutes per frame", "psnr": "dB"}


def compare(
    predictor: VideoPredictor, batches: tf.data.Dataset, ssim_modes: Iterable[str]
) -> Results:
    """Measures a predictor, copying the last frame, and black frames on the same batches.

    Args:
        predictor: predicts as many frames as the targets have.
        batches: pairs of context and targets.
        ssim_modes: names in `iprnn_tf.metrics.SSIM_MODES`.

    Returns:
        For each predictor and metric the `mean` and the list `per_lead_time`. Predictions are
        clipped to [0, 1] first.
    """
    shape, horizon = predictor.image_shape, predictor.horizon
    rows = {
        type(predictor).__name__: predictor,
        "CopyLastFrame": CopyLastFrame(shape, horizon),
        "BlackFrames": BlackFrames(shape, horizon),
    }
    return {
        name: measure(model, batches, standard_metrics(horizon, ssim_modes), name)
        for name, model in rows.items()
    }


def measure(
    predictor: VideoPredictor, batches: tf.data.Dataset, metrics: list[FrameMetric], name: str
) -> dict[str, dict[str, Any]]:
    """Streams the batches through one predictor, with a progress bar."""
    print(f"Measuring {name}")
    predictor.compile(loss=FrameSquaredError(), metrics=metrics, jit_compile=_jit())
    predictor.evaluate(batches, verbose=command_line.progress())
    return {
        metric.name: {
            "mean": float(metric.result()),
            "per_lead_time": [round(float(x), 6) for x in ops.unstack(metric.per_lead_time())],
        }
        for metric in metrics
    }


def _jit() -> bool:
    """TensorFlow is faster in graph mode on the CPU; the other backends have nothing else."""
    return keras.backend.backend() == "jax"


def table(results: Results) -> str:
    """Returns the means of all predictors and metrics as aligned text."""
    metrics = list(next(iter(results.values())))
    header = ["", *metrics]
    rows = [
        [name, *(_format(metric, row[metric]["mean"]) for metric in metrics)]
        for name, row in results.items()
    ]
    return aligned([header, *rows])


def lead_time_table(results: dict[str, dict[str, Any]]) -> str:
    """Returns each metric of one predictor per lead time as aligned text."""
    horizon = len(next(iter(results.values()))["per_lead_time"])
    header = ["lead time", *(str(k) for k in range(1, horizon + 1))]
    rows = [
        [metric, *(_format(metric, value) for value in result["per_lead_time"])]
        for metric, result in results.items()
    ]
    return aligned([header, *rows])


def _format(metric: str, value: float) -> str:
    return f"{value:.4f}" if metric.startswith("ssim") else f"{value:.2f}"


def aligned(rows: list[list[str]]) -> str:
    """Returns rows of cells as text: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
