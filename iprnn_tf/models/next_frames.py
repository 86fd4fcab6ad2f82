"""Next-frame prediction along a sequence, as PredNet is measured."""

from __future__ import annotations

from typing import Any

import keras

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.models.view import PredictorView
from iprnn_tf.rollout import rollout


@keras.saving.register_keras_serializable(package="iprnn_tf")
class NextFrames(PredictorView):
    """Predicts every frame of a sequence from the true ones before it.

    A view of another predictor, with its weights: for T frames it returns T, of which the k-th
    is the prediction of frame k + 1.

    Args:
        predictor: whose predictions.
        horizon: T, the number of frames that are given.
    """

    def rollout(self, context: Tensor, horizon: int | None = None, **kwargs: Any) -> Tensor:
        if horizon not in (None, self.horizon) or kwargs:
            raise ValueError(
                "Next frames are as many as the frames that are given. Received: "
                f"horizon={horizon}, {', '.join(kwargs) or 'nothing else'}. Roll out the predictor "
                "itself to look further ahead."
            )
        return rollout(self.predictor, context, 1, return_warm_up=True)
