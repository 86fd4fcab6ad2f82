"""The rollout for export: it equals the one for training, whatever is left open."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_model_contract import BATCH, MODELS, TIME, array, frames, states_of

from iprnn_tf import rollout
from iprnn_tf.dynamic_rollout import dynamic_rollout, prime


@pytest.fixture(name="model", params=MODELS)
def _model(request, randomize):
    return randomize(MODELS[request.param]())


in_graphs = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs with open dimensions are TensorFlow's"
)


def close(received, expected):
    received, expected = array(received), array(expected)
    assert received.shape == expected.shape
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


def of_any_size(function, model, *more):
    """The function in a graph that knows the channels of its frames and nothing else."""
    spec = tf.TensorSpec((None, None, None, None, model.image_shape[2]), tf.float32)
    return tf.function(function, autograph=False, input_signature=[spec, *more])


@pytest.mark.parametrize("horizon", [1, 2, 6])
@pytest.mark.parametrize("time", [1, TIME])
def test_it_equals_the_rollout_for_training(model, time, horizon):
    context = frames(model, time)
    close(dynamic_rollout(model, context, horizon), rollout(model, context, horizon))


@in_graphs
def test_one_graph_takes_every_batch_context_and_horizon(model):
    def predict(context, horizon):
        return dynamic_rollout(model, context, horizon)

    graph = of_any_size(predict, model, tf.TensorSpec((), tf.int32))
    for batch, time, horizon in [(1, 1, 1), (2, 4, 3), (3, 2, 7)]:
        context = frames(model, time, batch)
        close(graph(context, horizon), rollout(model, context, horizon))
    assert graph.experimental_get_tracing_count() == 1


@in_graphs
def test_one_graph_takes_every_size_of_a_model_without_its_own(randomize):
    model = randomize(MODELS["iprnn_of_any_size"]())
    graph = of_any_size(lambda context: dynamic_rollout(model, context, 3), model)
    for size in [(8, 16), (11, 7), (1, 2)]:
        context = np.random.default_rng(0).random((2, TIME, *size, 1), dtype=np.float32)
        close(graph(context), rollout(model, context, 3))


@in_graphs
@pytest.mark.parametrize("time", [1, TIME])
def test_prime_and_steps_are_the_rollout(model, time):
    context = frames(model, time)
    frame, states = of_any_size(lambda context: prime(model, context), model)(context)
    predictions = [frame]
    for _ in range(3):
        frame, states = model.step(frame, states)
        predictions.append(frame)
    close(np.stack(list(map(array, predictions)), axis=1), rollout(model, context, 4))


def test_prime_leaves_the_states_that_stepping_leaves(model):
    context = frames(model, TIME)
    expected = states_of(model)
    for time in range(TIME):
        frame, expected = model.step(context[:, time], expected)
    received_frame, received = prime(model, context)
    close(received_frame, frame)
    for ours, theirs in zip(received, expected, strict=True):
        close(ours, theirs)


def test_frames_of_another_batch_change_nothing(model):
    context = frames(model, TIME)
    everything = dynamic_rollout(model, context, 3)
    for index in range(BATCH):
        close(dynamic_rollout(model, context[index][None], 3), everything[index][None])


def test_only_the_last_frame_of_the_context_is_decoded(randomize, monkeypatch):
    model = randomize(MODELS["iprnn"]())
    decoded = []
    decode = model.decode
    monkeypatch.setattr(
        model, "decode", lambda features, skips: decoded.append(1) or decode(features, skips)
    )
    prime(model, frames(model, 5))
    assert len(decoded) == 1
