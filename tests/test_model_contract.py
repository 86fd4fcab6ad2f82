"""The checks that every predictor passes: a new one joins by a row in `MODELS`."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from iprnn_tf import IPRNN, BlackFrames, CopyLastFrame, STGRUCell, VideoPredictor, rollout
from iprnn_tf.cells import (
    BijectiveGRUCell,
    CausalLSTMCell,
    ConvLSTMCell,
    E3DLSTMCell,
    ReversiblePredictiveCell,
    STLSTMCell,
)
from iprnn_tf.models import MODELS as TRAINABLE
from iprnn_tf.models import CrevNet, FoldedRNN, PatchRNN, VideoPixelNetwork

BATCH, TIME, HORIZON = 2, 3, 4
OPEN_SIZE = (11, 7)  # Where a model leaves height and width open.


def iprnn(image_shape, **kwargs):
    kwargs = {"cell": STGRUCell(4, kernel_size=3), "num_layers": 2, **kwargs}
    return IPRNN(image_shape, horizon=HORIZON, **kwargs)


def crevnet(image_shape, num_layers=2, blocks=(2, 1)):
    filters = 16 * image_shape[2]
    cell = ReversiblePredictiveCell(filters, 3, use_bias=True, clips=True)
    return CrevNet(image_shape, cell, num_layers, blocks, horizon=HORIZON)


def folded_rnn(image_shape, num_layers=2):
    options = {"num_layers": num_layers, "num_downsamplings": 2, "encoder_filters": [2, 3]}
    return FoldedRNN(image_shape, BijectiveGRUCell(4, kernel_size=3), **options, horizon=HORIZON)


def vpn(image_shape, num_layers=1):
    cell = ConvLSTMCell(4, kernel_size=3)
    return VideoPixelNetwork(image_shape, cell, num_layers, [1, 1], levels=4, horizon=HORIZON)


MODELS = {
    "iprnn": lambda: iprnn((12, 8, 1)),
    "iprnn_without_skips": lambda: iprnn((12, 8, 1), skips=False),
    "iprnn_padded": lambda: iprnn((11, 7, 3), encoder_filters=[2, 3]),
    "iprnn_padded_as_in_pytorch": lambda: iprnn((11, 7, 3), pytorch_padding=True),
    "iprnn_of_any_size": lambda: iprnn((None, None, 1), num_downsamplings=3),
    "iprnn_at_full_resolution": lambda: iprnn((6, 5, 1), num_downsamplings=0),
    "iprnn_with_a_highway": lambda: iprnn((12, 8, 1), cell=CausalLSTMCell(4, kernel_size=3)),
    "iprnn_with_an_eidetic_memory": lambda: iprnn(
        (None, None, 1), cell=E3DLSTMCell(4, kernel_size=3, history=2)
    ),
    "patch_rnn": lambda: PatchRNN(
        (12, 8, 1), STLSTMCell(4, kernel_size=3), num_layers=2, horizon=HORIZON
    ),
    "patch_rnn_padded": lambda: PatchRNN(
        (11, 7, 3), ConvLSTMCell(4, kernel_size=3), num_layers=1, patch_size=2, horizon=HORIZON
    ),
    "patch_rnn_of_any_size": lambda: PatchRNN(
        (None, None, 1), CausalLSTMCell(4, kernel_size=3), num_layers=2, horizon=HORIZON
    ),
    "patch_rnn_of_clips": lambda: PatchRNN(
        (11, 7, 1), E3DLSTMCell(4, kernel_size=3, history=2, clips=True), 2, horizon=HORIZON
    ),
    "crevnet": lambda: crevnet((16, 8, 1)),
    "crevnet_padded": lambda: crevnet((11, 7, 1), num_layers=1, blocks=[1, 1]),
    "crevnet_of_any_size": lambda: crevnet((None, None, 3)),
    "folded_rnn": lambda: folded_rnn((12, 8, 1)),
    "folded_rnn_padded": lambda: folded_rnn((11, 7, 3), num_layers=1),
    "folded_rnn_of_any_size": lambda: folded_rnn((None, None, 1), num_layers=1),
    "vpn": lambda: vpn((3, 4, 1)),
    "vpn_in_color": lambda: vpn((3, 2, 3), num_layers=2),
    "vpn_of_any_size": lambda: vpn((None, None, 1)),
    "copy_last_frame": lambda: CopyLastFrame((12, 8, 1), horizon=HORIZON),
    "black_frames": lambda: BlackFrames((None, None, 3), horizon=HORIZON),
}


SLOW = (
    "iprnn_with_an_eidetic_memory",
    "patch_rnn_of_any_size",
    "patch_rnn_of_clips",
    "iprnn_padded_as_in_pytorch",
    "crevnet",
    "crevnet_padded",
    "crevnet_of_any_size",
    "folded_rnn",
    "folded_rnn_of_any_size",
    "vpn",
    "vpn_in_color",
    "vpn_of_any_size",
)


def row(name):
    return pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name


@pytest.fixture(params=map(row, MODELS))
def model(request, randomize):
    return randomize(MODELS[request.param]())


def test_every_model_that_can_be_trained_by_name_has_a_row():
    assert set(TRAINABLE.values()) <= {type(make()) for make in MODELS.values()}


def frame_shape(model):
    height, width, channels = model.image_shape
    return (height or OPEN_SIZE[0], width or OPEN_SIZE[1], channels)


def frames(model, time, batch=BATCH, seed=1):
    shape = (batch, time, *frame_shape(model))
    return np.random.default_rng(seed).uniform(size=shape).astype("float32")


def states_of(model):
    return model.initial_states(BATCH, image_size=frame_shape(model)[:2])


def training_inputs(model, horizon=HORIZON, taught=False):
    return {
        "context": frames(model, TIME),
        "teacher": frames(model, horizon - 1, seed=2),
        "use_teacher": np.full((BATCH, horizon - 1), taught),
    }


def array(tensor):
    return ops.convert_to_numpy(tensor)


def close(received, expected):
    np.testing.assert_allclose(array(received), array(expected), atol=1e-5)


class Stepping:
    """A predictor without its own way through the context."""

    def __init__(self, model):
        self.initial_states, self.step = model.initial_states, model.step


def test_a_keras_json_with_channels_first_changes_nothing(model, channels_first, tmp_path):
    model.save(tmp_path / "model.keras")
    expected = model.rollout(frames(model, TIME))
    channels_first()
    for twin in (
        type(model).from_config(model.get_config()),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        twin.set_weights(model.get_weights())
        close(twin.rollout(frames(model, TIME)), expected)


def test_predict_needs_a_context_and_no_labels(model):
    context = frames(model, TIME)
    predictions = model.predict(context, verbose=0)
    assert predictions.shape == (BATCH, HORIZON, *frame_shape(model))
    assert predictions.dtype == np.float32
    close(predictions, model.rollout(context))


def test_predict_takes_contexts_of_one_length_after_the_other(model):
    for time in (1, 2, 5):  # From the third on, Keras doesn't tell the graph the length.
        context = frames(model, time)
        close(model.predict(context, verbose=0), model.rollout(context))


def test_a_rollout_has_any_horizon_and_the_same_beginning(model):
    context = frames(model, TIME)
    longest = model.rollout(context, horizon=7)
    for horizon in (1, 4, 7):
        predictions = model.rollout(context, horizon=horizon)
        assert tuple(predictions.shape) == (BATCH, horizon, *frame_shape(model))
        close(predictions, longest[:, :horizon])


@pytest.mark.parametrize("time", [1, 5])
def test_a_rollout_takes_a_context_of_any_length(model, time):
    predictions = model.rollout(frames(model, time))
    assert tuple(predictions.shape) == (BATCH, HORIZON, *frame_shape(model))


def test_frames_of_another_batch_change_nothing(model):
    context = frames(model, TIME)
    close(model.rollout(context[1:]), model.rollout(context)[1:])


def test_a_call_with_training_inputs_returns_all_next_frames(model):
    inputs = training_inputs(model)
    predictions = model(inputs)
    assert tuple(predictions.shape) == (BATCH, TIME + HORIZON - 1, *frame_shape(model))
    close(predictions[:, -HORIZON:], model.rollout(inputs["context"]))


def test_a_call_with_a_horizon_of_one_needs_no_teacher(model):
    predictions = model(training_inputs(model, horizon=1))
    assert tuple(predictions.shape) == (BATCH, TIME, *frame_shape(model))


def test_a_taught_call_is_a_warm_up_over_context_and_teacher(model):
    inputs = training_inputs(model, taught=True)
    everything = np.concatenate([inputs["context"], inputs["teacher"]], axis=1)
    close(model(inputs), model.rollout(everything, horizon=1, return_warm_up=True))


def test_reverse_sampling_with_the_whole_context_changes_nothing(model):
    inputs = training_inputs(model)
    chosen = {"use_context": np.ones((BATCH, TIME - 1), bool)}
    close(model({**inputs, **chosen}), model(inputs))


def test_a_step_keeps_the_shapes_of_frame_and_states(model):
    states = states_of(model)
    frame, new_states = model.step(frames(model, 1)[:, 0], states)
    assert tuple(frame.shape) == (BATCH, *frame_shape(model))
    assert [tuple(state.shape) for state in new_states] == [tuple(s.shape) for s in states]


def test_a_step_encodes_advances_and_decodes(model):
    frame = frames(model, 1)[:, 0]
    received, received_states = model.step(frame, states_of(model))
    features, skips = model.encode(frame)
    features, states = model.advance(features, states_of(model))
    close(received, model.decode(features, skips))
    for a, b in zip(received_states, states, strict=True):
        close(a, b)


@pytest.mark.parametrize("return_warm_up", [True, False])
def test_warming_up_equals_stepping(model, return_warm_up):
    options = {"horizon": 3, "return_warm_up": return_warm_up}
    context = ops.convert_to_tensor(frames(model, TIME))
    close(model.rollout(context, **options), rollout(Stepping(model), context, **options))


def test_the_functional_step_model_shares_the_weights_of_step(model, randomize):
    step_model = model.step_model()
    randomize(model, seed=3)
    frame = ops.convert_to_tensor(frames(model, 1)[:, 0])
    states = [state + 0.1 for state in states_of(model)]
    outputs = keras.tree.flatten(step_model([frame, *states]))
    expected, expected_states = model.step(frame, states)
    for a, b in zip(outputs, [expected, *expected_states], strict=True):
        close(a, b)
    assert step_model.outputs[0].shape == (None, *model.image_shape)
    assert step_model.count_params() == model.count_params()


def test_config_holds_every_constructor_argument(model):
    parameters = inspect.signature(type(model)).parameters
    assert set(parameters) - {"kwargs"} <= set(model.get_config())


def test_what_is_frozen_stays_frozen_in_every_copy(model, tmp_path):
    weighty = [part for part in model.layers if part.weights]
    for part in weighty[:1]:
        part.trainable = False
    model.save(tmp_path / "model.keras")
    copies = {
        "saved": keras.saving.load_model(tmp_path / "model.keras"),
        "cloned": keras.models.clone_model(model),
        "in another precision": model.in_precision("mixed_bfloat16"),
    }
    expected = [weight.trainable for weight in model.weights]
    assert all(expected) == (not weighty)
    for copy in copies.values():
        assert [weight.trainable for weight in copy.weights] == expected
        assert [part.trainable for part in copy.layers] == [part.trainable for part in model.layers]


def test_a_horizon_may_change_at_any_time(model):
    context = frames(model, TIME)
    for horizon in (HORIZON, HORIZON + 2, 1):
        model.horizon = horizon
        assert model.predict(context, verbose=0).shape[1] == horizon
    with pytest.raises(ValueError, match=r"positive integer. Received: horizon=0"):
        model.horizon = 0
    assert model.horizon == 1


on_tensorflow = keras.backend.backend() == "tensorflow"


@pytest.mark.skipif(not on_tensorflow, reason="only TensorFlow exports a context of any length")
def test_keras_exports_a_model_that_was_only_made(model, tmp_path):
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    for time in (TIME, 1):
        context = frames(model, time)
        close(exported.serve(context), model.rollout(context))


@pytest.mark.skipif(on_tensorflow, reason="TensorFlow does")
def test_a_backend_that_exports_no_context_of_any_length_says_what_it_needs(model, tmp_path):
    with pytest.raises(ValueError, match=r"Only TensorFlow exports.*Give \[keras.InputSpec"):
        model.export(tmp_path / "exported", verbose=False)


def test_config_round_trip_gives_the_same_model(model):
    config = json.loads(json.dumps(model.get_config()))
    clone = type(model).from_config(config)
    assert json.dumps(clone.get_config()) == json.dumps(model.get_config())
    clone.set_weights(model.get_weights())
    context = frames(model, TIME)
    np.testing.assert_array_equal(array(clone.rollout(context)), array(model.rollout(context)))


def test_a_saved_model_predicts_the_same_bit_for_bit(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    context = frames(model, TIME)
    for options in ({"horizon": 1}, {"horizon": 6, "return_warm_up": True}):
        np.testing.assert_array_equal(
            array(loaded.rollout(context, **options)), array(model.rollout(context, **options))
        )


def test_a_saved_model_keeps_its_precision(tmp_path):
    model = iprnn((12, 8, 1), dtype="mixed_bfloat16")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    context = frames(model, TIME)
    assert loaded.dtype_policy.name == "mixed_bfloat16"
    np.testing.assert_array_equal(array(loaded.rollout(context)), array(model.rollout(context)))


def test_a_context_of_another_rank_is_refused(model):
    context = frames(model, TIME)
    for wrong in (context[0], context[None], context[..., 0]):
        with pytest.raises(ValueError, match="must have shape") as error:
            model.rollout(wrong)
        assert f"Received: context of shape {wrong.shape}" in str(error.value)


def test_a_context_with_other_channels_is_refused(model):
    context = frames(model, TIME)
    wrong = np.concatenate([context, context], axis=-1)
    for predict in (model, model.rollout):
        with pytest.raises(ValueError, match="must have shape") as error:
            predict(wrong)
        assert f"Received: context of shape {wrong.shape}" in str(error.value)


def test_a_context_of_another_size_is_refused_where_the_size_is_set():
    model = CopyLastFrame((12, 8, 1))
    with pytest.raises(ValueError, match=r"\(batch, time, 12, 8, 1\)\. Received"):
        model.rollout(np.zeros((BATCH, TIME, 8, 12, 1), "float32"))


@pytest.mark.parametrize(
    "image_shape", [(12, 8), (12, 8, None), (0, 8, 1), (12, -8, 1), (12.0, 8, 1)], ids=str
)
def test_an_image_shape_needs_a_height_a_width_and_channels(image_shape):
    with pytest.raises(ValueError, match=r"(?s)`image_shape` must be.*Received: image_shape=\("):
        CopyLastFrame(image_shape)


@pytest.mark.parametrize("horizon", [0, -2, 1.5])
def test_a_horizon_that_counts_no_frames_is_refused(horizon):
    with pytest.raises(ValueError, match=f"positive integer. Received: horizon={horizon}"):
        CopyLastFrame((12, 8, 1), horizon=horizon)


@pytest.mark.parametrize("primitive", ["encode", "advance", "decode", "initial_states"])
def test_a_predictor_is_told_which_primitive_it_lacks(primitive):
    model = VideoPredictor((12, 8, 1))
    arguments = [None] * (1 if primitive in ("encode", "initial_states") else 2)
    with pytest.raises(NotImplementedError, match=f"VideoPredictor must define `{primitive}`"):
        getattr(model, primitive)(*arguments)
