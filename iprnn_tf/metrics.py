"""How far predicted frames are from the true ones: per lead time first, and then the mean."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FrameMetric(keras.metrics.Metric):
    """A streaming mean over sequences of one number per predicted frame.

    Subclasses say what the number is, in `frame_values`; this class adds it up per lead time.
    Frames are floats in [0, 1] of shape `(B, T', H, W, C)`. Only the last `horizon` of them
    count: the outputs of training (all next frames) and those of `predict` (the future alone)
    give the same number. Everything is computed in float32, whatever the model's dtype policy.

        per_lead_time[k] = sum_b weight_b * value(b, k) / sum_b weight_b
        result           = mean_k per_lead_time[k]

    Args:
        horizon: Number of predicted frames, counted from the end.
        clip: Whether predictions (never targets) are first clipped to [0, 1]. Protocols differ:
            most clip, but some clip for every metric except the squared and absolute error.
        name: Name of the metric; "mse", "mae" or "psnr" by default.
        dtype: Only "float32", for Keras's signature: lower precisions can't count a test set.

    Raises:
        ValueError: If `horizon` or `dtype` isn't one of those above, or if the frames aren't
            floats with five axes, `horizon` frames at least and the same shape.
    """

    default_name: str | None = None

    def __init__(
        self, horizon: int, clip: bool = True, name: str | None = None, dtype: Any = "float32"
    ) -> None:
        if horizon < 1:
            raise ValueError(
                f"horizon must be at least 1. Received: horizon={horizon}. "
                "Pass the number of frames that the model predicts."
            )
        if dtype not in (None, "float32"):
            raise ValueError(
                f"Frame metrics work in float32. Received: dtype={dtype}. Leave dtype out."
            )
        super().__init__(name=name or self.default_name, dtype="float32")
        self.horizon = horizon
        self.clip = clip
        # Without a dtype of their own, weights would follow keras.config.floatx().
        self.total = self.add_weight((horizon,), "zeros", dtype="float32", name="total")
        self.count = self.add_weight((), "zeros", dtype="float32", name="count")

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        """Returns one number per frame, `(B, K)`, of two `(B, K, H, W, C)` in float32."""
        raise NotImplementedError(f"{type(self).__name__} must define `frame_values`.")

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Adds a batch; `sample_weight` is one weight per sequence, `(B,)`, equal by default."""
        targets = self._last_frames(y_true, "y_true")  # (B, K, H, W, C)
        predictions = self._last_frames(y_pred, "y_pred")
        _check_same_shape(targets, predictions)
        if self.clip:
            predictions = ops.clip(predictions, 0.0, 1.0)
        values = self.frame_values(targets, predictions)  # (B, K)
        weights = _sequence_weights(values, sample_weight)  # (B, 1)
        self.total.assign_add(ops.sum(values * weights, axis=0))
        self.count.assign_add(ops.sum(weights))

    def per_lead_time(self) -> Tensor:
        """Returns the mean over sequences for each lead time, `(horizon,)`; 0 without data."""
        return ops.divide_no_nan(self.total, self.count)

    def result(self) -> Tensor:
        """Returns the mean over lead times and sequences, a scalar."""
        return ops.mean(self.per_lead_time())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "horizon": self.horizon, "clip": self.clip}

    def _last_frames(self, frames: Tensor, argument: str) -> Tensor:
        frames = ops.convert_to_tensor(frames)
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(frames.dtype)):
            raise ValueError(
                f"Frames must be floats in [0, 1]. Received: {argument} of dtype {frames.dtype}. "
                "Divide uint8 frames by 255."
            )
        shape = tuple(frames.shape)
        if len(shape) != 5 or (shape[1] is not None and shape[1] < self.horizon):
            raise ValueError(
                f"Frames must be of shape (B, T', H, W, C) with T' >= horizon={self.horizon}. "
                f"Received: {argument} of shape {shape}. Add axes or frames, or lower the horizon."
            )
        return ops.cast(frames[:, -self.horizon :], "float32")


def _check_same_shape(targets: Tensor, predictions: Tensor) -> None:
    # Broadcasting would hide a missing channel. Axes known only at run time are let through.
    pairs = zip(targets.shape, predictions.shape, strict=True)
    if any(a != b for a, b in pairs if a is not None and b is not None):
        raise ValueError(
            "Targets and predictions must have the same shape. Received: last frames of shapes "
            f"{tuple(targets.shape)} and {tuple(predictions.shape)}. Resize one of them."
        )


def _sequence_weights(values: Tensor, sample_weight: Tensor | None) -> Tensor:
    if sample_weight is None:
        return ops.ones_like(values[:, :1])
    weights = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
    if len(weights.shape) != 1:
        raise ValueError(
            "sample_weight must have one weight per sequence, (B,). Received: shape "
            f"{tuple(weights.shape)}. Average it over the other axes."
        )
    return weights[:, None]


@keras.saving.register_keras_serializable(package="iprnn_tf")
class SquaredError(FrameMetric):
    """Squared error, summed over the pixels and channels of a frame ("MSE" in the papers).

    The mean is over frames and sequences only: 9.8 on Moving MNIST is 9.8 / 4096 per pixel.
    Papers on driving videos often quote the mean over pixels: divide by H * W * C.

        value = sum_hwc (target - prediction)^2
    """

    default_name = "mse"

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        return ops.sum(ops.square(targets - predictions), axis=(2, 3, 4))


@keras.saving.register_keras_serializable(package="iprnn_tf")
class AbsoluteError(FrameMetric):
    """Absolute error, summed over the pixels and channels of a frame ("MAE" in the papers).

    The mean is over frames and sequences only, as with `SquaredError`.

        value = sum_hwc |target - prediction|
    """

    default_name = "mae"

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        return ops.sum(ops.abs(targets - predictions), axis=(2, 3, 4))


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PSNR(FrameMetric):
    """Peak signal-to-noise ratio in dB, averaged over frames.

    The ratio is taken per frame and then averaged: the mean of logs, not the log of the mean.

        value = -10 log10(max(mean_hwc (target - prediction)^2, 1e-10)), at most 100 dB
    """

    default_name = "psnr"

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        error = ops.mean(ops.square(targets - predictions), axis=(2, 3, 4))  # (B, K)
        return -10.0 * ops.log10(ops.maximum(error, 1e-10))


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
    if any(side is not None and side <= reach for side in maps.shape[2:4]):
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


def standard_metrics(
    horizon: int, ssim_modes: Iterable[str] = ("skimage",), clip_errors: bool = True
) -> list[FrameMetric]:
    """Returns the metrics of the usual table: squared and absolute error, PSNR, and SSIMs."""
    errors = [SquaredError(horizon, clip_errors), AbsoluteError(horizon, clip_errors)]
    return [*errors, PSNR(horizon), *(SSIM(horizon, mode) for mode in ssim_modes)]
