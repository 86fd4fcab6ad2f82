"""Frames as values that are predicted one after another, each given those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.freezing import freeze_sublayers_of
from iprnn_tf.masked_convolutions import LAST, Convolve, MaskedConvolution, whole
from iprnn_tf.raster import Pixel, Raster

LARGEST_LEVELS = 2**16  # As many values as 16 bits have.


class MultiplicativeBlock(keras.layers.Layer):
    """A residual block of gates that multiply, as large at its end as at its beginning.

        h_1 = W_1 * h                                     from F channels to F / 2
        h_2 = unit(h_1), h_3 = unit(h_2)
        h'  = h + W_4 * h_3                               and back

        unit(h) = g_1 . tanh(g_2 . h + g_3 . u)
        g_1, g_2, g_3 = sigmoid(V_1 * h), sigmoid(V_2 * h), sigmoid(V_3 * h),  u = tanh(V_4 * h)

    where `*` is a convolution, of which the V are fused and the W 1x1, and `.` the product of
    elements.

    Args:
        filters: F, even.
        convolution: creates the convolutions, given their channels, the side of their kernel,
            how many parts their outputs have, and the layer's `name` and `dtype`.
        kernel_size: side of the units' convolutions, in pixels.

    Call arguments:
        hidden: h, `(B, h, w, F)`.
        convolve: how the units see what is around them.

    Returns:
        h', of the same shape.

    Reference:
        Kalchbrenner et al., Video Pixel Networks, ICML 2017.
    """

    def __init__(
        self, filters: int, convolution: Callable[..., Any], kernel_size: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        inner = filters // 2

        def create(name: str, channels: int, side: int, parts: int = 1) -> Any:
            return convolution(channels, side, parts, name=name, dtype=self.dtype_policy)

        self.narrow = create("narrow", inner, 1)
        self.units = [create(f"unit_{index}", 4 * inner, kernel_size, 4) for index in (1, 2)]
        self.widen = create("widen", filters, 1)

    def build(self, input_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        self.narrow.build(input_shape)
        inner = (*input_shape[:-1], input_shape[-1] // 2)  # type: ignore[operator]
        for layer in (*self.units, self.widen):
            layer.build(inner)

    def call(self, hidden: Tensor, convolve: Convolve = whole) -> Tensor:
        inner = self.narrow(hidden)
        for unit in self.units:
            *gates, update = ops.split(convolve(unit, inner), 4, axis=-1)
            first, kept, written = map(ops.sigmoid, gates)
            inner = first * ops.tanh(kept * inner + written * ops.tanh(update))
        return hidden + self.widen(inner)


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PixelEncoder(keras.layers.Layer):
    """Turns a frame into features of its own size, by multiplicative blocks.

    Args:
        filters: F, the channels of the features, even.
        kernel_size: side of the convolutions, in pixels.
        num_blocks: how many blocks.

    Call arguments:
        frames: `(B, H, W, C)` in [0, 1].

    Returns:
        `(features, skips)`: `(B, H, W, F)`, and no skips.

    Reference:
        Kalchbrenner et al., Video Pixel Networks, ICML 2017.
    """

    stride = 1

    def __init__(self, filters: int, kernel_size: int, num_blocks: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.num_blocks = filters, kernel_size, num_blocks
        self.first = _convolution(filters, kernel_size, name="first", dtype=self.dtype_policy)
        self.blocks = [
            MultiplicativeBlock(
                filters, _convolution, kernel_size, name=f"block_{index}", dtype=self.dtype_policy
            )
            for index in range(1, num_blocks + 1)
        ]

    def build(self, input_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        self.first.build(input_shape)
        for block in self.blocks:
            block.build((*input_shape[:-1], self.filters))

    def call(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = self.first(2 * frames - 1)
        for block in self.blocks:
            features = block(features)
        return features, []

    def get_config(self) -> dict[str, Any]:
        own = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "num_blocks": self.num_blocks,
        }
        return {**super().get_config(), **own}


def _convolution(channels: int, side: int, parts: int = 1, **kwargs: Any) -> keras.layers.Conv2D:
    del parts  # Nothing is masked.
    return keras.layers.Conv2D(channels, side, padding="same", data_format=LAST, **kwargs)


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PixelDecoder(keras.layers.Layer):
    """Predicts how likely each value of a frame is, given the features and the values before it.

    A value is one of `levels` intensities of a colour at a pixel. Where the frame is known,
    `logits` returns the distributions of all its values at once. Called, the decoder takes the
    likeliest value, or samples one, pixel by pixel; each takes a pass through the network.

    Args:
        filters: F, the channels of its blocks, even.
        kernel_size: side of the convolutions, in pixels.
        num_blocks: how many blocks.
        levels: L, how many values a colour may have, from 0 to 1.
        channels: C of a frame.

    Call arguments:
        features: `(B, H, W, any)`.
        skips: of the encoder, which has none.
        uniform: numbers in [0, 1), float32 `(B, H, W, C)`, to sample by; by default the likeliest
            value is taken.

    Returns:
        The frame, `(B, H, W, C)` in [0, 1], float32.

    Raises:
        ValueError: if `levels` is out of range.

    Reference:
        Kalchbrenner et al., Video Pixel Networks, ICML 2017.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        num_blocks: int,
        levels: int = 256,
        channels: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # 16 bits are too few for `uniform`.
        self.filters, self.kernel_size, self.num_blocks = filters, kernel_size, num_blocks
        self.levels, self.channels = _checked_levels(levels), channels
        self.first = self._masked(
            filters, kernel_size, own=False, name="first", dtype=self.dtype_policy
        )
        self.from_features = _convolution(
            filters, 1, use_bias=False, name="from_features", dtype=self.dtype_policy
        )
        self.blocks = [
            MultiplicativeBlock(
                filters, self._masked, kernel_size, name=f"block_{index}", dtype=self.dtype_policy
            )
            for index in range(1, num_blocks + 1)
        ]
        self.head = self._masked(channels * levels, 1, name="head", dtype="float32")

    def _masked(self, channels: int, side: int, parts: int = 1, **kwargs: Any) -> MaskedConvolution:
        return MaskedConvolution(channels, side, self.channels, parts=parts, **kwargs)

    def build(self, features_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        self.first.build((*features_shape[:-1], self.channels))
        self.from_features.build(features_shape)
        inner = (*features_shape[:-1], self.filters)
        for block in self.blocks:
            block.build(inner)
        self.head.build(inner)

    def level_of(self, frames: Tensor) -> Tensor:
        """Returns the level that is nearest to each value of frames in [0, 1], as int32."""
        scaled = ops.cast(frames, "float32") * (self.levels - 1)
        return ops.cast(ops.clip(ops.round(scaled), 0, self.levels - 1), "int32")

    def value_of(self, levels: Tensor) -> Tensor:
        """Returns the values of levels, float32 in [0, 1]."""
        return ops.cast(levels, "float32") / (self.levels - 1)

    def logits(self, features: Tensor, frames: Tensor) -> Tensor:
        """Returns how likely each value is, given those before it.

        Args:
            features: `(B, H, W, any)`.
            frames: the true ones, `(B, H, W, C)` in [0, 1].

        Returns:
            The logarithms of probabilities that aren't normalised, `(B, H, W, C, L)`, float32.
        """
        values = self._scaled(self.level_of(frames))
        return self._network(values, self.from_features(features), whole)

    def _scaled(self, levels: Tensor) -> Tensor:
        return ops.cast(2 * self.value_of(levels) - 1, self.compute_dtype)

    def _network(self, values: Tensor, context: Tensor, convolve: Convolve) -> Tensor:
        hidden = convolve(self.first, values) + context
        for block in self.blocks:
            hidden = block(hidden, convolve=convolve)
        logits = self.head(ops.relu(hidden))
        return ops.reshape(logits, (*ops.shape(logits)[:3], self.channels, self.levels))

    def call(
        self, features: Tensor, skips: Sequence[Tensor] = (), uniform: Tensor | None = None
    ) -> Tensor:
        batch, height, width = ops.shape(features)[:3]
        units = [unit for block in self.blocks for unit in block.units]
        raster = Raster((height, width), [self.first, *units])
        context = raster.pixels(self.from_features(features))
        chances = None if uniform is None else raster.pixels(uniform)

        def decide(pixel: Pixel) -> Tensor:
            around = pixel.of(context)
            chance = None if chances is None else pixel.of(chances)
            levels = ops.zeros((batch, 1, 1, self.channels), "int32")
            for color in range(self.channels):
                logits = self._network(self._scaled(levels), around, pixel)[..., color, :]
                level = _chosen(logits, None if chance is None else chance[..., color])
                levels = ops.where(np.arange(self.channels) == color, level[..., None], levels)
            pixel(self.first, self._scaled(levels))  # With the last colour, for later pixels.
            return levels

        return self.value_of(raster.visit(decide, batch, self.channels, self.compute_dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "num_blocks": self.num_blocks,
            "levels": self.levels,
            "channels": self.channels,
        }


def _chosen(logits: Tensor, uniform: Tensor | None) -> Tensor:
    """Returns the likeliest level, or the one up to which so much of the probability lies."""
    if uniform is None:  # Not `ops.argmax`, whose care for -0.0 LiteRT doesn't know.
        levels = ops.arange(logits.shape[-1], dtype="int32")
        likeliest = ops.equal(logits, ops.max(logits, axis=-1, keepdims=True))
        return ops.min(ops.where(likeliest, levels, logits.shape[-1] - 1), axis=-1)
    below = ops.cumsum(ops.softmax(logits), axis=-1)[..., :-1]
    return ops.sum(ops.cast(ops.less_equal(below, uniform[..., None]), "int32"), axis=-1)


def _checked_levels(levels: int) -> int:
    rule = "It is the number of values that a colour may have; bytes have 256."
    if integer("levels", levels, rule) not in range(2, LARGEST_LEVELS + 1):
        raise ValueError(
            f"`levels` is between 2 and {LARGEST_LEVELS}. Received: levels={levels}. {rule}"
        )
    return levels
