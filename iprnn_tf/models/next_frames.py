"""Next-frame prediction along a sequence, as PredNet is measured."""

from __future__ import annotations

from typing import Any

import keras

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.models.predictor import VideoPredictor
from iprnn_tf.rollout import rollout


@keras.saving.register_keras_serializable(package="iprnn_tf")
class NextFrames(VideoPredictor):
    """Predicts every frame of a sequence from the true ones before it.

    A view of another predictor, with its weights: for T frames it returns T, of which the k-th
    is the prediction of frame k + 1.

    Args:
        predictor: whose predictions.
        horizon: T, the number of frames that are given.
    """

    def __init__(self, predictor: VideoPredictor, horizon: int, **kwargs: Any) -> None:
        super().__init__(predictor.image_shape, horizon, predictor.value_range, **kwargs)
        self.predictor = predictor
        self.built = True

    def rollout(self, context: Tensor, horizon: int | None = None, **kwargs: Any) -> Tensor:
        if horizon not in (None, self.horizon) or kwargs:
            raise ValueError(
                "Next frames are as many as the frames that are given. Received: "
                f"horizon={horizon}, {', '.join(kwargs) or 'nothing else'}. Roll out the predictor "
                "itself to look further ahead."
            )
        return rollout(self.predictor, context, 1, return_warm_up=True)

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.predictor.encode(frame)

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        return self.predictor.advance(features, states)

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        return self.predictor.decode(features, skips)

    def initial_states(self, batch_size: int | Tensor, image_size: Any = None) -> States:
        return self.predictor.initial_states(batch_size, image_size)

    def in_precision(self, dtype: str) -> NextFrames:
        predictor = self.predictor.in_precision(dtype)
        return NextFrames(predictor, self.horizon, name=self.name)

    def get_config(self) -> dict[str, Any]:
        predictor = keras.saving.serialize_keras_object(self.predictor)
        return {"name": self.name, "predictor": predictor, "horizon": self.horizon}

    @classmethod
    def _deserialized(cls, config: dict[str, Any], custom_objects: Any) -> dict[str, Any]:
        predictor = keras.saving.deserialize_keras_object(config["predictor"], custom_objects)
        return {**config, "predictor": predictor}
