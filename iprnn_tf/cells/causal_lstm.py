"""The causal LSTM of PredRNN++."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.convolutional import ProjectingCell
from iprnn_tf.cells.gates import parted, written
from iprnn_tf.cells.highway import HighwayCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class CausalLSTMCell(ProjectingCell):
    """An LSTM of two memories in a row: what is written to the first decides on the second.

        i,  f,  g  = sigmoid, sigmoid, tanh of W1 * [x, h, c]
        c' = f . c + i . g
        i', f', g' = sigmoid, sigmoid, tanh of W2 * [x, c', m]
        m' = f' . tanh(W3 * m) + i' . g'
        o  = tanh(W4 * [x, c', m'] + W6 * h)
        h' = o . tanh(W5 * [c', m'])

    where `*` is a convolution (that with W5 one of 1x1) and `.` the product of elements. The term
    with W6 is not the paper's but its authors' code's, and an option. A deviation: a forget bias
    is added inside both forget gates. In a stack, m comes from the layer below, in the bottom layer
    from the top of the step before, and a gradient highway lies between the first two layers: see
    `HighwayCells`. Alone, the cell hands m to itself.

    Args:
        filters: F, the channels of all three states.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases.
        normalization: a Keras layer, copied for each fused convolution but the 1x1, or None.
        forget_bias: so that a new cell remembers.
        hidden_to_output: whether the output gate sees h, by W6.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[h, c, m]`, each `(B, h, w, F)`.

    Returns:
        `(h', [h', c', m'])`.

    Reference:
        Wang et al., PredRNN++: Towards A Resolution of the Deep-in-Time Dilemma in Spatiotemporal
        Predictive Learning, ICML 2018.
    """

    stack = HighwayCells

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = False,
        normalization: keras.layers.Layer | None = None,
        forget_bias: float = 1.0,
        hidden_to_output: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.forget_bias = forget_bias
        self.hidden_to_output = hidden_to_output
        plain = {"use_bias": False}
        self.from_features = self.convolution("from_features", 7 * filters)  # Of W1, W2 and W4.
        from_hidden = (4 if hidden_to_output else 3) * filters
        self.from_hidden = self.convolution("from_hidden", from_hidden, **plain)  # Of W1 and W6.
        self.from_cell = self.convolution("from_cell", 3 * filters, **plain)  # Of W1.
        self.from_new_cell = self.convolution("from_new_cell", 4 * filters, **plain)  # W2 and W4.
        self.from_memory = self.convolution("from_memory", 4 * filters, **plain)  # W2 and W3.
        self.from_new_memory = self.convolution("from_new_memory", filters, **plain)  # Of W4.
        self.merge = self.convolution(
            "merge", filters, kernel_size=1, normalization=None, use_bias=False
        )

    @property
    def state_size(self) -> list[int]:
        return [self.filters, self.filters, self.filters]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.from_features.build(input_shape)
        for convolution in (
            self.from_hidden,
            self.from_cell,
            self.from_new_cell,
            self.from_memory,
            self.from_new_memory,
        ):
            convolution.build((*input_shape[:3], self.filters))
        self.merge.build((*input_shape[:3], 2 * self.filters))

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        hidden, cell, memory = states
        x_cell, x_memory, x_out = parted(projected, self.filters)
        h_cell, *h_out = parted(self.from_hidden(hidden), self.filters)
        gates = x_cell + h_cell + self.from_cell(cell)
        cell = written(gates, cell, self.forget_bias)
        c_memory, c_out = parted(self.from_new_cell(cell), self.filters)
        m_memory, m_kept = parted(self.from_memory(memory), self.filters)
        gates = x_memory + c_memory + m_memory
        memory = written(gates, ops.tanh(m_kept), self.forget_bias)
        out = ops.tanh(sum(h_out, x_out + c_out + self.from_new_memory(memory)))
        hidden = out * ops.tanh(self.merge(ops.concatenate([cell, memory], axis=-1)))
        return hidden, [hidden, cell, memory]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "forget_bias": self.forget_bias,
            "hidden_to_output": self.hidden_to_output,
        }
