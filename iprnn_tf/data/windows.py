"""From windows of frames to the batches that `fit`, `evaluate` and `predict` take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.scheduled_sampling import LinearSampling

STREAMS = {"use_teacher": 1, "use_context": 2}  # Independent draws of the same step.


@dataclasses.dataclass(frozen=True)
class TrainingWindows:
    """Splits windows of frames for training, and draws which true frames are fed.

    The draws are a function of (seed, step) alone, one for each sample and time step, so that
    a run that starts again at a step sees what it would have seen.

    Args:
        context_frames: T; the rest of a window is to be predicted.
        batch_size: B.
        teacher_sampling: probability that the truth is fed after the context.
        context_sampling: probability that the truth is fed within the context from its second
            frame on (reverse scheduled sampling), or None where it always is: `use_context` is
            then left out, so that the model can do the whole context at once.
        seed: of the draws.
        next_frames: whether the targets are among the inputs too, for models with a loss of
            their own.
    """

    context_frames: int
    batch_size: int
    teacher_sampling: LinearSampling
    context_sampling: LinearSampling | None = None
    seed: int = 0
    next_frames: bool = False

    def batches(self, frames: tf.data.Dataset, start: int, stop: int) -> tf.data.Dataset:
        """Returns the batches of training steps `start` to `stop - 1`.

        Args:
            frames: windows of uint8 or uint16 frames `(T + K, H, W, C)`, the first those of step
                `start`.
            start: first step.
            stop: the step after the last.

        Returns:
            Pairs of the inputs, a dict of `context` `(B, T, H, W, C)`, `teacher`
            `(B, K - 1, H, W, C)`, `use_teacher` `(B, K - 1)`, with reverse sampling
            `use_context` `(B, T - 1)` and, where asked for, `next_frames`; and the targets, all
            frames from the second on, `(B, T + K - 1, H, W, C)`. Frames are float32 in [0, 1].
        """
        steps = np.arange(start, stop)
        teacher = self.teacher_sampling.probability(steps)
        context = np.ones_like(teacher)
        if self.context_sampling:
            context = self.context_sampling.probability(steps)
        draws = tf.data.Dataset.from_tensor_slices((steps, teacher, context))
        batches = frames.batch(self.batch_size, drop_remainder=True)
        return (
            tf.data.Dataset.zip(batches, draws)
            .map(self._split, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )

    def _split(
        self, frames: tf.Tensor, draw: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        step, teacher, context = draw
        probabilities = {"use_teacher": teacher, "use_context": context}

        def choose(name: str, fed: tf.Tensor) -> tf.Tensor:
            seed = tf.stack([tf.constant(self.seed, tf.int64) * 3 + STREAMS[name], step])
            uniform = tf.random.stateless_uniform(tf.shape(fed)[:2], seed, alg="philox")
            return tf.ensure_shape(uniform < probabilities[name], fed.shape[:2])

        return self.split(to_float(frames), choose)

    def split(
        self, frames: Tensor, choose: Callable[[str, Tensor], Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Splits a batch of float frames, `(B, T + K, H, W, C)`, as `batches` does.

        Args:
            frames: of any module of arrays.
            choose: given "use_teacher" or "use_context" and true frames `(B, S, H, W, C)`, says
                which of these are fed, `(B, S)`.
        """
        first = self.context_frames
        inputs = {"context": frames[:, :first], "teacher": frames[:, first:-1]}
        inputs["use_teacher"] = choose("use_teacher", inputs["teacher"])
        if self.context_sampling:
            inputs["use_context"] = choose("use_context", frames[:, 1:first])
        if self.next_frames:
            inputs["next_frames"] = frames[:, 1:]
        return inputs, frames[:, 1:]


def evaluation_batches(
    frames: tf.data.Dataset, context_frames: int, batch_size: int
) -> tf.data.Dataset:
    """Returns pairs of context `(B, T, H, W, C)` and targets `(B, K, H, W, C)`.

    Args:
        frames: windows of uint8 or uint16 frames `(T + K, H, W, C)`.
        context_frames: T.
        batch_size: B; the last batch may be smaller.
    """

    def split(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = to_float(batch)
        return batch[:, :context_frames], batch[:, context_frames:]

    batches = frames.batch(batch_size).map(split, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def to_float(frames: tf.Tensor) -> tf.Tensor:
    """Scales uint8 or uint16 frames to float32 in [0, 1]."""
    return tf.cast(frames, tf.float32) / float(frames.dtype.max)
