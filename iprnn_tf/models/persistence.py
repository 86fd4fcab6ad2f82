"""The trivial baselines that every table of results shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.models.predictor import VideoPredictor


@keras.saving.register_keras_serializable(package="iprnn_tf")
class CopyLastFrame(VideoPredictor):
    """Predicts that nothing moves: every next frame is the last one seen.

    A model without weights that keeps the whole interface of `VideoPredictor`, so that it is
    measured by the same code. A model that doesn't beat it has learned nothing of motion.
    """

    def __init__(self, image_shape: Sequence[int | None], horizon: int = 10, **kwargs: Any) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        self.built = True  # There is nothing to build, and Keras warns when it saves what isn't.

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        return ops.cast(frame, "float32"), []

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        return features, states

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        return features

    def initial_states(self, batch_size: int | Tensor, image_size: Any = None) -> States:
        return []


@keras.saving.register_keras_serializable(package="iprnn_tf")
class BlackFrames(CopyLastFrame):
    """Predicts black: what a model that gave up predicts on mostly black data.

    On Moving MNIST it beats copying the last frame, and models that collapse end here.
    """

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        return ops.zeros_like(features)
