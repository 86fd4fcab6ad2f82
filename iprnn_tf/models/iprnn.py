"""The information-preserving model of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from iprnn_tf.arguments import integer
from iprnn_tf.autoencoders import FrameDecoder, FrameEncoder
from iprnn_tf.cells import Cell, STGRUCell
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.models.recurrent import (
    Convolution,
    RecurrentPredictor,
    checked_template,
    filters_of_scales,
)


@keras.saving.register_keras_serializable(package="iprnn_tf")
class IPRNN(RecurrentPredictor):
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
        pytorch_padding: whether kernels of stride 2 lie as PyTorch's, which weights from there
            need; see `FrameEncoder`.

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
        pytorch_padding: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        template = checked_template(STGRUCell(64) if cell is None else cell)
        _check_of_frames(template)
        self.num_downsamplings = integer(
            "num_downsamplings", num_downsamplings, "For frames of 64x64, 2 are usual.", least=0
        )
        self.skips = skips
        filters = template.output_size
        self.encoder_filters = filters_of_scales(self.num_downsamplings, encoder_filters, filters)

        self.encoder = FrameEncoder(
            [*self.encoder_filters, filters],
            pytorch_padding=pytorch_padding,
            name="encoder",
            dtype=self.dtype_policy,
        )
        self.create_memories(template, num_layers)
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
            pytorch_padding=pytorch_padding,
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        if self.encoder.built:
            return
        height, width, channels = self.image_shape
        features = (None, *self.latent_size(height, width), self.cell.output_size)
        self.encoder.build((None, height, width, channels))
        self.cell.build(features)
        if self.merge is not None:
            self.merge.build((*features[:3], self.cell.readout_size))
        self.decoder.build(features)

    def merged(self, readout: Tensor) -> Tensor:
        return readout if self.merge is None else self.merge(readout)

    def convolutions(self) -> list[Convolution]:
        scales = [self.latent_pixels * 4**n for n in range(self.num_downsamplings, -1, -1)]
        encoder = zip([self.encoder.stem, *self.encoder.stages], scales, strict=True)
        # A transposed convolution works per input pixel.
        decoder = zip(self.decoder.stages, reversed(scales[1:]), strict=True)
        merge = [] if self.merge is None else [(self.merge, scales[-1])]
        layers = [*encoder, *merge, *decoder, (self.decoder.head, scales[0])]
        return [*super().convolutions(), *((tuple(at.kernel.shape), n) for at, n in layers)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_downsamplings": self.num_downsamplings,
            "skips": self.skips,
            "encoder_filters": self.encoder_filters,
            "output_activation": self.decoder.output_activation,
            "pytorch_padding": self.encoder.pytorch_padding,
        }


def _check_of_frames(template: Cell) -> None:
    if template.clip_length > 1:
        raise ValueError(
            "The memories of IPRNN are shown the features of one frame. Received: "
            f"{template.name!r}, which takes clips. Take a memory without, or `PatchRNN`."
        )
