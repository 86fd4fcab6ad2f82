"""Squared and absolute error, and the peak signal-to-noise ratio."""

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.metrics.frame_metric import FrameMetric


@keras.saving.register_keras_serializable(package="iprnn_tf")
class SquaredError(FrameMetric):
    """Squared error, summed over the pixels and channels of a frame ("MSE" in the papers).

    The mean is over frames and sequences only: 9.8 on Moving MNIST is 9.8 / 4096 per pixel.
    Papers on driving videos often quote the mean over pixels: divide by H * W * C.

        value = sum_hwc (target - prediction)^2

    Args:
        horizon: number of predicted frames, counted from the end; see `FrameMetric` for the others.
    """

    default_name = "mse"

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        return ops.sum(ops.square(targets - predictions), axis=(2, 3, 4))


@keras.saving.register_keras_serializable(package="iprnn_tf")
class AbsoluteError(FrameMetric):
    """Absolute error, summed over the pixels and channels of a frame ("MAE" in the papers).

    The mean is over frames and sequences only, as with `SquaredError`.

        value = sum_hwc |target - prediction|

    Args:
        horizon: number of predicted frames, counted from the end; see `FrameMetric` for the others.
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
