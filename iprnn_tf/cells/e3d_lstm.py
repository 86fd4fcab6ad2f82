"""The eidetic 3D LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.clips import as_clips, as_images
from iprnn_tf.cells.convolutional import ConvolutionalCell, check_mixed, frame_channels
from iprnn_tf.cells.gates import parted, written
from iprnn_tf.cells.zigzag import ZigzagCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class E3DLSTMCell(ConvolutionalCell):
    """An LSTM of short clips that looks up what it remembered at several earlier steps.

        r, i, g    = sigmoid, sigmoid, tanh of Wx * x + Wh * h
        c'         = i . g + norm(c + softmax(r C') C)      C: the cell states of the last steps
        i', f', g' = sigmoid, sigmoid, tanh of Wx' * x + Wm * m
        m'         = i' . g' + f' . m
        o          = sigmoid(Wxo * x + Who * h + Wco * c' + Wmo * m')
        h'         = o . tanh(W1x1x1 * [c', m'])

    where `*` is a 3D convolution and `.` the product of elements; x, h, c and m are clips of D
    frames. The softmax is over all places and frames of the remembered states. In a stack, m
    comes from the layer below, in the bottom layer from the top of the step before: see
    `ZigzagCells`.

    By default x holds the features of this step and of those before it, newest first, since the
    zeros that pad a clip follow its last frame; what goes up is the newest frame of h'. With
    `clips` x comes in whole and all of h' goes up, as in the paper. States have their frames
    folded into the channels, `(B, h, w, D * F)`. Deviations: a forget bias is added inside f';
    the memory of the last `history` steps is a ring that starts with zeros, where the paper has
    fewer entries at first; its norm has no scale and offset.

    The paper's update of m is taken; the authors' public code returns the m it was given.

    Args:
        filters: F, the channels of a frame of each state. The features must have as many, unless
            they are clips.
        kernel_size: side of the convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases.
        normalization: a Keras layer, copied for each of the fused convolutions and applied to
            clips, `(B, D, h, w, C)`, or None.
        forget_bias: so that a new cell remembers.
        depth: D, the frames of a clip, which is that of the convolutions too.
        history: how many cell states are looked up.
        clips: whether features are clips of D frames, folded into the channels: see `ClipCells`.

    Call arguments:
        features: `(B, h, w, F)`; of clips, `(B, h, w, D * C)`.
        states: `[earlier, h, C, m]`: the features of the D - 1 steps before, the hidden clip, the
            remembered cell states, oldest first, and the memory; the frames of each, newest first
            (with clips, in the order of the features), folded into its channels. With D = 1, and
            with clips, there is no `earlier`.

    Returns:
        The newest frame of h', `(B, h, w, F)`, or with clips all of it, `(B, h, w, D * F)`; and
        the new states.

    Raises:
        ValueError: if the features don't have `filters` channels, or an argument is out of range.

    Reference:
        Wang et al., Eidetic 3D LSTM: A Model for Video Prediction and Beyond, ICLR 2019.
    """

    stack = ZigzagCells

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = True,
        normalization: keras.layers.Layer | None = None,
        forget_bias: float = 1.0,
        depth: int = 2,
        history: int = 5,
        clips: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.forget_bias = forget_bias
        self.clips = clips
        self.depth = integer("depth", depth, "The paper's clips have 2 frames.")
        self.clip_length = self.depth if clips else 1
        self.history = integer("history", history, "It is the number of steps to look up.")
        clip = {"kernel_size": (self.depth, kernel_size, kernel_size)}
        plain = {"use_bias": False, **clip}
        self.from_features = self.convolution("from_features", 7 * filters, **clip)
        self.from_hidden = self.convolution("from_hidden", 4 * filters, **plain)
        self.from_memory = self.convolution("from_memory", 3 * filters, **plain)
        self.from_new_cell = self.convolution("from_new_cell", filters, **plain)
        self.from_new_memory = self.convolution("from_new_memory", filters, **plain)
        self.merge = self.convolution(
            "merge", filters, kernel_size=(1, 1, 1), normalization=None, use_bias=False
        )
        self.norm = keras.layers.GroupNormalization(
            1, epsilon=1e-5, center=False, scale=False, name="norm", dtype=self.dtype_policy
        )

    @property
    def state_size(self) -> list[int]:
        clip = self.depth * self.filters
        earlier = [clip - self.filters] if self.depth > 1 and not self.clips else []
        return [*earlier, clip, self.history * clip, clip]

    @property
    def output_size(self) -> int:
        return self.clip_length * self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        clip = (None, self.depth, *input_shape[1:3], self.filters)
        if self.clips:
            self.from_features.build((*clip[:-1], frame_channels(self, input_shape)))
        else:
            check_mixed(self, input_shape)
            self.from_features.build(clip)
        for convolution in (
            self.from_hidden,
            self.from_memory,
            self.from_new_cell,
            self.from_new_memory,
        ):
            convolution.build(clip)
        self.merge.build((*clip[:-1], 2 * self.filters))
        self.norm.build(clip)

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        *earlier, hidden, history, memory = states
        frames = ops.concatenate([features, *earlier], axis=-1)  # (B, h, w, D * F)
        x, hidden, memory = (as_clips(part, self.depth) for part in (frames, hidden, memory))
        of_cell, of_memory, x_o = parted(self.from_features(x), self.filters)
        h_gates, h_o = parted(self.from_hidden(hidden), self.filters)
        steps = ops.split(history, self.history, axis=-1)
        cell = self._cell(of_cell + h_gates, [as_clips(step, self.depth) for step in steps])
        memory = written(of_memory + self.from_memory(memory), memory, self.forget_bias)
        out = ops.sigmoid(x_o + h_o + self.from_new_cell(cell) + self.from_new_memory(memory))
        hidden = out * ops.tanh(self.merge(ops.concatenate([cell, memory], axis=-1)))
        clip = self.depth * self.filters
        history = ops.concatenate([history[..., clip:], as_images(cell)], axis=-1)
        earlier = [frames[..., : -self.filters]] if earlier else []
        above = as_images(hidden) if self.clips else hidden[:, 0]
        return above, [*earlier, as_images(hidden), history, as_images(memory)]

    def _cell(self, gates: Tensor, remembered: list[Tensor]) -> Tensor:
        """The new cell state `(B, D, h, w, F)`, from those that are remembered."""
        recall, into, candidate = ops.split(gates, 3, axis=-1)
        looked_up = _looked_up(ops.sigmoid(recall), ops.concatenate(remembered, axis=1))
        return ops.sigmoid(into) * ops.tanh(candidate) + self.norm(remembered[-1] + looked_up)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "forget_bias": self.forget_bias,
            "depth": self.depth,
            "history": self.history,
            "clips": self.clips,
        }


def _looked_up(queries: Tensor, remembered: Tensor) -> Tensor:
    """Attends from every place and frame, `(B, D, h, w, F)`, to all that is remembered."""
    batch, *_, filters = ops.shape(queries)
    keys = ops.reshape(remembered, (batch, -1, filters))
    rows = ops.reshape(queries, (batch, -1, filters))
    scores = ops.cast(rows @ ops.transpose(keys, (0, 2, 1)), "float32")
    weights = ops.cast(ops.softmax(scores, axis=-1), keys.dtype)
    return ops.reshape(weights @ keys, ops.shape(queries))
