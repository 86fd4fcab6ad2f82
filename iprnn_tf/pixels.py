"""Frames as values that are drawn one after another, each given those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.freezing import freeze_sublayers_of

# How a layer sees what is around its inputs: as a whole image, or at one pixel.
Convolve = Callable[[keras.layers.Layer, Tensor], Tensor]
LARGEST_LEVELS = 2**16


def whole(layer: keras.layers.Layer, images: Tensor) -> Tensor:
    """Convolves images that are known everywhere."""
    return layer(images)


class CausalConvolution(keras.layers.Layer):
    """A convolution that sees of an image what was drawn before a pixel.

    Pixels are drawn row by row, and within a pixel one colour after another: the channels of
    inputs and outputs are parted into groups, each of which stands for a colour. There are no
    weights for the rows below; those that would see what is to come are masked.

    Args:
        channels: of the outputs.
        kernel_size: k, side of the square of which the upper half is seen, in pixels.
        colors: C, the groups of the channels.
        own: whether a group sees, of its pixel, its own group too; otherwise those before it
            alone, as where the inputs are the values themselves.
        parts: of so many tensors the outputs are made, each with groups of its own.

    Call arguments:
        images: `(B, h, w, F)`.

    Returns:
        `(B, h, w, channels)`.

    Reference:
        van den Oord et al., Pixel Recurrent Neural Networks, ICML 2016.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        colors: int,
        own: bool = True,
        parts: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.kernel_size, self.colors = channels, kernel_size, colors
        self.own, self.parts = own, parts
        self.reach = kernel_size // 2
        self.num_taps = self.reach * kernel_size + self.reach + 1

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.kernel = self.add_weight(
            shape=(self.reach + 1, self.kernel_size, input_shape[-1], self.channels), name="kernel"
        )
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")
        self.mask = self._mask()

    def _mask(self) -> np.ndarray:
        mask = np.ones(self.kernel.shape, "float32")
        inputs = _groups(mask.shape[2], self.colors)[:, None]
        outputs = np.tile(_groups(self.channels // self.parts, self.colors), self.parts)
        mask[-1, self.reach] = inputs <= outputs if self.own else inputs < outputs
        mask[-1, self.reach + 1 :] = 0
        return mask

    def masked_kernel(self) -> Tensor:
        """Returns what the inputs are convolved with, `(k // 2 + 1, k, F, channels)`."""
        return ops.cast(self.kernel, self.compute_dtype) * ops.cast(self.mask, self.compute_dtype)

    def call(self, images: Tensor) -> Tensor:
        sides = (self.reach, self.reach)
        padded = ops.pad(images, ((0, 0), (self.reach, 0), sides, (0, 0)))
        outputs = ops.conv(padded, self.masked_kernel(), padding="valid", data_format=_LAST)
        return outputs + ops.cast(self.bias, self.compute_dtype)

    def taps(self) -> Tensor:
        """Returns the masked kernel as a matrix, row by row up to the pixel itself."""
        *above, row = ops.unstack(self.masked_kernel(), axis=0)  # (k, F, channels) each
        rows = ops.concatenate([*above, row[: self.reach + 1]], axis=0)
        return ops.reshape(rows, (-1, self.channels))

    def at(self, seen: Tensor, stride: Tensor, taps: Tensor) -> Tensor:
        """Returns the outputs at one pixel, `(B, 1, 1, channels)`.

        Args:
            seen: the inputs at all pixels that are seen from there, and those between, in the order
                of drawing, `(B, L, F)`.
            stride: how many pixels a row has, its margin among them.
            taps: the matrix of the kernel, which doesn't change from pixel to pixel.
        """
        batch, _, channels = ops.shape(seen)
        above = [
            ops.slice(seen, (0, row * stride, 0), (batch, self.kernel_size, channels))
            for row in range(self.reach)
        ]
        window = ops.concatenate([*above, seen[:, -(self.reach + 1) :]], axis=1)
        outputs = ops.reshape(window, (-1, taps.shape[0])) @ taps
        return (outputs + ops.cast(self.bias, self.compute_dtype))[:, None, None]


_LAST = "channels_last"


def _groups(channels: int, colors: int) -> np.ndarray:
    """Which colour each channel stands for."""
    return np.arange(channels) * colors // channels


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
    return keras.layers.Conv2D(channels, side, padding="same", data_format=_LAST, **kwargs)


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PixelDecoder(keras.layers.Layer):
    """Tells how likely each value of a frame is, given the features and the values before it.

    A value is one of so many levels of a colour at a pixel. Where the frame is known, `logits`
    tells this for all values at once; called, it draws a frame, one value after another, and that
    takes a pass through the network for each.

    Args:
        filters: F, the channels of the features and of what the blocks hand on, even.
        kernel_size: side of the convolutions, in pixels.
        num_blocks: how many blocks.
        levels: L, how many values there are, from 0 to 1.
        channels: C of a frame.

    Call arguments:
        features: `(B, H, W, F)`.
        skips: of the encoder, which has none.
        uniform: numbers in [0, 1), `(B, H, W, C)`, which decide what is drawn; by default
            the likeliest value is.

    Returns:
        The frame, `(B, H, W, C)` in [0, 1], float32.

    Raises:
        ValueError: if there are fewer than two levels.

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
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.num_blocks = filters, kernel_size, num_blocks
        self.levels, self.channels = _checked_levels(levels), channels
        self.first = self._causal(
            filters, kernel_size, own=False, name="first", dtype=self.dtype_policy
        )
        self.from_features = _convolution(
            filters, 1, use_bias=False, name="from_features", dtype=self.dtype_policy
        )
        self.blocks = [
            MultiplicativeBlock(
                filters, self._causal, kernel_size, name=f"block_{index}", dtype=self.dtype_policy
            )
            for index in range(1, num_blocks + 1)
        ]
        self.head = self._causal(channels * levels, 1, name="head", dtype="float32")

    def _causal(self, channels: int, side: int, parts: int = 1, **kwargs: Any) -> CausalConvolution:
        return CausalConvolution(channels, side, self.channels, parts=parts, **kwargs)

    def build(self, features_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        self.first.build((*features_shape[:-1], self.channels))
        for layer in (self.from_features, *self.blocks, self.head):
            layer.build((*features_shape[:-1], self.filters))

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
            features: `(B, H, W, F)`.
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
        units = [self.first, *(unit for block in self.blocks for unit in block.units)]
        taps = [unit.taps() for unit in units]
        # A margin at the end of each row is the one before the next row too.
        margin = max(unit.reach for unit in units)
        stride = width + margin
        count = height * stride
        context = _in_order(self.from_features(features), margin)  # (B, count, F)
        chances = None if uniform is None else _in_order(uniform, margin)
        pixels = ops.reshape(ops.arange(count, dtype="int32"), (1, -1, 1))
        # What each layer has seen, as far back as it looks.
        seen = [
            ops.zeros(
                (batch, unit.reach * (stride + 1) + 1, matrix.shape[0] // unit.num_taps),
                self.compute_dtype,
            )
            for unit, matrix in zip(units, taps, strict=True)
        ]

        def draw(index: Tensor, frame: Tensor, *seen: Tensor) -> tuple[Tensor, ...]:
            inside = ops.cast(index % stride < width, self.compute_dtype)
            pixel = _Pixel(units, taps, seen, stride, inside)
            around = _pixel_of(context, index)
            chance = None if chances is None else _pixel_of(chances, index)
            levels = ops.zeros((batch, 1, 1, self.channels), "int32")
            for color in range(self.channels):
                logits = self._network(self._scaled(levels), around, pixel)[..., color, :]
                level = _drawn(logits, None if chance is None else chance[..., color])
                levels = ops.where(np.arange(self.channels) == color, level[..., None], levels)
            pixel(self.first, self._scaled(levels))
            here = ops.equal(pixels, index)
            frame = ops.where(here, self.value_of(levels[:, 0]), frame)
            return (index + 1, frame, *pixel.seen)

        start = ops.convert_to_tensor(0, "int32")
        frame = ops.zeros((batch, count, self.channels), "float32")
        _, frame, *_ = ops.while_loop(lambda index, *_: index < count, draw, (start, frame, *seen))
        return ops.reshape(frame, (batch, height, stride, self.channels))[:, :, :width]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "num_blocks": self.num_blocks,
            "levels": self.levels,
            "channels": self.channels,
        }


class _Pixel:
    """Convolves at one pixel, with what the layers have seen before it.

    Layers see nothing in the margin: there, what they are given counts as zero.
    """

    def __init__(
        self,
        units: Sequence[CausalConvolution],
        taps: Sequence[Tensor],
        seen: Sequence[Tensor],
        stride: Tensor,
        inside: Tensor,
    ) -> None:
        self.indices = {id(unit): index for index, unit in enumerate(units)}
        self.taps, self.stride, self.inside = taps, stride, inside
        self.earlier = [inputs[:, 1:] for inputs in seen]
        self.seen = list(seen)

    def __call__(self, unit: CausalConvolution, inputs: Tensor) -> Tensor:
        index = self.indices[id(unit)]
        newest = inputs[:, 0] * self.inside  # (B, 1, F)
        self.seen[index] = ops.concatenate([self.earlier[index], newest], axis=1)
        return unit.at(self.seen[index], self.stride, self.taps[index])


def _in_order(images: Tensor, margin: int) -> Tensor:
    """Returns the pixels of images in the order of drawing, with a margin after each row."""
    batch, height, width, channels = ops.shape(images)
    padded = ops.pad(images, ((0, 0), (0, 0), (0, margin), (0, 0)))
    return ops.reshape(padded, (batch, height * (width + margin), channels))


def _pixel_of(pixels: Tensor, index: Tensor) -> Tensor:
    """Returns one of the pixels `_in_order`, `(B, 1, 1, F)`."""
    return ops.take(pixels, index, axis=1)[:, None, None]


def _drawn(logits: Tensor, uniform: Tensor | None) -> Tensor:
    """Returns the likeliest level, or the one up to which so much of the probability lies."""
    if uniform is None:  # Not `ops.argmax`, whose care for -0.0 LiteRT doesn't know.
        levels = ops.arange(logits.shape[-1], dtype="int32")
        likeliest = ops.equal(logits, ops.max(logits, axis=-1, keepdims=True))
        return ops.min(ops.where(likeliest, levels, logits.shape[-1] - 1), axis=-1)
    below = ops.cumsum(ops.softmax(logits), axis=-1)[..., :-1]
    return ops.sum(ops.cast(below <= uniform[..., None], "int32"), axis=-1)


def _checked_levels(levels: int) -> int:
    rule = "It is the number of values that a colour may have; bytes have 256."
    if integer("levels", levels, rule) not in range(2, LARGEST_LEVELS + 1):
        raise ValueError(
            f"`levels` is between 2 and {LARGEST_LEVELS}. Received: levels={levels}. {rule}"
        )
    return levels
