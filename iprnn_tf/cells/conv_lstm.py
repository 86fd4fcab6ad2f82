"""The convolutional long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.convolutional import ProjectingCell


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ConvLSTMCell(ProjectingCell):
    """An LSTM whose products of matrices are convolutions.

        i  = sigmoid(Wxi * x + Whi * h + wci . c)
        f  = sigmoid(Wxf * x + Whf * h + wcf . c + forget_bias)
        c' = f . c + i . tanh(Wxg * x + Whg * h)
        o  = sigmoid(Wxo * x + Who * h + wco . c')
        h' = o . tanh(c')

    where `*` is a convolution and `.` the product of elements. On the last axis of both kernels
    the gates are ordered input, forget, candidate, output.

    Args:
        filters: F, the channels of both states.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases, as in the paper.
        normalization: a Keras layer, copied for the convolution of the features and that of the
            hidden state, or None.
        forget_bias: constant added inside the forget gate, so that a new cell remembers; the
            paper's equations have none.
        peepholes: whether the gates see the cell state (wci, wcf, wco), as in the paper; most
            later work leaves them out. A deviation: the paper has a weight for each element of
            the image, here there is one for each channel, so that images of any size can be fed.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[h, c]`, each `(B, h, w, F)`.

    Returns:
        `(h', [h', c'])`.

    Reference:
        Shi et al., Convolutional LSTM Network: A Machine Learning Approach for Precipitation
        Nowcasting, NIPS 2015.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = True,
        normalization: keras.layers.Layer | None = None,
        forget_bias: float = 1.0,
        peepholes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.forget_bias = forget_bias
        self.peepholes = peepholes
        self.from_features = self.convolution("from_features", 4 * filters)
        self.from_hidden = self.convolution("from_hidden", 4 * filters, use_bias=False)

    @property
    def state_size(self) -> list[int]:
        return [self.filters, self.filters]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.from_features.build(input_shape)
        self.from_hidden.build((*input_shape[:3], self.filters))
        self.peephole = None
        if self.peepholes:
            self.peephole = self.add_weight(
                shape=(3, self.filters), initializer="zeros", name="peephole"
            )

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        hidden, cell = states
        gates = projected + self.from_hidden(hidden)  # (B, h, w, 4F)
        into, forget, candidate, out = ops.split(gates, 4, axis=-1)
        if self.peephole is not None:
            seen = ops.unstack(ops.cast(self.peephole, self.compute_dtype), 3)
            into, forget = into + seen[0] * cell, forget + seen[1] * cell
        kept = ops.sigmoid(forget + self.forget_bias) * cell
        cell = kept + ops.sigmoid(into) * ops.tanh(candidate)
        if self.peephole is not None:
            out = out + seen[2] * cell
        hidden = ops.sigmoid(out) * ops.tanh(cell)
        return hidden, [hidden, cell]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "forget_bias": self.forget_bias,
            "peepholes": self.peepholes,
        }
