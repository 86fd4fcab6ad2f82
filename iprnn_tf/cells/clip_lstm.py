"""The memory of clips in CrevNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.clips import as_clips, as_images
from iprnn_tf.cells.convolutional import ConvolutionalCell, frame_channels
from iprnn_tf.cells.gates import parted, written
from iprnn_tf.cells.zigzag import ZigzagCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ClipLSTMCell(ConvolutionalCell):
    """An ST-LSTM of short clips whose gates see the memories that they write.

        i, f, g    = sigmoid, sigmoid, tanh of Wx * x + Wh * h + Wc * c
        c'         = f . c + i . g
        i', f', g' = sigmoid, sigmoid, tanh of Wx' * x + Wm * m + Wc' * c'
        m'         = f' . m + i' . g'
        o          = sigmoid(Wxo * x + Who * h + Wo * [c', m'])
        h'         = o . tanh(W1x1x1 * [c', m'])

    where `*` is a 3D convolution over three frames, and `.` the product of elements; x, h, c and
    m are clips of D frames, folded into the channels. In a stack, m comes from the layer below:
    see `ZigzagCells`. These are the equations of the authors' code; their paper takes the ST-LSTM
    of PredRNN.

    Args:
        filters: F, the channels of a frame of each state.
        kernel_size: side of the convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases, and so the last convolution.
        normalization: a Keras layer, copied for each of the fused convolutions and applied to
            clips, `(B, D, h, w, C)`, or None.
        depth: D, the frames of a clip.

    Call arguments:
        features: x, `(B, h, w, D * C)`.
        states: `[h, c, m]`, each `(B, h, w, D * F)`.

    Returns:
        `(h', [h', c', m'])`.

    Raises:
        ValueError: if D doesn't divide the channels of the features, or an argument is out of
            range.

    Reference:
        Yu et al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR
        2020.
    """

    stack = ZigzagCells

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        use_bias: bool = True,
        normalization: keras.layers.Layer | None = None,
        depth: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.depth = self.clip_length = integer("depth", depth, "CrevNet's clips have 3 frames.")
        clip = {"kernel_size": (3, kernel_size, kernel_size)}
        plain = {"use_bias": False, **clip}
        self.from_features = self.convolution("from_features", 7 * filters, **clip)
        self.from_hidden = self.convolution("from_hidden", 4 * filters, **plain)
        self.from_cell = self.convolution("from_cell", 3 * filters, **plain)
        self.from_memory = self.convolution("from_memory", 3 * filters, **plain)
        self.from_new_cell = self.convolution("from_new_cell", 3 * filters, **plain)
        self.from_both = self.convolution("from_both", filters, **plain)
        self.merge = self.convolution("merge", filters, kernel_size=(1, 1, 1), normalization=None)

    @property
    def state_size(self) -> list[int]:
        return [self.depth * self.filters] * 3

    @property
    def output_size(self) -> int:
        return self.depth * self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        clip = (None, self.depth, *input_shape[1:3])
        self.from_features.build((*clip, frame_channels(self, input_shape)))
        for convolution in (
            self.from_hidden,
            self.from_cell,
            self.from_memory,
            self.from_new_cell,
        ):
            convolution.build((*clip, self.filters))
        for convolution in (self.from_both, self.merge):
            convolution.build((*clip, 2 * self.filters))

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        x, hidden, cell, memory = (as_clips(part, self.depth) for part in (features, *states))
        of_cell, of_memory, x_o = parted(self.from_features(x), self.filters)
        h_gates, h_o = parted(self.from_hidden(hidden), self.filters)
        cell = written(of_cell + h_gates + self.from_cell(cell), cell, forget_bias=0.0)
        gates = of_memory + self.from_memory(memory) + self.from_new_cell(cell)
        memory = written(gates, memory, forget_bias=0.0)
        both = ops.concatenate([cell, memory], axis=-1)
        out = ops.sigmoid(x_o + h_o + self.from_both(both))
        hidden, cell, memory = map(as_images, (out * ops.tanh(self.merge(both)), cell, memory))
        return hidden, [hidden, cell, memory]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depth": self.depth}
