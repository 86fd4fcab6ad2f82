"""Recurrent memories: one step each, all behind the same call."""

from iprnn_tf.cells.bijective_gru import BijectiveGRUCell as BijectiveGRUCell
from iprnn_tf.cells.bijective_gru import FoldedCells as FoldedCells
from iprnn_tf.cells.causal_lstm import CausalLSTMCell as CausalLSTMCell
from iprnn_tf.cells.cell import Cell as Cell
from iprnn_tf.cells.clip_lstm import ClipLSTMCell as ClipLSTMCell
from iprnn_tf.cells.clips import ClipCells as ClipCells
from iprnn_tf.cells.conv_gru import ConvGRUCell as ConvGRUCell
from iprnn_tf.cells.conv_lstm import ConvLSTMCell as ConvLSTMCell
from iprnn_tf.cells.e3d_lstm import E3DLSTMCell as E3DLSTMCell
from iprnn_tf.cells.fc_lstm import FCLSTMCell as FCLSTMCell
from iprnn_tf.cells.highway import GradientHighwayCell as GradientHighwayCell
from iprnn_tf.cells.highway import HighwayCells as HighwayCells
from iprnn_tf.cells.rpm import ReversiblePredictiveCell as ReversiblePredictiveCell
from iprnn_tf.cells.st_lstm import STLSTMCell as STLSTMCell
from iprnn_tf.cells.stacked import StackedCells as StackedCells
from iprnn_tf.cells.stacked import stack_of as stack_of
from iprnn_tf.cells.stgru import STGRUCell as STGRUCell
from iprnn_tf.cells.zigzag import ZigzagCells as ZigzagCells

CELLS: dict[str, type[Cell]] = {
    "stgru": STGRUCell,
    "conv_lstm": ConvLSTMCell,
    "conv_gru": ConvGRUCell,
    "st_lstm": STLSTMCell,
    "causal_lstm": CausalLSTMCell,
    "e3d_lstm": E3DLSTMCell,
    "rpm": ReversiblePredictiveCell,
    "bijective_gru": BijectiveGRUCell,
    "fc_lstm": FCLSTMCell,
}
