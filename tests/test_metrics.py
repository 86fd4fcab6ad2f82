import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.ndimage
import skimage.metrics

from iprnn_tf.metrics import (
    PSNR,
    SSIM,
    SSIM_MODES,
    AbsoluteError,
    FrameMetric,
    SquaredError,
    standard_metrics,
)

HEIGHT, WIDTH = 18, 23

FACTORIES = {
    "mse": SquaredError,
    "mae": AbsoluteError,
    "psnr": PSNR,
    **{
        f"ssim_{mode}": lambda mode=mode, **kwargs: SSIM(mode=mode, **kwargs) for mode in SSIM_MODES
    },
}

every_metric = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES.keys())


def frames(seed, batch=3, time=2, channels=1, high=1.0):
    """Blurred noise with black and white regions, as digits have."""
    shape = (batch, time, HEIGHT, WIDTH, channels)
    noise = np.random.default_rng(seed).normal(0.4, 0.5, shape)
    blurred = scipy.ndimage.gaussian_filter(noise, (0, 0, 1, 1, 0)) * 2 - 0.4
    return np.clip(blurred, 0, high).astype("float32")


def value(metric, targets, predictions, **kwargs):
    metric.update_state(targets, predictions, **kwargs)
    return float(metric.result())


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


def skimage_similarity(targets, predictions, **options):
    images = [x.reshape(-1, *x.shape[2:]) for x in (targets, predictions)]
    similarity = skimage.metrics.structural_similarity
    return np.mean(
        [similarity(*xy, channel_axis=-1, **options) for xy in zip(*images, strict=True)]
    )


SKIMAGE_OPTIONS = {
    "skimage_legacy": {"win_size": 7, "data_range": 2.0},
    "skimage": {"win_size": 7, "data_range": 1.0},
    "gaussian_valid": {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 1.0,
    },
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", SKIMAGE_OPTIONS)
def test_ssim_is_that_of_scikit_image(mode, channels):
    targets, predictions = frames(1, channels=channels), frames(2, channels=channels)
    predictions = 0.5 * (targets + predictions)
    expected = skimage_similarity(
        targets.astype("float64"), predictions.astype("float64"), **SKIMAGE_OPTIONS[mode]
    )
    assert value(SSIM(2, mode), targets, predictions) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_uint8_ssim_is_that_of_scikit_image_on_rounded_down_frames(channels):
    targets, noise = frames(1, channels=channels), frames(2, channels=channels)
    # Multiples of 1 / 255 are where rounding is a matter of the last bit.
    targets = np.round(targets * 255).astype("float32") / np.float32(255)
    # Noise of less than one level on black, which rounding takes away.
    predictions = 0.9 * targets + np.float32(0.0039) * noise
    expected = skimage_similarity(
        np.uint8(targets * 255), np.uint8(predictions * 255), win_size=7, data_range=255
    )
    actual = value(SSIM(2, "uint8"), targets, predictions)
    assert actual == pytest.approx(expected, abs=1e-5)
    assert abs(actual - value(SSIM(2, "skimage"), targets, predictions)) > 1e-4


def padded_gaussian_similarity(x, y):
    """Of one channel, by a two-dimensional convolution in float64."""
    line = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2

    def mean(image):
        return scipy.ndimage.convolve(image, window, mode="constant", cval=0.0)

    ux, uy = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - ux**2, mean(y * y) - uy**2, mean(x * y) - ux * uy
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
    return similarity.mean()


@pytest.mark.parametrize("channels", [1, 3])
def test_gaussian_ssim_is_that_of_a_convolution_over_zero_padded_frames(channels):
    targets, predictions = frames(1, channels=channels), frames(2, channels=channels)
    predictions = 0.5 * (targets + predictions)
    planes = [
        np.moveaxis(x, -1, 2).reshape(-1, HEIGHT, WIDTH).astype("float64")
        for x in (targets, predictions)
    ]
    expected = np.mean([padded_gaussian_similarity(x, y) for x, y in zip(*planes, strict=True)])
    assert value(SSIM(2, "gaussian"), targets, predictions) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", SSIM_MODES)
def test_ssim_of_equal_frames_is_one(mode):
    assert value(SSIM(2, mode), frames(1), frames(1)) == pytest.approx(1, abs=1e-6)


def test_a_larger_data_range_flatters():
    targets, predictions = frames(1), 0.5 * (frames(1) + frames(2))
    legacy = value(SSIM(2, "skimage_legacy"), targets, predictions)
    assert legacy > value(SSIM(2, "skimage"), targets, predictions)


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


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="one weight per sequence"):
        SquaredError(2).update_state(frames(1), frames(1), sample_weight=np.ones((3, 2)))


def test_low_precision_metrics_are_refused():
    with pytest.raises(ValueError, match="work in float32"):
        SquaredError(2, dtype="bfloat16")


def test_an_unknown_ssim_mode_is_refused_with_the_list_of_modes():
    with pytest.raises(ValueError, match=r"skimage_legacy, skimage, uint8.*mode='wang'"):
        SSIM(2, "wang")


@pytest.mark.parametrize(("mode", "side"), [("skimage", 6), ("gaussian", 10)])
def test_frames_smaller_than_the_window_are_refused(mode, side):
    small = np.zeros((1, 2, 30, side, 1), "float32")
    with pytest.raises(ValueError, match=f"Received: \\(H, W\\) = \\(30, {side}\\)"):
        SSIM(2, mode).update_state(small, small)


@pytest.mark.parametrize(("mode", "side"), [("skimage", 7), ("gaussian_valid", 11)])
def test_one_window_is_enough(mode, side):
    noise = frames(1)[:, :, :side, :side]
    assert value(SSIM(2, mode), noise, noise) == pytest.approx(1, abs=1e-6)


def test_a_metric_of_ones_own_says_only_its_number_per_frame():
    class Brightest(FrameMetric):
        def frame_values(self, targets, predictions):
            return keras.ops.max(predictions, axis=(2, 3, 4))

    predictions = constant(0.2, time=2)
    predictions[:, 1, 3, 4] = 0.8
    metric = Brightest(2)
    assert value(metric, constant(0.0, time=2), predictions) == pytest.approx(0.5)
    np.testing.assert_allclose(metric.per_lead_time(), [0.2, 0.8], rtol=1e-6)
