"""The bijective GRU of folded recurrent networks, and the stack that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.cells.conv_gru import ConvGRUCell
from iprnn_tf.cells.convolutional import ConvolutionalCell, check_mixed
from iprnn_tf.cells.stacked import StackedCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class FoldedCells(StackedCells):
    """Bijective cells on top of each other: up the stack to see, down again to foretell.

    In a step every cell first takes in the state below it, from the bottom up. Then, from the top
    down, every cell gives back to the state below; the bottom one to the features, which is
    what the stack returns. So an encoder and its decoder share their states.

    Args:
        cells: `BijectiveGRUCell`s from the bottom up.
        **kwargs: as those of `StackedCells`.

    Call arguments:
        features: `(B, h, w, F)`.
        states: one for each cell, `(B, h, w, F)`.

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

    Args:
        filters: F, the channels of the state. The features must have as many.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether the gates have biases.
        normalization: a Keras layer, copied for each of the six fused convolutions, or None.

    Call arguments:
        features: x, `(B, h, w, F)`.
        states: `[h]`, `(B, h, w, F)`.

    Returns:
        `(x', [h'])`.

    Raises:
        ValueError: if the features don't have `filters` channels, or an argument is out of range.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.up, self.down = (
            ConvGRUCell(
                filters, kernel_size, use_bias, normalization, name=name, dtype=self.dtype_policy
            )
            for name in ("up", "down")
        )

    @property
    def state_size(self) -> list[int]:
        return [self.filters]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        check_mixed(self, input_shape)
        self.up.build(input_shape)
        self.down.build(input_shape)

    def ascend(self, below: Tensor, state: Tensor) -> Tensor:
        """Returns the state after it has seen what is below it."""
        state, _ = self.up(below, [state])
        return state

    def descend(self, above: Tensor, state: Tensor) -> Tensor:
        """Returns what is below after it has seen the state above it."""
        state, _ = self.down(above, [state])
        return state

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        state = self.ascend(features, states[0])
        return self.descend(state, features), [state]
