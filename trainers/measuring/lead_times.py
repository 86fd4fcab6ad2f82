"""Errors over lead time of forecasts whose truth may end early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from keras import ops

from iprnn_tf.metrics import SSIM_MODES, FrameMetric, standard_metrics
from programs.media import Forecast
from trainers.measuring.results import Row

BASELINES = ("CopyLastFrame", "BlackFrames")


class LeadTimeErrors:
    """Streams forecasts past, and measures the model beside the trivial baselines.

    A forecast counts for the lead times whose truth is known. Predictions are clipped to [0, 1].

    Args:
        name: of the model.
        horizon: K.
    """

    def __init__(self, name: str, horizon: int) -> None:
        self._horizon = horizon
        self._metrics: list[FrameMetric] = []
        self._totals: dict[str, np.ndarray] = {}
        self._name = name
        self.forecasts = 0
        self.counts = np.zeros(horizon, int)

    def measured(self, forecasts: Iterable[Forecast]) -> Iterator[Forecast]:
        """Passes forecasts on, each measured."""
        for forecast in forecasts:
            self._add(forecast)
            yield forecast

    def rows(self) -> dict[str, Row]:
        """Returns the table of results, for lead times with a truth; empty where there are none.

        `per_lead_time` is the mean over forecasts, and `mean` that over lead times.
        """
        known = self.counts > 0
        means = {name: (x[:, known] / self.counts[known]) for name, x in self._totals.items()}
        return {
            name: {
                metric.name: {
                    "mean": float(np.mean(values)),
                    "per_lead_time": [round(float(value), 6) for value in values],
                }
                for metric, values in zip(self._metrics, rows, strict=True)
            }
            for name, rows in means.items()
            if known.any()
        }

    def _add(self, forecast: Forecast) -> None:
        if not self.forecasts:
            self._start(forecast)
        self.forecasts += 1
        known = int((~np.isnan(forecast.targets).any(axis=(1, 2, 3))).sum())
        if not known:
            return
        self.counts[:known] += 1
        targets = forecast.targets[:known]
        predictions = {
            self._name: forecast.predictions[:known],
            BASELINES[0]: np.broadcast_to(forecast.context[-1], targets.shape),
            BASELINES[1]: np.zeros_like(targets),
        }
        for name, frames in predictions.items():
            self._measure(name, targets, frames)

    def _start(self, forecast: Forecast) -> None:
        modes = ["skimage"] if SSIM_MODES["skimage"].fits(forecast.context.shape[1:]) else []
        self._metrics = standard_metrics(self._horizon, modes)
        shape = (len(self._metrics), self._horizon)
        self._totals = {name: np.zeros(shape) for name in (self._name, *BASELINES)}

    def _measure(self, name: str, targets: np.ndarray, predictions: np.ndarray) -> None:
        pair = [ops.convert_to_tensor(frames[None]) for frames in (targets, predictions)]
        pair[1] = ops.clip(pair[1], 0.0, 1.0)
        for total, metric in zip(self._totals[name], self._metrics, strict=True):
            total[: len(targets)] += ops.convert_to_numpy(metric.frame_values(*pair))[0]
