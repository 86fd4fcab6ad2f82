"""Training losses. Each says what it sums and what it averages."""

from __future__ import annotations

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FrameSquaredError(keras.losses.Loss):
    """Squared error of a frame, as the field's tables count it.

    Summed over height, width and channels, averaged over frames and sequences, in float32. It
    is H * W * C times the mean squared error per value that the author's code minimises: Adam's
    and Muon's updates don't see the difference, limits on the norm of gradients do.

    Call arguments:
        y_true, y_pred: frames `(B, T, H, W, C)`.
    """

    def __init__(self, name: str = "frame_squared_error", **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        error = ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")
        return ops.sum(ops.square(error), axis=(2, 3, 4))  # (B, T)
