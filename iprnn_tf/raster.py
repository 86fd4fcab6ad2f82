"""The loop over the pixels of a frame, in raster order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.masked_convolutions import MaskedConvolution


class Pixel:
    """Convolves at one pixel, with what the layers have seen before it.

    Layers see nothing in the margin: there, what they are given counts as zero.
    """

    def __init__(
        self,
        index: Tensor,
        inside: Tensor,
        stride: Tensor,
        layers: Sequence[MaskedConvolution],
        taps: Sequence[Tensor],
        seen: Sequence[Tensor],
    ) -> None:
        self.index, self.inside, self.stride = index, inside, stride
        self.places = {id(layer): place for place, layer in enumerate(layers)}
        self.taps = taps
        self.earlier = [inputs[:, 1:] for inputs in seen]
        self.seen = list(seen)

    def __call__(self, layer: keras.layers.Layer, inputs: Tensor) -> Tensor:
        """Returns a layer's outputs here; it sees these inputs from later pixels too.

        Args:
            layer: one of those of the loop.
            inputs: at this pixel, `(B, 1, 1, F)`. Given again, they replace those before.
        """
        place = self.places[id(layer)]
        newest = inputs[:, 0] * self.inside  # (B, 1, F)
        self.seen[place] = ops.concatenate([self.earlier[place], newest], axis=1)
        return layer.at(self.seen[place], self.stride, self.taps[place])

    def of(self, pixels: Tensor) -> Tensor:
        """Returns what stands here in `Raster.pixels`, `(B, 1, 1, F)`."""
        return ops.take(pixels, self.index, axis=1)[:, None, None]


class Raster:
    """The order of the pixels of a frame: row by row, with a margin at the end of each row.

    The margin of a row is the one before the next row too, so that a layer finds all that it sees
    of the rows above at fixed distances.

    Args:
        size: (H, W) of the frame; tensors where they are known only when the graph runs.
        layers: which convolve at its pixels.
    """

    def __init__(
        self, size: tuple[int | Tensor, int | Tensor], layers: Sequence[MaskedConvolution]
    ) -> None:
        self.layers = layers
        self.height, self.width = size
        self.margin = max(layer.reach for layer in layers)
        self.stride = self.width + self.margin
        self.count = self.height * self.stride

    def pixels(self, images: Tensor) -> Tensor:
        """Returns the pixels of images `(B, H, W, F)` in order, `(B, H * stride, F)`."""
        batch, *_, channels = ops.shape(images)
        padded = ops.pad(images, ((0, 0), (0, 0), (0, self.margin), (0, 0)))
        return ops.reshape(padded, (batch, self.count, channels))

    def visit(
        self, decide: Callable[[Pixel], Tensor], batch: int | Tensor, channels: int, dtype: str
    ) -> Tensor:
        """Returns what is decided at each pixel, given what was decided before it.

        Args:
            decide: given a pixel, returns int32 `(B, 1, 1, channels)`. All layers are called there.
            batch: B.
            channels: of what is decided.
            dtype: of the layers' inputs.

        Returns:
            int32 `(B, H, W, channels)`.
        """
        taps = [layer.taps() for layer in self.layers]
        # As far back as each layer sees.
        seen = [
            ops.zeros((batch, layer.reach * (self.stride + 1) + 1, layer.kernel.shape[2]), dtype)
            for layer in self.layers
        ]
        indices = ops.reshape(ops.arange(self.count, dtype="int32"), (1, -1, 1))

        def step(index: Tensor, decided: Tensor, *seen: Tensor) -> tuple[Tensor, ...]:
            inside = ops.cast(index % self.stride < self.width, dtype)
            pixel = Pixel(index, inside, self.stride, self.layers, taps, seen)
            here = ops.equal(indices, index)
            decided = ops.where(here, decide(pixel)[:, 0], decided)
            return (index + 1, decided, *pixel.seen)

        first = ops.convert_to_tensor(0, "int32")
        nothing = ops.zeros((batch, self.count, channels), "int32")
        _, decided, *_ = ops.while_loop(
            lambda index, *_: index < self.count, step, (first, nothing, *seen)
        )
        rows = ops.reshape(decided, (batch, self.height, self.stride, channels))
        return rows[:, :, : self.width]
