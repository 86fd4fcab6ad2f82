"""A pyramid of memories that an encoder and its decoder share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from iprnn_tf.arguments import integer
from iprnn_tf.cells import BijectiveGRUCell, FoldedCells
from iprnn_tf.folding import FoldedDecoder, FoldedEncoder
from iprnn_tf.models.recurrent import Convolution, RecurrentPredictor, filters_of_scales

COARSE_KERNEL = 3  # The largest on the coarser half of the levels.


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FoldedRNN(RecurrentPredictor):
    """Predicts video with a pyramid of bijective memories, up to see and down to foretell.

    Two convolutions turn the frame into features of its own size. Above them lie levels of
    memories, each of half the sides of the one below. In a step every memory takes in what is
    below it, from the bottom up; then, from the top down, every memory gives back to what is below
    it, and at last the convolutions, transposed, turn the features into the next frame:

        h_0  = tanh(W_2 * tanh(W_1 * (2 frame - 1)))
        h_l' = GRU_up(h_(l-1)', h_l)                  l = 1..L
        h_l" = GRU_down(h_(l+1)", h_l')               l = L-1..0, with h_L" = h_L'
        next_frame = (1 + tanh(W_1^T * tanh(W_2^T * h_0"))) / 2

    (without the biases), where the first memory of a level sees the maxima of what is below it in
    windows of 2x2 pixels, and what it gives back is upsampled by repeating pixels. There is no
    decoder beside the encoder: states and the convolutions' kernels are of both.

    As published, for 64x64 Moving MNIST, it is
    `FoldedRNN((64, 64, 1), BijectiveGRUCell(256), encoder_filters=[64, 128, 256, 512])`.

    Two deviations. The paper's network goes up alone while it observes and down alone while it
    predicts; here each step does both, so that it predicts after every frame. And the authors'
    code remembers, beside each state, what the memory was given, after pooling, and updates that
    on the way down; here, as the paper draws it, the state below is updated itself, on its own
    scale. That needs as many weights.

    Args:
        image_shape: (H, W, C); H and W may be None. Sides that 2^num_downsamplings doesn't
            divide are padded inside and cropped back.
        cell: a template, copied for each memory with the model's dtype policy and its level's
            channels; `BijectiveGRUCell(256)` by default. Its filters are the channels of the
            coarsest level. Its kernel size is that of the convolutions and of the finer half of
            the levels; the coarser half has 3x3 at most.
        num_layers: memories on each level.
        num_downsamplings: the levels, each of half the sides of what is below it.
        encoder_filters: channels of the scales above the coarsest level, finest first, one for
            each downsampling; by default as many as the cell has. The finest are those of the
            features, to which the first convolution goes half the way; the others are levels.
        horizon: K, how many frames `predict` returns.
        output_activation: of the frames, "linear" or "clipped", which are the same here: a tanh
            keeps them in [0, 1].

    Raises:
        ValueError: if an argument is out of range, or `cell` is not a `BijectiveGRUCell`.

    Reference:
        Oliu et al., Folded Recurrent Neural Networks for Future Video Prediction, ECCV 2018.
    """

    def __init__(
        self,
        image_shape: Sequence[int | None] = (64, 64, 1),
        cell: BijectiveGRUCell | None = None,
        num_layers: int = 2,
        num_downsamplings: int = 4,
        encoder_filters: Sequence[int] | None = None,
        horizon: int = 10,
        output_activation: str = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        template = _checked_bijective(BijectiveGRUCell(256) if cell is None else cell)
        self.num_layers = integer("num_layers", num_layers, "FRNN has 2 on each level.")
        self.num_downsamplings = integer(
            "num_downsamplings", num_downsamplings, "For frames of 64x64, FRNN has 4 levels."
        )
        self.encoder_filters = filters_of_scales(
            self.num_downsamplings, encoder_filters, template.filters
        )
        self.output_activation = _checked_activation(output_activation)
        finest = self.encoder_filters[0]
        self.encoder = FoldedEncoder(
            [-(-finest // 2), finest],
            template.kernel_size,
            stride=2**self.num_downsamplings,
            name="encoder",
            dtype=self.dtype_policy,
        )
        self.cell = FoldedCells(
            [
                self._copy(template, layer, **changes)
                for layer, changes in enumerate(self._levels(template), start=1)
            ],
            name="cells",
            dtype=self.dtype_policy,
        )
        self.decoder = FoldedDecoder(self.encoder, name="decoder", dtype=self.dtype_policy)
        self.build()

    def _levels(self, template: BijectiveGRUCell) -> list[dict[str, Any]]:
        """What each memory, from the bottom up, has of its own."""
        below, *levels = [*self.encoder_filters, template.filters]
        memories: list[dict[str, Any]] = []
        for level, filters in enumerate(levels):
            kernel_size = template.kernel_size
            if 2 * level >= len(levels):
                kernel_size = min(kernel_size, COARSE_KERNEL)
            own = {"filters": filters, "kernel_size": kernel_size}
            memories.append({**own, "below_filters": below, "pooled": True})
            inner = {**own, "below_filters": None, "pooled": False}
            memories += [inner] * (self.num_layers - 1)
            below = filters
        return memories

    def build(self, input_shape: Any = None) -> None:
        if not self.decoder.built:
            self.build_parts(self.encoder_filters[0])

    def latent_size(self, height: Any, width: Any) -> tuple[Any, Any]:
        coarsest = super().latent_size(height, width)
        height, width = (None if side is None else side * self.encoder.stride for side in coarsest)
        return height, width

    def convolutions(self) -> list[Convolution]:
        # Where the size of frames is open, one pixel of the coarsest level is counted.
        height, width = (
            side or self.encoder.stride for side in self.latent_size(*self.image_shape[:2])
        )
        pixels = height * width
        convolutions = [(stage, pixels) for stage in self.encoder.stages * 2]  # Up and down.
        for cell in self.cell.cells:
            below, pixels = pixels, pixels // 4 if cell.pooled else pixels
            convolutions += [(cell.up, pixels), (cell.down, below)]
        return [
            (tuple(weight.shape), times)
            for layer, times in convolutions
            for weight in layer.weights
            if weight.name.endswith("kernel")
        ]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # The bottom memory, but for what its level has of its own, is the template.
        filters = {"filters": self.cell.cells[-1].filters, "below_filters": None, "pooled": False}
        template = {**config["cell"], "config": {**config["cell"]["config"], **filters}}
        return {
            **config,
            "cell": template,
            "num_downsamplings": self.num_downsamplings,
            "encoder_filters": self.encoder_filters,
            "output_activation": self.output_activation,
        }


def _checked_bijective(cell: Any) -> BijectiveGRUCell:
    if not isinstance(cell, BijectiveGRUCell):
        raise ValueError(
            "`cell` must be a `BijectiveGRUCell`, a template of all memories: they go up and down "
            f"again. Received: cell={cell!r}. Pass, for example, BijectiveGRUCell(256), by name "
            "bijective_gru."
        )
    if cell.pooled or cell.below_filters is not None:
        raise ValueError(
            "Which memories pool, and what is below them, follows from their level. Received: "
            f"pooled={cell.pooled} and below_filters={cell.below_filters}. Leave both out."
        )
    return cell


def _checked_activation(name: str) -> str:
    if name not in ("linear", "clipped"):
        raise ValueError(
            "`output_activation` of a `FoldedRNN` is 'linear' or 'clipped', since its last tanh "
            f"keeps frames in [0, 1]. Received: output_activation={name!r}. Leave it out."
        )
    return name
