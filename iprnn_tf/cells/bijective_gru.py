"""The bijective GRU of folded recurrent networks, and the stack that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.cells.conv_gru import ConvGRUCell
from iprnn_tf.cells.convolutional import ConvolutionalCell, check_mixed
from iprnn_tf.cells.stacked import StackedCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FoldedCells(StackedCells):
    """Bijective cells on top of each other: up the stack to see, down again to foretell.

    In a step every cell first takes in the state below it, from the bottom up. Then, from the top
    down, every cell gives back to the state below; the bottom one to the features, which is
    what the stack returns. So an encoder and its decoder share their states. Each cell that pools
    begins a level of a pyramid, on which states have half the sides.

    Args:
        cells: `BijectiveGRUCell`s from the bottom up.
        **kwargs: as those of `StackedCells`.

    Call arguments:
        features: `(B, h, w, C)`, C as the bottom cell gives back.
        states: one for each cell, `(B, h / 2^p, w / 2^p, F)`, where p cells pool up to it.

    Returns:
        The features that were given back, `(B, h, w, C)`, and the states.

    Raises:
        ValueError: as `StackedCells`, and if a cell isn't bijective.

    Reference:
        Oliu et al., Folded Recurrent Neural Networks for Future Video Prediction, ECCV 2018.
    """

    def __init__(self, cells: Sequence[Cell], **kwargs: Any) -> None:
        super().__init__(cells, **kwargs)
        if not all(isinstance(cell, BijectiveGRUCell) for cell in self.cells):
            raise ValueError(
                "A folded stack goes up and down again, which bijective cells can. Received: "
                f"cells={self.cells}. Pass `BijectiveGRUCell`s."
            )

    @property
    def output_size(self) -> int:
        return self.cells[0].output_size  # The bottom cell has the last word.

    @property
    def readout_size(self) -> int:
        return self.output_size

    def build(self, input_shape: Sequence[int | None]) -> None:
        Cell.build(self, input_shape)
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
            size = cell.size_of_state((input_shape[1], input_shape[2]))
            input_shape = (input_shape[0], *size, cell.filters)

    def compute_output_shape(self, features_shape: Any, states_shape: Any) -> Any:
        return features_shape, states_shape  # Sides that are open would have to be even.

    def get_initial_state(
        self,
        batch_size: int | Tensor | None = None,
        image_size: tuple[Any, Any] | None = None,
    ) -> States:
        size = image_size or self.image_size
        states: States = []
        for cell in self.cells:
            states += cell.get_initial_state(batch_size, size)
            size = cell.size_of_state(size)
        return states

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        levels = [features]
        for cell, state in zip(self.cells, states, strict=True):
            levels.append(cell.ascend(levels[-1], state))
        above = levels.pop()
        new_states = [above]
        for cell in reversed(self.cells):
            above = cell.descend(above, levels.pop())
            new_states.insert(0, above)
        return new_states[0], new_states[1:]

    def unroll(self, features: Sequence[Tensor], states: States) -> list[tuple[Tensor, States]]:
        return Cell.unroll(self, features, states)  # A layer waits for those above it.


@keras.saving.register_keras_serializable(package="iprnn_tf")
class BijectiveGRUCell(ConvolutionalCell):
    """A GRU in both directions: one that writes the state, and one that gives it back.

        h' = GRU_up(x, h)        the state, given what is below it
        x' = GRU_down(h', x)     what is below, given the state

    each of the two with the equations of `ConvGRUCell` and weights of its own; the second takes
    the features for its state. In a stack both passes go through all layers: see `FoldedCells`.
    A deviation: the paper's network goes up alone while it observes and down alone while it
    predicts; here each step does both, so that it predicts after every frame.

    Where the cell pools, what is below it has twice the sides:

        h' = GRU_up(max_pool(x), h)
        x' = GRU_down(upsample(h'), x)

    with windows of 2x2 pixels, and pixels repeated twice each way.

    Args:
        filters: F, the channels of the state.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases.
        normalization: a Keras layer, copied for each of the six fused convolutions, or None.
        below_filters: C, the channels of the features; by default F.
        pooled: whether the state has half the sides of the features, which must be even. Such a
            cell is for a `FoldedCells`; `ConvRNN` wants states as large as the features.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[h]`, `(B, h, w, F)`, or `(B, h / 2, w / 2, F)` of one that pools.

    Returns:
        `(x', [h'])`.

    Raises:
        ValueError: if the features don't have C channels or, where they are pooled, even sides,
            or an argument is out of range.

    Reference:
        Oliu et al., Folded Recurrent Neural Networks for Future Video Prediction, ECCV 2018.
    """

    stack = FoldedCells

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = True,
        normalization: keras.layers.Layer | None = None,
        below_filters: int | None = None,
        pooled: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.below_filters, self.pooled = below_filters, pooled
        if below_filters is not None:
            hint = "Leave it out for as many as `filters`."
            self.below_filters = integer("below_filters", below_filters, hint)
        self.up, self.down = (
            ConvGRUCell(
                channels, kernel_size, use_bias, normalization, name=name, dtype=self.dtype_policy
            )
            for name, channels in (("up", filters), ("down", self.output_size))
        )

    @property
    def state_size(self) -> list[int]:
        return [self.filters]

    @property
    def output_size(self) -> int:
        return self.below_filters or self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self._check_below(input_shape)
        batch, height, width, channels = input_shape
        self.up.build((batch, *self.size_of_state((height, width)), channels))
        self.down.build((batch, height, width, self.filters))

    def _check_below(self, input_shape: Sequence[int | None]) -> None:
        if self.below_filters is None:
            check_mixed(self, input_shape)
        elif input_shape[-1] != self.below_filters:
            raise ValueError(
                "The features of a BijectiveGRUCell have as many channels as it gives back to "
                f"them. Received: features of shape {tuple(input_shape)} with "
                f"below_filters={self.below_filters}. Use below_filters={input_shape[-1]}."
            )
        if self.pooled and any((side or 0) % 2 for side in input_shape[1:3]):
            raise ValueError(
                "A BijectiveGRUCell that pools halves the sides of its features. Received: "
                f"features of shape {tuple(input_shape)} with pooled=True. Pad them to even sides."
            )

    def size_of_state(self, image_size: tuple[Any, Any]) -> tuple[Any, Any]:
        """Returns (h, w) of the state, given that of the features; either side may be None."""
        if not self.pooled:
            return image_size
        height, width = (None if side is None else side // 2 for side in image_size)
        return height, width

    def get_initial_state(
        self,
        batch_size: int | Tensor | None = None,
        image_size: tuple[Any, Any] | None = None,
    ) -> States:
        size = self.size_of_state(image_size or self.image_size)
        return super().get_initial_state(batch_size, size)

    def ascend(self, below: Tensor, state: Tensor) -> Tensor:
        """Returns the state after it has seen what is below it."""
        if self.pooled:
            below = ops.max_pool(below, 2, strides=2, data_format="channels_last")
        state, _ = self.up(below, [state])
        return state

    def descend(self, above: Tensor, state: Tensor) -> Tensor:
        """Returns what is below after it has seen the state above it."""
        if self.pooled:
            above = ops.repeat(ops.repeat(above, 2, axis=1), 2, axis=2)
        state, _ = self.down(above, [state])
        return state

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        state = self.ascend(features, states[0])
        return self.descend(state, features), [state]

    def get_config(self) -> dict[str, Any]:
        own = {"below_filters": self.below_filters, "pooled": self.pooled}
        return {**super().get_config(), **own}
