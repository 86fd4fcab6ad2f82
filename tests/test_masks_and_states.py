"""Masks, and states that are kept, mean the same on every backend."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from looped_cells import (
    BATCH,
    CHANNELS,
    HEIGHT,
    SHAPE,
    TIME,
    WIDTH,
    array,
    built,
    every_cell,
    images,
    looped,
    stgru,
)

from iprnn_tf import ConvRNN, FrameError, StackedCells

MASK = np.array([[True, False, True, True, False], [False, True, True, False, True]])
OPTIONS = ("return_sequences", "unroll", "go_backwards", "zero_output_for_mask")
keeps_states = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX keeps no state from call to call"
)


def masked(cell, sequences, mask, zero_output_for_mask=False):
    """What a masked layer gives, sequence by sequence and step by step."""
    all_features, all_states = [], []
    for sample in range(BATCH):
        states, row = cell.get_initial_state(1, (HEIGHT, WIDTH)), []
        before = np.zeros((HEIGHT, WIDTH, CHANNELS), "float32")
        for step in range(sequences.shape[1]):
            if mask[sample, step]:
                features, states = cell(sequences[sample : sample + 1, step], states)
                row.append(array(features)[0])
            else:
                row.append(0 * before if zero_output_for_mask else before)
            before = row[-1]
        all_features.append(np.stack(row))
        all_states.append([array(state)[0] for state in states])
    return np.stack(all_features), [np.stack(state) for state in zip(*all_states, strict=True)]


@every_cell
@pytest.mark.parametrize("choice", list(itertools.product([False, True], repeat=4)), ids=str)
def test_a_masked_layer_equals_a_loop_that_leaves_steps_out(randomize, make_cell, choice):
    options = dict(zip(OPTIONS, choice, strict=True))
    layer = built(randomize, make_cell(), return_state=True, **options)
    features, *states = layer(images(*SHAPE), mask=MASK)
    backwards = slice(None, None, -1 if options["go_backwards"] else 1)
    expected, expected_states = masked(
        layer.cell,
        images(*SHAPE)[:, backwards],
        MASK[:, backwards],
        options["zero_output_for_mask"],
    )
    expected = expected if options["return_sequences"] else expected[:, -1]
    for received, wanted in zip([features, *states], [expected, *expected_states], strict=True):
        np.testing.assert_allclose(array(received), wanted, atol=1e-5)


def test_a_sequence_that_is_shorter_ends_where_its_mask_ends(randomize):
    layer = built(randomize, [stgru()])
    received = layer(images(*SHAPE), mask=[[1, 1, 1, 0, 0], [1] * 5])
    expected = layer(images(*SHAPE)[:1, :3])
    np.testing.assert_allclose(array(received)[0], array(expected)[0], atol=1e-6)


@every_cell
def test_a_masked_model_is_trained_and_predicts_as_its_layer(randomize, make_cell):
    inputs, mask = keras.Input(SHAPE[1:]), keras.Input((TIME,), dtype="bool")
    layer = ConvRNN(make_cell(), return_sequences=True)
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    randomize(model)
    predicted = model.predict([images(*SHAPE), MASK], verbose=0)
    expected, _ = masked(layer.cell, images(*SHAPE), MASK)
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    model.compile("sgd", FrameError())
    model.fit([images(*SHAPE), MASK], images(*SHAPE), verbose=0)


def test_masking_before_the_layers_leaves_out_steps_without_a_pixel(randomize):
    sequences = images(*SHAPE)
    sequences[~MASK] = -1.0
    sequences[0, 0, 2, 3] = -1.0  # One pixel alone masks nothing.
    first, second = ConvRNN(stgru(), return_sequences=True), ConvRNN(stgru(), return_sequences=True)
    model = keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Masking(-1.0), first, second])
    randomize(model)
    shown = sequences * np.any(sequences != -1.0, axis=-1, keepdims=True)  # As `Masking` does.
    expected, _ = masked(StackedCells([first.cell, second.cell]), shown, MASK)
    np.testing.assert_allclose(model.predict(sequences, verbose=0), expected, atol=1e-5)


def test_the_mask_of_features_that_go_backwards_does_too(randomize):
    first = ConvRNN(stgru(), return_sequences=True, go_backwards=True)
    second = ConvRNN(stgru(), return_sequences=True)
    inputs, mask = keras.Input(SHAPE[1:]), keras.Input((TIME,), dtype="bool")
    model = keras.Model([inputs, mask], second(first(inputs, mask=mask)))
    randomize(model)
    features, _ = masked(first.cell, images(*SHAPE)[:, ::-1], MASK[:, ::-1])
    expected, _ = masked(second.cell, features, MASK[:, ::-1])
    predicted = model.predict([images(*SHAPE), MASK], verbose=0)
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


def test_masking_counts_beside_an_initial_state_too(randomize):
    sequences = images(*SHAPE)
    sequences[~MASK] = -1.0
    inputs, state = keras.Input(SHAPE[1:]), keras.Input((HEIGHT, WIDTH, CHANNELS))
    layer = ConvRNN(stgru(), return_sequences=True)
    model = keras.Model(
        [inputs, state], layer(keras.layers.Masking(-1.0)(inputs), initial_state=[state])
    )
    randomize(model)
    expected, _ = masked(layer.cell, sequences, MASK)
    start = np.zeros((BATCH, HEIGHT, WIDTH, CHANNELS), "float32")
    np.testing.assert_allclose(model.predict([sequences, start], verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, TIME), (BATCH, 3), (BATCH,), (BATCH, TIME, 1)], ids=str)
def test_a_mask_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(B, T\), or for each pixel") as error:
        ConvRNN(stgru())(images(*SHAPE), mask=np.ones(shape, bool))
    assert f"Received: mask of shape {shape} for sequences of shape {SHAPE}" in str(error.value)


@keeps_states
@every_cell
def test_a_stateful_layer_goes_on_where_it_stopped_until_it_is_reset(randomize, make_cell):
    layer = built(randomize, make_cell(), stateful=True, return_sequences=True)
    first, second = images(*SHAPE), images(*SHAPE, seed=2)
    expected, _ = looped(layer.cell, np.concatenate([first, second], axis=1))
    received = np.concatenate([array(layer(first)), array(layer(second))], axis=1)
    np.testing.assert_allclose(received, expected, atol=1e-5)
    layer.reset_state()
    np.testing.assert_allclose(array(layer(first)), expected[:, :TIME], atol=1e-5)


@keeps_states
def test_a_short_last_batch_has_as_many_predictions_as_sequences(randomize):
    layer = ConvRNN(stgru(), stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=SHAPE), layer])
    randomize(layer.cell)
    sequences = np.concatenate([images(*SHAPE), images(*SHAPE, seed=2)])[:3]
    predicted = model.predict(sequences, batch_size=BATCH, verbose=0)
    expected, states = looped(layer.cell, sequences[:2])
    np.testing.assert_allclose(predicted[:2], expected[:, -1], atol=1e-5)
    third, kept = looped(layer.cell, sequences[2:], [ops.convert_to_tensor(states[0][:1])])
    np.testing.assert_allclose(predicted[2:], third[:, -1], atol=1e-5)
    np.testing.assert_allclose(array(layer.states[0]), [kept[0][0], states[0][1]], atol=1e-5)


@keeps_states
def test_a_stateful_layer_is_trained(randomize):
    layer = built(randomize, stgru(), stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=SHAPE), layer])
    model.compile("sgd", "mse")
    model.fit(images(*SHAPE), images(BATCH, HEIGHT, WIDTH, CHANNELS), epochs=2, verbose=0)


@keeps_states
@pytest.mark.parametrize("shape", [(None, *SHAPE[1:]), (BATCH, TIME, None, WIDTH, CHANNELS)])
def test_a_stateful_layer_needs_to_know_how_large_its_states_are(shape):
    with pytest.raises(ValueError, match=r"states of a fixed size.*`batch_shape`"):
        ConvRNN(stgru(), stateful=True)(keras.Input(batch_shape=shape))


@keeps_states
def test_a_stateful_layer_takes_no_more_sequences_than_it_has_states_for(randomize):
    layer = built(randomize, stgru(), stateful=True)
    with pytest.raises(ValueError, match=r"3 sequences, where it was built for 2"):
        layer(images(3, *SHAPE[1:]))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the others keep states")
def test_jax_is_told_that_it_keeps_no_states():
    with pytest.raises(ValueError, match=r"On JAX.*`return_state=True`.*`initial_state`"):
        ConvRNN(stgru(), stateful=True)
