"""A streaming mean of one number per predicted frame, per lead time."""

from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import agree, integer
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.frame_weights import frame_weights


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FrameMetric(keras.metrics.Metric):
    """A streaming mean over sequences of one number per predicted frame.

    Subclasses say what the number is, in `frame_values`; this class adds it up per lead time.
    Frames are floats in [0, 1] of shape `(B, T', H, W, C)`. Only the last `horizon` of them
    count: the outputs of training (all next frames) and those of `predict` (the future alone)
    give the same number. Everything is computed in float32, whatever the model's dtype policy.

        per_lead_time[k] = sum_b weight(b, k) * value(b, k) / sum_b weight(b, k)
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
        if dtype not in (None, "float32"):
            raise ValueError(
                f"Frame metrics work in float32. Received: dtype={dtype}. Leave dtype out."
            )
        super().__init__(name=name or self.default_name, dtype="float32")
        self.horizon = integer("horizon", horizon, "It is the number of predicted frames.")
        self.clip = clip
        # Without a dtype of their own, weights would follow keras.config.floatx().
        self.total = self.add_weight((self.horizon,), "zeros", dtype="float32", name="total")
        self.count = self.add_weight((self.horizon,), "zeros", dtype="float32", name="count")

    def frame_values(self, targets: Tensor, predictions: Tensor) -> Tensor:
        """Returns one number per frame, `(B, K)`, of two `(B, K, H, W, C)` in float32."""
        raise NotImplementedError(f"{type(self).__name__} must define `frame_values`.")

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Adds a batch.

        Args:
            y_true: `(B, T', H, W, C)`.
            y_pred: of the same shape.
            sample_weight: of sequences, `(B,)`, or of all frames, `(B, T')`; equal by default.
        """
        targets = self._last_frames(y_true, "y_true")  # (B, K, H, W, C)
        predictions = self._last_frames(y_pred, "y_pred")
        _check_same_shape(targets, predictions)
        if self.clip:
            predictions = ops.clip(predictions, 0.0, 1.0)
        values = self.frame_values(targets, predictions)  # (B, K)
        weights = ops.ones_like(values)  # (B, K)
        if sample_weight is not None:
            weights *= frame_weights(sample_weight, y_true)[:, -self.horizon :]
        self.total.assign_add(ops.sum(values * weights, axis=0))
        self.count.assign_add(ops.sum(weights, axis=0))

    def per_lead_time(self) -> Tensor:
        """Returns the mean over sequences for each lead time, `(horizon,)`; 0 without weight."""
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
    if not agree(targets.shape, predictions.shape):
        raise ValueError(
            "Targets and predictions must have the same shape. Received: last frames of shapes "
            f"{tuple(targets.shape)} and {tuple(predictions.shape)}. Resize one of them."
        )
