"""The folded pyramid against its equations in NumPy, and the flat stack that it grew from."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from numpy_convolution import convolve, sigmoid

from iprnn_tf import IPRNN, STGRUCell
from iprnn_tf.cells import BijectiveGRUCell, FoldedCells
from iprnn_tf.models import FoldedRNN

BATCH, HEIGHT, WIDTH = 2, 7, 10  # Padded to 8 and 12.
LEVEL_KERNELS = [5, 5, 3, 3]  # Of two memories on each of two levels.
OLD_CONFIG = {"name", "trainable", "dtype", "filters", "kernel_size", "use_bias", "normalization"}


def folded(image_shape=(HEIGHT, WIDTH, 1), cell=None, **kwargs):
    kwargs = {"num_downsamplings": 2, "encoder_filters": [3, 2], **kwargs}
    return FoldedRNN(image_shape, cell or BijectiveGRUCell(4), **kwargs)


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def convolved(layer, image):
    bias = 0.0 if layer.bias is None else array(layer.bias)
    return convolve(image, array(layer.kernel).astype("float64")) + bias


def gru(cell, x, h):
    """Equations of a convolutional GRU."""
    x_z, x_r, x_c = np.split(convolved(cell.from_features.convolution, x), 3, axis=-1)
    h_z, h_r = np.split(convolved(cell.from_hidden.convolution, h), 2, axis=-1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    return (1 - z) * h + z * np.tanh(x_c + convolved(cell.from_reset.convolution, r * h))


def pooled(image):
    batch, height, width, channels = image.shape
    windows = image.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return windows.max(axis=(2, 4))


def upsampled(image):
    return image.repeat(2, axis=1).repeat(2, axis=2)


def pyramid(model, frame, states):
    """One step of two levels with two memories each."""
    in_up, out_up = model.encoder.stages
    out_down, in_down = model.decoder.stages
    a, b, c, d = model.cell.cells
    padded = np.pad(frame, [(0, 0), (0, 8 - HEIGHT), (0, 12 - WIDTH), (0, 0)])
    x = np.tanh(convolved(out_up, np.tanh(convolved(in_up, 2 * padded - 1))))
    h_a, h_b, h_c, h_d = states
    h_a = gru(a.up, pooled(x), h_a)
    h_b = gru(b.up, h_a, h_b)
    h_c = gru(c.up, pooled(h_b), h_c)
    h_d = gru(d.up, h_c, h_d)
    h_c = gru(d.down, h_d, h_c)
    h_b = gru(c.down, upsampled(h_c), h_b)
    h_a = gru(b.down, h_b, h_a)
    x = gru(a.down, upsampled(h_a), x)
    for up, down in ((out_up, out_down), (in_up, in_down)):
        kernel = array(up.kernel)[::-1, ::-1].swapaxes(2, 3)
        x = np.tanh(convolve(x, kernel) + array(down.bias))
    return (x[:, :HEIGHT, :WIDTH] + 1) / 2, [h_a, h_b, h_c, h_d]


def test_a_step_is_the_equations(randomize):
    model = randomize(folded())
    frame = np.random.default_rng(1).random((BATCH, HEIGHT, WIDTH, 1), "float32")
    sizes = [(4, 6, 2), (4, 6, 2), (2, 3, 4), (2, 3, 4)]
    states = [noise(BATCH, *size, seed=2 + index) for index, size in enumerate(sizes)]
    received, new_states = model.step(frame, states)
    expected, expected_states = pyramid(model, frame, states)
    for tensor, wanted in zip([received, *new_states], [expected, *expected_states], strict=True):
        np.testing.assert_allclose(array(tensor), wanted, atol=1e-5)
    assert np.abs(expected - frame).max() > 0.1


def test_states_have_the_size_and_channels_of_their_level():
    model = folded((None, None, 1))
    shapes = [tuple(state.shape) for state in model.initial_states(BATCH, (HEIGHT, WIDTH))]
    assert shapes == [(2, 4, 6, 2), (2, 4, 6, 2), (2, 2, 3, 4), (2, 2, 3, 4)]


def test_kernels_are_those_of_the_template_on_the_finer_half_of_the_levels():
    def sides(num_downsamplings, kernel_size):
        cell = BijectiveGRUCell(2, kernel_size)
        model = folded((8, 8, 1), cell, num_downsamplings=num_downsamplings, encoder_filters=None)
        return [memory.kernel_size for memory in model.cell.cells]

    assert sides(2, 5) == LEVEL_KERNELS
    assert sides(1, 5) == [5, 5]
    assert sides(3, 7) == [7, 7, 7, 7, 3, 3]
    assert sides(2, 1) == [1, 1, 1, 1]


def test_decoder_and_encoder_share_the_kernels_of_the_convolutions(tmp_path, randomize):
    model = randomize(folded())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for copy in (model, loaded):
        kernels = {id(stage.kernel) for stage in copy.encoder.stages}
        assert kernels == {id(stage.convolution.kernel) for stage in copy.decoder.stages}
        frame = np.ones((1, HEIGHT, WIDTH, 1), "float32")
        before = array(copy.step(frame, copy.initial_states(1))[0])
        randomize(copy.encoder, seed=5)
        features = noise(1, 8, 12, 3)
        assert np.abs(array(copy.decode(features, [frame])) - before).max() > 0.01
    assert len(model.weights) == len({weight.path for weight in model.weights})


def test_freezing_the_encoder_leaves_the_decoder_its_biases():
    model = folded()
    model.encoder.trainable = False
    copy = keras.models.clone_model(model)
    for net in (model, copy):
        trainable = {id(weight) for weight in net.trainable_weights}
        assert all(id(stage.kernel) not in trainable for stage in net.encoder.stages)
        assert all(id(stage.bias) in trainable for stage in net.decoder.stages)


def test_the_published_network_has_as_many_weights_as_its_layers_tell():
    model = FoldedRNN(cell=BijectiveGRUCell(256), encoder_filters=[64, 128, 256, 512])

    def weights(side, into, out):
        """Of a GRU: to gates from features and hidden state, and the biases of the gates."""
        return side**2 * (3 * out * into + 3 * out * out) + 3 * out

    levels = [(5, 64, 128), (5, 128, 256), (3, 256, 512), (3, 512, 256)]
    expected = 25 * (1 * 32 + 32 * 64) + (32 + 64) + (32 + 1)
    for side, below, filters in levels:
        expected += weights(side, below, filters) + weights(side, filters, below)
        expected += 2 * weights(side, filters, filters)
    assert model.count_params() == expected == 105_705_313
    states = [tuple(state.shape[1:]) for state in model.initial_states(1)]
    levels = [(32, 32, 128), (16, 16, 256), (8, 8, 512), (4, 4, 256)]
    assert states == [state for state in levels for _ in range(2)]


def test_every_kernel_is_counted_at_its_own_resolution():
    model = folded((8, 12, 3), BijectiveGRUCell(4, kernel_size=3), num_layers=1)
    received = sorted(math.prod(shape) * pixels for shape, pixels in model.convolutions())
    convolutions = [9 * 3 * 2 * 96, 9 * 2 * 3 * 96] * 2
    first = [
        9 * 3 * 6 * 24,
        9 * 2 * 4 * 24,
        9 * 2 * 2 * 24,
        9 * 2 * 9 * 96,
        9 * 18 * 96,
        9 * 9 * 96,
    ]
    second = [
        9 * 2 * 12 * 6,
        9 * 4 * 8 * 6,
        9 * 4 * 4 * 6,
        9 * 4 * 6 * 24,
        9 * 2 * 4 * 24,
        9 * 4 * 24,
    ]
    assert received == sorted([*convolutions, *first, *second])
    of_any_size = folded((None, None, 3), BijectiveGRUCell(4, kernel_size=3), num_layers=1)
    counts = dict.fromkeys(pixels for _, pixels in of_any_size.convolutions())
    assert list(counts) == [16, 4, 1]


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16"])
def test_frames_are_float32_in_any_precision(randomize, dtype):
    model = randomize(folded(num_layers=1, dtype=dtype))
    reference = randomize(folded(num_layers=1))
    context = np.random.default_rng(1).random((BATCH, 2, HEIGHT, WIDTH, 1), "float32")
    received = model.rollout(context, horizon=1)
    assert keras.backend.standardize_dtype(received.dtype) == "float32"
    assert keras.backend.standardize_dtype(model.initial_states(1)[0].dtype) == "bfloat16"
    np.testing.assert_allclose(array(received), array(reference.rollout(context, 1)), atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": STGRUCell(4)}, r"must be a `BijectiveGRUCell`.*Received: cell=.*bijective_gru"),
        ({"cell": BijectiveGRUCell(4, pooled=True)}, r"from their level. Received: pooled=True"),
        ({"num_layers": 0}, r"`num_layers` must be a positive integer. Received: num_layers=0"),
        ({"num_downsamplings": 0}, r"positive integer. Received: num_downsamplings=0. For frames"),
        ({"encoder_filters": [2]}, r"one number for each downsampling. Received: .*=\[2\] with"),
        ({"encoder_filters": [0, 2]}, r"positive integer. Received: encoder_filters\[0\]=0"),
        ({"output_activation": "sigmoid"}, r"'clipped', since.*Received: .*'sigmoid'. Leave"),
    ],
)
def test_what_makes_no_pyramid_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        folded(**options)


def test_a_memory_is_built_for_what_lies_below_it():
    shape = (None, 6, 4, 3)
    with pytest.raises(ValueError, match=r"gives back.*Received.*Use below_filters=3"):
        BijectiveGRUCell(4, below_filters=2).build(shape)
    with pytest.raises(ValueError, match=r"`below_filters` must be.*Received: below_filters=0"):
        BijectiveGRUCell(4, below_filters=0)
    with pytest.raises(ValueError, match=r"halves the sides.*Received.*Pad them to even sides"):
        BijectiveGRUCell(4, below_filters=3, pooled=True).build((None, 6, 5, 3))
    with pytest.raises(ValueError, match=r"as many channels as its filters"):
        BijectiveGRUCell(4).build(shape)
    cell = BijectiveGRUCell(4, below_filters=3, pooled=True)
    cell.build(shape)
    [state] = cell.get_initial_state(BATCH)
    features, [new_state] = cell(noise(BATCH, 6, 4, 3), [state])
    assert tuple(features.shape) == (BATCH, 6, 4, 3)
    assert tuple(new_state.shape) == tuple(state.shape) == (BATCH, 3, 2, 4)


def test_the_flat_stack_is_what_it_was(randomize):
    model = randomize(IPRNN((12, 8, 1), BijectiveGRUCell(4, kernel_size=3), num_layers=2))
    kernels = {
        "from_features": (3, 3, 4, 12),
        "from_hidden": (3, 3, 4, 8),
        "from_reset": (3, 3, 4, 4),
    }
    for cell in model.cell.cells:
        weights = {}
        for way in ("up", "down"):
            for name, shape in kernels.items():
                weights[f"{way}/{name}/convolution/kernel"] = shape
            weights[f"{way}/from_features/convolution/bias"] = (12,)
        received = {w.path.split(f"{cell.name}/")[1]: tuple(w.shape) for w in cell.weights}
        assert received == weights
    low, high = model.cell.cells
    x, h_low, h_high = (noise(BATCH, 3, 2, 4, seed=seed) for seed in (1, 2, 3))
    received, states = model.cell(x, [h_low, h_high])
    up, _ = low.up(x, [h_low])
    top, _ = high.up(up, [h_high])
    middle, _ = high.down(top, [up])
    bottom, _ = low.down(middle, [x])
    for tensor, wanted in zip([received, *states], [bottom, middle, top], strict=True):
        np.testing.assert_array_equal(array(tensor), array(wanted))


def test_a_flat_stack_saved_before_there_were_pyramids_is_loaded():
    cell = BijectiveGRUCell(4, kernel_size=3, name="memory")
    assert set(cell.get_config()) == {*OLD_CONFIG, "below_filters", "pooled"}
    old = {name: value for name, value in cell.get_config().items() if name in OLD_CONFIG}
    stack = FoldedCells([BijectiveGRUCell.from_config(old)])
    stack.build((None, 3, 2, 4))
    assert [tuple(state.shape) for state in stack.get_initial_state(1)] == [(1, 3, 2, 4)]
