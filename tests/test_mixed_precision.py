"""A precision that is asked for reaches every layer that computes."""

import keras
import numpy as np
import pytest

from iprnn_tf import IPRNN, ConvRNN, FrameError, StackedCells, STGRUCell
from iprnn_tf.models import NextFrames

TIME, HEIGHT, WIDTH, FILTERS = 3, 6, 4, 3
SEQUENCES = np.random.default_rng(0).uniform(size=(2, TIME, HEIGHT, WIDTH, FILTERS))


def cell(**kwargs):
    normalization = keras.layers.GroupNormalization(1)
    return STGRUCell(FILTERS, 3, normalization=normalization, **kwargs)


def stack(**kwargs):
    return StackedCells([cell(), StackedCells([cell(), cell()])], **kwargs)


def computed_in(layer):
    """The dtypes that layers with weights of their own compute in, but the head's."""
    parts = [part for part in layer._flatten_layers() if part.weights and not part._layers]
    assert parts
    return {part.compute_dtype for part in parts if part.name != "head"}


LAYERS = {
    "stack": lambda: stack(dtype="mixed_bfloat16"),
    "stack in a layer": lambda: ConvRNN(stack(), dtype="mixed_bfloat16"),
    "cell in a layer": lambda: ConvRNN(cell(), dtype="mixed_bfloat16"),
    "list in a layer": lambda: ConvRNN([cell(), cell()], dtype="mixed_bfloat16"),
    "cells of their own precision": lambda: ConvRNN([cell(dtype="mixed_bfloat16")]),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_precision_reaches_every_cell(make):
    layer = make()
    twin = type(layer).from_config(layer.get_config())
    for one in (layer, twin):
        shape = (None, HEIGHT, WIDTH, FILTERS)
        one.build(shape if isinstance(one, StackedCells) else (None, TIME, *shape[1:]))
        assert computed_in(one) == {"bfloat16"}
        assert {weight.dtype for weight in one.weights} == {"float32"}


@pytest.mark.parametrize("name", ["list in a layer", "cell in a layer", "stack in a layer"])
def test_a_functional_model_predicts_in_it(name):
    inputs = keras.Input(SEQUENCES.shape[1:])
    model = keras.Model(inputs, LAYERS[name]()(inputs))
    exact = ConvRNN.from_config(model.layers[-1].get_config() | {"dtype": "float32"})
    exact.build(SEQUENCES.shape)
    exact.set_weights(model.get_weights())
    expected = keras.ops.convert_to_numpy(exact(SEQUENCES.astype("float32")))
    assert computed_in(exact) == {"float32"}
    predicted = model.predict(SEQUENCES, verbose=0).astype("float32")
    np.testing.assert_allclose(predicted, expected, atol=0.05)
    assert not np.array_equal(predicted, expected)


@pytest.mark.parametrize("make", [cell, pytest.param(stack, marks=pytest.mark.slow)])
def test_a_model_computes_in_it_whatever_its_memory_is(make, tmp_path):
    model = IPRNN((8, 12, 1), make(), num_layers=2, horizon=2, dtype="mixed_bfloat16")
    model.save(tmp_path / "model.keras")
    copies = [keras.saving.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)]
    for one in (model, *copies):
        assert computed_in(one) == {"bfloat16"}
        assert one.decoder.head.compute_dtype == "float32"
    assert computed_in(model.in_precision("float32")) == {"float32"}
    model.compile("sgd", FrameError())
    frames = np.random.default_rng(0).uniform(size=(2, 5, 8, 12, 1)).astype("float32")
    model.fit(frames[:, :3], frames[:, 3:], verbose=0)


def test_a_view_of_a_model_changes_precision_with_it():
    model = IPRNN((8, 12, 1), cell(), num_layers=1, horizon=2)
    assert computed_in(NextFrames(model, 3).in_precision("mixed_bfloat16")) == {"bfloat16"}
    assert computed_in(model) == {"float32"}


def test_cells_of_several_precisions_need_one_for_the_stack():
    cells = [cell(), cell(dtype="mixed_bfloat16")]
    with pytest.raises(ValueError, match=r"one precision.*float32, mixed_bfloat16.*`dtype`"):
        StackedCells(cells)
    assert StackedCells(cells, dtype="float32").compute_dtype == "float32"
    assert [one.compute_dtype for one in cells] == ["float32", "float32"]


def test_weights_keep_the_dtype_that_they_were_built_with():
    built = cell()
    built.build((None, HEIGHT, WIDTH, FILTERS))
    ConvRNN(built, dtype="mixed_bfloat16")
    with pytest.raises(ValueError, match=r"dtype='bfloat16' for 'stgru_cell.*are float32"):
        ConvRNN(built, dtype="bfloat16")
