"""Errors of forecasts whose truth ends early, against arithmetic and the streaming metrics."""

import numpy as np
import pytest
from keras import ops

from iprnn_tf.metrics import standard_metrics
from programs.media import Forecast
from trainers.measuring.lead_times import LeadTimeErrors

SHAPE = (3, 2, 9, 10, 3)  # Forecasts, lead times, H, W, C.
rng = np.random.default_rng(0)
CONTEXT, TARGETS = (rng.random(SHAPE, dtype=np.float32) for _ in range(2))
PREDICTIONS = rng.normal(0.5, 0.5, SHAPE).astype(np.float32)  # Some are clipped.


def forecasts(targets=TARGETS, predictions=PREDICTIONS, context=CONTEXT):
    return [Forecast(0, *frames) for frames in zip(context, targets, predictions, strict=True)]


def measured(some, name="model"):
    errors = LeadTimeErrors(name, horizon=2)
    assert list(errors.measured(some)) == some
    return errors


def test_where_all_truth_is_known_the_metrics_of_evaluation_come_out():
    rows = measured(forecasts()).rows()
    copied = np.repeat(CONTEXT[:, -1:], 2, axis=1)
    for name, predictions in (("model", PREDICTIONS), ("CopyLastFrame", copied)):
        for metric in standard_metrics(2):
            metric.update_state(TARGETS, predictions)
            result = rows[name][metric.name]
            values = ops.convert_to_numpy(metric.per_lead_time())
            np.testing.assert_allclose(result["per_lead_time"], values, rtol=1e-4)
            np.testing.assert_allclose(result["mean"], metric.result(), rtol=1e-5)


def test_a_forecast_counts_for_the_lead_times_that_have_a_truth():
    targets = TARGETS.copy()
    targets[2, 1] = np.nan
    errors = measured(forecasts(targets))
    assert errors.counts.tolist() == [3, 2]
    squares = ((np.clip(PREDICTIONS, 0, 1) - TARGETS) ** 2).sum((2, 3, 4))
    wanted = [squares[:, 0].mean(), squares[:2, 1].mean()]
    result = errors.rows()["model"]["mse"]
    np.testing.assert_allclose(result["per_lead_time"], wanted, rtol=1e-5)
    np.testing.assert_allclose(result["mean"], np.mean(wanted), rtol=1e-5)


def test_lead_times_without_any_truth_are_left_out():
    targets = TARGETS.copy()
    targets[:, 1] = np.nan
    errors = measured(forecasts(targets))
    assert errors.counts.tolist() == [3, 0]
    assert len(errors.rows()["model"]["psnr"]["per_lead_time"]) == 1
    nothing = measured(forecasts(np.full_like(TARGETS, np.nan)))
    assert (nothing.rows(), nothing.forecasts) == ({}, 3)


@pytest.mark.parametrize("size", [(7, 9), (6, 9)])
def test_frames_too_small_for_ssim_have_the_other_metrics(size):
    small = [frames[:, :, : size[0], : size[1]] for frames in (TARGETS, PREDICTIONS, CONTEXT)]
    names = set(measured(forecasts(*small)).rows()["model"])
    assert names == {"mse", "mae", "psnr"} | ({"ssim_skimage"} if size[0] == 7 else set())


def test_copying_the_last_frame_is_its_own_baseline():
    copied = np.repeat(CONTEXT[:, -1:], 2, axis=1)
    alone = measured(forecasts(predictions=copied), "CopyLastFrame").rows()
    rows = measured(forecasts()).rows()
    assert alone == {name: rows[name] for name in ("CopyLastFrame", "BlackFrames")}
