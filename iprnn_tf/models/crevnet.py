"""Clips that a reversible network encodes, and decodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.autoencoders import padded
from iprnn_tf.cells import Cell, ClipCells, ReversiblePredictiveCell
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.clips import as_clips, as_images
from iprnn_tf.models.recurrent import Convolution, RecurrentPredictor
from iprnn_tf.patches import PatchDecoder, PatchEncoder
from iprnn_tf.reversible import ReversibleAutoencoder

BLOCKS = (4, 5, 3)  # CrevNet's.


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ReversibleCells(ClipCells):
    """A stack of memories of clips within a two-way autoencoder.

    The clip of the last steps is encoded, steps through the cells and is decoded with the weights
    that encoded it; the newest frame of what comes back is what the stack returns.

    Args:
        cells: `ReversiblePredictiveCell`s of clips, from the bottom up.
        channels: C of the features, which are even.
        blocks: of the autoencoder, by scale.
        **kwargs: as those of `StackedCells`.

    Call arguments:
        features: `(B, h, w, C)`.
        states: as those of `ClipCells`; all but the first have the size of the coarsest scale.

    Returns:
        The next features, `(B, h, w, C)`, and the new states.

    Raises:
        ValueError: as `ClipCells` and `ReversibleAutoencoder`, and if the cells have other filters
            than the autoencoder's features.
    """

    def __init__(
        self, cells: Sequence[Cell], channels: int, blocks: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(cells, channels, **kwargs)
        self.autoencoder = ReversibleAutoencoder(
            channels, blocks, name="autoencoder", dtype=self.dtype_policy
        )
        needed = 2 * self.autoencoder.filters[-1]
        found = self.cells[0].output_size // self.clip_length
        if found != needed:
            raise ValueError(
                "The memories of a reversible network have as many filters as its features, since "
                f"nothing is added and nothing lost: {needed} for {channels} channels halved "
                f"{len(self.autoencoder.blocks) - 1} times. Received: filters={found}. Use "
                f"filters={needed}."
            )

    @property
    def output_size(self) -> int:
        return self.channels

    @property
    def readout_size(self) -> int:
        return self.output_size

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.image_size = (input_shape[1], input_shape[2])  # Not that of the coarsest scale.
        self.autoencoder.build((None, self.clip_length, *input_shape[1:]))

    def seen_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        height, width = (side and self._coarse(side) for side in input_shape[1:3])
        return (None, height, width, self.cells[0].output_size)

    def get_initial_state(self, batch_size: Any = None, image_size: Any = None) -> States:
        earlier, *_ = super().get_initial_state(batch_size, image_size)
        height, width = image_size or self.image_size
        coarse = (self._coarse(height), self._coarse(width))
        return [earlier, *super().get_initial_state(batch_size, coarse)[1:]]

    def _coarse(self, side: Any) -> Any:
        return -(-side // self.autoencoder.stride)

    def seen(self, clip: Tensor, states: States) -> tuple[Tensor, States]:
        height, width = ops.shape(clip)[1:3]
        clips = as_clips(padded(clip, self.autoencoder.stride), self.clip_length)
        features = as_images(ops.concatenate(self.autoencoder(clips), axis=-1))
        features, states = super().seen(features, states)
        halves = ops.split(as_clips(features, self.clip_length), 2, axis=-1)
        newest = self.autoencoder.inverse((halves[0], halves[1]))[:, -1]
        return newest[:, :height, :width], states

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "blocks": self.autoencoder.blocks}


@keras.saving.register_keras_serializable(package="iprnn_tf")
class CrevNet(RecurrentPredictor):
    """Predicts video within a reversible network, in which no information is lost.

    Frames are cut into patches, whose clips are encoded by a network that can be run backwards,
    and decoded by the same after the memories: see `ReversibleAutoencoder`.

        clip         = the patches of the last D frames
        x', T'       = cells(encode(clip), T)
        next_frame   = the newest of encode^-1(x')

    As published, at 64x64 pixels: patches of 2x2, two halvings with 4, 5 and 3 blocks, and eight
    memories of 64 filters, 32 for each half.

    That nothing is lost holds in float32; in mixed precision the network rounds as all layers do.

    Deviations: clips hold the frames that were fed, where the authors' code feeds a whole clip
    that was predicted; trained is the newest frame of a clip, there all three.

    Args:
        image_shape: (H, W, C); H and W may be None. Sides that patches and halvings don't divide
            are padded inside and cropped back.
        cell: a template, copied for each layer with the model's dtype policy: a
            `ReversiblePredictiveCell` with `clips`, by default CrevNet's. Its filters follow from
            the frames, `patch_size**2 * C * 4**n` for n halvings.
        num_layers: N, the height of the stack.
        blocks: of the autoencoder at each scale, finest first: n + 1 numbers for n halvings; by
            default CrevNet's, 4, 5 and 3.
        patch_size: p, the side of a patch in pixels.
        horizon: K, how many frames `predict` returns.
        output_activation: of the frames, "linear", "clipped" or "sigmoid"; see `FrameDecoder`.

    Raises:
        ValueError: if an argument is out of range, or `cell` isn't such a cell.

    Reference:
        Yu et al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR
        2020.
    """

    def __init__(
        self,
        image_shape: Sequence[int | None] = (64, 64, 1),
        cell: Cell | None = None,
        num_layers: int = 8,
        blocks: Sequence[int] | None = None,
        patch_size: int = 2,
        horizon: int = 10,
        output_activation: str = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        self.encoder = PatchEncoder(patch_size, name="encoder", dtype=self.dtype_policy)
        self.patch_size = self.encoder.patch_size
        self.blocks = list(BLOCKS if blocks is None else blocks)
        channels = self.patch_size**2 * self.image_shape[2]
        if cell is None:
            filters = channels * 4 ** max(len(self.blocks) - 1, 0)
            cell = ReversiblePredictiveCell(filters, 3, use_bias=True, clips=True)
        self.create_memories(
            _checked_reversible(cell),
            num_layers,
            ReversibleCells,
            channels=channels,
            blocks=self.blocks,
        )
        self.decoder = PatchDecoder(
            self.patch_size,
            channels=self.image_shape[2],
            output_activation=output_activation,
            projected=False,
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        if not self.decoder.built:
            self.build_parts(self.cell.channels)

    def convolutions(self) -> list[Convolution]:
        autoencoder, stride = self.cell.autoencoder, self.cell.autoencoder.stride
        # Padded to whole pixels of the coarsest scale; where the size is open, one is counted.
        rows, columns = (
            -(-(side or 1) // stride) for side in self.latent_size(*self.image_shape[:2])
        )
        coarsest = self.cell.clip_length * rows * columns
        pixels = [coarsest * 4**scale for scale in reversed(range(len(self.blocks)))]
        both_ways = 2 * [(shape, pixels[scale]) for shape, scale in autoencoder.kernels()]
        memories = [
            (tuple(weight.shape), coarsest)
            for cell in self.cell.cells
            for weight in cell.weights
            if weight.name == "kernel"
        ]
        return [*both_ways, *memories]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "patch_size": self.patch_size,
            "output_activation": self.decoder.output_activation,
        }


def _checked_reversible(cell: Any) -> Cell:
    if not isinstance(cell, ReversiblePredictiveCell) or not cell.clips:
        raise ValueError(
            "The memories of a reversible network are reversible, and of clips. Received: "
            f"cell={cell!r}. Pass a ReversiblePredictiveCell with clips=True, or "
            "--cell=rpm --clips."
        )
    return cell
