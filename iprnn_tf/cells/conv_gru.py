"""The convolutional gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.convolutional import ProjectingCell


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ConvGRUCell(ProjectingCell):
    """A GRU whose products of matrices are convolutions.

        z  = sigmoid(Wxz * x + Whz * h)
        r  = sigmoid(Wxr * x + Whr * h)
        h' = (1 - z) . h + z . tanh(Wxc * x + Whc * (r . h))

    where `*` is a convolution and `.` the product of elements. Unlike in STGRU, the reset gate
    acts on the state itself and not on what a convolution makes of it, and an update gate of one
    replaces the state. On the last axis of the kernel of the features the gates are ordered
    update, reset, candidate.

    Args:
        filters: F, the channels of the state.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases.
        normalization: a Keras layer, copied for each of the three fused convolutions, or None.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[h]`, `(B, h, w, F)`.

    Returns:
        `(h', [h'])`.

    Reference:
        Ballas et al., Delving Deeper into Convolutional Networks for Learning Video
        Representations, ICLR 2016.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = True,
        normalization: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.from_features = self.convolution("from_features", 3 * filters)
        self.from_hidden = self.convolution("from_hidden", 2 * filters, use_bias=False)
        self.from_reset = self.convolution("from_reset", filters, use_bias=False)

    @property
    def state_size(self) -> list[int]:
        return [self.filters]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.from_features.build(input_shape)
        for convolution in (self.from_hidden, self.from_reset):
            convolution.build((*input_shape[:3], self.filters))

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        [hidden] = states
        x_z, x_r, x_c = ops.split(projected, 3, axis=-1)
        h_z, h_r = ops.split(self.from_hidden(hidden), 2, axis=-1)
        update, reset = ops.sigmoid(x_z + h_z), ops.sigmoid(x_r + h_r)
        candidate = ops.tanh(x_c + self.from_reset(reset * hidden))
        hidden = (1 - update) * hidden + update * candidate
        return hidden, [hidden]
