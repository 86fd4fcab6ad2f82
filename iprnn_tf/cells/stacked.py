"""A stack of cells, which is a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.precision import compute_in


@keras.saving.register_keras_serializable(package="iprnn_tf")
class StackedCells(Cell):
    """Cells on top of each other: the features of one are the input of the next.

    The states of all cells, from the bottom up, form one flat list. Reading out asks the top
    cell.

    Args:
        cells: the cells from the bottom up. Each object may stand in one place only, since it
            holds the weights of that place.
        **kwargs: those of `keras.layers.Layer`; a `dtype` is that of all cells, by default they
            keep their own.

    Call arguments:
        features: `(B, h, w, C)`.
        states: the states of all cells, in the order of the cells.

    Raises:
        ValueError: if there is no cell, something else than a cell, one cell twice, or cells of
            several precisions without a `dtype`.
    """

    def __init__(self, cells: Sequence[Cell], dtype: Any = None, **kwargs: Any) -> None:
        _check_cells(cells)
        super().__init__(dtype=_common_policy(cells) if dtype is None else dtype, **kwargs)
        self.cells = list(cells)
        for cell in self.cells:
            compute_in(cell, self.dtype_policy)

    @property
    def state_size(self) -> list[int]:
        return [size for cell in self.cells for size in cell.state_size]

    @property
    def output_size(self) -> int:
        return self.cells[-1].output_size

    @property
    def readout_size(self) -> int:
        return self.cells[-1].readout_size

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
            input_shape = (*input_shape[:-1], cell.output_size)

    def get_initial_state(
        self,
        batch_size: int | Tensor | None = None,
        image_size: tuple[int | Tensor, int | Tensor] | None = None,
    ) -> States:
        return [
            state
            for cell in self.cells
            for state in cell.get_initial_state(batch_size, image_size or self.image_size)
        ]

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        new_states: States = []
        for cell, cell_states in self._with_states(states):
            features, cell_states = cell(features, cell_states)
            new_states += cell_states
        return features, new_states

    def unroll(self, features: Sequence[Tensor], states: States) -> list[tuple[Tensor, States]]:
        # Layer by layer instead of step by step: nothing flows from a layer to the one below.
        states_of_steps: list[States] = [[] for _ in features]
        for cell, cell_states in self._with_states(states):
            trajectory = cell.unroll(features, cell_states)
            features = [step_features for step_features, _ in trajectory]
            for collected, (_, step_states) in zip(states_of_steps, trajectory, strict=True):
                collected += step_states
        return list(zip(features, states_of_steps, strict=True))

    def readout(self, features: Tensor, states: States) -> Tensor:
        top = self.cells[-1]
        return top.readout(features, states[-len(top.state_size) :])

    def _with_states(self, states: States) -> Iterable[tuple[Cell, States]]:
        remaining = iter(states)
        for cell in self.cells:
            yield cell, [next(remaining) for _ in cell.state_size]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cells": [keras.saving.serialize_keras_object(cell) for cell in self.cells],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StackedCells:
        cells = [keras.saving.deserialize_keras_object(cell) for cell in config["cells"]]
        return cls(**{**config, "cells": cells})


def stack_of(cells: Sequence[Cell], **kwargs: Any) -> StackedCells:
    """Puts cells on top of each other, in the kind of stack that they want.

    Args:
        cells: the cells from the bottom up.
        **kwargs: as those of `StackedCells`.

    Raises:
        ValueError: as `StackedCells`, and if the cells want several kinds of stacks.
    """
    _check_cells(cells)
    kinds = {cell.stack or StackedCells for cell in cells}
    if len(kinds) > 1:
        raise ValueError(
            "The cells of a stack hand on the same things. Received: cells for "
            f"{' and '.join(sorted(kind.__name__ for kind in kinds))}. Take cells of one kind, or "
            "create the stack itself."
        )
    return kinds.pop()(cells, **kwargs)


def _check_cells(cells: Sequence[Cell]) -> None:
    if not cells or not all(isinstance(cell, Cell) for cell in cells):
        raise ValueError(
            "`cells` must be a list of at least one `iprnn_tf.cells.Cell`. "
            f"Received: cells={cells!r}. Pass, for example, [STGRUCell(64), STGRUCell(64)]."
        )
    if len({id(cell) for cell in cells}) != len(cells):
        raise ValueError(
            "Each cell of a stack holds its own weights, so none may stand in it twice. "
            f"Received: cells={cells!r}. Create one cell for each layer."
        )


def _common_policy(cells: Sequence[Cell]) -> Any:
    policies = {cell.dtype_policy.name: cell.dtype_policy for cell in cells}
    if len(policies) > 1:
        raise ValueError(
            "The cells of a stack compute in one precision. Received: cells in "
            f"{', '.join(policies)}. Give the stack a `dtype`, which all of them take."
        )
    return next(iter(policies.values()))
