"""The rollout in the form that other runtimes take: every dimension may be open in the graph."""

from __future__ import annotations

from typing import Protocol

from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.rollout import Steppable, feed_back


class Predictor(Steppable, Protocol):
    """What the loops here need of a predictor, as of every `VideoPredictor`."""

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Returns the features of a frame and its skips."""

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        """Returns the features of the next frame and the states after this one."""


def prime(predictor: Predictor, context: Tensor) -> tuple[Tensor, States]:
    """Steps over a context and predicts the frame after it.

    Args:
        predictor: a `VideoPredictor`.
        context: `(B, T, H, W, C)`, T at least 1; any of them may be open.

    Returns:
        The first prediction, `(B, H, W, C)`, and the states to go on from.
    """
    batch, time, height, width, _ = ops.shape(context)
    states = predictor.initial_states(batch, image_size=(height, width))

    def observe(index: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        features, _ = predictor.encode(ops.take(context, index, axis=1))
        _, new_states = predictor.advance(features, list(states))
        return (index + 1, *new_states)

    # Nothing is decoded before the last frame of the context.
    first = ops.convert_to_tensor(0, "int32")
    _, *states = ops.while_loop(lambda index, *_: index < time - 1, observe, (first, *states))
    return predictor.step(ops.take(context, time - 1, axis=1), states)


def dynamic_rollout(predictor: Predictor, context: Tensor, horizon: int | Tensor) -> Tensor:
    """Predicts the frames that follow a context, in loops that have no derivative.

    The step and the weights are those of `iprnn_tf.rollout`; only the loops are others. They
    survive the way to SavedModel, LiteRT (with builtin operations alone), ONNX and OpenVINO with
    batch and time open.

    Args:
        predictor: a `VideoPredictor`.
        context: `(B, T, H, W, C)`, T at least 1; any of them may be open.
        horizon: K, at least 1; a tensor where it is known only when the graph runs.

    Returns:
        Predictions `(B, K, H, W, C)`.
    """
    frame, states = prime(predictor, context)
    predictions, _ = feed_back(predictor, frame, states, horizon)
    return predictions
