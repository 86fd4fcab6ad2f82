"""Training losses. Each says what it sums and what it averages."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.frame_weights import frame_weights


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FrameError(keras.losses.Loss):
    """Error of a frame, as the field's tables count it: by default the squared error.

    Summed over height, width and channels, averaged over frames and sequences, in float32. The
    squared error is H * W * C times the mean squared error per value that the author's code
    minimises: Adam's and Muon's updates don't see the difference, limits on the norm of
    gradients do.

        error(b, t) = sum_hwc (y_pred - y_true)^2 + absolute_weight * sum_hwc |y_pred - y_true|
        loss = mean_b sum_t w(t) error(b, t) / sum_t w(t)

    where w is `warm_up_weight` for the outputs over the context and 1 for the last `horizon`.

    Args:
        absolute_weight: weight of the absolute error; E3D-LSTM, for one, adds both up.
        warm_up_weight: weight of the outputs over the context, relative to the predictions'.
            1 counts all of them, as the author's code does; 0 the last `horizon` alone.
        horizon: K, the number of predictions; needed where `warm_up_weight` isn't 1.

    Call arguments:
        y_true, y_pred: frames `(B, T, H, W, C)`.
        sample_weight: factors of the errors of sequences, `(B,)`, or of frames, `(B, T)`; as
            always in Keras, the mean still counts all frames.

    Raises:
        ValueError: if a weight is negative, or the horizon is missing.
    """

    def __init__(
        self,
        absolute_weight: float = 0.0,
        warm_up_weight: float = 1.0,
        horizon: int | None = None,
        name: str = "frame_error",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not (absolute_weight >= 0 and warm_up_weight >= 0):
            raise ValueError(
                "Weights of errors are zero or positive. Received: "
                f"absolute_weight={absolute_weight}, warm_up_weight={warm_up_weight}. "
                "Leave them out for the squared error of all outputs."
            )
        if warm_up_weight != 1 and horizon is None:
            raise ValueError(
                "The warm-up is all outputs but the last `horizon`. Received: "
                f"warm_up_weight={warm_up_weight}, horizon=None. Give the horizon too."
            )
        self.absolute_weight = absolute_weight
        self.warm_up_weight = warm_up_weight
        self.horizon = horizon

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> Tensor:
        if sample_weight is not None:
            sample_weight = frame_weights(sample_weight, y_true)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        error = ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")
        total = ops.sum(ops.square(error), axis=(2, 3, 4))  # (B, T)
        if self.absolute_weight:
            total = total + self.absolute_weight * ops.sum(ops.abs(error), axis=(2, 3, 4))
        if self.horizon is None or self.warm_up_weight == 1:
            return total
        frames = total.shape[1]
        if frames is not None and frames < self.horizon:
            raise ValueError(
                "There are at least as many outputs as predictions. Received: frames of shape "
                f"{tuple(y_pred.shape)}, horizon={self.horizon}. Lower the horizon of the loss."
            )
        # A graph that has seen sequences of several lengths doesn't know T.
        before_the_end = ops.flip(ops.arange(ops.shape(total)[1]), axis=0)
        weights = ops.where(before_the_end < self.horizon, 1.0, self.warm_up_weight)  # (T,)
        return total * weights / ops.mean(weights)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "absolute_weight": self.absolute_weight,
            "warm_up_weight": self.warm_up_weight,
            "horizon": self.horizon,
        }
