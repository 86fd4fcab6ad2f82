"""The weights of sequences or frames, by one convention for losses and metrics."""

from __future__ import annotations

from typing import Any

from keras import ops

from iprnn_tf.arguments import agree
from iprnn_tf.cells.cell import Tensor


def frame_weights(sample_weight: Any, frames: Tensor) -> Tensor:
    """Returns the weights of all frames, for products with values of `(B, T)`.

    Args:
        sample_weight: `(B,)`, a weight for each sequence, or `(B, T)`, one for each frame.
        frames: those that are weighed, `(B, T, H, W, C)`.

    Returns:
        Float32 weights, `(B, 1)` or `(B, T)`.

    Raises:
        ValueError: if the weights have another shape.
    """
    weights = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
    frames = ops.convert_to_tensor(frames)
    if getattr(weights.shape, "rank", 0) is None:  # TensorFlow's graph for weights of any rank.
        return ops.reshape(weights, (ops.shape(frames)[0], -1))
    given, wanted = tuple(weights.shape), tuple(frames.shape[:2])
    if len(given) not in (1, 2) or not agree(given, wanted[: len(given)]):
        raise ValueError(
            "`sample_weight` is one weight for each sequence, (B,), or for each frame, (B, T). "
            f"Received: sample_weight of shape {given} for frames with (B, T) = {wanted}. Repeat "
            "it, or average it over other axes; `sample_weight[:, 0]` makes (B,) of (B, 1)."
        )
    return weights[:, None] if len(given) == 1 else weights
