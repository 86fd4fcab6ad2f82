"""The fully connected long short-term memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import agree, integer
from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.cells.gates import parted, written
from iprnn_tf.freezing import freeze_sublayers_of


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FCLSTMCell(Cell):
    """An LSTM that sees an image as one vector: what memories were before they had convolutions.

        i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of W [x, h] + b
        c'         = f . c + i . g
        h'         = o . tanh(c')
        features   = V h' + d

    where x holds all pixels and channels of the features, and `.` is the product of elements. A
    forget bias is added inside f. The gates are ordered as above on the last axis. A deviation:
    the baseline of the second paper has peepholes.

    The units are as many as `units_per_pixel` asks for, and the states are images like those of
    every other memory. The weights belong to one size of the features, and their number grows
    with its square.

    Args:
        filters: F, the channels of the features that the cell returns.
        units_per_pixel: n, so that the LSTM has h * w * n units.
        forget_bias: constant added inside the forget gate, so that a new cell remembers.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[h, c]`, each `(B, h, w, n)`.

    Returns:
        The features, `(B, h, w, F)`, and `[h', c']`.

    Raises:
        ValueError: if an argument is out of range, or the size of the features is open or
            another than the cell was built for.

    Reference:
        Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 1997; as a baseline
        for images in Shi et al., Convolutional LSTM Network, NIPS 2015.
    """

    def __init__(
        self,
        filters: int,
        units_per_pixel: int = 1,
        forget_bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = integer("filters", filters, "IPRNN uses 64.")
        self.units_per_pixel = integer(
            "units_per_pixel", units_per_pixel, "Each is a unit for every pixel of the features."
        )
        self.forget_bias = forget_bias

    @property
    def state_size(self) -> list[int]:
        return [self.units_per_pixel, self.units_per_pixel]

    @property
    def output_size(self) -> int:
        return self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        if None in self.image_size:
            raise ValueError(
                "A fully connected memory has weights for each pixel. Received: features of shape "
                f"{tuple(input_shape)}. Fix the height and width of the frames, or take a memory "
                "of convolutions."
            )
        units = self._pixels * self.units_per_pixel
        self.to_gates = self._dense(4 * units, "to_gates")
        self.to_features = self._dense(self._pixels * self.filters, "to_features")
        freeze_sublayers_of(self)
        self.to_gates.build((None, self._pixels * (input_shape[-1] or 1) + units))
        self.to_features.build((None, units))

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(units, name=name, dtype=self.dtype_policy)

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        if not agree(features.shape[1:3], self.image_size):
            raise ValueError(
                f"A fully connected memory takes features of the size it was built for, "
                f"{self.image_size}. Received: features of shape {tuple(features.shape)}. Resize "
                "the frames, or take a memory of convolutions."
            )
        features, hidden, cell = map(self._as_vectors, [features, *states])
        gates = self.to_gates(ops.concatenate([features, hidden], axis=-1))
        into_cell, out = parted(gates, cell.shape[-1])  # (B, 3U) and (B, U)
        cell = written(into_cell, cell, self.forget_bias)
        hidden = ops.sigmoid(out) * ops.tanh(cell)
        features = self._as_images(self.to_features(hidden))
        return features, [self._as_images(hidden), self._as_images(cell)]

    @property
    def _pixels(self) -> int:
        return math.prod(side or 1 for side in self.image_size)

    def _as_vectors(self, images: Tensor) -> Tensor:
        return ops.reshape(images, (-1, self._pixels * images.shape[-1]))

    def _as_images(self, vectors: Tensor) -> Tensor:
        return ops.reshape(vectors, (-1, *self.image_size, vectors.shape[-1] // self._pixels))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "units_per_pixel": self.units_per_pixel,
            "forget_bias": self.forget_bias,
        }
