"""Recurrent memories: one step each, all behind the same call."""

from iprnn_tf.cells.cell import Cell as Cell
from iprnn_tf.cells.stacked import StackedCells as StackedCells
from iprnn_tf.cells.stgru import STGRUCell as STGRUCell

CELLS: dict[str, type[Cell]] = {
    "stgru": STGRUCell,
}
