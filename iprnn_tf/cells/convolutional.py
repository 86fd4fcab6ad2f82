"""What memories of fused convolutions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.freezing import freeze_sublayers_of


class ConvolutionalCell(Cell):
    """A memory whose gates are convolutions, which it creates by `convolution`.

    Args:
        filters: F, the channels of the states and of what the cell returns.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the convolutions add a bias.
        normalization: a Keras layer, copied once for each fused convolution and applied to its
            outputs, or None.

    Raises:
        ValueError: if `filters` or `kernel_size` isn't a positive integer.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = False,
        normalization: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = integer("filters", filters, "IPRNN uses 64.")
        self.kernel_size = integer("kernel_size", kernel_size, "IPRNN uses 5.")
        self.use_bias = use_bias
        self.normalization = keras.saving.serialize_keras_object(normalization)

    @property
    def output_size(self) -> int:
        return self.filters

    def convolution(self, name: str, channels: int, **kwargs: Any) -> NormalizedConvolution:
        """Creates a convolution of this cell, with its normalisation.

        Args:
            name: of the layer.
            channels: of its outputs.
            **kwargs: `kernel_size`, `use_bias` or `normalization`, where not the cell's own.
        """
        options = {
            "kernel_size": self.kernel_size,
            "use_bias": self.use_bias,
            "normalization": self.normalization,
            "dtype": self.dtype_policy,
        }
        return NormalizedConvolution(channels, name=name, **{**options, **kwargs})

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "use_bias": self.use_bias,
            "normalization": self.normalization,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        normalization = keras.saving.deserialize_keras_object(config["normalization"])
        return cls(**{**config, "normalization": normalization})


class ProjectingCell(ConvolutionalCell):
    """A memory whose first convolution waits for no state.

    The features of a step are projected, and then meet the states:

        call(features, states) = transition(features, project(features), states)

    so that over a known context the projections of all steps are one convolution. A memory of this
    kind defines `transition`, and `project` where that isn't the convolution `from_features`.

    Args:
        filters: as those of `ConvolutionalCell`, and so are the others.
    """

    from_features: keras.layers.Layer

    def project(self, features: Tensor) -> Tensor:
        """Returns what of the gates depends on the features alone."""
        return self.from_features(features)

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        """Returns what `call` does, given the projection of the features."""
        raise NotImplementedError(f"{type(self).__name__} must define `transition`.")

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        return self.transition(features, self.project(features), states)

    def unroll(self, features: Sequence[Tensor], states: States) -> list[tuple[Tensor, States]]:
        # This runs outside of `__call__`, where Keras casts nothing by itself.
        features = [ops.cast(step, self.compute_dtype) for step in features]
        states = [ops.cast(state, self.compute_dtype) for state in states]
        if not self.built:
            self.build(features[0].shape)
        projections = self.project(ops.concatenate(features, axis=0))  # (T * B, h, w, ...)
        trajectory = []
        for step, projected in zip(
            features, ops.split(projections, len(features), axis=0), strict=True
        ):
            step, states = self.transition(step, projected, states)
            trajectory.append((step, states))
        return trajectory


class NormalizedConvolution(keras.layers.Layer):
    """A convolution that keeps the size of the image, and what normalises its outputs.

    Args:
        channels: of the outputs.
        kernel_size: side of the kernel, in pixels; of one over clips depth, height and width.
        use_bias: whether a bias is added.
        normalization: the configuration of a Keras layer, or None.

    Call arguments:
        images: `(B, h, w, C)`, or clips `(B, D, h, w, C)`.

    Returns:
        The same with other channels.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int | tuple[int, int, int],
        use_bias: bool,
        normalization: dict[str, Any] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = keras.layers.Conv3D if isinstance(kernel_size, tuple) else keras.layers.Conv2D
        self.convolution = kind(
            channels,
            kernel_size,
            padding="same",
            use_bias=use_bias,
            data_format="channels_last",
            name="convolution",
            dtype=self.dtype_policy,
        )
        self.normalization = copied(normalization, "normalization", self.dtype_policy)

    def build(self, input_shape: Sequence[int | None]) -> None:
        freeze_sublayers_of(self)
        self.convolution.build(input_shape)
        if self.normalization is not None and not self.normalization.built:
            self.normalization.build((None, *input_shape[1:-1], self.convolution.filters))

    def call(self, images: Tensor) -> Tensor:
        outputs = self.convolution(images)
        return outputs if self.normalization is None else self.normalization(outputs)


def copied(template: dict[str, Any] | None, name: str, dtype: Any) -> keras.layers.Layer | None:
    """Creates a layer after the configuration of another, under a name of its own."""
    if template is None:
        return None
    layer = keras.saving.deserialize_keras_object(template)
    return type(layer).from_config({**layer.get_config(), "name": name, "dtype": dtype})


def check_mixed(cell: ConvolutionalCell, input_shape: Sequence[int | None]) -> None:
    """Refuses features that a cell couldn't add to its states.

    Args:
        cell: which is built.
        input_shape: of the features.

    Raises:
        ValueError: if they don't have as many channels.
    """
    if input_shape[-1] != cell.output_size:
        frames = f", for each of {cell.clip_length} frames" if cell.clip_length > 1 else ""
        raise ValueError(
            f"The features of a {type(cell).__name__} have as many channels as its filters"
            f"{frames}, since the two are mixed. Received: features of shape "
            f"{tuple(input_shape)} with filters={cell.filters}. Use "
            f"filters={(input_shape[-1] or 0) // cell.clip_length}, or a 1x1 convolution before "
            "the cell."
        )


def frame_channels(cell: Cell, input_shape: Sequence[int | None]) -> int:
    """Returns the channels of one frame of the clips that are a cell's features.

    Args:
        cell: which is built, with its `clip_length`.
        input_shape: of the features.

    Raises:
        ValueError: if so many frames don't divide them.
    """
    channels = input_shape[-1] or 0
    if not channels or channels % cell.clip_length:
        raise ValueError(
            f"A {type(cell).__name__} takes clips of {cell.clip_length} frames, folded into the "
            f"channels. Received: features of shape {tuple(input_shape)}. Give a multiple of "
            f"{cell.clip_length} channels, or leave out clips=True."
        )
    return channels // cell.clip_length
