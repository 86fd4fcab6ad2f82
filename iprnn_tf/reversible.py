"""A two-way autoencoder: what decodes is what encodes, run backwards with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.freezing import freeze_sublayers_of
from iprnn_tf.patches import channels_to_pixels, pixels_to_channels

Halves = tuple[Tensor, Tensor]


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ReversibleBlock(keras.layers.Layer):
    """A step of a reversible network: what it adds to one half follows from the other alone.

        (a, b) -> (b, a + f(b))        and back:        (b, y) -> (y - f(b), b)

    where f is three 3D convolutions of three frames and 3x3 pixels, with batch normalisation and
    ReLUs before each of them, but not before the first of the network. With a stride of 2, the
    pixels of both halves become channels first, four in one place.

    In training the two directions are inverse up to what their batches differ in.

    Args:
        filters: channels of each half after the block: `stride**2` times as many as before.
        stride: 1 or 2.
        first: whether it is the first of its network.

    Call arguments:
        halves: two clips, `(B, D, h, w, C)`; for `inverse`, `(B, D, h / stride, w / stride, F)`.

    Returns:
        The two clips after it; after `inverse`, before it.

    Raises:
        ValueError: if `filters` or `stride` is out of range, or they don't fit the halves.

    Reference:
        Jacobsen et al., i-RevNet: Deep Invertible Networks, ICLR 2018; with 3D convolutions, Yu et
        al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR 2020.
    """

    def __init__(self, filters: int, stride: int = 1, first: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = integer("filters", filters, "It is the channels of each half.")
        if stride not in (1, 2):
            raise ValueError(
                f"A block keeps the sides, or halves them. Received: stride={stride}. Give 1 or 2."
            )
        self.stride = stride
        self.first = first
        widths = [max(filters // 2, 1)] * 2 + [filters]
        self.norms = [self._norm(index) for index in range(first, 3)]
        self.convolutions = [self._convolution(index, width) for index, width in enumerate(widths)]

    def _norm(self, index: int) -> keras.layers.Layer:
        return keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name=f"norm_{index}", dtype=self.dtype_policy
        )

    def _convolution(self, index: int, filters: int) -> keras.layers.Layer:
        return keras.layers.Conv3D(
            filters,
            3,
            strides=(1, self.stride, self.stride) if index == 0 else 1,
            padding="same",
            use_bias=False,
            data_format="channels_last",
            name=f"convolution_{index}",
            dtype=self.dtype_policy,
        )

    def build(self, halves_shape: Sequence[Sequence[int | None]]) -> None:
        freeze_sublayers_of(self)
        channels = halves_shape[1][-1] or 0
        if self.filters != channels * self.stride**2:
            raise ValueError(
                "A reversible block keeps the number of values. Received: halves of shapes "
                f"{tuple(map(tuple, halves_shape))} with filters={self.filters} and "
                f"stride={self.stride}. Use filters={channels * self.stride**2}."
            )
        norms = [None] * self.first + self.norms
        for norm, convolution in zip(norms, self.convolutions, strict=True):
            shape = (None, None, None, None, channels)
            if norm is not None:
                norm.build(shape)
            convolution.build(shape)
            channels = convolution.filters

    def call(self, halves: Halves) -> Halves:
        changed, kept = (_rearranged(pixels_to_channels, half, self.stride) for half in halves)
        return kept, changed + self._added(halves[1])

    def inverse(self, halves: Halves) -> Halves:
        """Returns the halves that `call` makes these of."""
        kept = _rearranged(channels_to_pixels, halves[0], self.stride)
        changed = halves[1] - self._added(kept)
        return _rearranged(channels_to_pixels, changed, self.stride), kept

    def _added(self, half: Tensor) -> Tensor:
        norms = [None] * self.first + self.norms
        for norm, convolution in zip(norms, self.convolutions, strict=True):
            half = convolution(half if norm is None else ops.relu(norm(half)))
        return half

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
            "first": self.first,
        }


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ReversibleAutoencoder(keras.layers.Layer):
    """Turns clips into features, and features into clips, with one set of weights.

    Blocks keep the number of values, so that nothing of a clip is lost: each halving of the sides
    makes the channels four times as many.

    Args:
        channels: C of the clips, which are even.
        blocks: how many there are at each scale, finest first; CrevNet has 4, 5 and 3.

    Call arguments:
        clips: `(B, D, h, w, C)`, whose sides 2^n divides for n halvings.

    Returns:
        The two halves of the features, `(B, D, h / 2^n, w / 2^n, C / 2 * 4^n)`; of these `inverse`
        returns the clips.

    Raises:
        ValueError: if the channels are odd, there are no blocks, or a number of them isn't a
            positive integer.

    Reference:
        Yu et al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR
        2020.
    """

    def __init__(self, channels: int, blocks: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if integer("channels", channels, "Patches of 2x2 grey pixels have 4.") % 2:
            raise ValueError(
                "A reversible network halves the channels of its clips. Received: "
                f"channels={channels}. Give an even number, as patches of 2x2 pixels have."
            )
        hint = "CrevNet has 4, 5 and 3 blocks at its scales."
        if not len(blocks):
            raise ValueError(
                "`blocks` gives the number of blocks at each scale, at least one. Received: "
                f"blocks={blocks}. {hint}"
            )
        self.channels = channels
        self.blocks = [integer(f"blocks[{scale}]", n, hint) for scale, n in enumerate(blocks)]
        self.stride = 2 ** (len(self.blocks) - 1)
        self.filters = [channels // 2 * 4**scale for scale in range(len(self.blocks))]
        self.steps = [
            ReversibleBlock(
                self.filters[scale],
                stride=2 if scale and not block else 1,
                first=not scale and not block,
                name=f"block_{scale}_{block}",
                dtype=self.dtype_policy,
            )
            for scale, count in enumerate(self.blocks)
            for block in range(count)
        ]

    def build(self, clips_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        filters = self.channels // 2
        for step in self.steps:
            step.build([(None, None, None, None, filters)] * 2)
            filters = step.filters

    def call(self, clips: Tensor) -> Halves:
        first, second = ops.split(clips, 2, axis=-1)
        halves = (first, second)
        for step in self.steps:
            halves = step(halves)
        return halves

    def inverse(self, halves: Halves) -> Tensor:
        """Returns the clips of which `call` makes these features."""
        for step in reversed(self.steps):
            halves = step.inverse(halves)
        return ops.concatenate(halves, axis=-1)

    def kernels(self) -> list[tuple[tuple[int, ...], int]]:
        """Returns the shape of each kernel, and how many times the sides are halved after it."""
        scales = [scale for scale, blocks in enumerate(self.blocks) for _ in range(blocks)]
        return [
            (tuple(convolution.kernel.shape), scale)
            for step, scale in zip(self.steps, scales, strict=True)
            for convolution in step.convolutions
        ]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels, "blocks": self.blocks}


def _rearranged(by: Callable[[Tensor, int], Tensor], clips: Tensor, stride: int) -> Tensor:
    """Moves pixels of each frame to channels, or back."""
    if stride == 1:
        return clips
    batch, depth, *image = ops.shape(clips)
    images = by(ops.reshape(clips, (batch * depth, *image)), stride)
    return ops.reshape(images, (batch, depth, *ops.shape(images)[1:]))
