"""The frame encoder and decoder, and the skip connections between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor
from iprnn_tf.freezing import freeze_sublayers_of

NEGATIVE_SLOPE = 0.2  # Of every leaky ReLU in the author's public encoder and decoder.


def _leaky_relu(x: Tensor) -> Tensor:
    return ops.leaky_relu(x, negative_slope=NEGATIVE_SLOPE)


def _padding(pytorch_padding: bool) -> str:
    """Of Keras's layers of stride 2; where it is PyTorch's, what they pad or crop is done here."""
    return "valid" if pytorch_padding else "same"


def spatial_size(images: Tensor) -> tuple[int | Tensor, int | Tensor]:
    """Returns height and width, as Python integers where they are known before the graph runs.

    Args:
        images: `(B, H, W, C)`.
    """
    return ops.shape(images)[1:3]


def padded(frames: Tensor, stride: int) -> Tensor:
    """Pads frames with zeros, at the bottom and right, to sides that the stride divides.

    Args:
        frames: `(B, H, W, C)`.
        stride: of an encoder, in pixels.

    Returns:
        The same, or larger frames.
    """
    height, width = spatial_size(frames)
    bottom, right = -height % stride, -width % stride
    if isinstance(bottom, int) and isinstance(right, int) and bottom == right == 0:
        return frames
    return ops.pad(frames, [[0, 0], [0, bottom], [0, right], [0, 0]])


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FrameEncoder(keras.layers.Layer):
    """Turns a frame into features, and keeps what each scale saw for the decoder.

    A 1x1 convolution at full resolution, then one 3x3 convolution of stride 2 for each
    downsampling, all with leaky ReLUs. A frame whose sides 2^n doesn't divide is first padded
    with zeros at the bottom and right; `FrameDecoder` crops them away again.

    The paper doesn't give its encoder's stages; these are those of the author's next public
    model (MAU).

    Args:
        filters: channels of each scale, finest first: `n + 1` numbers for n downsamplings.
        pytorch_padding: whether the zeros that kernels of stride 2 reach lie above and left of the
            image, as PyTorch's padding=1 has them, so that row i of what they give is centred on
            row 2i. Weights from there need that; by default row i is centred on row 2i + 1, as
            Keras's padding="same" has it.

    Call arguments:
        frames: `(B, H, W, C)`.

    Returns:
        `(features, skips)`: features `(B, ceil(H / 2^n), ceil(W / 2^n), filters[-1])`, and the
        n skips, finest first. The first has the size of the frame; skip i of the others has
        the sides of the padded frame over 2^i.

    Reference:
        Chang et al., An Information-Preserving Model for Video Prediction using Spatiotemporal
        GRUs, ICIP 2021; Chang et al., MAU, NeurIPS 2021.
    """

    def __init__(
        self, filters: Sequence[int], pytorch_padding: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = list(filters)
        self.pytorch_padding = pytorch_padding
        if not self.filters:
            raise ValueError(
                "`filters` gives the channels of each scale, finest first, at least one. "
                "Received: filters=[]. Two downsamplings take three, such as [64, 64, 64]."
            )
        self.stride = 2 ** (len(self.filters) - 1)
        self.stem = keras.layers.Conv2D(
            self.filters[0],
            1,
            activation=_leaky_relu,
            data_format="channels_last",
            name="stem",
            dtype=self.dtype_policy,
        )
        self.stages = [
            keras.layers.Conv2D(
                channels,
                3,
                strides=2,
                padding=_padding(pytorch_padding),
                activation=_leaky_relu,
                data_format="channels_last",
                name=f"down_{scale}",
                dtype=self.dtype_policy,
            )
            for scale, channels in enumerate(self.filters[1:], start=1)
        ]

    def build(self, input_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        channels = input_shape[-1]
        for layer, filters in zip([self.stem, *self.stages], self.filters, strict=True):
            layer.build((None, None, None, channels))
            channels = filters

    def call(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        height, width = spatial_size(frames)
        features = self.stem(padded(frames, self.stride))
        skips = []
        for stage in self.stages:
            skips.append(features)
            if self.pytorch_padding:
                features = ops.pad(features, [[0, 0], [1, 0], [1, 0], [0, 0]])
            features = stage(features)
        if skips:
            # The stem looks at single pixels, so cropping it is exact.
            skips[0] = skips[0][:, :height, :width]
        return features, skips

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "pytorch_padding": self.pytorch_padding}
        return {**super().get_config(), **own}


def _clipped(frames: Tensor) -> Tensor:
    """Clips to [0, 1]; the gradient passes where nothing would come back from outside."""
    return frames + ops.stop_gradient(ops.clip(frames, 0.0, 1.0) - frames)


OUTPUT_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": keras.activations.linear,
    "clipped": _clipped,
    "sigmoid": keras.activations.sigmoid,
}


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """Returns what keeps the frames of a model in their range, or a function that doesn't.

    Args:
        name: a key of `OUTPUT_ACTIVATIONS`.

    Raises:
        ValueError: if it isn't.
    """
    if name not in OUTPUT_ACTIVATIONS:
        raise ValueError(
            f"`output_activation` is one of {', '.join(OUTPUT_ACTIVATIONS)}. Received: "
            f"output_activation={name!r}. Leave it out for 'linear'."
        )
    return OUTPUT_ACTIVATIONS[name]


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FrameDecoder(keras.layers.Layer):
    """Turns features into a frame, recalling at each scale what the encoder saw.

    One 3x3 transposed convolution of stride 2 for each downsampling, each followed by a leaky
    ReLU (but the last) and by the sum with the encoder's features of that scale; then a 1x1
    convolution in float32, whatever the precision of the rest.

    Args:
        filters: channels of the scales above the features, finest first.
        channels: C of the frame.
        skips: whether to add the encoder's features; False is the paper's ablation
            "w/o SCs", where they tell the size of the frame and nothing else.
        output_activation: of the last convolution, a key of `OUTPUT_ACTIVATIONS`: "linear", which
            leaves [0, 1] at times; "clipped", which can't, and is trained as if it were linear;
            or "sigmoid".
        pytorch_padding: as that of `FrameEncoder`: row i is spread around row 2i instead of 2i + 1.

    Call arguments:
        features: `(B, h, w, F)`.
        skips: what `FrameEncoder` returned, finest first.

    Returns:
        The frame, `(B, H, W, C)`, float32.

    Reference:
        Chang et al., An Information-Preserving Model for Video Prediction using Spatiotemporal
        GRUs, ICIP 2021; Chang et al., MAU, NeurIPS 2021.
    """

    def __init__(
        self,
        filters: Sequence[int],
        channels: int = 1,
        skips: bool = True,
        output_activation: str = "linear",
        pytorch_padding: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_activation = output_activation
        self.pytorch_padding = pytorch_padding
        self.filters = list(filters)
        self.channels = channels
        self.skips = skips
        self.stages = [
            keras.layers.Conv2DTranspose(
                stage_filters,
                3,
                strides=2,
                padding=_padding(pytorch_padding),
                activation=_leaky_relu if scale else None,
                data_format="channels_last",
                name=f"up_{scale}",
                dtype=self.dtype_policy,
            )
            for scale, stage_filters in reversed(list(enumerate(self.filters)))
        ]
        self.head = keras.layers.Conv2D(
            channels,
            1,
            activation=activation_of(output_activation),
            data_format="channels_last",
            name="head",
            dtype="float32",
        )

    def build(self, features_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        channels = features_shape[-1]
        for layer, filters in zip(self.stages, reversed(self.filters), strict=True):
            layer.build((None, None, None, channels))
            channels = filters
        self.head.build((None, None, None, channels))

    def call(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        if len(skips) != len(self.stages):
            raise ValueError(
                f"`skips` must hold one tensor for each of {len(self.stages)} scales. "
                f"Received: {len(skips)}. Pass what `FrameEncoder` returned for this frame."
            )
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            height, width = spatial_size(skip)
            features = stage(features)
            if self.pytorch_padding:
                features = features[:, 1:, 1:]  # Twice the sides, and one more before.
            features = features[:, :height, :width]
            if self.skips:
                features = features + skip
        return self.head(features)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "channels": self.channels,
            "skips": self.skips,
            "output_activation": self.output_activation,
            "pytorch_padding": self.pytorch_padding,
        }
