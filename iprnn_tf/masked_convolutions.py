"""Convolutions that see only what comes before a pixel, as PixelCNN's do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from iprnn_tf.cells.cell import Tensor

LAST = "channels_last"
# How a layer gets what is around its inputs: from a whole image, or at one pixel.
Convolve = Callable[[keras.layers.Layer, Tensor], Tensor]


def whole(layer: keras.layers.Layer, images: Tensor) -> Tensor:
    """Convolves images that are known everywhere."""
    return layer(images)


class MaskedConvolution(keras.layers.Layer):
    """A convolution that sees of an image what comes before a pixel in raster order.

    Pixels follow each other row by row, and within a pixel colour by colour: the channels of inputs
    and outputs are divided into groups, one for each colour. The kernel has no rows below its
    centre; what else would see the future is masked.

    Args:
        channels: of the outputs.
        kernel_size: k, side of the square kernel whose upper half there is, in pixels.
        colors: C, the groups of the channels.
        own: whether a group sees its own group at the same pixel (PixelCNN's mask B), or the
            groups before it alone (mask A), as where the inputs are the values to be predicted.
        parts: the outputs are so many tensors side by side, each with its own groups.

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
        self.reach = kernel_size // 2  # Rows above, and columns to the left.

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
        columns = (self.reach, self.kernel_size - 1 - self.reach)
        padded = ops.pad(images, ((0, 0), (self.reach, 0), columns, (0, 0)))
        outputs = ops.conv(padded, self.masked_kernel(), padding="valid", data_format=LAST)
        return outputs + ops.cast(self.bias, self.compute_dtype)

    def taps(self) -> Tensor:
        """Returns the masked kernel as a matrix, row by row up to its centre."""
        *above, row = ops.unstack(self.masked_kernel(), axis=0)  # (k, F, channels) each
        rows = ops.concatenate([*above, row[: self.reach + 1]], axis=0)
        return ops.reshape(rows, (-1, self.channels))

    def at(self, seen: Tensor, stride: Tensor, taps: Tensor) -> Tensor:
        """Returns the outputs at one pixel, `(B, 1, 1, channels)`.

        Args:
            seen: the inputs at the last pixels in raster order, `(B, L, F)`, from the first that
                is seen to the pixel itself.
            stride: how many pixels a row has, its margin among them.
            taps: the kernel as a matrix, which is the same for all pixels.
        """
        batch, _, channels = ops.shape(seen)
        above = [
            ops.slice(seen, (0, row * stride, 0), (batch, self.kernel_size, channels))
            for row in range(self.reach)
        ]
        window = ops.concatenate([*above, seen[:, -(self.reach + 1) :]], axis=1)
        outputs = ops.reshape(window, (-1, taps.shape[0])) @ taps
        return (outputs + ops.cast(self.bias, self.compute_dtype))[:, None, None]


def _groups(channels: int, colors: int) -> np.ndarray:
    """Which colour each channel belongs to."""
    return np.arange(channels) * colors // channels
