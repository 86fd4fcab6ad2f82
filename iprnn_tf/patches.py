"""Frames as patches of pixels, where a model has no encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.autoencoders import activation_of, padded, spatial_size
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.freezing import freeze_sublayers_of


def pixels_to_channels(images: Tensor, side: int) -> Tensor:
    """Cuts images `(B, H, W, C)` into patches, `(B, H / side, W / side, side * side * C)`."""
    batch, height, width, channels = ops.shape(images)
    rows, columns = height // side, width // side
    pixels = ops.reshape(images, (batch, rows, side, columns, side, channels))
    patches = ops.transpose(pixels, (0, 1, 3, 2, 4, 5))
    return ops.reshape(patches, (batch, rows, columns, side * side * channels))


def channels_to_pixels(patches: Tensor, side: int) -> Tensor:
    """Puts images together again; undoes `pixels_to_channels`."""
    batch, rows, columns, channels = ops.shape(patches)
    channels //= side * side
    pixels = ops.reshape(patches, (batch, rows, columns, side, side, channels))
    images = ops.transpose(pixels, (0, 1, 3, 2, 4, 5))
    return ops.reshape(images, (batch, rows * side, columns * side, channels))


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PatchEncoder(keras.layers.Layer):
    """Cuts a frame into patches, whose pixels become channels; it has no weights.

    A frame whose sides the patch's don't divide is first padded with zeros at the bottom and
    right; `PatchDecoder` crops them away again.

    Args:
        patch_size: p, the side of a patch in pixels.

    Call arguments:
        frames: `(B, H, W, C)`.

    Returns:
        `(features, skips)`: patches `(B, ceil(H / p), ceil(W / p), p * p * C)`, and the frame
        alone, which tells its size.

    Raises:
        ValueError: if `patch_size` isn't a positive integer.
    """

    def __init__(self, patch_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size = self.stride = _checked(patch_size)

    def call(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        return pixels_to_channels(padded(frames, self.patch_size), self.patch_size), [frames]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "patch_size": self.patch_size}


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PatchDecoder(keras.layers.Layer):
    """Turns features into patches by a 1x1 convolution in float32, and joins these.

    Args:
        patch_size: p, the side of a patch in pixels.
        channels: C of the frame.
        output_activation: as that of `FrameDecoder`.
        projected: False where the features are patches already: then there is no convolution.

    Call arguments:
        features: `(B, h, w, F)`.
        skips: what `PatchEncoder` returned, which tells the size of the frame and nothing else.

    Returns:
        The frame, `(B, H, W, C)`, float32.

    Raises:
        ValueError: if `patch_size` or `output_activation` is out of range.
    """

    def __init__(
        self,
        patch_size: int,
        channels: int = 1,
        output_activation: str = "linear",
        projected: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.patch_size = _checked(patch_size)
        self.channels = channels
        self.output_activation = output_activation
        self._activation = activation_of(output_activation)
        self.head = None
        if projected:
            self.head = keras.layers.Conv2D(
                patch_size**2 * channels,
                1,
                use_bias=False,
                data_format="channels_last",
                name="head",
                dtype="float32",
            )

    def build(self, features_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        if self.head is not None:
            self.head.build(features_shape)

    def call(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        patches = ops.cast(features, "float32") if self.head is None else self.head(features)
        frames = self._activation(channels_to_pixels(patches, self.patch_size))
        height, width = spatial_size(skips[0])
        return frames[:, :height, :width]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "channels": self.channels,
            "output_activation": self.output_activation,
            "projected": self.head is not None,
        }


def _checked(patch_size: int) -> int:
    return integer("patch_size", patch_size, "PredRNN's patches are of 4x4 pixels.")
