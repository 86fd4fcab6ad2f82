"""Layers that behave in another way in training do so in `fit` alone, on every backend."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

from iprnn_tf import IPRNN, Cell, ConvRNN, FrameError, STGRUCell

ROLLOUT = importlib.import_module("iprnn_tf.rollout")  # The package has a function of this name.
TIME, HORIZON, HEIGHT, WIDTH = 3, 2, 12, 8


@keras.saving.register_keras_serializable(package="tests")
class DroppingCell(Cell):
    """A memory that drops half of its features in training."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        options = {"padding": "same", "data_format": "channels_last", "dtype": self.dtype_policy}
        self.mix = keras.layers.Conv2D(filters, 3, **options)
        self.drop = keras.layers.Dropout(0.5, seed=1)

    @property
    def state_size(self):
        return [self.filters]

    @property
    def output_size(self):
        return self.filters

    def build(self, input_shape):
        super().build(input_shape)
        self.mix.build(input_shape)

    def call(self, features, states):
        hidden = ops.tanh(self.mix(self.drop(features)) + states[0])
        return hidden, [hidden]

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def normalized(filters):
    return STGRUCell(filters, 3, normalization=keras.layers.BatchNormalization())


every_cell = pytest.mark.parametrize("make_cell", [normalized, DroppingCell])


def frames(time, channels=1):
    shape = (2, time, HEIGHT, WIDTH, channels)
    return np.random.default_rng(time).uniform(size=shape).astype("float32")


def predictor(make_cell):
    return IPRNN((HEIGHT, WIDTH, 1), make_cell(4), num_layers=2, horizon=HORIZON)


def layer(make_cell, **options):
    inputs = keras.Input((TIME, HEIGHT, WIDTH, 1))
    return keras.Model(inputs, ConvRNN([make_cell(1), make_cell(1)], **options)(inputs))


MODELS = {
    "IPRNN": predictor,
    "ConvRNN": layer,
    "ConvRNN, unrolled": lambda make_cell: layer(make_cell, unroll=True),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def answer(model, **options):
    return ops.convert_to_numpy(model(frames(TIME), **options))


@every_model
@every_cell
def test_a_model_is_another_in_training_and_only_there(make, make_cell):
    model = make(make_cell)
    calm = model.predict(frames(TIME), verbose=0)
    np.testing.assert_allclose(answer(model), calm, atol=1e-5)
    np.testing.assert_allclose(answer(model, training=False), calm, atol=1e-5)
    assert np.abs(answer(model, training=True) - calm).max() > 1e-3


@every_model
def test_moving_statistics_move_in_fit_alone(make):
    model = make(normalized)
    moving = [weight for weight in model.weights if "moving" in weight.path]
    assert len(moving) == 8  # Mean and variance of two normalisations in two cells.
    model.compile("sgd", "mse")
    start = [ops.convert_to_numpy(weight) for weight in moving]
    targets = np.zeros_like(model.predict(frames(TIME), verbose=0))
    model.evaluate(frames(TIME), targets, verbose=0)
    for weight, value in zip(moving, start, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)
    model.fit(frames(TIME), targets, verbose=0)
    for weight, value in zip(moving, start, strict=True):
        assert np.abs(ops.convert_to_numpy(weight) - value).max() > 0, weight.path


@every_model
def test_dropout_draws_anew_in_every_step_of_training(make):
    model = make(DroppingCell)
    assert np.abs(answer(model, training=True) - answer(model, training=True)).max() > 1e-3
    model.compile("sgd", "mse")
    model.fit(frames(TIME), np.zeros_like(answer(model)), epochs=2, verbose=0)


class TellingCell(Cell):
    """A memory that shows whether it is trained."""

    state_size, output_size = [1], 1

    def call(self, features, states, training=None):
        return ops.zeros_like(features) + (2.0 if training else 1.0), states


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("mask", [None, np.ones((2, TIME), bool)], ids=["", "masked"])
def test_a_cell_that_asks_for_the_mode_is_told_it(unroll, mask):
    told = ConvRNN(TellingCell(), unroll=unroll)
    for training, expected in ((True, 2), (False, 1), (None, 1)):
        answered = ops.convert_to_numpy(told(frames(TIME), mask=mask, training=training))
        np.testing.assert_array_equal(answered, expected)


def test_a_long_horizon_is_trained_too(monkeypatch):
    monkeypatch.setattr(ROLLOUT, "UNROLLED_STEPS", 1)
    model = predictor(DroppingCell)
    model.horizon = 4
    model.compile("sgd", FrameError())
    model.fit(frames(TIME), frames(model.horizon), verbose=0)
