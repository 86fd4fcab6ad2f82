"""The information-preserving model of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.autoencoders import FrameDecoder, FrameEncoder
from iprnn_tf.cells import Cell, STGRUCell, stack_of
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.models.predictor import VideoPredictor


@keras.saving.register_keras_serializable(package="iprnn_tf")
class IPRNN(VideoPredictor):
    """Predicts video with a stack of recurrent memories between an encoder and a decoder.

    What the encoder sees at each scale goes straight to the decoder, so that the memories
    need to carry motion only and no detail is lost on the way (Eq. 1):

        S^0, skips = encoder(frame)
        S^N, T^N = cells(S^0, T^1..T^N)
        next_frame = decoder(W * [T^N, S^N], skips)

    Any `Cell` may take the place of STGRU: that is how the paper compares memories.

    Args:
        image_shape: (H, W, C); H and W may be None. Sides that 2^num_downsamplings doesn't
            divide are padded inside and cropped back.
        cell: a template, copied for each layer with the model's dtype policy;
            `STGRUCell(64)` by default, the paper's.
        num_layers: N, the height of the stack.
        num_downsamplings: how often the encoder halves the sides; the paper leaves it open,
            the author's next model halves 64x64 frames twice and 128x160 frames three times.
        skips: whether the decoder recalls the encoder's features; False is the paper's
            ablation "w/o SCs".
        horizon: K, how many frames `predict` returns.
        encoder_filters: channels of the encoder's scales, finest first, one for each
            downsampling; by default as many as the cell has. The features that enter the cells
            always have as many as the cells return.
        output_activation: of the frames, "linear", "clipped" or "sigmoid"; see `FrameDecoder`.
            Clipped, a dark background stays dark, also in what is fed back.

    Raises:
        ValueError: if an argument is out of range, or `cell` is not a `Cell`.

    Reference:
        Chang et al., An Information-Preserving Model for Video Prediction using Spatiotemporal
        GRUs, ICIP 2021.
    """

    def __init__(
        self,
        image_shape: Sequence[int | None] = (64, 64, 1),
        cell: Cell | None = None,
        num_layers: int = 4,
        num_downsamplings: int = 2,
        skips: bool = True,
        horizon: int = 10,
        encoder_filters: Sequence[int] | None = None,
        output_activation: str = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        template = STGRUCell(64) if cell is None else cell
        _check_cell(template)
        filters = template.output_size
        self.num_layers = integer("num_layers", num_layers, "The paper's model has 4.")
        self.num_downsamplings = integer(
            "num_downsamplings", num_downsamplings, "For frames of 64x64, 2 are usual.", least=0
        )
        self.skips = skips
        self.encoder_filters = _one_for_each(self.num_downsamplings, encoder_filters, filters)

        self.encoder = FrameEncoder(
            [*self.encoder_filters, filters], name="encoder", dtype=self.dtype_policy
        )
        self.cell = stack_of(
            [self._copy(template, layer) for layer in range(1, self.num_layers + 1)],
            name="cells",
            dtype=self.dtype_policy,
        )
        self.merge = None
        if self.cell.readout_size != filters:
            self.merge = keras.layers.Conv2D(
                filters, 1, data_format="channels_last", name="merge", dtype=self.dtype_policy
            )
        self.decoder = FrameDecoder(
            self.encoder_filters,
            channels=self.image_shape[2],
            skips=skips,
            output_activation=output_activation,
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        if self.encoder.built:
            return
        height, width, channels = self.image_shape
        features = (None, *self._latent_size(height, width), self.cell.output_size)
        self.encoder.build((None, height, width, channels))
        self.cell.build(features)
        if self.merge is not None:
            self.merge.build((*features[:3], self.cell.readout_size))
        self.decoder.build(features)

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.encoder(frame)

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        features, states = self.cell(features, states)
        return self._merge(self.cell.readout(features, states)), states

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        return self.decoder(features, skips)

    def initial_states(
        self, batch_size: int | Tensor, image_size: tuple[int, int] | None = None
    ) -> States:
        height, width = image_size or self.image_shape[:2]
        return self.cell.get_initial_state(batch_size, self._latent_size(height, width))

    def warm_up(self, context: Tensor, return_all: bool = False) -> tuple[list[Tensor], States]:
        """Does what stepping over the context does, with all that can be batched over time.

        Args:
            context: `(B, T, H, W, C)`.
            return_all: whether to decode every step, or the last alone.

        Returns:
            The predicted next frames, a list of `(B, H, W, C)`, and the last states.
        """
        batch, time, height, width, _ = ops.shape(context)
        frames = ops.concatenate(ops.unstack(context, axis=1), axis=0)  # (T * B, H, W, C)
        features, skips = self.encode(frames)
        trajectory = self.cell.unroll(
            ops.split(features, time, axis=0), self.initial_states(batch, (height, width))
        )
        states = trajectory[-1][1]
        if not return_all:
            trajectory = trajectory[-1:]
            skips = [ops.split(skip, time, axis=0)[-1] for skip in skips]
        readouts = ops.concatenate([self.cell.readout(*step) for step in trajectory], axis=0)
        predictions = self.decode(self._merge(readouts), skips)
        return ops.split(predictions, len(trajectory), axis=0), states

    def _merge(self, readout: Tensor) -> Tensor:
        return readout if self.merge is None else self.merge(readout)

    def _latent_size(self, height: Any, width: Any) -> tuple[Any, Any]:
        stride = self.encoder.stride
        latent_height, latent_width = (
            None if side is None else -(-side // stride) for side in (height, width)
        )
        return latent_height, latent_width

    def _copy(self, template: Cell, layer: int) -> Cell:
        config = {
            **template.get_config(),
            "name": f"{template.name}_{layer}",
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }
        return type(template).from_config(config)

    def get_config(self) -> dict[str, Any]:
        template = self.cell.cells[0]
        name = template.name.removesuffix("_1")
        config = {**template.get_config(), "name": name, "trainable": True}  # See `frozen`.
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(type(template).from_config(config)),
            "num_layers": self.num_layers,
            "num_downsamplings": self.num_downsamplings,
            "skips": self.skips,
            "encoder_filters": self.encoder_filters,
            "output_activation": self.decoder.output_activation,
        }

    @classmethod
    def _deserialized(cls, config: dict[str, Any], custom_objects: Any) -> dict[str, Any]:
        cell = keras.saving.deserialize_keras_object(config["cell"], custom_objects)
        return {**config, "cell": cell}


def _check_cell(cell: Any) -> None:
    if not isinstance(cell, Cell):
        raise ValueError(
            "`cell` must be an `iprnn_tf.cells.Cell`, a template that each layer copies. "
            f"Received: cell={cell!r}. Pass, for example, STGRUCell(filters=64, kernel_size=5)."
        )


def _one_for_each(
    num_downsamplings: int, encoder_filters: Sequence[int] | None, default: int
) -> list[int]:
    given = [default] * num_downsamplings if encoder_filters is None else encoder_filters
    rule = (
        "`encoder_filters` gives the channels of each scale above the features, one number "
        "for each downsampling."
    )
    if len(given) != num_downsamplings:
        raise ValueError(
            f"{rule} Received: encoder_filters={list(given)} with "
            f"num_downsamplings={num_downsamplings}."
        )
    return [
        integer(f"encoder_filters[{scale}]", filters, rule) for scale, filters in enumerate(given)
    ]
