"""Structural similarity against scikit-image and SciPy."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.metrics
from blurred_frames import HEIGHT, WIDTH, frames, value

from iprnn_tf.metrics import SSIM, SSIM_MODES


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
