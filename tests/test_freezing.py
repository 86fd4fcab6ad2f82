"""Parts that don't learn stay so: in copies, files and presets."""

import keras
import numpy as np
import pytest

from iprnn_tf import IPRNN, ConvRNN, FrameError, StackedCells, STGRUCell
from iprnn_tf.autoencoders import FrameDecoder, FrameEncoder
from iprnn_tf.freezing import updated_variables
from iprnn_tf.presets import load_preset, save_preset

TIME, HORIZON = 2, 3


def normalized(**kwargs):
    return STGRUCell(3, 3, normalization=keras.layers.GroupNormalization(1), **kwargs)


@pytest.fixture(name="model")
def _model():
    return IPRNN((12, 8, 1), normalized(), num_layers=2, horizon=HORIZON)


def frozen(layer):
    return [weight.path.split("/", 1)[1] for weight in layer.weights if not weight.trainable]


PARTS = {
    "the encoder": lambda model: model.encoder,
    "a stage of the decoder": lambda model: model.decoder.stages[0],
    "the bottom cell": lambda model: model.cell.cells[0],
    "a normalisation": lambda model: model.cell.cells[1].temporal_normalization,
    "all cells": lambda model: model.cell,
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_any_part_may_be_frozen(model, part, tmp_path):
    part(model).trainable = False
    save_preset(model, tmp_path / "preset", {})
    copies = [model.in_precision("float16"), load_preset(tmp_path / "preset")]
    for copy in copies:
        assert 0 < len(frozen(copy)) < len(copy.weights)
        assert frozen(copy) == frozen(model)
        assert not part(copy).trainable


def test_what_is_thawed_within_a_frozen_part_learns(model):
    model.encoder.trainable = False
    model.encoder.stem.trainable = True
    copy = keras.models.clone_model(model)
    assert len(frozen(copy)) == len(model.encoder.weights) - len(model.encoder.stem.weights)
    assert copy.encoder.stem.trainable


def test_what_was_thawed_stays_thawed():
    frozen = keras.layers.GroupNormalization(1, trainable=False)
    model = IPRNN((12, 8, 1), STGRUCell(3, 3, normalization=frozen), num_layers=1, horizon=HORIZON)
    [cell] = model.cell.cells
    cell.spatial_normalization.trainable = cell.temporal_normalization.trainable = True
    copy = keras.models.clone_model(model)
    assert len(copy.trainable_weights) == len(copy.weights)


@pytest.mark.slow
def test_a_frozen_part_that_was_saved_does_not_learn(model, tmp_path):
    model.encoder.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.compile("adam", loss=FrameError())
    frames = np.random.default_rng(0).uniform(size=(2, TIME + HORIZON, 12, 8, 1)).astype("float32")
    inputs = {
        "context": frames[:, :TIME],
        "teacher": frames[:, TIME:-1],
        "use_teacher": np.ones((2, HORIZON - 1), bool),
    }
    before = [weight.numpy() for weight in loaded.weights]
    loaded.fit(inputs, frames[:, 1:], verbose=0)
    kept = [
        bool((weight.numpy() == value).all())
        for weight, value in zip(loaded.weights, before, strict=True)
    ]
    assert kept == [weight.path.split("/")[1] == "encoder" for weight in loaded.weights]


def test_a_part_that_a_model_does_not_have_is_named(model):
    config = model.get_config() | {"frozen": ["encoder/stem", "cells/attention"]}
    with pytest.raises(ValueError, match=r"Received: cells/attention, .*encoder/down_1"):
        IPRNN.from_config(config)


LAYERS = {
    "cell": normalized,
    "stack": lambda **kwargs: StackedCells([normalized(), normalized()], **kwargs),
    "encoder": lambda **kwargs: FrameEncoder([3, 3], **kwargs),
    "decoder": lambda **kwargs: FrameDecoder([3], **kwargs),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_that_is_made_frozen_is_frozen_down_to_the_bottom(make):
    layer = make(trainable=False)
    layer.build((None, 6, 4, 3))
    assert len(frozen(layer)) == len(layer.weights)


def test_frozen_weights_are_not_what_training_updates():
    moving = STGRUCell(3, 3, normalization=keras.layers.BatchNormalization(), trainable=False)
    for cell, count in ((normalized(trainable=False), 0), (moving, 4)):
        cell.build((None, 6, 4, 3))
        assert len(updated_variables(cell)) == count


def test_a_frozen_cell_of_a_functional_model_stays_frozen(tmp_path):
    inputs = keras.Input((TIME, 6, 4, 3))
    layer = ConvRNN([normalized(), normalized()])
    model = keras.Model(inputs, layer(inputs))
    layer.cell.cells[0].trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = [weight.trainable for weight in model.weights]
    assert [weight.trainable for weight in loaded.weights] == expected
    assert 0 < sum(expected) < len(expected)
