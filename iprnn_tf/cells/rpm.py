"""The reversible predictive module of CrevNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.clip_lstm import ClipLSTMCell
from iprnn_tf.cells.clips import as_clips, as_images
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

    With `clips` x has an axis of time, as in the paper: its convolutions are 3D, and the memory
    is a `ClipLSTMCell`. A deviation: the gate is the one convolution of the authors' code.

    Args:
        filters: F, the channels of the features, of one frame of them if they are clips; they are
            even, and the states have half as many.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the convolutions have biases.
        normalization: a Keras layer, copied for the fused convolutions of the memory, or None.
        clips: whether features are clips of D frames, folded into the channels.
        depth: D, if they are.

    Call arguments:
        features: x, `(B, h, w, F)`; of clips, `(B, h, w, D * F)`.
        states: `[h, c, m]` of the memory, each with half the channels of the features.

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
        clips: bool = False,
        depth: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        if filters % 2:
            raise ValueError(
                "A reversible module halves the channels of its features. Received: "
                f"filters={filters}. Use filters={filters + 1}."
            )
        self.clips = clips
        self.depth = integer("depth", depth, "CrevNet's clips have 3 frames.")
        self.clip_length = self.depth if clips else 1
        half = filters // 2
        self.memory = _memory_of(clips, self.depth)(
            half, kernel_size, use_bias, normalization, name="memory", dtype=self.dtype_policy
        )
        self.gate = self.convolution(
            "gate", half, kernel_size=(1, 1, 1) if clips else 1, normalization=None
        )

    @property
    def state_size(self) -> list[int]:
        return self.memory.state_size

    @property
    def output_size(self) -> int:
        return self.clip_length * self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        check_mixed(self, input_shape)
        half = self.filters // 2
        self.memory.build((*input_shape[:3], self.clip_length * half))
        self.gate.build((None, *[None] * (3 if self.clips else 2), half))

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        seen, changed = ops.split(self._frames(features), 2, axis=-1)
        hidden, states = self.memory(self._image(seen), states)
        hidden = self._frames(hidden)
        gate = ops.sigmoid(self.gate(hidden))
        changed = (1 - gate) * changed + gate * hidden
        return self._image(ops.concatenate([changed, seen], axis=-1)), states

    def _frames(self, images: Tensor) -> Tensor:
        return as_clips(images, self.depth) if self.clips else images

    def _image(self, frames: Tensor) -> Tensor:
        return as_images(frames) if self.clips else frames

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clips": self.clips, "depth": self.depth}


def _memory_of(clips: bool, depth: int) -> Callable[..., STLSTMCell | ClipLSTMCell]:
    return partial(ClipLSTMCell, depth=depth) if clips else STLSTMCell
