"""The checks that every cell passes: a new one joins by a row in `CELLS`."""

import inspect
import json

import keras
import numpy as np
import pytest
from contributing_page import shown
from keras import ops

from iprnn_tf import Cell, StackedCells, STGRUCell
from iprnn_tf.cells import CELLS as TRAINABLE
from iprnn_tf.cells import (
    BijectiveGRUCell,
    CausalLSTMCell,
    ClipCells,
    ClipLSTMCell,
    ConvGRUCell,
    ConvLSTMCell,
    E3DLSTMCell,
    FCLSTMCell,
    FoldedCells,
    GradientHighwayCell,
    HighwayCells,
    ReversiblePredictiveCell,
    STLSTMCell,
    ZigzagCells,
    stack_of,
)

BATCH, HEIGHT, WIDTH, CHANNELS = FEATURES_SHAPE = (2, 6, 5, 4)  # (B, h, w, C)

CELLS = {
    "stgru": lambda **kwargs: STGRUCell(4, kernel_size=3, **kwargs),
    "stgru_of_the_later_code": lambda **kwargs: STGRUCell(
        4,
        kernel_size=3,
        use_bias=True,
        normalization=keras.layers.GroupNormalization(groups=1, epsilon=1e-5),
        update_bias=1.0,
        **kwargs,
    ),
    "stgru_with_layer_normalization": lambda **kwargs: STGRUCell(
        4, normalization=keras.layers.LayerNormalization(axis=(-3, -2, -1)), **kwargs
    ),
    "conv_lstm": lambda **kwargs: ConvLSTMCell(3, kernel_size=3, **kwargs),
    "conv_lstm_as_published": lambda **kwargs: ConvLSTMCell(
        3, kernel_size=3, forget_bias=0.0, peepholes=True, **kwargs
    ),
    "conv_gru": lambda **kwargs: ConvGRUCell(3, kernel_size=3, **kwargs),
    "st_lstm": lambda **kwargs: STLSTMCell(3, kernel_size=3, **kwargs),
    "st_lstm_normalized": lambda **kwargs: STLSTMCell(
        3,
        kernel_size=3,
        use_bias=True,
        normalization=keras.layers.GroupNormalization(groups=1, epsilon=1e-5),
        **kwargs,
    ),
    "causal_lstm": lambda **kwargs: CausalLSTMCell(3, kernel_size=3, **kwargs),
    "causal_lstm_of_the_authors_code": lambda **kwargs: CausalLSTMCell(
        3, kernel_size=3, hidden_to_output=True, **kwargs
    ),
    "e3d_lstm": lambda **kwargs: E3DLSTMCell(4, kernel_size=3, history=2, **kwargs),
    "e3d_lstm_of_single_frames": lambda **kwargs: E3DLSTMCell(4, kernel_size=3, depth=1, **kwargs),
    "e3d_lstm_of_whole_clips": lambda **kwargs: E3DLSTMCell(
        2, kernel_size=3, history=2, clips=True, **kwargs
    ),
    "clip_lstm": lambda **kwargs: ClipLSTMCell(2, depth=2, **kwargs),
    "rpm_of_clips": lambda **kwargs: ReversiblePredictiveCell(
        2, kernel_size=3, use_bias=True, clips=True, depth=2, **kwargs
    ),
    "clips": lambda **kwargs: ClipCells(
        [E3DLSTMCell(2, kernel_size=3, history=2, clips=True, **kwargs) for _ in range(2)],
        channels=4,
        **kwargs,
    ),
    "rpm": lambda **kwargs: ReversiblePredictiveCell(4, kernel_size=3, **kwargs),
    "bijective_gru": lambda **kwargs: BijectiveGRUCell(4, kernel_size=3, **kwargs),
    "fc_lstm": lambda **kwargs: FCLSTMCell(3, units_per_pixel=2, **kwargs),
    "folded": lambda **kwargs: FoldedCells(
        [BijectiveGRUCell(4, kernel_size=3, **kwargs) for _ in range(2)], **kwargs
    ),
    "gradient_highway": lambda **kwargs: GradientHighwayCell(3, kernel_size=3, **kwargs),
    "zigzag": lambda **kwargs: ZigzagCells(
        [STLSTMCell(3, kernel_size=3, **kwargs), STLSTMCell(3, kernel_size=1, **kwargs)], **kwargs
    ),
    "highway": lambda **kwargs: HighwayCells(
        [CausalLSTMCell(3, kernel_size=3, **kwargs) for _ in range(3)], **kwargs
    ),
    "stacked": lambda **kwargs: StackedCells(
        [STGRUCell(4, kernel_size=3, **kwargs), STGRUCell(4, kernel_size=1, **kwargs)], **kwargs
    ),
    "that_of_CONTRIBUTING": lambda **kwargs: shown("iprnn_tf/cells/leaky.py").LeakyCell(
        3, kernel_size=3, **kwargs
    ),
}


@pytest.fixture(params=CELLS)
def make(request):
    return CELLS[request.param]


@pytest.fixture
def cell(make, randomize):
    cell = make()
    cell.build(FEATURES_SHAPE)
    return randomize(cell)


def images(*shape, seed=1, dtype="float32"):
    noise = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return ops.cast(ops.convert_to_tensor(noise), dtype)


def random_states(cell, dtype="float32"):
    return [
        images(BATCH, HEIGHT, WIDTH, channels, seed=10 + index, dtype=dtype)
        for index, channels in enumerate(cell.state_size)
    ]


def arrays(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


def dtypes(tensors):
    return {keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors}


def stepped(cell, sequence, states):
    trajectory = []
    for features in sequence:
        features, states = cell(features, states)
        trajectory.append((features, states))
    return trajectory


def test_every_cell_that_can_be_trained_by_name_has_a_row():
    rows = {type(make()) for make in CELLS.values()}
    assert set(TRAINABLE.values()) <= rows


@pytest.mark.parametrize("name", TRAINABLE)
def test_the_output_of_a_cell_has_as_many_channels_as_its_filters(name):
    assert TRAINABLE[name](filters=6).output_size == 6


def test_states_start_at_zero_with_the_declared_channels(cell):
    states = cell.get_initial_state(BATCH)
    assert [tuple(state.shape) for state in states] == [
        (BATCH, HEIGHT, WIDTH, channels) for channels in cell.state_size
    ]
    assert all((state == 0).all() for state in arrays(states))


def test_states_take_the_size_that_is_asked_for(cell):
    for state in cell.get_initial_state(4, image_size=(7, 9)):
        assert tuple(state.shape[:3]) == (4, 7, 9)


def test_states_keep_their_structure_and_shapes(cell):
    states = cell.get_initial_state(BATCH)
    _, new_states = cell(images(*FEATURES_SHAPE), states)
    assert isinstance(new_states, list)
    assert [tuple(state.shape) for state in new_states] == [tuple(state.shape) for state in states]
    assert dtypes(new_states) == dtypes(states)


def test_a_keras_json_with_channels_first_changes_nothing(cell, make, channels_first):
    features, states = images(*FEATURES_SHAPE), random_states(cell)
    expected, _ = cell(features, states)
    channels_first()
    twin = make()
    twin.build(FEATURES_SHAPE)
    twin.set_weights(cell.get_weights())
    received, _ = twin(features, states)
    np.testing.assert_array_equal(*arrays([received, expected]))


def test_every_state_tensor_changes(cell):
    states = random_states(cell)
    _, new_states = cell(images(*FEATURES_SHAPE), states)
    for old, new in zip(arrays(states), arrays(new_states), strict=True):
        assert (old != new).mean() > 0.99


def test_every_state_tensor_matters_to_the_features_or_what_is_read_out(cell):
    features = images(*FEATURES_SHAPE)
    for index in range(len(cell.state_size)):
        states = random_states(cell)
        before = cell.readout(*cell(features, states))
        states[index] = states[index] + images(*states[index].shape, seed=99)
        after = cell.readout(*cell(features, states))
        assert not np.allclose(*arrays([before, after]))


class TwoSteps(keras.Model):
    """Everything a cell returns after two steps: the first alone sees zero states."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def call(self, frames):
        states = self.cell.get_initial_state(BATCH)
        features, states = self.cell(frames[:, 0], states)
        features, states = self.cell(frames[:, 1], states)
        return ops.concatenate([features, *states], axis=-1)


def test_every_weight_gets_a_gradient(cell):
    model = TwoSteps(cell)
    model.compile(keras.optimizers.SGD(1e3), loss="mse", run_eagerly=True)
    before = cell.get_weights()
    targets = images(BATCH, HEIGHT, WIDTH, cell.output_size + sum(cell.state_size), seed=2)
    model.train_on_batch(images(BATCH, 2, *FEATURES_SHAPE[1:]), targets)
    for weight, old, new in zip(cell.weights, before, cell.get_weights(), strict=True):
        assert (old != new).all(), weight.path


def test_config_holds_every_constructor_argument(cell):
    parameters = inspect.signature(type(cell)).parameters
    assert set(parameters) - {"kwargs"} <= set(cell.get_config())


def test_config_round_trip_gives_the_same_cell(cell):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(cell)))
    clone = keras.saving.deserialize_keras_object(config)
    if not clone.built:
        clone.build(FEATURES_SHAPE)
    clone.set_weights(cell.get_weights())
    assert json.dumps(clone.get_config()) == json.dumps(cell.get_config())

    features, states = images(*FEATURES_SHAPE), random_states(cell)
    expected, expected_states = cell(features, states)
    received, received_states = clone(features, states)
    for a, b in zip(
        arrays([expected, *expected_states]), arrays([received, *received_states]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_declared_sizes_are_the_real_ones(cell):
    features, states = cell(images(*FEATURES_SHAPE), random_states(cell))
    assert features.shape[-1] == cell.output_size
    assert [state.shape[-1] for state in states] == cell.state_size
    assert cell.readout(features, states).shape[-1] == cell.readout_size


def test_symbolic_shapes_are_the_real_ones(make):
    cell = make()
    states = [keras.Input((HEIGHT, WIDTH, size), BATCH) for size in cell.state_size]
    symbolic, symbolic_states = cell(keras.Input(FEATURES_SHAPE[1:], BATCH), states)
    real, real_states = cell(images(*FEATURES_SHAPE), random_states(cell))
    assert symbolic.shape == tuple(real.shape)
    assert [state.shape for state in symbolic_states] == [tuple(s.shape) for s in real_states]


def test_a_cell_builds_itself_at_its_first_call(make):
    cell = make()
    cell(images(*FEATURES_SHAPE), random_states(cell))
    assert cell.built
    assert cell.image_size == (HEIGHT, WIDTH)


def test_unroll_equals_stepping(cell):
    sequence = [images(*FEATURES_SHAPE, seed=seed) for seed in range(3)]
    unrolled = cell.unroll(sequence, random_states(cell))
    looped = stepped(cell, sequence, random_states(cell))
    for (features, states), (expected, expected_states) in zip(unrolled, looped, strict=True):
        for a, b in zip(
            arrays([features, *states]), arrays([expected, *expected_states]), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_mixed_precision_computes_in_bfloat16_with_float32_weights(make):
    cell = make(dtype="mixed_bfloat16")
    features, states = cell(images(*FEATURES_SHAPE), random_states(cell, "bfloat16"))
    assert dtypes([features, *states, *cell.get_initial_state(BATCH)]) == {"bfloat16"}
    assert dtypes(cell.weights) == {"float32"}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_unroll_computes_in_bfloat16_outside_of_a_call_too(make, dtype):
    cell = make(dtype="mixed_bfloat16")
    cell.build(FEATURES_SHAPE)
    sequence = [images(*FEATURES_SHAPE, seed=seed, dtype=dtype) for seed in range(2)]
    unrolled = cell.unroll(sequence, random_states(cell, dtype))
    expected = stepped(cell, sequence, random_states(cell, dtype))
    for (features, states), (expected_features, _) in zip(unrolled, expected, strict=True):
        assert dtypes([features, *states]) == {"bfloat16"}
        difference = ops.cast(features, "float32") - ops.cast(expected_features, "float32")
        assert np.abs(ops.convert_to_numpy(difference)).max() < 0.05


def test_features_of_another_rank_are_refused(make):
    with pytest.raises(ValueError, match=r"(?s)batch, height, width.*Received.*ConvRNN"):
        make().build((BATCH, 4, HEIGHT, WIDTH, CHANNELS))


@pytest.mark.parametrize("make", [STGRUCell, lambda filters: StackedCells([STGRUCell(filters)])])
def test_states_without_a_size_are_refused(make):
    cell = make(CHANNELS)
    cell.build((None, None, None, CHANNELS))
    with pytest.raises(ValueError, match=r"height and a width.*Received.*Pass `image_size="):
        cell.get_initial_state(BATCH)


@pytest.mark.parametrize("cells", [[], [keras.layers.LSTMCell(3)], [STGRUCell(4), None]])
def test_a_stack_holds_cells_only(cells):
    with pytest.raises(ValueError, match=r"(?s)at least one.*Received.*Pass"):
        StackedCells(cells)


def test_a_cell_stands_in_a_stack_once():
    cell = STGRUCell(4)
    with pytest.raises(ValueError, match=r"(?s)own weights.*Received.*one cell for each layer"):
        StackedCells([cell, cell])


def test_a_stack_feeds_each_cell_with_the_features_of_the_one_below(randomize):
    stack = StackedCells([STGRUCell(4, kernel_size=3), STGRUCell(4, kernel_size=1)])
    stack.build(FEATURES_SHAPE)
    randomize(stack)
    features, states = images(*FEATURES_SHAPE), random_states(stack)
    received, received_states = stack(features, states)
    bottom, [bottom_state] = stack.cells[0](features, states[:1])
    top, [top_state] = stack.cells[1](bottom, states[1:])
    for a, b in zip(
        arrays([received, *received_states]), arrays([top, bottom_state, top_state]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_memory_climbs_the_stack_and_enters_the_bottom_at_the_next_step(randomize):
    stack = stack_of([STLSTMCell(3, kernel_size=3), STLSTMCell(3, kernel_size=3)])
    assert isinstance(stack, ZigzagCells)
    stack.build(FEATURES_SHAPE)
    randomize(stack)
    features, states = images(*FEATURES_SHAPE), random_states(stack)
    received, received_states = stack(features, states)
    low, [*bottom, memory] = stack.cells[0](features, [*states[:2], states[4]])
    high, [*top, memory] = stack.cells[1](low, [*states[2:4], memory])
    for a, b in zip(
        arrays([received, *received_states]), arrays([high, *bottom, *top, memory]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_highway_lies_between_the_first_two_cells(randomize):
    stack = stack_of([CausalLSTMCell(3, kernel_size=3) for _ in range(3)])
    stack.build(FEATURES_SHAPE)
    randomize(stack)
    features, states = images(*FEATURES_SHAPE), random_states(stack)
    received, received_states = stack(features, states)
    [highway, *own], memory = states[:-1], states[-1]
    expected = []
    for index, cell in enumerate(stack.cells):
        features, [*new, memory] = cell(features, [*own[2 * index : 2 * index + 2], memory])
        expected += new
        if index == 0:
            features, [highway] = stack.highway(features, [highway])
    for a, b in zip(
        arrays([received, *received_states]),
        arrays([features, highway, *expected, memory]),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_one_cell_has_no_highway():
    stack = HighwayCells([CausalLSTMCell(3)])
    assert stack.highway is None
    assert stack.state_size == [3, 3, 3]


def test_cells_that_hand_on_other_things_make_no_stack():
    with pytest.raises(ValueError, match="cells for StackedCells and ZigzagCells"):
        stack_of([STLSTMCell(3), STGRUCell(4)])


def test_a_highway_is_as_wide_as_a_cell_that_tells():
    with pytest.raises(ValueError, match="as wide as the bottom cell"):
        HighwayCells([Average(), Average()])


def test_memories_that_climb_have_one_size():
    with pytest.raises(ValueError, match=r"whose last states have 3, 4\. Give all cells the"):
        ZigzagCells([STLSTMCell(3), STLSTMCell(4)])


def test_a_stack_reads_out_its_top_cell():
    stack = StackedCells([STGRUCell(4), STGRUCell(4)])
    features, states = images(*FEATURES_SHAPE), random_states(stack)
    np.testing.assert_array_equal(
        *arrays([stack.readout(features, states), stack.cells[1].readout(features, states[1:])])
    )


class Average(Cell):
    """The smallest memory: nothing but what a cell must define."""

    state_size = (4,)
    output_size = 4

    def call(self, features, states):
        average = (features + states[0]) / 2
        return average, [average]


def test_a_memory_that_defines_no_more_than_it_must_reads_out_and_unrolls_its_features():
    cell = Average()
    ones = ops.ones(FEATURES_SHAPE)
    cell.build(FEATURES_SHAPE)
    trajectory = cell.unroll([ones, ones], cell.get_initial_state(BATCH))
    levels = [float(ops.max(cell.readout(*step))) for step in trajectory]
    assert levels == [0.5, 0.75]
    assert cell.readout_size == 4
