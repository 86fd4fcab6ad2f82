"""Structural similarity, in the five definitions that papers use."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.metrics.frame_metric import FrameMetric


@dataclasses.dataclass(frozen=True)
class SSIMMode:
    """One published definition of structural similarity.

    Args:
        window: Weights of the window along one side; they sum to one.
        padding: "valid" keeps the windows inside the frame; "same" pads frames with zeros.
        data_range: L in the constants (0.01 L)^2 and (0.03 L)^2, in units of the frames.
        sample_covariance: Whether variances are divided by n - 1 rather than n.
        levels: Frames are first rounded down to multiples of 1 / levels; 0 leaves them.
    """

    window: tuple[float, ...]
    padding: str
    data_range: float = 1.0
    sample_covariance: bool = False
    levels: int = 0

    def fits(self, frame_shape: Sequence[int | None]) -> bool:
        """Whether frames `(H, W, C)` are as large as the window; a side that is open may be."""
        return all(side is None or side >= len(self.window) for side in frame_shape[:2])


def _gaussian(size: int, sigma: float) -> tuple[float, ...]:
    weights = [math.exp(-0.5 * ((i - size // 2) / sigma) ** 2) for i in range(size)]
    return tuple(weight / sum(weights) for weight in weights)


_UNIFORM = (1 / 7,) * 7
_GAUSSIAN = _gaussian(11, sigma=1.5)

SSIM_MODES = {
    "skimage_legacy": SSIMMode(_UNIFORM, "valid", data_range=2.0, sample_covariance=True),
    "skimage": SSIMMode(_UNIFORM, "valid", sample_covariance=True),
    "uint8": SSIMMode(_UNIFORM, "valid", sample_covariance=True, levels=255),
    "gaussian": SSIMMode(_GAUSSIAN, "same"),
    "gaussian_valid": SSIMMode(_GAUSSIAN, "valid"),
}


@keras.saving.register_keras_serializable(package="iprnn_tf")
class SSIM(FrameMetric):
    """Structural similarity of frames, in one of the five definitions that papers use.

    The five differ by more than most models do: give the mode next to every number. All take
    the mean over the windows of a channel, over channels, and then over frames.

        value = mean((2 ux uy + c1)(2 vxy + c2) / ((ux^2 + uy^2 + c1)(vx + vy + c2)))

    with means u and (co)variances v in a window, c1 = (0.01 L)^2 and c2 = (0.03 L)^2.

    - "skimage_legacy": 7x7 uniform, sample covariance, L = 2. What scikit-image before 0.20 did
      with float frames by default; many tables of 2021 to 2024 hold it.
    - "skimage": the same with L = 1, the range that the frames do have.
    - "uint8": the same on frames rounded down to uint8, L = 255, as for PredRNN.
    - "gaussian": 11x11 Gaussian with a deviation of 1.5 on zero-padded frames, L = 1, as for
      CrevNet. The padding looks alike in both frames and raises the number.
    - "gaussian_valid": the same without padding, as published.

    Args:
        horizon: Number of predicted frames, counted from the end.
        mode: A key of `SSIM_MODES`.
        clip: Whether predictions are first clipped to [0, 1].
        **kwargs: `name`, by default `ssim_{mode}`, and `dtype`, as in `FrameMetric`.

    Raises:
        ValueError: If `mode` is unknown, or a frame is smaller than the window.

    Reference:
        Wang et al., "Image quality assessment: from error visibility to structural similarity",
        IEEE Transactions on Image Processing, 2004.
    """

    def __init__(self, horizon: int, mode: str = "skimage", clip: bool = True, **kwargs: Any):
        if mode not in SSIM_MODES:
            raise ValueError(
                f"mode must be one of {', '.join(SSIM_MODES)}. Received: mode={mode!r}. "
                "Choose the one that the numbers you compare with were computed with."
            )
        kwargs["name"] = kwargs.get("name") or f"ssim_{mode}"
        super().__init__(horizon, clip, **kwargs)
        self.mode = mode

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        return _structural_similarity(targets, predictions, SSIM_MODES[self.mode])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


def _structural_similarity(x: Tensor, y: Tensor, mode: SSIMMode) -> Tensor:
    if mode.levels:
        x, y = (ops.floor(frames * mode.levels) / mode.levels for frames in (x, y))
    # Only the sum of both variances is needed, so four maps do for both frames.
    maps = ops.concatenate([x, y, x * x + y * y, x * y], axis=-1)  # (B, K, H, W, 4C)
    maps = _window_means(maps, mode)
    mean_x, mean_y, mean_squares, mean_product = ops.split(maps, 4, axis=-1)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    pixels = len(mode.window) ** 2
    unbiased = pixels / (pixels - 1) if mode.sample_covariance else 1.0
    covariance = unbiased * (mean_product - product)
    variances = unbiased * (mean_squares - squares)
    c1, c2 = (0.01 * mode.data_range) ** 2, (0.03 * mode.data_range) ** 2
    similarity = (2.0 * product + c1) * (2.0 * covariance + c2)
    return ops.mean(similarity / ((squares + c1) * (variances + c2)), axis=(2, 3, 4))


def _window_means(maps: Tensor, mode: SSIMMode) -> Tensor:
    # Sums of shifted maps: accelerators round the inputs of convolutions and matrix products to
    # ten bits by default, and a variance is a small difference of large numbers.
    reach = len(mode.window) - 1
    if not mode.fits(maps.shape[2:]):
        raise ValueError(
            f"Frames must be at least as large as the SSIM window, {reach + 1}x{reach + 1}. "
            f"Received: (H, W) = {tuple(maps.shape[2:4])}. Use larger frames or a 7x7 mode."
        )
    if mode.padding == "same":
        around = (reach // 2, reach // 2)
        maps = ops.pad(maps, ((0, 0), (0, 0), around, around, (0, 0)))
    for axis in (2, 3):
        before = (slice(None),) * axis
        maps = sum(
            weight * maps[(*before, slice(i, i - reach or None))]
            for i, weight in enumerate(mode.window)
        )
    return maps  # (B, K, H', W', 4C)
