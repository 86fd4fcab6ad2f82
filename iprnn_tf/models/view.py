"""Other ways to predict with a predictor that is there."""

from __future__ import annotations

from typing import Any, Self

import keras

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.models.predictor import VideoPredictor


class PredictorView(VideoPredictor):
    """A predictor that has the weights of another.

    Args:
        predictor: whose frames, states and weights.
        horizon: K, how many frames `predict` returns.
    """

    def __init__(self, predictor: VideoPredictor, horizon: int, **kwargs: Any) -> None:
        super().__init__(predictor.image_shape, horizon, predictor.value_range, **kwargs)
        self.predictor = predictor
        self.built = True

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.predictor.encode(frame)

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        return self.predictor.advance(features, states)

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        return self.predictor.decode(features, skips)

    def initial_states(self, batch_size: int | Tensor, image_size: Any = None) -> States:
        return self.predictor.initial_states(batch_size, image_size)

    def in_precision(self, dtype: str) -> Self:
        return type(self)(**{**self._arguments(), "predictor": self.predictor.in_precision(dtype)})

    def get_config(self) -> dict[str, Any]:
        predictor = keras.saving.serialize_keras_object(self.predictor)
        return {**self._arguments(), "predictor": predictor}

    def _arguments(self) -> dict[str, Any]:
        """What a twin is created with."""
        return {"name": self.name, "predictor": self.predictor, "horizon": self.horizon}

    @classmethod
    def _deserialized(cls, config: dict[str, Any], custom_objects: Any) -> dict[str, Any]:
        predictor = keras.saving.deserialize_keras_object(config["predictor"], custom_objects)
        return {**config, "predictor": predictor}
