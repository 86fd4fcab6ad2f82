"""The video pixel network: its equations in NumPy, its order of values, and how it learns."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops
from numpy_convolution import convolve, sigmoid

from iprnn_tf.cells import ConvLSTMCell, E3DLSTMCell, FCLSTMCell, STGRUCell
from iprnn_tf.data.windows import TrainingWindows
from iprnn_tf.models import CopyLastFrame, VideoPixelNetwork
from iprnn_tf.models.vpn import SampledFrames
from iprnn_tf.scheduled_sampling import LinearSampling

ROLLOUT = importlib.import_module("iprnn_tf.rollout")  # Not the function of that name.
BATCH, HEIGHT, WIDTH, COLORS, LEVELS = 2, 6, 5, 3, 4
TIME, HORIZON = 2, 2


def network(
    image_shape=(HEIGHT, WIDTH, COLORS),
    filters=6,
    levels=LEVELS,
    blocks=(1, 2),
    kernel_size=3,
    memory=ConvLSTMCell,
    **kwargs,
):
    cell = memory(filters, kernel_size)
    return VideoPixelNetwork(
        image_shape, cell, blocks=blocks, levels=levels, horizon=HORIZON, **kwargs
    )


@pytest.fixture(name="model")
def _model(randomize):
    return randomize(network())


def frames_of_levels(*shape, seed=1):
    levels = np.random.default_rng(seed).integers(0, LEVELS, (*shape, HEIGHT, WIDTH, COLORS))
    return (levels / (LEVELS - 1)).astype("float32")


def noise(*shape, seed=2):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def groups(channels):
    """The colour of each channel, counted off one by one."""
    return [COLORS * channel // channels for channel in range(channels)]


def causal(layer, image, parts=1, own=True):
    """A convolution whose kernel's unseen weights are zero, one by one."""
    kernel = array(layer.kernel).astype("float64")
    rows, side = kernel.shape[:2]
    square = np.zeros((side, side, *kernel.shape[2:]))
    square[:rows] = kernel
    inputs = groups(kernel.shape[2])
    outputs = groups(kernel.shape[3] // parts) * parts
    for column in range(side // 2, side):
        for i, color in enumerate(inputs):
            for o, other in enumerate(outputs):
                before = color <= other if own else color < other
                if column > side // 2 or not before:
                    square[rows - 1, column, i, o] = 0
    return convolve(image, square) + array(layer.bias)


def full(layer, image, parts=1):
    del parts
    bias = 0 if layer.bias is None else array(layer.bias)
    return convolve(image, array(layer.kernel).astype("float64")) + bias


def block(layer, image, convolved):
    inner = convolved(layer.narrow, image)
    for unit in layer.units:
        g_1, g_2, g_3, u = np.split(convolved(unit, inner, 4), 4, axis=-1)
        inner = sigmoid(g_1) * np.tanh(sigmoid(g_2) * inner + sigmoid(g_3) * np.tanh(u))
    return image + convolved(layer.widen, inner)


def test_the_encoder_is_the_equations(model):
    frame = frames_of_levels(BATCH)
    expected = full(model.encoder.first, 2 * frame - 1)
    expected = block(model.encoder.blocks[0], expected, full)
    features, skips = model.encode(frame)
    np.testing.assert_allclose(array(features), expected, atol=1e-5)
    assert skips == []


def test_the_decoder_is_the_equations(model):
    decoder, frame = model.decoder, frames_of_levels(BATCH)
    features = noise(BATCH, HEIGHT, WIDTH, 6)
    hidden = causal(decoder.first, 2 * frame - 1, own=False)
    hidden = hidden + full(decoder.from_features, features)
    for layer in decoder.blocks:
        hidden = block(layer, hidden, causal)
    expected = causal(decoder.head, np.maximum(hidden, 0))
    expected = expected.reshape(BATCH, HEIGHT, WIDTH, COLORS, LEVELS)
    np.testing.assert_allclose(array(decoder.logits(features, frame)), expected, atol=1e-5)


def test_a_value_depends_on_those_before_it_alone(model):
    features, frame = noise(1, HEIGHT, WIDTH, 6), frames_of_levels(1)
    logits = array(model.decoder.logits(features, frame)).reshape(-1, LEVELS)
    row, column, color = 2, 3, 1
    place = (row * WIDTH + column) * COLORS + color
    changed = frame.copy()
    changed[0, row, column, color] = 1 - frame[0, row, column, color]
    others = array(model.decoder.logits(features, changed)).reshape(-1, LEVELS)
    moved = np.flatnonzero(np.abs(others - logits).max(axis=-1) > 1e-6)
    np.testing.assert_array_equal(logits[: place + 1], others[: place + 1])
    # The next colour, those right of it, and those below on both sides.
    assert {place + 1, place + COLORS, place + (WIDTH - 1) * COLORS} <= set(moved)


@pytest.mark.parametrize(("kernel_size", "width"), [(3, WIDTH), (4, 3), (5, 2), (1, 2)])
def test_each_value_is_the_likeliest_given_those_before_it(randomize, kernel_size, width):
    model = randomize(network((HEIGHT, width, COLORS), kernel_size=kernel_size))
    features = noise(BATCH, HEIGHT, width, 6)
    frame = array(model.decode(features, []))
    likeliest = array(model.decoder.logits(features, frame)).argmax(axis=-1)
    np.testing.assert_allclose(frame, likeliest / (LEVELS - 1), atol=1e-6)
    assert len(np.unique(frame)) > 1


def test_sampled_values_have_the_predicted_probabilities(model):
    count = 3000
    features = np.repeat(noise(1, HEIGHT, WIDTH, 6), count, axis=0)[:, :1, :2]
    uniform = np.random.default_rng(3).random((count, 1, 2, COLORS), "float32")
    drawn = array(model.decoder(features, uniform=uniform))
    logits = array(model.decoder.logits(features, drawn))
    likely = np.exp(logits - logits.max(-1, keepdims=True))
    likely /= likely.sum(-1, keepdims=True)
    found = np.rint(drawn * (LEVELS - 1))[..., None] == np.arange(LEVELS)
    # Given what came before, each level comes as often as it is likely.
    np.testing.assert_allclose(found.mean(0), likely.mean(0), atol=0.04)


def training_inputs(taught=True):
    frames = frames_of_levels(BATCH, TIME + HORIZON)
    return {
        "context": frames[:, :TIME],
        "teacher": frames[:, TIME:-1],
        "use_teacher": np.full((BATCH, HORIZON - 1), taught),
        "next_frames": frames[:, 1:],
    }


def test_the_loss_is_the_nats_of_a_frame(model):
    inputs = training_inputs()
    frames, targets = inputs["context"], inputs["next_frames"]
    outputs = array(model(inputs))
    everything = np.concatenate([frames, inputs["teacher"]], axis=1)
    logits = array(model.logits(everything, targets))
    likely = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    true = np.rint(targets * (LEVELS - 1)).astype(int)[..., None]
    nats = -np.log(np.take_along_axis(likely, true, axis=-1))
    expected = nats.sum(axis=(2, 3, 4, 5)).mean()
    np.testing.assert_allclose(float(model.losses[0]), expected, rtol=1e-5)
    np.testing.assert_allclose(outputs, logits.argmax(-1) / (LEVELS - 1), atol=1e-6)
    assert len(model.losses) == 1


def test_the_logits_of_a_frame_are_those_of_its_step(model):
    frames = frames_of_levels(BATCH, TIME + 1)
    logits = array(model.logits(frames[:, :-1], frames[:, 1:]))
    states = model.initial_states(BATCH)
    for step in range(TIME):
        features, _ = model.encode(frames[:, step])
        features, states = model.advance(features, states)
        expected = array(model.decoder.logits(features, frames[:, step + 1]))
        np.testing.assert_allclose(logits[:, step], expected, atol=1e-5)


def test_it_learns_what_is_always_the_same():
    keras.utils.set_random_seed(0)
    model = network((4, 5, 1), filters=8, levels=2, blocks=(1, 1))
    checker = np.indices((4, 5)).sum(0)[..., None] % 2
    frames = np.stack([checker, 1 - checker] * 2)[None].repeat(4, axis=0).astype("float32")
    inputs = {
        "context": frames[:, :TIME],
        "teacher": frames[:, TIME:-1],
        "use_teacher": np.ones((4, HORIZON - 1), bool),
        "next_frames": frames[:, 1:],
    }
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss=None)
    history = model.fit(inputs, frames[:, 1:], epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.1 * history[0]
    assert model.evaluate(frames[:, :TIME], frames[:, TIME:], verbose=0) == 0
    np.testing.assert_array_equal(model.predict(frames[:, :TIME], verbose=0), frames[:, TIME:])


@pytest.mark.parametrize(("dtype", "wrong"), [("uint8", "of uint8"), ("float32", "2 next frames")])
def test_what_it_learns_from_is_checked(model, dtype, wrong):
    inputs = training_inputs()
    count = 2 if dtype == "float32" else 3
    inputs["next_frames"] = inputs["next_frames"][:, :count].astype(dtype)
    with pytest.raises(ValueError, match=wrong):
        model(inputs)


@pytest.mark.parametrize(
    ("loss", "weights", "received"),
    [("mse", None, "loss='mse'"), (None, np.ones(BATCH), "sample_weight=")],
)
def test_what_would_not_change_the_loss_is_refused(loss, weights, received):
    model, inputs = network(), training_inputs()
    model.compile(loss=loss)
    with pytest.raises(ValueError, match=f"a loss of its own.*Received: .*{received}"):
        model.fit(inputs, inputs["next_frames"], sample_weight=weights, verbose=0)


def test_a_memory_that_shows_more_than_its_features_is_decoded_whole(randomize):
    model = randomize(network((4, 3, 1), memory=STGRUCell))
    frames = frames_of_levels(1, TIME)[:, :, :4, :3, :1]
    assert model.decoder.from_features.kernel.shape[2] == 12
    assert model.predict(frames, verbose=0).shape == (1, HORIZON, 4, 3, 1)
    assert array(model.logits(frames, frames)).shape == (1, TIME, 4, 3, 1, LEVELS)


def test_it_does_not_learn_without_the_values_before():
    model = network()
    frames = frames_of_levels(BATCH, TIME + HORIZON)
    model.compile(loss="mse")
    with pytest.raises(ValueError, match=r"takes `next_frames`.*a context alone.*loss=None"):
        model.fit(frames[:, :TIME], frames[:, TIME:], verbose=0)
    incomplete = training_inputs()
    del incomplete["next_frames"]
    with pytest.raises(ValueError, match=r"Received: \['context', 'teacher', 'use_teacher'\]"):
        model(incomplete, training=True)


def test_windows_hold_the_next_frames_where_they_are_asked_for():
    frames = frames_of_levels(BATCH, TIME + HORIZON)
    windows = TrainingWindows(TIME, BATCH, LinearSampling(10), next_frames=True)
    inputs, targets = windows.split(frames, lambda name, fed: np.ones(fed.shape[:2], bool))
    np.testing.assert_array_equal(inputs["next_frames"], targets)


def test_a_sampler_draws_other_futures_each_time_and_the_same_for_a_seed(randomize, tmp_path):
    model = randomize(network((3, 4, 1), blocks=(1, 1)))
    context = frames_of_levels(BATCH, TIME)[:, :, :3, :4, :1]
    sampler = model.sampler(seed=5)
    first, second = (sampler.predict(context, verbose=0) for _ in range(2))
    assert first.shape == (BATCH, HORIZON, 3, 4, 1)
    assert (first != second).mean() > 0.2
    sampler.save(tmp_path / "sampler.keras")
    for twin in (model.sampler(seed=5), sampler.in_precision("float32")):
        np.testing.assert_array_equal(twin.predict(context, verbose=0), first)
    assert keras.saving.load_model(tmp_path / "sampler.keras").seed == 5


def test_a_sampler_draws_beyond_the_steps_of_a_graph(randomize, monkeypatch):
    monkeypatch.setattr(ROLLOUT, "UNROLLED_STEPS", 2)
    model = randomize(network((2, 3, 1), blocks=(1, 1)))
    context = frames_of_levels(1, TIME)[:, :, :2, :3, :1]
    looped = array(model.sampler(seed=5).rollout(context, horizon=6))
    monkeypatch.undo()
    np.testing.assert_array_equal(looped, array(model.sampler(seed=5).rollout(context, horizon=6)))


def test_samples_do_not_depend_on_the_precision_of_the_layers():
    for dtype in ("mixed_bfloat16", "mixed_float16"):
        model = network((2, 3, 1), levels=256, blocks=(1, 1), dtype=dtype)
        features = noise(1, 2, 3, 6)
        model.decoder.head.kernel.assign(np.zeros(model.decoder.head.kernel.shape))
        uniform = np.full((1, 2, 3, 1), 0.9985, "float32")  # 1 in bfloat16.
        sampled = array(model.decoder(ops.cast(features, dtype[6:]), uniform=uniform))
        np.testing.assert_allclose(sampled, 1.0)
        uniform = np.full((1, 2, 3, 1), 0.9955, "float32")
        sampled = array(model.decoder(ops.cast(features, dtype[6:]), uniform=uniform))
        np.testing.assert_allclose(sampled, 254 / 255, atol=1e-6)


def test_values_between_levels_count_as_the_nearest(model):
    frame = frames_of_levels(BATCH)
    features = noise(BATCH, HEIGHT, WIDTH, 6)
    near = np.clip(frame + 0.1 / LEVELS, 0, 1)
    np.testing.assert_array_equal(
        array(model.decoder.logits(features, near)), array(model.decoder.logits(features, frame))
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": 1}, "`levels` is between 2 and 65536. Received: levels=1"),
        ({"levels": 2.5}, "Received: levels=2.5"),
        ({"blocks": [1]}, r"Received: blocks=\[1\]. Give two numbers"),
        ({"blocks": 3}, "Received: blocks=3. Give two numbers"),
        ({"blocks": [1, 0]}, r"Received: blocks\[1\]=0"),
        ({"filters": 5}, "even number of filters.*Received: ConvLSTMCell with 5"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        network(**arguments)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (E3DLSTMCell(4, 3, clips=True), "clips of 2 frames"),
        (FCLSTMCell(4), "FCLSTMCell with 4 filters, kernel_size=None"),
    ],
)
def test_memories_that_do_not_suit_it_are_refused(memory, message):
    with pytest.raises(ValueError, match=message):
        VideoPixelNetwork((8, 8, 1), memory)


def test_only_a_pixel_network_is_sampled():
    with pytest.raises(ValueError, match="distributions that a VideoPixelNetwork predicts"):
        SampledFrames(CopyLastFrame((8, 8, 1)), 3)


def test_as_published_it_has_the_weights_of_its_equations():
    model = VideoPixelNetwork()
    block = 256 * 128 + 2 * (9 * 128 * 512) + 128 * 256
    causal_block = 256 * 128 + 2 * (6 * 128 * 512) + 128 * 256
    memory = 2 * 9 * 256 * 1024
    ends = 9 * 256 + 6 * 256 + 256 * 256 + 256 * 256
    kernels = [weight for weight in model.weights if weight.name.endswith("kernel")]
    assert sum(np.prod(kernel.shape) for kernel in kernels) == (
        8 * block + 12 * causal_block + memory + ends
    )
    assert model.count_params() == 25_068_544
