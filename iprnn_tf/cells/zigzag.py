"""A stack through which a memory climbs, and starts again at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.cells.stacked import StackedCells


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ZigzagCells(StackedCells):
    """Cells on top of each other that hand on their last state within a step.

    The last state of each cell is a memory that climbs the stack beside the features; what leaves
    the top enters the bottom at the next step. All other states stay in their cells, as in
    `StackedCells`. The states are those of all cells from the bottom up without the memory, then
    the memory.

    Args:
        cells: the cells from the bottom up, whose memories have as many channels.
        **kwargs: as those of `StackedCells`.

    Call arguments:
        features: `(B, h, w, C)`.
        states: the cells' own states in the order of the cells, then the memory.

    Raises:
        ValueError: as `StackedCells`, and if the memories differ in their channels.

    Reference:
        Wang et al., PredRNN: Recurrent Neural Networks for Predictive Learning using
        Spatiotemporal LSTMs, NIPS 2017.
    """

    def __init__(self, cells: Sequence[Cell], **kwargs: Any) -> None:
        super().__init__(cells, **kwargs)
        sizes = [cell.state_size[-1] for cell in self.cells]
        if len(set(sizes)) > 1:
            raise ValueError(
                "The memory that climbs a stack has as many channels in every cell. Received: "
                f"cells whose last states have {', '.join(map(str, sizes))}. Give all cells the "
                "same filters."
            )

    @property
    def state_size(self) -> list[int]:
        own = [size for cell in self.cells for size in cell.state_size[:-1]]
        return [*own, self.cells[-1].state_size[-1]]

    def get_initial_state(self, batch_size: Any = None, image_size: Any = None) -> States:
        return Cell.get_initial_state(self, batch_size, image_size)

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        return self._climb(self.cells, features, states)

    def _climb(
        self, cells: Sequence[Cell], features: Tensor, states: States
    ) -> tuple[Tensor, States]:
        """Steps through some of the cells, whose states are given as the whole stack's are."""
        remaining, memory = iter(states[:-1]), states[-1]
        new_states: States = []
        for cell in cells:
            own = [next(remaining) for _ in cell.state_size[:-1]]
            features, [*own, memory] = cell(features, [*own, memory])
            new_states += own
        return features, [*new_states, memory]

    def unroll(self, features: Sequence[Tensor], states: States) -> list[tuple[Tensor, States]]:
        return Cell.unroll(self, features, states)  # A layer waits for those above it.
