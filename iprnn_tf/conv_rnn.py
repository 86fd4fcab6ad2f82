"""The Keras RNN layer for cells whose states are images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells import Cell, StackedCells
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.precision import compute_in

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ConvRNN(keras.layers.RNN):
    """Runs a cell with image states over a sequence of images.

    `keras.layers.RNN` with a convolutional cell runs, but reports symbolic shapes without
    height and width and can't create the states of a stack. This layer does both and is
    otherwise the `RNN` that Keras users know: `stateful`, `go_backwards`, `unroll`, masks and
    `initial_state` included.

    Args:
        cell: a `Cell`, or a list of cells, which becomes a `StackedCells`.
        return_sequences: whether to return the features of every step, or of the last alone.
        return_state: whether to return the last states too.
        **kwargs: the other arguments of `keras.layers.RNN`; a `dtype` is that of the cells too,
            by default they keep their own.

    Call arguments:
        sequences: `(B, T, h, w, C)`.
        initial_state: optional list of `(B, h, w, state_size[i])` tensors, zeros by default.
        mask: optional booleans `(B, T)`; a masked step keeps the states.

    Returns:
        Features `(B, T, h, w, output_size)`, or `(B, h, w, output_size)` without
        `return_sequences`; with `return_state` followed by each state.

    Raises:
        ValueError: if the cell is not a `Cell`, or the input isn't a sequence of images.
    """

    def __init__(
        self,
        cell: Cell | Sequence[Cell],
        return_sequences: bool = False,
        return_state: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, list | tuple):
            cell = StackedCells(cell)
        if not isinstance(cell, Cell):
            raise ValueError(
                "`cell` must be an `iprnn_tf.cells.Cell` or a list of them. "
                f"Received: cell={cell!r}. Cells with flat states belong in `keras.layers.RNN`."
            )
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = cell.dtype_policy
        compute_in(cell, kwargs["dtype"])
        super().__init__(
            cell, return_sequences=return_sequences, return_state=return_state, **kwargs
        )

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        if len(sequences_shape) != 5:
            raise ValueError(
                "`ConvRNN` runs over sequences of shape (batch, time, height, width, channels). "
                f"Received: sequences of shape {tuple(sequences_shape)}. For a single step, call "
                "the cell."
            )
        super().build(sequences_shape, initial_state_shape)

    def compute_output_shape(
        self, sequences_shape: Shape, initial_state_shape: Any = None
    ) -> Shape | tuple[Shape, ...]:
        batch, time, height, width, _ = sequences_shape
        features = (batch, height, width, self.cell.output_size)
        output = (batch, time, *features[1:]) if self.return_sequences else features
        if not self.return_state:
            return output
        return output, *((batch, height, width, size) for size in self.state_size)

    def get_initial_state(
        self, batch_size: int | Tensor, image_size: tuple[int, int] | None = None
    ) -> States:
        return self.cell.get_initial_state(batch_size, image_size)

    def call(
        self,
        sequences: Tensor,
        initial_state: States | None = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        if initial_state is None and not self.stateful:
            batch, _, height, width, _ = ops.shape(sequences)
            initial_state = self.get_initial_state(batch, (height, width))
        if mask is not None:
            # Keras's loop adds the axes of an image by itself, but not under JAX.
            mask = ops.expand_dims(mask, axis=(2, 3, 4))  # (B, T, 1, 1, 1)
        return super().call(sequences, initial_state, mask, training)
