"""Frame metrics: what they sum, average, clip and refuse."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from blurred_frames import HEIGHT, WIDTH, frames, value

from iprnn_tf.metrics import (
    PSNR,
    SSIM,
    SSIM_MODES,
    AbsoluteError,
    FrameMetric,
    SquaredError,
    standard_metrics,
)

FACTORIES = {
    "mse": SquaredError,
    "mae": AbsoluteError,
    "psnr": PSNR,
    **{
        f"ssim_{mode}": lambda mode=mode, **kwargs: SSIM(mode=mode, **kwargs) for mode in SSIM_MODES
    },
}

every_metric = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES.keys())


def constant(level, batch=1, time=1):
    return np.full((batch, time, HEIGHT, WIDTH, 1), level, "float32")


def test_squared_and_absolute_errors_are_summed_over_the_frame_and_averaged_over_frames():
    targets, predictions = constant(0.0, batch=2, time=2), constant(0.0, batch=2, time=2)
    predictions[0, 0, 2:4, 5:8] = 0.5
    assert value(SquaredError(2), targets, predictions) == pytest.approx(6 * 0.25 / 4)
    assert value(AbsoluteError(2), targets, predictions) == pytest.approx(6 * 0.5 / 4)


def test_errors_are_summed_over_channels_too():
    targets = np.zeros((1, 1, HEIGHT, WIDTH, 3), "float32")
    assert value(SquaredError(1), targets, targets + 0.5) == pytest.approx(
        0.25 * 3 * HEIGHT * WIDTH
    )


def test_black_predictions_cost_the_number_of_white_pixels():
    targets, black = constant(0.0), constant(0.0)
    targets[:, :, :5, :8] = 1.0
    assert value(SquaredError(1), targets, black) == pytest.approx(40)
    assert value(AbsoluteError(1), targets, black) == pytest.approx(40)
    expected = -10 * np.log10(40 / (HEIGHT * WIDTH))
    assert value(PSNR(1), targets, black) == pytest.approx(expected, rel=1e-6)


def test_psnr_is_the_mean_of_logs_not_the_log_of_the_mean():
    targets = constant(0.5, time=2)
    predictions = targets + np.array([0.1, 0.01], "float32")[:, None, None, None]
    metric = PSNR(2)
    assert value(metric, targets, predictions) == pytest.approx(30, abs=1e-4)
    np.testing.assert_allclose(metric.per_lead_time(), [20, 40], atol=1e-4)


def test_psnr_of_equal_frames_is_one_hundred_decibels():
    assert value(PSNR(1), constant(0.3), constant(0.3)) == pytest.approx(100)


@every_metric
def test_every_frame_has_its_own_place_in_the_curve(make):
    targets, predictions = frames(1, time=3), frames(2, time=3)
    whole = make(horizon=3)
    whole.update_state(targets, predictions)
    single = [
        value(make(horizon=1), targets[:, k : k + 1], predictions[:, k : k + 1]) for k in range(3)
    ]
    np.testing.assert_allclose(whole.per_lead_time(), single, rtol=1e-5)
    assert float(whole.result()) == pytest.approx(np.mean(single), rel=1e-5)


@every_metric
def test_streaming_over_uneven_batches_equals_one_batch(make):
    targets, predictions = frames(1, batch=7), frames(2, batch=7)
    streamed = make(horizon=2)
    for start, stop in [(0, 4), (4, 6), (6, 7)]:
        streamed.update_state(targets[start:stop], predictions[start:stop])
    assert float(streamed.result()) == pytest.approx(
        value(make(horizon=2), targets, predictions), rel=1e-5
    )


@every_metric
def test_only_the_last_horizon_frames_count(make):
    targets, predictions = frames(1, time=6), frames(2, time=6)
    expected = value(make(horizon=2), targets[:, -2:], predictions[:, -2:])
    assert value(make(horizon=2), targets, predictions) == pytest.approx(expected, rel=1e-6)
    assert value(make(horizon=2), targets, predictions[:, -2:]) == pytest.approx(expected, rel=1e-6)


@every_metric
def test_clipping_is_of_predictions_only_and_a_choice(make):
    targets, predictions = frames(1), frames(2) * 3 - 1
    clipped = np.clip(predictions, 0, 1)
    metric = make(horizon=2)
    assert value(metric, targets, predictions) == pytest.approx(
        value(make(horizon=2, clip=False), targets, clipped), rel=1e-6
    )
    raw = value(make(horizon=2, clip=False), targets, predictions)
    assert abs(raw - float(metric.result())) > 1e-3
    # With predictions in range there is nothing to clip, whatever the targets are.
    assert value(make(horizon=2), targets * 2, clipped) == pytest.approx(
        value(make(horizon=2, clip=False), targets * 2, clipped), rel=1e-6
    )


@every_metric
def test_sequences_can_be_weighted(make):
    targets, predictions = frames(1), frames(2)
    weighted = value(
        make(horizon=2), targets, predictions, sample_weight=np.array([0.25, 0.0, 0.25])
    )
    expected = value(make(horizon=2), targets[::2], predictions[::2])
    assert weighted == pytest.approx(expected, rel=1e-5)


@every_metric
def test_reset_forgets_everything(make):
    metric = make(horizon=2)
    first = value(metric, frames(1), frames(2))
    metric.reset_state()
    np.testing.assert_array_equal(metric.per_lead_time(), [0, 0])
    assert value(metric, frames(3), frames(3)) != pytest.approx(first, rel=1e-3)
    metric.reset_state()
    assert value(metric, frames(1), frames(2)) == pytest.approx(first, rel=1e-6)


@every_metric
def test_config_round_trip_keeps_the_number(make):
    metric = make(horizon=2, clip=False, name="mine")
    config = keras.saving.serialize_keras_object(metric)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == metric.get_config()
    assert (copy.name, copy.horizon, copy.clip) == ("mine", 2, False)
    predictions = frames(2) * 3 - 1
    assert value(copy, frames(1), predictions) == value(metric, frames(1), predictions)


@every_metric
def test_metrics_stay_in_float32_under_mixed_precision(make):
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_floatx("bfloat16")
    try:
        metric = make(horizon=2)
        targets = keras.ops.cast(frames(1), "bfloat16")
        predictions = keras.ops.cast(frames(2), "bfloat16")
        actual = value(metric, targets, predictions)
        assert {v.dtype for v in metric.variables} == {"float32"}
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    wide = [np.array(keras.ops.cast(x, "float32")) for x in (targets, predictions)]
    assert actual == pytest.approx(value(make(horizon=2), *wide), rel=1e-6)


def test_metrics_work_inside_fit_with_more_frames_than_the_horizon():
    model = keras.Sequential([keras.Input((4, HEIGHT, WIDTH, 1)), keras.layers.Rescaling(0.5)])
    model.compile(loss="mse", metrics=standard_metrics(2, SSIM_MODES))
    inputs, targets = frames(1, batch=3, time=4), frames(2, batch=3, time=4)
    logs = model.evaluate(inputs, targets, batch_size=2, verbose=0, return_dict=True)
    for name, make in FACTORIES.items():
        expected = value(make(horizon=2), targets, inputs * 0.5)
        assert logs[name] == pytest.approx(expected, rel=1e-4), name


def test_standard_metrics_have_the_names_of_the_tables():
    names = [metric.name for metric in standard_metrics(10, ("skimage", "uint8"))]
    assert names == ["mse", "mae", "psnr", "ssim_skimage", "ssim_uint8"]


ON_JAX = """
import sys
import numpy as np
from iprnn_tf.metrics import SSIM_MODES, standard_metrics
targets, predictions = np.load(sys.argv[1])
metrics = standard_metrics(2, SSIM_MODES)
for metric in metrics:
    metric.update_state(targets, predictions)
np.save(sys.argv[2], [metric.result() for metric in metrics])
"""


def test_another_backend_gives_the_same_numbers(tmp_path):
    pytest.importorskip("jax")
    targets, predictions = frames(1), frames(2)
    np.save(tmp_path / "frames.npy", [targets, predictions])
    command = [sys.executable, "-c", ON_JAX, tmp_path / "frames.npy", tmp_path / "results.npy"]
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": "jax"})
    here = [value(metric, targets, predictions) for metric in standard_metrics(2, SSIM_MODES)]
    np.testing.assert_allclose(np.load(tmp_path / "results.npy"), here, rtol=1e-5)


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_below_one_is_refused(horizon):
    with pytest.raises(ValueError, match=f"Received: horizon={horizon}"):
        PSNR(horizon)


@pytest.mark.parametrize("shape", [(2, 1, 18, 23, 1), (2, 18, 23, 1), (18, 23)])
def test_frames_that_are_too_few_or_lack_axes_are_refused(shape):
    whole = np.zeros((2, 2, 18, 23, 1), "float32")
    with pytest.raises(ValueError, match="y_pred of shape"):
        SquaredError(2).update_state(whole, np.zeros(shape, "float32"))
    with pytest.raises(ValueError, match="y_true of shape"):
        SquaredError(2).update_state(np.zeros(shape, "float32"), whole)


def test_frames_of_different_shapes_are_refused_not_broadcast():
    with pytest.raises(ValueError, match="must have the same shape"):
        SquaredError(2).update_state(frames(1, channels=1), frames(1, channels=3))


def test_uint8_frames_are_refused_not_taken_for_floats():
    with pytest.raises(ValueError, match="y_true of dtype"):
        SquaredError(2).update_state(np.uint8(frames(1) * 255), frames(1))


def test_low_precision_metrics_are_refused():
    with pytest.raises(ValueError, match="work in float32"):
        SquaredError(2, dtype="bfloat16")


def test_a_metric_of_ones_own_says_only_its_number_per_frame():
    class Brightest(FrameMetric):
        def frame_values(self, targets, predictions):
            return keras.ops.max(predictions, axis=(2, 3, 4))

    predictions = constant(0.2, time=2)
    predictions[:, 1, 3, 4] = 0.8
    metric = Brightest(2)
    assert value(metric, constant(0.0, time=2), predictions) == pytest.approx(0.5)
    np.testing.assert_allclose(metric.per_lead_time(), [0.2, 0.8], rtol=1e-6)
