"""Measuring predictors by one protocol, next to the trivial baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from keras import ops

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.data.video_protocols import DIGITS, VideoProtocol
from iprnn_tf.data.windows import evaluation_batches
from iprnn_tf.files import write_json
from iprnn_tf.losses import FrameError
from iprnn_tf.metrics import SSIM_MODES, FrameMetric, standard_metrics
from iprnn_tf.models import BlackFrames, CopyLastFrame, NextFrames, VideoPredictor
from iprnn_tf.visualization import error_curve, save_png
from programs.console import console
from programs.provenance import provenance
from programs.tables import aligned
from trainers.measuring.machine import compiles_by_default
from trainers.measuring.progress import MeasuringProgress

_FAR = 4  # Times as large an error would press the other curves onto the axis.
BATCH_VALUES = 50 * 64 * 64  # Of the frames of one time step at once; it changes no result.
BEATEN = "Copying the last frame is better here: train longer, or on video of this kind."
PER_PIXEL = "_e-3"  # Behind the names of errors that are means over pixels, times 1000.
Row = dict[str, dict[str, Any]]  # Of metrics: the mean, and the list per lead time.


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A predictor, copying the last frame, and black frames, measured on the same sequences.

    Args:
        data: which sequences, for people.
        sequences: how many.
        context_frames: how many frames of each were given.
        rows: for each predictor and metric the `mean` and the list `per_lead_time`.
        protocol: how errors were counted.
    """

    data: str
    sequences: int
    context_frames: int
    rows: dict[str, Row]
    protocol: VideoProtocol = DIGITS

    @property
    def counted(self) -> str:
        """What errors are listed by; where every frame is the next one, it isn't lead time."""
        return "predicted frame" if self.protocol.next_frame else "lead time"

    def __str__(self) -> str:
        own, row = next(iter(self.rows.items()))
        given = (
            "all true frames before it"
            if self.protocol.next_frame
            else (f"{self.context_frames} frames")
        )
        clipped = "" if self.protocol.clip else " for PSNR and SSIM alone"
        return (
            f"{self.data}: {self.sequences:,} sequences, {given} given, "
            f"predictions clipped to [0, 1]{clipped}.\n\n{table(self.rows)}\n\n"
            f"{own} per {self.counted}:\n\n{lead_time_table(row, self.counted)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns everything, with the versions and the commit that measured it."""
        return {
            "data": self.data,
            "sequences": self.sequences,
            "context_frames": self.context_frames,
            "clipped": self.protocol.clip,
            "results": self.rows,
            **provenance(),
        }

    def write(self, path: Path, **more: Any) -> None:
        """Writes everything as JSON.

        Args:
            path: the file.
            **more: further entries.
        """
        write_json(path, {**more, **self.as_dict()})

    def draw(self, path: Path) -> None:
        """Draws the squared error as it is counted, beside the baselines that are of its size."""
        curves = {name: row["mse"]["per_lead_time"] for name, row in self.rows.items()}
        reach = _FAR * max(max(curve) for curve in list(curves.values())[:2])
        curves = {name: curve for name, curve in curves.items() if max(curve) <= reach}
        error = f"squared error per frame, over {self.counted}"
        save_png(path, error_curve(curves, self.data, error, f"{self.counted} (frames)"))


def batch_size_for(frame_shape: Iterable[int]) -> int:
    """Returns how many sequences of frames `(H, W, C)` are measured at once: fewer of large ones.

    Memory is what limits it, most of all that of SSIM.
    """
    return max(BATCH_VALUES // math.prod(frame_shape), 1)


def evaluate(
    predictor: VideoPredictor,
    frames: tf.data.Dataset,
    data: str,
    context_frames: int,
    ssim_modes: Iterable[str],
    batch_size: int | None = None,
    protocol: VideoProtocol = DIGITS,
) -> Evaluation:
    """Measures a predictor beside the trivial baselines.

    Args:
        predictor: predicts the rest of each window.
        frames: windows of uint8 or uint16 frames `(T + K, H, W, C)`, of known number.
        data: which sequences these are, for people.
        context_frames: T.
        ssim_modes: names in `iprnn_tf.metrics.SSIM_MODES`; those whose window is larger than a
            frame are left out, and named.
        batch_size: sequences at once; by default as many as `batch_size_for` says.
        protocol: how errors are counted.
    """
    frame_shape = frames.element_spec.shape[1:]
    batches = evaluation_batches(frames, context_frames, batch_size or batch_size_for(frame_shape))
    shape, horizon = predictor.image_shape, predictor.horizon
    predictors = {
        type(predictor).__name__: predictor,
        "CopyLastFrame": CopyLastFrame(shape, horizon),
        "BlackFrames": BlackFrames(shape, horizon),
    }
    if protocol.next_frame:
        horizon = context_frames + horizon - 1
        batches = batches.map(_next_frames)
        predictors = {name: NextFrames(model, horizon) for name, model in predictors.items()}
    modes = _fitting(ssim_modes, frame_shape)
    rows = {}
    for name, model in predictors.items():
        metrics = standard_metrics(horizon, modes, protocol.clip)
        rows[name] = measure(model, batches, metrics, name)
        if protocol.per_pixel:
            rows[name] = {**_per_pixel(rows[name], frame_shape), **rows[name]}
    return Evaluation(data, int(frames.cardinality()), context_frames, rows, protocol)


def _fitting(ssim_modes: Iterable[str], frame_shape: Sequence[int]) -> list[str]:
    """The modes whose window fits into a frame; the others are named."""
    modes = list(ssim_modes)
    fitting = [mode for mode in modes if SSIM_MODES[mode].fits(frame_shape)]
    for mode in modes:
        if mode not in fitting:
            console.say(f"ssim_{mode} is left out: its window is larger than a frame.")
    return fitting


def _next_frames(context: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """From a window in two parts to what is given, and the frame after each of these."""
    frames = tf.concat([context, targets], axis=1)
    return frames[:, :-1], frames[:, 1:]


def _per_pixel(row: Row, frame_shape: Iterable[int]) -> Row:
    """The errors as means over pixels, times 1000."""
    scale = 1000.0 / math.prod(frame_shape)
    return {
        f"{name}{PER_PIXEL}": {
            "mean": row[name]["mean"] * scale,
            "per_lead_time": [round(value * scale, 6) for value in row[name]["per_lead_time"]],
        }
        for name in ("mse", "mae")
    }


def is_beaten(rows: dict[str, Row]) -> bool:
    """Whether the first row's squared error is above that of the second, copying the last frame."""
    own, copying, *_ = [row["mse"]["mean"] for row in rows.values()] or [0.0, 0.0]
    return bool(own > copying)


def measure(
    predictor: VideoPredictor, batches: tf.data.Dataset, metrics: list[FrameMetric], name: str
) -> Row:
    """Streams the batches through one predictor, with a progress bar."""
    predictor.compile(loss=FrameError(), metrics=metrics, jit_compile=compiles_by_default())
    progress = MeasuringProgress(name, int(batches.cardinality()))
    predictor.evaluate(batches, verbose=0, callbacks=[progress])
    return {
        metric.name: {
            "mean": float(metric.result()),
            "per_lead_time": [round(float(x), 6) for x in ops.unstack(metric.per_lead_time())],
        }
        for metric in metrics
    }


def table(rows: dict[str, Row]) -> str:
    """Returns the means of all predictors and metrics as aligned text."""
    metrics = list(next(iter(rows.values())))
    cells = [
        [name, *(_format(metric, row[metric]["mean"]) for metric in metrics)]
        for name, row in rows.items()
    ]
    return aligned([["", *metrics], *cells])


def lead_time_table(row: Row, counted: str = "lead time") -> str:
    """Returns each metric of one predictor per lead time, or what is counted, as aligned text."""
    horizon = len(next(iter(row.values()))["per_lead_time"])
    cells = [
        [metric, *(_format(metric, value) for value in result["per_lead_time"])]
        for metric, result in row.items()
    ]
    return aligned([[counted, *(str(k) for k in range(1, horizon + 1))], *cells])


def _format(metric: str, value: float) -> str:
    return f"{value:.4f}" if metric.startswith("ssim") else f"{value:.2f}"
