"""`ConvRNN` is the `keras.layers.RNN` that Keras users know, for states that are images."""

import itertools

import keras
import numpy as np
import pytest
from keras.src import testing
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
    stack,
    stgru,
)

from iprnn_tf import ConvRNN, StackedCells, STGRUCell

COMBINATIONS = list(itertools.product([False, True], repeat=2))
every_output = pytest.mark.parametrize(("return_sequences", "return_state"), COMBINATIONS)


def normalized(**kwargs):
    return stgru(normalization=keras.layers.GroupNormalization(groups=1), **kwargs)


# Keras itself warns about its own generator; see §6.6 of the design.
@pytest.mark.filterwarnings("ignore:.*shuffle=True.*:UserWarning")
class TestByKeras(testing.TestCase):
    def check(self, cell, **expected):
        for return_sequences, return_state in COMBINATIONS:
            features = (BATCH, HEIGHT, WIDTH, CHANNELS)
            output = (BATCH, TIME, *features[1:]) if return_sequences else features
            states = [features] * len(cell.state_size)
            self.run_layer_test(
                ConvRNN,
                {
                    "cell": cell,
                    "return_sequences": return_sequences,
                    "return_state": return_state,
                },
                input_shape=SHAPE,
                expected_output_shape=(output, *states) if return_state else output,
                expected_num_non_trainable_weights=0,
                supports_masking=True,
                run_training_check=not return_state,  # Keras's own sums a single output.
                custom_objects={"ConvRNN": ConvRNN},
                **expected,
            )

    def test_layer_with_one_cell(self):
        self.check(stgru(), expected_num_trainable_weights=2)

    def test_layer_with_a_stack(self):
        self.check(stack(), expected_num_trainable_weights=4)


@every_cell
@every_output
@pytest.mark.parametrize(
    "shape",
    [SHAPE, (None, *SHAPE[1:]), (BATCH, None, *SHAPE[2:]), (None, None, None, None, CHANNELS)],
    ids=str,
)
def test_symbolic_shapes_keep_what_is_known(make_cell, return_sequences, return_state, shape):
    layer = ConvRNN(make_cell(), return_sequences=return_sequences, return_state=return_state)
    outputs = layer(keras.Input(batch_shape=shape))
    features, *states = outputs if return_state else [outputs]
    image = (shape[0], *shape[2:4], CHANNELS)
    assert features.shape == ((*shape[:2], *image[1:]) if return_sequences else image)
    assert [state.shape for state in states] == [image] * (
        len(layer.cell.state_size) if return_state else 0
    )


@every_cell
@every_output
def test_declared_shapes_are_the_real_ones(make_cell, return_sequences, return_state):
    layer = ConvRNN(make_cell(), return_sequences=return_sequences, return_state=return_state)
    real = keras.tree.map_structure(lambda x: tuple(x.shape), layer(images(*SHAPE)))
    assert real == layer.compute_output_shape(SHAPE)


@every_cell
@pytest.mark.parametrize("unroll", [False, True])
def test_the_layer_equals_a_loop_over_its_cell(randomize, make_cell, unroll):
    layer = built(randomize, make_cell(), return_sequences=True, return_state=True, unroll=unroll)
    features, *states = layer(images(*SHAPE))
    expected, expected_states = looped(layer.cell, images(*SHAPE))
    np.testing.assert_allclose(array(features), expected, atol=1e-5)
    for state, expected_state in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(array(state), expected_state, atol=1e-5)


@pytest.mark.parametrize("unroll", [False, True])
def test_moving_averages_move_once_for_each_step(unroll):
    average = keras.layers.BatchNormalization(momentum=0.5)
    layer = built(lambda cell: cell, stgru(normalization=average), unroll=unroll)
    alone = STGRUCell.from_config(layer.cell.get_config())
    alone.build((BATCH, HEIGHT, WIDTH, CHANNELS))
    alone.set_weights(layer.cell.get_weights())
    layer(images(*SHAPE), training=True)
    states = alone.get_initial_state(BATCH)
    for step in range(TIME):
        _, states = alone(images(*SHAPE)[:, step], states, training=True)
    for received, expected in zip(layer.cell.weights, alone.weights, strict=True):
        np.testing.assert_allclose(array(received), array(expected), atol=1e-5)


def test_without_return_sequences_the_last_features_come_alone(randomize):
    layer = built(randomize, stgru())
    expected, _ = looped(layer.cell, images(*SHAPE))
    np.testing.assert_allclose(array(layer(images(*SHAPE))), expected[:, -1], atol=1e-5)


def test_a_list_of_cells_becomes_a_stack(randomize):
    layer = built(randomize, [stgru(), stgru()], return_sequences=True)
    assert isinstance(layer.cell, StackedCells)
    expected, _ = looped(layer.cell, images(*SHAPE))
    np.testing.assert_allclose(array(layer(images(*SHAPE))), expected, atol=1e-5)


@every_cell
def test_the_initial_state_is_the_one_that_is_given(randomize, make_cell):
    layer = built(randomize, make_cell(), return_sequences=True)
    states = [
        images(BATCH, HEIGHT, WIDTH, size, seed=10 + index)
        for index, size in enumerate(layer.cell.state_size)
    ]
    expected, _ = looped(layer.cell, images(*SHAPE), states)
    received = layer(images(*SHAPE), initial_state=states)
    np.testing.assert_allclose(array(received), expected, atol=1e-5)


def test_one_layer_takes_images_of_any_size(randomize):
    layer = ConvRNN(stgru())
    layer.build((None, None, None, None, CHANNELS))
    randomize(layer.cell)
    for size in [(6, 5), (3, 8)]:
        assert tuple(layer(images(BATCH, TIME, *size, CHANNELS)).shape) == (BATCH, *size, CHANNELS)


def test_going_backwards_reverses_time(randomize):
    layer = built(randomize, stgru(), return_sequences=True, go_backwards=True)
    expected, _ = looped(layer.cell, images(*SHAPE)[:, ::-1])
    np.testing.assert_allclose(array(layer(images(*SHAPE))), expected, atol=1e-5)


@every_cell
def test_mixed_precision_computes_in_bfloat16_with_float32_weights(randomize, make_cell):
    options = {"return_sequences": True, "return_state": True}
    layer = built(randomize, make_cell(dtype="mixed_bfloat16"), dtype="mixed_bfloat16", **options)
    outputs = layer(images(*SHAPE))
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {"bfloat16"}
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    expected = built(randomize, make_cell(), **options)(images(*SHAPE))
    for output, expected_output in zip(outputs, expected, strict=True):
        assert np.abs(array(output) - array(expected_output)).max() < 0.1


@pytest.mark.parametrize("make_cell", [stgru, normalized, stack])
def test_a_functional_model_with_the_layer_is_saved_and_loaded(randomize, make_cell, tmp_path):
    cell = make_cell()
    inputs = [keras.Input((None, None, None, CHANNELS))]
    inputs += [keras.Input((None, None, size)) for size in cell.state_size]
    layer = ConvRNN(cell, return_sequences=True, return_state=True)
    model = keras.Model(inputs, layer(inputs[0], initial_state=inputs[1:]))
    randomize(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    arguments = [images(*SHAPE)]
    arguments += [images(BATCH, HEIGHT, WIDTH, size, seed=2) for size in cell.state_size]
    for a, b in zip(model(arguments), loaded(arguments), strict=True):
        np.testing.assert_array_equal(array(a), array(b))


@pytest.mark.parametrize("shape", [(BATCH, HEIGHT, WIDTH, CHANNELS), (BATCH, TIME, 9)], ids=str)
def test_what_is_not_a_sequence_of_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"(?s)batch, time, height.*Received.*call the cell"):
        ConvRNN(stgru())(images(*shape))


def test_cells_with_flat_states_are_refused():
    with pytest.raises(ValueError, match=r"(?s)must be an.*Received.*`keras.layers.RNN`"):
        ConvRNN(keras.layers.LSTMCell(3))
