"""Small memories, layers of them, and what a Python loop over their cells gives."""

import numpy as np
import pytest
from keras import ops

from iprnn_tf import ConvRNN, StackedCells, STGRUCell

BATCH, TIME, HEIGHT, WIDTH, CHANNELS = SHAPE = (2, 5, 6, 4, 3)  # (B, T, h, w, C)


def stgru(**kwargs):
    return STGRUCell(CHANNELS, kernel_size=3, **kwargs)


def stack(**kwargs):
    return StackedCells([stgru(**kwargs), stgru(**kwargs)], **kwargs)


every_cell = pytest.mark.parametrize("make_cell", [stgru, stack])


def images(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def built(randomize, cell, **kwargs):
    layer = ConvRNN(cell, **kwargs)
    layer.build(SHAPE)
    randomize(layer.cell)
    return layer


def looped(cell, sequences, states=None):
    """What a Python loop over the cell returns: all features and the last states."""
    states = states or cell.get_initial_state(BATCH)
    outputs = []
    for step in range(sequences.shape[1]):
        features, states = cell(sequences[:, step], states)
        outputs.append(array(features))
    return np.stack(outputs, axis=1), [array(state) for state in states]
