"""Recurrent memories on patches of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from iprnn_tf.cells import Cell, ClipCells, STLSTMCell
from iprnn_tf.models.recurrent import Convolution, RecurrentPredictor, checked_template
from iprnn_tf.patches import PatchDecoder, PatchEncoder


@keras.saving.register_keras_serializable(package="iprnn_tf")
class PatchRNN(RecurrentPredictor):
    """Predicts video with a stack of recurrent memories on patches of pixels.

    There is no encoder: a frame is cut into patches of p x p pixels, which become channels, and
    what the memories read out becomes the patches of the next frame by a 1x1 convolution:

        features, T' = cells(patches(frame), T)
        next_frame   = frame_of(W * features)

    So were published, each with its memory, at 64x64 pixels with four layers of 128 filters:
    ConvLSTM as later work compares it (`ConvLSTMCell`), PredRNN (`STLSTMCell`) and PredRNN++
    (`CausalLSTMCell`, whose first layer was twice as wide as the others; here all are alike).
    A memory of clips is shown the patches of the last frames at once, and its whole clip becomes
    the next frame: so, with four layers of 64 filters, E3D-LSTM (`E3DLSTMCell` with `clips`).

    Args:
        image_shape: (H, W, C); H and W may be None. Sides that `patch_size` doesn't divide are
            padded inside and cropped back.
        cell: a template, copied for each layer with the model's dtype policy; `STLSTMCell(128)`
            by default, PredRNN's. Some memories need as many channels as a patch has,
            `C * patch_size**2`; with `clips` they see the last frames too.
        num_layers: N, the height of the stack.
        patch_size: p, the side of a patch in pixels.
        horizon: K, how many frames `predict` returns.
        output_activation: of the frames, "linear", "clipped" or "sigmoid"; see `FrameDecoder`.

    Raises:
        ValueError: if an argument is out of range, or `cell` is not a `Cell`.

    Reference:
        Wang et al., PredRNN: Recurrent Neural Networks for Predictive Learning using
        Spatiotemporal LSTMs, NIPS 2017.
    """

    def __init__(
        self,
        image_shape: Sequence[int | None] = (64, 64, 1),
        cell: Cell | None = None,
        num_layers: int = 4,
        patch_size: int = 4,
        horizon: int = 10,
        output_activation: str = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        self.encoder = PatchEncoder(patch_size, name="encoder", dtype=self.dtype_policy)
        self.patch_size = self.encoder.patch_size
        template = STLSTMCell(128) if cell is None else cell
        self.create_memories(checked_template(template), num_layers, **self._stack(template))
        self.decoder = PatchDecoder(
            self.patch_size,
            channels=self.image_shape[2],
            output_activation=output_activation,
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        if not self.decoder.built:
            self.build_parts(self.patch_size**2 * self.image_shape[2])

    def _stack(self, template: Cell) -> dict[str, Any]:
        """How the memories are stacked, where these take clips."""
        if template.clip_length == 1:
            return {}
        return {"stack": ClipCells, "channels": self.patch_size**2 * self.image_shape[2]}

    def convolutions(self) -> list[Convolution]:
        return [
            *super().convolutions(),
            (tuple(self.decoder.head.kernel.shape), self.latent_pixels),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "output_activation": self.decoder.output_activation,
        }
