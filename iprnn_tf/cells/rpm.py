"""The reversible predictive module of CrevNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.convolutional import ConvolutionalCell, check_mixed
from iprnn_tf.cells.st_lstm import STLSTMCell
from iprnn_tf.cells.zigzag import ZigzagCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ReversiblePredictiveCell(ConvolutionalCell):
    """Lets a memory see one half of the features and add to the other, so that nothing is lost.

        x1, x2 = the two halves of the features
        h, ... = STLSTM(x1, ...)
        g      = sigmoid(W1x1 * h)
        x'     = [(1 - g) . x2 + g . h, x1]

    where `*` is a convolution and `.` the product of elements. The halves change places, so that
    the next cell changes the other one; given the states, x can be computed back from x'. The
    memory of the ST-LSTM climbs the stack: see `ZigzagCells`.

    Deviations: in the paper x has an axis of time, of which images of features have none, so that
    its convolutions are 3D; the gate is the one convolution of the authors' code.

    Args:
        filters: F, the channels of the features, which are even; the states have half as many.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the convolutions have biases.
        normalization: a Keras layer, copied for the fused convolutions of the ST-LSTM, or None.

    Call arguments:
        features: x, `(B, h, w, F)`.
        states: `[h, c, m]` of the ST-LSTM, each `(B, h, w, F / 2)`.

    Returns:
        `(x', [h', c', m'])`.

    Raises:
        ValueError: if the features don't have `filters` channels, or an argument is out of range.

    Reference:
        Yu et al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR
        2020.
    """

    stack = ZigzagCells

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = False,
        normalization: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        if filters % 2:
            raise ValueError(
                "A reversible module halves the channels of its features. Received: "
                f"filters={filters}. Use filters={filters + 1}."
            )
        half = filters // 2
        self.memory = STLSTMCell(
            half, kernel_size, use_bias, normalization, name="memory", dtype=self.dtype_policy
        )
        self.gate = self.convolution("gate", half, kernel_size=1, normalization=None)

    @property
    def state_size(self) -> list[int]:
        return self.memory.state_size

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        check_mixed(self, input_shape)
        half = (*input_shape[:3], self.filters // 2)
        self.memory.build(half)
        self.gate.build(half)

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        seen, changed = ops.split(features, 2, axis=-1)
        hidden, states = self.memory(seen, states)
        gate = ops.sigmoid(self.gate(hidden))
        changed = (1 - gate) * changed + gate * hidden
        return ops.concatenate([changed, seen], axis=-1), states
