"""Sequences of other lengths than the first: trained, or refused in words."""

import keras
import numpy as np
import pytest

from iprnn_tf import IPRNN, ConvRNN, FrameError, STGRUCell

BATCH, HEIGHT, WIDTH = 2, 6, 4
HORIZON = 2
FIRST = (3, HORIZON)  # T, K
OTHERS = [(4, HORIZON), (3, HORIZON + 1)]


def frames(time, seed=1, channels=1):
    shape = (BATCH, time, HEIGHT, WIDTH, channels)
    return np.random.default_rng(seed).uniform(size=shape).astype("float32")


def batch(time, horizon):
    inputs = {
        "context": frames(time),
        "teacher": frames(horizon - 1, seed=2),
        "use_teacher": np.zeros((BATCH, horizon - 1), bool),
    }
    return inputs, frames(time + horizon - 1, seed=3)


def compiled():
    model = IPRNN((HEIGHT, WIDTH, 1), STGRUCell(2, 3), num_layers=1, horizon=HORIZON)
    model.compile("sgd", FrameError(warm_up_weight=0.5, horizon=HORIZON))
    return model


WAYS = {
    "fit": lambda model, inputs, targets: model.fit(inputs, targets, verbose=0),
    "evaluate": lambda model, inputs, targets: model.evaluate(inputs, targets, verbose=0),
    "train_on_batch": lambda model, inputs, targets: model.train_on_batch(inputs, targets),
}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only its graphs forget T")
@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_other_lengths_in_the_graph_of_the_first_are_refused(way, other):
    model = compiled()
    way(model, *batch(*FIRST))
    with pytest.raises(ValueError, match=r"one number of frames.*None.*call `compile` again"):
        way(model, *batch(*other))


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_other_lengths_are_trained_once_the_model_is_compiled_again(other):
    model = compiled()
    model.fit(*batch(*FIRST), verbose=0)
    model.compile("sgd", model.loss)
    before = model.get_weights()
    model.fit(*batch(*other), verbose=0)
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="its graphs are of one length")
@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_other_lengths_are_trained_at_once_where_shapes_are_always_known(other):
    model = compiled()
    model.fit(*batch(*FIRST), verbose=0)
    model.fit(*batch(*other), verbose=0)


def test_the_warm_up_weighs_the_same_where_the_graph_does_not_know_the_length(randomize):
    layer = ConvRNN(STGRUCell(2, 3), return_sequences=True)
    model = keras.Sequential([keras.Input((None, HEIGHT, WIDTH, 2)), layer])
    randomize(model)
    model.compile(loss=FrameError(warm_up_weight=0.5, horizon=HORIZON))
    for time in (3, 4, 5):
        inputs, targets = frames(time, channels=2), frames(time, seed=2, channels=2)
        errors = np.square(model.predict(inputs, verbose=0) - targets).sum(axis=(2, 3, 4))
        weights = np.array([0.5] * (time - HORIZON) + [1.0] * HORIZON)
        expected = (errors.mean(axis=0) * weights).sum() / weights.sum()
        assert model.evaluate(inputs, targets, verbose=0) == pytest.approx(expected, rel=1e-4)
