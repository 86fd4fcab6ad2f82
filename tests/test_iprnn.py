"""The paper's model, and the baselines beside it."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

from iprnn_tf import (
    IPRNN,
    BlackFrames,
    Cell,
    CopyLastFrame,
    SquaredError,
    StackedCells,
    STGRUCell,
)
from iprnn_tf.losses import FrameError

BATCH, TIME, HORIZON = 2, 3, 4
IMAGE_SHAPE = (12, 8, 1)
FILTERS = 4


# The package has a function of this name.
ROLLOUT = importlib.import_module("iprnn_tf.rollout")


with_xla = pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch has no XLA")


def tiny(num_layers=2, cell=None, **kwargs):
    cell = cell or STGRUCell(FILTERS, kernel_size=3)
    return IPRNN(IMAGE_SHAPE, cell, num_layers=num_layers, horizon=HORIZON, **kwargs)


def frames(time, seed=1, image_shape=IMAGE_SHAPE):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(BATCH, time, *image_shape)).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def count_calls(monkeypatch, owner, name):
    """Records the batch size of each call of a method from now on."""
    batches = []
    method = getattr(owner, name)

    def counting(self, inputs, *args):
        batches.append(inputs.shape[0])
        return method(self, inputs, *args)

    monkeypatch.setattr(owner, name, counting)
    return batches


@pytest.mark.parametrize(("use_bias", "weights"), [(False, 3_432_961), (True, 3_435_009)])
def test_the_paper_s_size_has_the_paper_s_weights(use_bias, weights):
    cell = STGRUCell(filters=64, kernel_size=5, use_bias=use_bias)
    model = IPRNN((64, 64, 1), cell, num_layers=4, num_downsamplings=2)
    assert model.count_params() == weights


def test_the_defaults_are_the_paper_s():
    assert IPRNN().count_params() == 3_432_961
    assert IPRNN().image_shape == (64, 64, 1)
    assert IPRNN().horizon == 10


def test_at_inference_only_the_last_context_step_is_decoded(monkeypatch):
    model = tiny()
    decoded = count_calls(monkeypatch, IPRNN, "decode")
    encoded = count_calls(monkeypatch, IPRNN, "encode")
    model.rollout(frames(TIME))
    assert decoded == [BATCH] * HORIZON
    assert encoded == [TIME * BATCH] + [BATCH] * (HORIZON - 1)


def test_in_training_the_whole_context_is_decoded_at_once(monkeypatch):
    model = tiny()
    decoded = count_calls(monkeypatch, IPRNN, "decode")
    model.rollout(frames(TIME), return_warm_up=True)
    assert decoded == [TIME * BATCH] + [BATCH] * (HORIZON - 1)


def test_the_context_is_unrolled_and_only_feedback_is_stepped(monkeypatch):
    model = tiny(num_layers=2)
    stepped = count_calls(monkeypatch, STGRUCell, "call")
    model.rollout(frames(TIME))
    assert stepped == [BATCH] * 2 * (HORIZON - 1)


@pytest.mark.parametrize("options", [{}, {"skips": False}, {"encoder_filters": [2, 3]}], ids=str)
def test_a_training_step_gives_every_weight_a_gradient(randomize, options):
    cell = STGRUCell(
        FILTERS,
        kernel_size=3,
        use_bias=True,
        normalization=keras.layers.GroupNormalization(groups=1),
        update_bias=1.0,
    )
    model = randomize(tiny(cell=cell, **options))
    model.compile(keras.optimizers.SGD(0.1), FrameError(), run_eagerly=True)
    before = model.get_weights()
    inputs = {
        "context": frames(TIME),
        "teacher": frames(1, seed=2),
        "use_teacher": np.array([[True], [False]]),
    }
    model.train_on_batch(inputs, frames(TIME + 1, seed=3))
    for weight, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        assert (old != new).mean() > 0.9, weight.path


def test_fitting_in_a_graph_lowers_the_loss():
    model = tiny()
    model.compile(keras.optimizers.Adam(0.01), FrameError(), jit_compile=False)
    inputs = {
        "context": frames(2),
        "teacher": frames(1),
        "use_teacher": np.array([[True], [False]]),
        "use_context": np.array([[False], [True]]),
    }
    history = model.fit(inputs, frames(3, seed=2), epochs=5, shuffle=False, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize(("half", "name"), [(0, "temporal"), (1, "spatial")])
def test_the_merge_sees_the_temporal_state_and_then_the_spatial_one(randomize, half, name):
    model = randomize(tiny(num_layers=2))
    kernel = np.zeros((1, 1, 2 * FILTERS, FILTERS), "float32")
    kernel[0, 0, half * FILTERS : (half + 1) * FILTERS] = np.eye(FILTERS)
    model.merge.set_weights([kernel, np.zeros(FILTERS, "float32")])

    states = model.initial_states(BATCH)
    features, _ = model.encode(frames(1)[:, 0])
    merged, _ = model.advance(features, states)
    spatial, [_, temporal] = model.cell(features, states)
    expected = {"temporal": temporal, "spatial": spatial}[name]
    np.testing.assert_allclose(array(merged), array(expected), atol=1e-6)


def test_the_paper_s_ablation_has_the_same_weights_and_other_predictions(randomize):
    full, ablated = randomize(tiny()), randomize(tiny(skips=False))
    assert full.count_params() == ablated.count_params()
    assert not np.allclose(array(full.rollout(frames(TIME))), array(ablated.rollout(frames(TIME))))


def test_layers_compute_in_the_model_s_precision_and_frames_are_float32():
    cell = STGRUCell(
        FILTERS, kernel_size=3, normalization=keras.layers.GroupNormalization(groups=1)
    )
    model = tiny(cell=cell, dtype="mixed_bfloat16")
    templates = [id(layer.normalization) for layer in model.cell.cells]
    for layer in model._flatten_layers():
        if layer.name != "head" and id(layer) not in templates:
            assert layer.dtype_policy.name == "mixed_bfloat16", layer.path
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert keras.backend.standardize_dtype(model.rollout(frames(TIME)).dtype) == "float32"
    states = model.initial_states(BATCH)
    assert {keras.backend.standardize_dtype(state.dtype) for state in states} == {"bfloat16"}


def test_frames_are_not_rounded_on_their_way_into_a_model_of_mixed_precision():
    model = CopyLastFrame(IMAGE_SHAPE, horizon=1, dtype="mixed_bfloat16")
    context = frames(TIME)
    np.testing.assert_array_equal(array(model(context)), context[:, -1:])


def test_mixed_precision_predicts_nearly_the_same(randomize):
    full, mixed = randomize(tiny()), randomize(tiny(dtype="mixed_bfloat16"))
    difference = array(full.rollout(frames(TIME))) - array(mixed.rollout(frames(TIME)))
    assert np.abs(difference).mean() < 0.05


def test_the_template_is_copied_for_each_layer_and_left_alone():
    cell = STGRUCell(FILTERS, kernel_size=3, update_bias=0.5)
    model = tiny(cell=cell, num_layers=3)
    assert not cell.built
    assert len({id(layer) for layer in [cell, *model.cell.cells]}) == 4
    assert [layer.update_bias for layer in model.cell.cells] == [0.5] * 3


def test_states_are_one_for_each_layer_at_the_size_of_the_padded_features():
    model = IPRNN((None, None, 1), STGRUCell(FILTERS), num_layers=3, num_downsamplings=2)
    states = model.initial_states(BATCH, image_size=(9, 16))
    assert [tuple(state.shape) for state in states] == [(BATCH, 3, 4, FILTERS)] * 3


def test_states_of_frames_of_any_size_need_a_size():
    model = IPRNN((None, None, 1), STGRUCell(FILTERS), num_layers=1)
    with pytest.raises(ValueError, match=r"height and a width.*Received.*Pass `image_size="):
        model.initial_states(BATCH)


@keras.saving.register_keras_serializable(package="iprnn_tf_tests")
class Blur(Cell):
    """A memory with two states, neither of which is read out."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.mix = keras.layers.Conv2D(filters, 3, padding="same", dtype=self.dtype_policy)

    @property
    def state_size(self):
        return [self.filters, 1]

    @property
    def output_size(self):
        return self.filters

    def build(self, input_shape):
        super().build(input_shape)
        self.mix.build((*input_shape[:-1], 2 * self.filters))

    def call(self, features, states):
        slow, count = states
        slow = ops.tanh(self.mix(ops.concatenate([features, slow], axis=-1)))
        return features + slow, [slow, count + 1]

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


def test_any_memory_takes_the_place_of_stgru(randomize, tmp_path):
    model = randomize(tiny(cell=Blur(FILTERS)))
    assert model.merge is None
    assert len(model.initial_states(BATCH)) == 4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    predictions = array(model.rollout(frames(TIME)))
    np.testing.assert_array_equal(predictions, array(loaded.rollout(frames(TIME))))


def test_a_stack_is_a_cell_and_so_a_template(randomize):
    stack = StackedCells([STGRUCell(FILTERS, kernel_size=1), STGRUCell(FILTERS, kernel_size=3)])
    model = randomize(tiny(cell=stack, num_layers=2))
    assert len(model.initial_states(BATCH)) == 4
    assert model.rollout(frames(TIME)).shape == (BATCH, HORIZON, *IMAGE_SHAPE)


@pytest.mark.parametrize("time", [1, TIME])
def test_copy_last_frame_copies_the_last_frame(time):
    model = CopyLastFrame(IMAGE_SHAPE, horizon=HORIZON)
    context = frames(time)
    expected = np.repeat(context[:, -1:], HORIZON, axis=1)
    np.testing.assert_array_equal(array(model.rollout(context)), expected)
    np.testing.assert_array_equal(model.predict(context, verbose=0), expected)


@pytest.mark.parametrize("horizon", [1, HORIZON])
def test_the_error_of_copying_the_last_frame_is_measured_on_the_last_frame(horizon):
    """TensorFlow's graph optimiser once copied the first one, in graphs alone."""
    model = CopyLastFrame(IMAGE_SHAPE, horizon=horizon)
    model.compile(loss=FrameError(), jit_compile=False)
    context, targets = frames(TIME), frames(horizon, seed=2)
    expected = np.square(context[:, -1:] - targets).sum(axis=(2, 3, 4)).mean()
    assert model.evaluate(context, targets, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_black_frames_are_black():
    model = BlackFrames(IMAGE_SHAPE, horizon=HORIZON)
    assert not array(model.rollout(frames(TIME))).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": keras.layers.LSTMCell(4)}, r"`cell` must be.*Received.*Pass, for example"),
        ({"num_layers": 0}, r"`num_layers` must be a positive integer.*num_layers=0.*has 4"),
        ({"num_layers": 2.0}, r"`num_layers` must be a positive integer.*num_layers=2\.0"),
        (
            {"num_downsamplings": -1},
            r"`num_downsamplings` must be an integer of at least 0.*downsamplings=-1.*2 are usual",
        ),
        ({"encoder_filters": [4]}, r"one number.*encoder_filters=\[4\].*num_downsamplings=2"),
        (
            {"encoder_filters": [4, 0]},
            r"`encoder_filters\[1\]`.*=0.*one number for each",
        ),
    ],
    ids=["cell", "no layers", "num_layers", "num_downsamplings", "encoder_filters", "no filters"],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        tiny(**arguments)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch builds no graph")
def test_a_graph_grows_no_longer_than_the_longest_unrolled_horizon(monkeypatch):
    model = tiny()
    model.horizon = 200
    encoded = count_calls(monkeypatch, IPRNN, "encode")
    assert model.predict_on_batch(frames(TIME)).shape[1] == 200
    assert len(encoded) <= 1 + 200 / ROLLOUT.UNROLLED_STEPS + 1


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=[with_xla, pytest.mark.slow])]
)
def test_a_looped_horizon_is_what_an_unrolled_one_is_and_learns_the_same(monkeypatch, jit_compile):
    context, targets = frames(TIME), frames(HORIZON, seed=2)
    results = []
    for unrolled in (HORIZON, 2):
        monkeypatch.setattr(ROLLOUT, "UNROLLED_STEPS", unrolled)
        keras.utils.set_random_seed(3)
        model = tiny()
        model.compile(keras.optimizers.SGD(1e-3), FrameError(), jit_compile=jit_compile)
        before = model.predict(context, verbose=0)
        model.fit(context, targets, epochs=2, verbose=0)
        results.append([before, *model.get_weights()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_numpy_s_integers_are_integers(tmp_path):
    three, four = np.int64(3), np.array([4, 4], "uint8")
    cell = STGRUCell(np.int32(FILTERS), kernel_size=three)
    shape = tuple(np.array(IMAGE_SHAPE))
    model = IPRNN(shape, cell, three, np.int8(2), horizon=three, encoder_filters=four)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.rollout(frames(TIME), np.int64(2)).shape == (BATCH, 2, *IMAGE_SHAPE)
    assert loaded.get_config() == model.get_config()
    assert SquaredError(three).get_config()["horizon"] == 3


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_a_file_that_keras_could_not_load_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match=rf"saved as a .keras file.*{name}.*model\.keras"):
        tiny().save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    tiny().save_weights(tmp_path / "model.weights.h5")


def test_bytes_are_not_taken_for_frames():
    context = np.zeros((BATCH, TIME, *IMAGE_SHAPE), "uint8")
    with pytest.raises(ValueError, match=r"float in \[0, 1\].*uint8.*Divide bytes by 255"):
        tiny().rollout(context)


def test_a_training_input_without_a_teacher_is_named():
    with pytest.raises(ValueError, match=r"context.*teacher.*Received: \['context'\]"):
        tiny()({"context": frames(TIME)})


def test_predict_knows_a_wrong_context_after_a_right_one():
    model = tiny()
    model.predict(frames(TIME), verbose=0)
    for wrong in (frames(TIME)[0], frames(TIME, image_shape=(6, 6, 1))):
        with pytest.raises(ValueError, match=r"must have shape \(batch, time, 12, 8, 1\)"):
            model.predict(wrong, verbose=0)
