"""Convolutions that are an encoder on the way up and, transposed, its decoder on the way down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.autoencoders import padded, spatial_size
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.freezing import freeze_sublayers_of


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FoldedEncoder(keras.layers.Layer):
    """Turns a frame into features as large as it, by convolutions with tanh.

    A frame whose sides the stride doesn't divide is first padded with zeros at the bottom and
    right; `FoldedDecoder` crops them away again. Then it is scaled to [-1, 1].

    Args:
        filters: channels that each convolution returns, from the frame on.
        kernel_size: side of the square convolutions, in pixels.
        stride: what shall divide the sides of the features; nothing is halved here.

    Call arguments:
        frames: `(B, H, W, C)` in [0, 1].

    Returns:
        `(features, skips)`: features `(B, H', W', filters[-1])`, where H' and W' are the least
        multiples of the stride that hold the frame, and the frame alone, which tells its size.

    Reference:
        Oliu et al., Folded Recurrent Neural Networks for Future Video Prediction, ECCV 2018.
    """

    def __init__(
        self, filters: Sequence[int], kernel_size: int, stride: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride = list(filters), kernel_size, stride
        self.stages = [
            keras.layers.Conv2D(
                channels,
                kernel_size,
                padding="same",
                activation="tanh",
                data_format="channels_last",
                name=f"up_{stage}",
                dtype=self.dtype_policy,
            )
            for stage, channels in enumerate(self.filters)
        ]

    def build(self, input_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        channels = input_shape[-1]
        for layer, filters in zip(self.stages, self.filters, strict=True):
            layer.build((None, None, None, channels))
            channels = filters

    def call(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = 2 * padded(frames, self.stride) - 1
        for stage in self.stages:
            features = stage(features)
        return features, [frames]

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "stride": self.stride}
        return {**super().get_config(), **own}


class FoldedDecoder(keras.layers.Layer):
    """Turns features into a frame by the convolutions of an encoder, the other way.

    From the last to the first, each with its own kernel transposed, a bias of its own and tanh;
    the one that makes the frame in float32, whatever the precision of the rest. The kernels are
    the encoder's: whatever freezes one of the two freezes them.

    Args:
        encoder: whose convolutions these are, built before the decoder is.

    Call arguments:
        features: `(B, H', W', F)`.
        skips: what the encoder returned, which tells the size of the frame and nothing else.

    Returns:
        The frame, `(B, H, W, C)` in [0, 1], float32.

    Reference:
        Oliu et al., Folded Recurrent Neural Networks for Future Video Prediction, ECCV 2018.
    """

    def __init__(self, encoder: FoldedEncoder, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        first, *others = [
            Transposed(convolution, name=f"down_{stage}", dtype=dtype)
            for stage, convolution in enumerate(encoder.stages)
            for dtype in ("float32" if stage == 0 else self.dtype_policy,)
        ]
        self.stages = [*reversed(others), first]

    def build(self, features_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        for stage in self.stages:
            stage.build((*features_shape[:-1], stage.convolution.filters))

    def call(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        for stage in self.stages:
            features = stage(features)
        height, width = spatial_size(skips[0])
        return (1 + features[:, :height, :width]) / 2


class Transposed(keras.layers.Layer):
    """What a convolution returned, back to what it was given: tanh(W^T * y + b).

    Args:
        convolution: of stride 1 with padding "same", built before this is; W is its kernel, and
            stays so.

    Call arguments:
        images: y, `(B, h, w, F)`, F the filters of the convolution.

    Returns:
        `(B, h, w, C)`, C the channels that the convolution takes.
    """

    def __init__(self, convolution: keras.layers.Conv2D, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.convolution = convolution

    def build(self, input_shape: Sequence[int | None]) -> None:
        channels = self.convolution.kernel.shape[2]
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")

    def call(self, images: Tensor) -> Tensor:
        kernel = ops.cast(self.convolution.kernel, self.compute_dtype)  # (k, k, C, F)
        images = ops.conv_transpose(images, kernel, padding="same", data_format="channels_last")
        return ops.tanh(images + self.bias)
