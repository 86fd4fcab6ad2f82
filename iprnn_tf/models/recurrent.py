"""What predictors around a stack of recurrent memories have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells import Cell, StackedCells, stack_of
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.models.predictor import VideoPredictor

# The shape of a kernel, and at how many pixels it is applied.
Convolution = tuple[tuple[int, ...], int]


class RecurrentPredictor(VideoPredictor):
    """Predicts video with a stack of recurrent memories between an encoder and a decoder.

    A class of this kind creates the three: `encoder`, `cell` (by `create_memories`) and `decoder`.
    It may define `merged`, and adds what its encoder and decoder convolve to `convolutions`.
    """

    encoder: Any  # A layer from frames to features and skips, with its `stride`.
    cell: StackedCells
    decoder: Any  # A layer from features and skips to frames.

    def create_memories(
        self,
        template: Cell,
        num_layers: int,
        stack: Callable[..., StackedCells] = stack_of,
        **kwargs: Any,
    ) -> None:
        """Creates `cell`, a stack of copies of a template with the model's dtype policy.

        Args:
            template: of every layer; see `checked_template`.
            num_layers: N, the height of the stack.
            stack: what makes one of the cells; by default the kind that they want.
            **kwargs: its other arguments.

        Raises:
            ValueError: if `num_layers` isn't positive, or the cells can't make a stack.
        """
        self.num_layers = integer("num_layers", num_layers, "The paper's model has 4.")
        self.cell = stack(
            [self._copy(template, layer) for layer in range(1, self.num_layers + 1)],
            name="cells",
            dtype=self.dtype_policy,
            **kwargs,
        )

    def build_parts(self, channels: int) -> None:
        """Builds encoder, memories and decoder, in this order.

        Args:
            channels: of the features that enter the memories.
        """
        size = self.latent_size(*self.image_shape[:2])
        self.encoder.build((None, *self.image_shape))
        self.cell.build((None, *size, channels))
        self.decoder.build((None, *size, self.cell.readout_size))

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.encoder(frame)

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        return self.decoder(features, skips)

    def merged(self, readout: Tensor) -> Tensor:
        """Returns the features that `decode` gets.

        Args:
            readout: what was read out of the memories, `(B, h, w, readout_size)`.
        """
        return readout

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        features, states = self.cell(features, states)
        return self.merged(self.cell.readout(features, states)), states

    def initial_states(
        self, batch_size: int | Tensor, image_size: tuple[int, int] | None = None
    ) -> States:
        height, width = image_size or self.image_shape[:2]
        return self.cell.get_initial_state(batch_size, self.latent_size(height, width))

    def latent_size(self, height: Any, width: Any) -> tuple[Any, Any]:
        """Returns the size of the features of a frame.

        Args:
            height: H of the frame, or None where it is open.
            width: W of the frame, likewise.

        Returns:
            (h, w), with None where the frame's side is.
        """
        latent_height, latent_width = (
            None if side is None else -(-side // self.encoder.stride) for side in (height, width)
        )
        return latent_height, latent_width

    def warm_up(
        self,
        context: Tensor,
        return_all: bool = False,
        decode: Callable[[Tensor, list[Tensor]], Tensor] | None = None,
    ) -> tuple[list[Tensor], States]:
        """Does what stepping over the context does, with all that can be batched over time.

        Args:
            context: `(B, T, H, W, C)`.
            return_all: whether to decode every step, or the last alone.
            decode: what decodes; by default the model's own.

        Returns:
            The predicted next frames, a list of `(B, H, W, C)`, and the last states.
        """
        features, skips, states = self.observed(context, return_all)
        predictions = (decode or self.decode)(features, skips)
        return ops.split(predictions, context.shape[1] if return_all else 1, axis=0), states

    def observed(
        self, context: Tensor, return_all: bool = False
    ) -> tuple[Tensor, list[Tensor], States]:
        """Encodes and remembers frames that are known, and decodes nothing.

        Args:
            context: `(B, T, H, W, C)`.
            return_all: whether the features of every step are wanted, or of the last alone.

        Returns:
            Features and skips for `decode`, `(T * B, ...)` step after step or `(B, ...)`; and the
            last states.
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
        return self.merged(readouts), skips, states

    def convolutions(self) -> list[Convolution]:
        """Returns what a step computes: kernels, and at how many pixels each is applied.

        The matrices of a memory without convolutions are applied once. What else a memory does, as
        the attention of E3D-LSTM, isn't counted. Where the size of frames is open, one pixel of
        the features is.
        """
        pixels = self.latent_pixels
        kernels = [weight for weight in self.cell.weights if weight.name.endswith("kernel")]
        shapes = [tuple(kernel.shape) for kernel in kernels]
        # 3D convolutions go over the frames of clips; matrices see the whole image.
        depth = getattr(self.cell.cells[0], "depth", 1)
        times = {2: 1, 4: pixels, 5: pixels * depth}
        return [(shape, times[len(shape)]) for shape in shapes]

    @property
    def latent_pixels(self) -> int:
        """The pixels of the features of a frame; an open side counts as one."""
        return math.prod(side or 1 for side in self.latent_size(*self.image_shape[:2]))

    def _copy(self, template: Cell, layer: int, **changes: Any) -> Cell:
        config = {
            **template.get_config(),
            **changes,
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
        }

    @classmethod
    def _deserialized(cls, config: dict[str, Any], custom_objects: Any) -> dict[str, Any]:
        cell = keras.saving.deserialize_keras_object(config["cell"], custom_objects)
        return {**config, "cell": cell}


def checked_template(cell: Any) -> Cell:
    """Returns what every layer is to copy.

    Args:
        cell: what was given as such.

    Raises:
        ValueError: if it is not a `Cell`, or one that pools.
    """
    if not isinstance(cell, Cell):
        raise ValueError(
            "`cell` must be an `iprnn_tf.cells.Cell`, a template that each layer copies. "
            f"Received: cell={cell!r}. Pass, for example, STGRUCell(filters=64, kernel_size=5)."
        )
    if getattr(cell, "pooled", False):
        raise ValueError(
            "The states of these memories are as large as the features. Received: "
            f"{cell.name!r}, which pools. Leave out pooled=True, or take `FoldedRNN`."
        )
    return cell


def filters_of_scales(
    num_downsamplings: int, encoder_filters: Sequence[int] | None, default: int
) -> list[int]:
    """Returns the channels of the scales above a model's features, finest first.

    Args:
        num_downsamplings: how many scales there are.
        encoder_filters: what was given as such, or None.
        default: of each scale where nothing was given.

    Raises:
        ValueError: if there isn't one positive number for each.
    """
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
