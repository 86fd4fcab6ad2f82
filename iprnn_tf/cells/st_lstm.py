"""The spatiotemporal LSTM of PredRNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.convolutional import ProjectingCell
from iprnn_tf.cells.gates import parted, written
from iprnn_tf.cells.zigzag import ZigzagCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class STLSTMCell(ProjectingCell):
    """An LSTM with a second memory, which climbs the stack within a step.

        i  = sigmoid(Wxi * x + Whi * h)           i' = sigmoid(Wxi' * x + Wmi' * m)
        f  = sigmoid(Wxf * x + Whf * h + b)       f' = sigmoid(Wxf' * x + Wmf' * m + b)
        g  = tanh(Wxg * x + Whg * h)              g' = tanh(Wxg' * x + Wmg' * m)
        c' = f . c + i . g                        m' = f' . m + i' . g'
        o  = sigmoid(Wxo * x + Who * h + Wco * [c', m'])
        h' = o . tanh(W1x1 * [c', m'])

    where `*` is a convolution, `.` the product of elements and b the forget bias. In a stack, m
    comes from the layer below, in the bottom layer from the top of the step before: see
    `ZigzagCells`. Alone, the cell hands m to itself.

    Deviations, both those of the authors' code: the paper has biases and no forget bias.

    The gates are ordered as they stand above, column by column: input, forget, candidate of the
    cell state, the same of the memory, then output.

    Args:
        filters: F, the channels of all three states.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases; the authors' code has none.
        normalization: a Keras layer, copied for each of the four fused convolutions, or None.
        forget_bias: b, so that a new cell remembers.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[h, c, m]`, each `(B, h, w, F)`.

    Returns:
        `(h', [h', c', m'])`.

    Reference:
        Wang et al., PredRNN: Recurrent Neural Networks for Predictive Learning using
        Spatiotemporal LSTMs, NIPS 2017.
    """

    stack = ZigzagCells

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = False,
        normalization: keras.layers.Layer | None = None,
        forget_bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.forget_bias = forget_bias
        plain = {"use_bias": False}
        self.from_features = self.convolution("from_features", 7 * filters)
        self.from_hidden = self.convolution("from_hidden", 4 * filters, **plain)
        self.from_memory = self.convolution("from_memory", 3 * filters, **plain)
        self.from_both = self.convolution("from_both", filters, **plain)
        self.merge = self.convolution(
            "merge", filters, kernel_size=1, normalization=None, use_bias=False
        )

    @property
    def state_size(self) -> list[int]:
        return [self.filters, self.filters, self.filters]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.from_features.build(input_shape)
        for convolution in (self.from_hidden, self.from_memory):
            convolution.build((*input_shape[:3], self.filters))
        for convolution in (self.from_both, self.merge):
            convolution.build((*input_shape[:3], 2 * self.filters))

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        hidden, cell, memory = states
        from_cell, from_memory, x_o = parted(projected, self.filters)
        h_gates, h_o = parted(self.from_hidden(hidden), self.filters)
        cell = written(from_cell + h_gates, cell, self.forget_bias)
        gates = from_memory + self.from_memory(memory)
        memory = written(gates, memory, self.forget_bias)
        both = ops.concatenate([cell, memory], axis=-1)  # (B, h, w, 2F)
        out = ops.sigmoid(x_o + h_o + self.from_both(both))
        hidden = out * ops.tanh(self.merge(both))
        return hidden, [hidden, cell, memory]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "forget_bias": self.forget_bias}
