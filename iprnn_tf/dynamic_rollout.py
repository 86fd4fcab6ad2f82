"""The rollout in the form that other runtimes take: every dimension may be open in the graph."""

from __future__ import annotations

from typing import Protocol

from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.rollout import Steppable


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

    The step and the weights are those of `iprnn_tf.rollout`; only the loop is another. It
    survives the way to SavedModel, LiteRT (with builtin operations alone), ONNX and OpenVINO with
    batch and time open: a loop that writes with a mask does, one that writes slices or lists
    does not.

    Args:
        predictor: a `VideoPredictor`.
        context: `(B, T, H, W, C)`, T at least 1; any of them may be open.
        horizon: K, at least 1; a tensor where it is known only when the graph runs.

    Returns:
        Predictions `(B, K, H, W, C)`.
    """
    frame, states = prime(predictor, context)
    lead_times = ops.reshape(ops.arange(1, horizon + 1, dtype="int32"), (1, -1, 1, 1, 1))
    predictions = ops.where(
        ops.equal(lead_times, 1), frame[:, None], ops.zeros_like(frame[:, None])
    )

    def predict(k: Tensor, frame: Tensor, predictions: Tensor, *states: Tensor) -> tuple:
        frame, new_states = predictor.step(frame, list(states))
        predictions = ops.where(ops.equal(lead_times, k), frame[:, None], predictions)
        return (k + 1, frame, predictions, *new_states)

    second = ops.convert_to_tensor(2, "int32")
    return ops.while_loop(
        lambda k, *_: k <= horizon, predict, (second, frame, predictions, *states)
    )[2]
