"""The one loop over time: warm up on the context, then feed predictions back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.freezing import updated_variables

# A graph of more steps without a teacher is made of loops of so many: one that unrolls 200 takes
# minutes to build, and in a single loop each step would write to all of the predictions.
UNROLLED_STEPS = 32


class Steppable(Protocol):
    """What `rollout` needs of a predictor."""

    def initial_states(self, batch_size: Any, image_size: Any = None) -> States:
        """Returns the states before the first frame."""

    def step(self, frame: Tensor, states: States) -> tuple[Tensor, States]:
        """Returns the next frame and the states after this one."""


def rollout(
    predictor: Steppable,
    context: Tensor,
    horizon: int,
    *,
    teacher: Tensor | None = None,
    use_teacher: Tensor | None = None,
    use_context: Tensor | None = None,
    return_warm_up: bool = False,
) -> Tensor:
    """Predicts the frames that follow a context, in a differentiable loop.

    The predictor first sees the context, then its own predictions or, where `use_teacher` says
    so, the true frames in their place (scheduled sampling). With `use_context` the same holds
    within the context (reverse scheduled sampling).

    A predictor that has a method `warm_up(context, return_all)` does the context its own way,
    batched over time, as long as the whole context is given.

    Args:
        predictor: has `initial_states` and `step`, as every `VideoPredictor`.
        context: observed frames `(B, T, H, W, C)`; T must be known before the graph runs.
        horizon: K, the number of frames to predict, at least 1.
        teacher: true frames `(B, K - 1, H, W, C)` from the first after the context on.
        use_teacher: booleans `(B, K - 1)`: is the true frame fed at this step?
        use_context: booleans `(B, T - 1)`: the same for the context from its second frame on.
            By default all of it is fed.
        return_warm_up: whether to return the predictions of context frames too.

    Returns:
        Predictions `(B, K, H, W, C)`; with `return_warm_up` all next frames, from the second
        frame of the context on, `(B, T + K - 1, H, W, C)`.

    Raises:
        ValueError: if the context isn't a sequence of frames of known length, the horizon isn't
            positive, or `teacher` and `use_teacher` don't come together.
    """
    context = ops.convert_to_tensor(context)
    _check_context(context)
    horizon = integer("horizon", horizon, "It is the number of frames to predict.")
    _check_choices(context, horizon, teacher, use_teacher, use_context)
    frames = _unstacked(context)
    given, chosen = [], []
    if teacher is not None:
        given, chosen = _unstacked(teacher), _unstacked(use_teacher)
    if use_context is None:
        predictions, states = _warm_up(predictor, context, return_warm_up)
    else:
        predictions, states = observe(predictor, frames[:1], _initial_states(predictor, context))
        given = frames[1:] + given
        chosen = _unstacked(use_context) + chosen

    steps = horizon - 1 if use_context is None else len(frames) + horizon - 2
    unrolled = len(given) if steps > UNROLLED_STEPS and _may_loop(predictor) else steps
    for k in range(unrolled):
        frame = predictions[-1]
        if k < len(given):
            mask = ops.reshape(ops.cast(chosen[k], "bool"), (-1, 1, 1, 1))  # (B, 1, 1, 1)
            frame = ops.where(mask, given[k], frame)
        frame, states = predictor.step(frame, states)
        predictions.append(frame)
    parts = [ops.stack(predictions, axis=1)]
    for start in range(unrolled, steps, UNROLLED_STEPS):
        count = min(steps - start, UNROLLED_STEPS)
        looped, states = feed_back(predictor, parts[-1][:, -1], states, count + 1)
        parts.append(looped[:, 1:])
    outputs = ops.concatenate(parts, axis=1)
    return outputs if return_warm_up else outputs[:, -horizon:]


def _may_loop(predictor: Steppable) -> bool:
    """Whether no variable that may be updated, as a moving average is, would leak from a loop."""
    if keras.backend.backend() != "jax" or not isinstance(predictor, keras.layers.Layer):
        return True
    return not updated_variables(predictor)


def feed_back(
    predictor: Steppable, frame: Tensor, states: States, horizon: int | Tensor
) -> tuple[Tensor, States]:
    """Goes on from a prediction, in a loop whose graph doesn't grow with the horizon.

    The loop survives the way to LiteRT, ONNX and OpenVINO, since it writes with a mask; one that
    writes slices or lists doesn't.

    Args:
        predictor: has `step`.
        frame: the first prediction, `(B, H, W, C)`.
        states: those after it.
        horizon: K, at least 1; a tensor where it is known only when the graph runs. The loop has
            a derivative on every backend where it is a number.

    Returns:
        Predictions `(B, K, H, W, C)`, the first among them, and the last states.
    """
    lead_times = ops.reshape(ops.arange(horizon, dtype="int32"), (1, -1, 1, 1, 1))
    first = frame[:, None]
    predictions = ops.where(ops.equal(lead_times, 0), first, ops.zeros_like(first))

    def predict(k: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        frame, predictions, *states = carried
        frame, states = predictor.step(frame, list(states))
        predictions = ops.where(ops.equal(lead_times, k), frame[:, None], predictions)
        return (frame, predictions, *states)

    _, predictions, *states = _loop(predict, (frame, predictions, *states), horizon)
    return predictions, states


def _loop(
    body: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]],
    carried: tuple[Tensor, ...],
    stop: int | Tensor,
) -> tuple[Tensor, ...]:
    """Runs a body for 1 to `stop - 1`, in the form that has a derivative on each backend."""
    if keras.backend.backend() == "jax":
        return ops.fori_loop(1, stop, body, carried)
    _, *last = ops.while_loop(
        lambda k, *_: k < stop,
        lambda k, *carried: (k + 1, *body(k, carried)),
        (ops.convert_to_tensor(1, "int32"), *carried),
        maximum_iterations=stop - 1
        if isinstance(stop, int)
        else None,  # XLA's derivative wants it.
    )
    return tuple(last)


def _warm_up(
    predictor: Steppable, context: Tensor, return_all: bool
) -> tuple[list[Tensor], States]:
    if hasattr(predictor, "warm_up"):
        return predictor.warm_up(context, return_all=return_all)
    return observe(predictor, _unstacked(context), _initial_states(predictor, context))


def observe(
    predictor: Steppable, frames: list[Tensor], states: States
) -> tuple[list[Tensor], States]:
    """Steps over frames that are known, `(B, H, W, C)` each.

    Returns:
        The prediction after each of them, and the states after the last.
    """
    predictions = []
    for frame in frames:
        frame, states = predictor.step(frame, states)
        predictions.append(frame)
    return predictions, states


def _unstacked(sequence: Tensor) -> list[Tensor]:
    # Not `ops.unstack`: where one of its outputs is stacked n times, as a predictor that copies
    # a frame does, TensorFlow 2.21 stacks the first instead (its arithmetic optimiser, in graphs).
    return [sequence[:, step] for step in range(sequence.shape[1])]


def _initial_states(predictor: Steppable, context: Tensor) -> States:
    batch, _, height, width, _ = ops.shape(context)
    return predictor.initial_states(batch, image_size=(height, width))


def _check_context(context: Tensor) -> None:
    shape = tuple(context.shape)
    if len(shape) != 5:
        raise ValueError(
            "`context` must be frames of shape (batch, time, height, width, channels). "
            f"Received: context of shape {shape}. Add the missing axis, for example with "
            "`context[None]` for a single sequence."
        )
    if not shape[1]:
        raise ValueError(
            "The number of context frames must be known and positive. "
            f"Received: context of shape {shape}. Give the input a static time axis."
        )


def _check_choices(
    context: Tensor,
    horizon: int,
    teacher: Tensor | None,
    use_teacher: Tensor | None,
    use_context: Tensor | None,
) -> None:
    if (teacher is None) != (use_teacher is None):
        raise ValueError(
            "`teacher` holds the true frames and `use_teacher` says where they are fed: the two "
            f"come together. Received: teacher={teacher!r}, use_teacher={use_teacher!r}."
        )
    lengths = {
        "teacher": (teacher, horizon - 1),
        "use_teacher": (use_teacher, horizon - 1),
        "use_context": (use_context, context.shape[1] - 1),
    }
    for name, (choice, length) in lengths.items():
        if choice is not None and choice.shape[1] != length:
            raise ValueError(
                "`teacher` and `use_teacher` have horizon - 1 steps, `use_context` one less than "
                f"the context. Received: {name} of shape {tuple(choice.shape)} with "
                f"horizon={horizon} and {context.shape[1]} context frames. Give {length} steps."
            )
