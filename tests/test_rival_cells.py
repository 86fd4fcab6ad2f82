"""The memories of other systems against their papers' equations, transcribed in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy_convolution import convolve, sigmoid

from iprnn_tf.cells import (
    BijectiveGRUCell,
    CausalLSTMCell,
    ConvGRUCell,
    ConvLSTMCell,
    E3DLSTMCell,
    FCLSTMCell,
    GradientHighwayCell,
    ReversiblePredictiveCell,
    STLSTMCell,
)

BATCH, HEIGHT, WIDTH, FILTERS = 2, 6, 5, 4
NORMALIZATION = keras.layers.GroupNormalization(groups=1, epsilon=1e-5)


def images(channels, seed):
    shape = (BATCH, HEIGHT, WIDTH, channels)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def terms(cell, name, image):
    """What a fused convolution gives, one array for each gate."""
    layer = getattr(cell, name).convolution
    kernel = layer.kernel.numpy().astype("float64")
    result = (convolve_clips if kernel.ndim == 5 else convolve)(image, kernel)
    result += 0.0 if layer.bias is None else layer.bias.numpy()
    normalization = getattr(cell, name).normalization
    if normalization is not None:
        gamma, beta = normalization.get_weights()
        axes = {"axis": tuple(range(1, result.ndim)), "keepdims": True}
        result = (result - result.mean(**axes)) / np.sqrt(result.var(**axes) + 1e-5) * gamma + beta
    return np.split(result, max(1, kernel.shape[-1] // cell.filters), axis=-1)


def convolve_clips(clips, kernel):
    """Zeros follow the last frame first, as in TensorFlow, where the kernel is even."""
    depth = len(kernel)
    before = (depth - 1) // 2
    padded = np.pad(clips, [(0, 0), (before, depth - 1 - before), *[(0, 0)] * 3])
    frames = range(clips.shape[1])
    return np.stack(
        [sum(convolve(padded[:, d + k], kernel[k]) for k in range(depth)) for d in frames], axis=1
    )


def conv_lstm(cell, x, states):
    h, c = states
    x_i, x_f, x_g, x_o = terms(cell, "from_features", x)
    h_i, h_f, h_g, h_o = terms(cell, "from_hidden", h)
    w_i, w_f, w_o = np.zeros((3, FILTERS)) if cell.peephole is None else cell.peephole.numpy()
    i = sigmoid(x_i + h_i + w_i * c)
    f = sigmoid(x_f + h_f + w_f * c + cell.forget_bias)
    c = f * c + i * np.tanh(x_g + h_g)
    o = sigmoid(x_o + h_o + w_o * c)
    h = o * np.tanh(c)
    return h, [h, c]


def conv_gru(cell, x, states):
    [h] = states
    x_z, x_r, x_c = terms(cell, "from_features", x)
    h_z, h_r = terms(cell, "from_hidden", h)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    [reset] = terms(cell, "from_reset", r * h)
    h = (1 - z) * h + z * np.tanh(x_c + reset)
    return h, [h]


def st_lstm(cell, x, states):
    h, c, m = states
    x_i, x_f, x_g, x_i2, x_f2, x_g2, x_o = terms(cell, "from_features", x)
    h_i, h_f, h_g, h_o = terms(cell, "from_hidden", h)
    m_i, m_f, m_g = terms(cell, "from_memory", m)
    c = sigmoid(x_f + h_f + cell.forget_bias) * c + sigmoid(x_i + h_i) * np.tanh(x_g + h_g)
    m = sigmoid(x_f2 + m_f + cell.forget_bias) * m + sigmoid(x_i2 + m_i) * np.tanh(x_g2 + m_g)
    both = np.concatenate([c, m], axis=-1)
    [o] = terms(cell, "from_both", both)
    [merged] = terms(cell, "merge", both)
    h = sigmoid(x_o + h_o + o) * np.tanh(merged)
    return h, [h, c, m]


def causal_lstm(cell, x, states):
    h, c, m = states
    x_i, x_f, x_g, x_i2, x_f2, x_g2, x_o = terms(cell, "from_features", x)
    h_i, h_f, h_g, *h_o = terms(cell, "from_hidden", h)
    c_i, c_f, c_g = terms(cell, "from_cell", c)
    i, f, g = sigmoid(x_i + h_i + c_i), sigmoid(x_f + h_f + c_f + cell.forget_bias), x_g + h_g + c_g
    c = f * c + i * np.tanh(g)
    c_i, c_f, c_g, c_o = terms(cell, "from_new_cell", c)
    m_i, m_f, m_g, kept = terms(cell, "from_memory", m)
    i, f = sigmoid(x_i2 + c_i + m_i), sigmoid(x_f2 + c_f + m_f + cell.forget_bias)
    m = f * np.tanh(kept) + i * np.tanh(x_g2 + c_g + m_g)
    [m_o] = terms(cell, "from_new_memory", m)
    [merged] = terms(cell, "merge", np.concatenate([c, m], axis=-1))
    h = np.tanh(x_o + sum(h_o) + c_o + m_o) * np.tanh(merged)
    return h, [h, c, m]


def gradient_highway(cell, x, states):
    [z] = states
    x_p, x_s = terms(cell, "from_features", x)
    z_p, z_s = terms(cell, "from_state", z)
    s = sigmoid(x_s + z_s)
    z = s * np.tanh(x_p + z_p) + (1 - s) * z
    return z, [z]


def bijective_gru(cell, x, states):
    [h] = states
    h, _ = conv_gru(cell.up, x, [h])
    x, _ = conv_gru(cell.down, h, [x])
    return x, [h]


def rpm(cell, x, states):
    half = FILTERS // 2
    seen, changed = x[..., :half], x[..., half:]
    h, states = st_lstm(cell.memory, seen, states)
    [g] = terms(cell, "gate", h)
    g = sigmoid(g)
    return np.concatenate([(1 - g) * changed + g * h, seen], axis=-1), states


def e3d_lstm(cell, x, states):
    *earlier, h, history, m = states
    x = frames_of(np.concatenate([x, *earlier], axis=-1))
    h, m, *remembered = [frames_of(part) for part in (h, m, *np.split(history, cell.history, -1))]
    x_r, x_i, x_g, x_i2, x_f2, x_g2, x_o = terms(cell, "from_features", x)
    h_r, h_i, h_g, h_o = terms(cell, "from_hidden", h)
    m_i, m_f, m_g = terms(cell, "from_memory", m)
    old = np.concatenate(remembered, axis=1).reshape(BATCH, -1, FILTERS)
    recall = sigmoid(x_r + h_r).reshape(BATCH, -1, FILTERS)
    scores = np.exp(recall @ old.transpose(0, 2, 1))
    looked_up = (scores / scores.sum(-1, keepdims=True)) @ old
    c = remembered[-1] + looked_up.reshape(x_r.shape)
    axes = {"axis": (1, 2, 3, 4), "keepdims": True}
    c = (c - c.mean(**axes)) / np.sqrt(c.var(**axes) + 1e-5)
    c = sigmoid(x_i + h_i) * np.tanh(x_g + h_g) + c
    m = sigmoid(x_f2 + m_f + cell.forget_bias) * m + sigmoid(x_i2 + m_i) * np.tanh(x_g2 + m_g)
    [c_o], [m_o] = terms(cell, "from_new_cell", c), terms(cell, "from_new_memory", m)
    [merged] = terms(cell, "merge", np.concatenate([c, m], axis=-1))
    h = sigmoid(x_o + h_o + c_o + m_o) * np.tanh(merged)
    history = np.concatenate([*np.split(history, cell.history, -1)[1:], folded(c)], axis=-1)
    if cell.clips:
        return folded(h), [folded(h), history, folded(m)]
    return h[:, 0], [folded(x)[..., :FILTERS], folded(h), history, folded(m)]


def clip_lstm(cell, x, states):
    x, h, c, m = map(frames_of, (x, *states))
    x_i, x_f, x_g, x_i2, x_f2, x_g2, x_o = terms(cell, "from_features", x)
    h_i, h_f, h_g, h_o = terms(cell, "from_hidden", h)
    c_i, c_f, c_g = terms(cell, "from_cell", c)
    c = sigmoid(x_f + h_f + c_f) * c + sigmoid(x_i + h_i + c_i) * np.tanh(x_g + h_g + c_g)
    c_i, c_f, c_g = terms(cell, "from_new_cell", c)
    m_i, m_f, m_g = terms(cell, "from_memory", m)
    m = sigmoid(x_f2 + m_f + c_f) * m + sigmoid(x_i2 + m_i + c_i) * np.tanh(x_g2 + m_g + c_g)
    both = np.concatenate([c, m], axis=-1)
    [o], [merged] = terms(cell, "from_both", both), terms(cell, "merge", both)
    h = folded(sigmoid(x_o + h_o + o) * np.tanh(merged))
    return h, [h, folded(c), folded(m)]


def rpm_of_clips(cell, x, states):
    seen, changed = np.split(frames_of(x), 2, axis=-1)
    h, states = clip_lstm(cell.memory, folded(seen), states)
    h = frames_of(h)
    [g] = terms(cell, "gate", h)
    g = sigmoid(g)
    return folded(np.concatenate([(1 - g) * changed + g * h, seen], axis=-1)), states


def frames_of(images):
    """Clips `(B, 2, h, w, F)` whose frames were folded into the channels."""
    return np.stack(np.split(images, 2, axis=-1), axis=1)


def folded(clips):
    return np.concatenate([clips[:, 0], clips[:, 1]], axis=-1)


CLIPS = {"clips": True, "depth": 2}
ROWS = {
    "conv_lstm": (ConvLSTMCell, {}, conv_lstm),
    "conv_lstm_as_published": (ConvLSTMCell, {"peepholes": True, "forget_bias": 0.0}, conv_lstm),
    "conv_gru": (ConvGRUCell, {}, conv_gru),
    "st_lstm": (STLSTMCell, {}, st_lstm),
    "st_lstm_with_biases": (STLSTMCell, {"use_bias": True, "forget_bias": 0.5}, st_lstm),
    "st_lstm_normalized": (STLSTMCell, {"normalization": NORMALIZATION}, st_lstm),
    "e3d_lstm_normalized": (E3DLSTMCell, {"normalization": NORMALIZATION}, e3d_lstm),
    "causal_lstm": (CausalLSTMCell, {}, causal_lstm),
    "causal_lstm_with_biases": (CausalLSTMCell, {"use_bias": True}, causal_lstm),
    "causal_lstm_of_the_code": (CausalLSTMCell, {"hidden_to_output": True}, causal_lstm),
    "bijective_gru": (BijectiveGRUCell, {}, bijective_gru),
    "rpm": (ReversiblePredictiveCell, {}, rpm),
    "e3d_lstm": (E3DLSTMCell, {"history": 3}, e3d_lstm),
    "gradient_highway": (GradientHighwayCell, {}, gradient_highway),
    "e3d_lstm_of_clips": (E3DLSTMCell, CLIPS, e3d_lstm),
    "rpm_of_clips": (ReversiblePredictiveCell, {**CLIPS, "use_bias": True}, rpm_of_clips),
}


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_a_step_is_the_equations(randomize, name, kernel_size):
    make, options, transcription = ROWS[name]
    cell = make(FILTERS, kernel_size=kernel_size, **options)
    channels = cell.clip_length * FILTERS
    cell.build((BATCH, HEIGHT, WIDTH, channels))
    randomize(cell)
    x = images(channels, 1)
    states = [images(size, 2 + index) for index, size in enumerate(cell.state_size)]
    features, new_states = cell(x, states)
    expected, expected_states = transcription(cell, x, states)
    for received, wanted in zip([features, *new_states], [expected, *expected_states], strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(received), wanted, atol=1e-5)


def test_a_clip_sees_the_features_of_the_step_before(randomize):
    cell = randomize(built(E3DLSTMCell(FILTERS, kernel_size=3)))
    first, *others = [
        np.zeros_like(s) for s in map(ops.convert_to_numpy, cell.get_initial_state(2))
    ]
    x = images(FILTERS, 1)
    without, _ = cell(x, [first, *others])
    following, _ = cell(x, [images(FILTERS, 2), *others])
    assert np.abs(ops.convert_to_numpy(without - following)).max() > 0.01


def built(cell):
    cell.build((BATCH, HEIGHT, WIDTH, FILTERS))
    return cell


def test_a_step_of_an_lstm_without_convolutions_is_its_equations(randomize):
    cell = randomize(built(FCLSTMCell(3, units_per_pixel=2)))
    x, states = images(FILTERS, 1), [images(2, 2), images(2, 3)]
    received, new_states = cell(x, list(map(ops.convert_to_tensor, states)))
    to_gates, bias, to_features, offset = cell.get_weights()
    h, c = (state.reshape(BATCH, -1) for state in states)
    both = np.concatenate([x.reshape(BATCH, -1), h], axis=-1)
    i, f, g, o = np.split(both @ to_gates + bias, 4, axis=-1)
    c = sigmoid(f + cell.forget_bias) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    features = h @ to_features + offset
    for tensor, wanted in zip([received, *new_states], [features, h, c], strict=True):
        array = ops.convert_to_numpy(tensor)
        np.testing.assert_allclose(array.reshape(BATCH, -1), wanted, atol=1e-4)


def test_an_lstm_without_convolutions_is_of_one_size():
    with pytest.raises(ValueError, match=r"weights for each pixel\. Received.*Fix the height"):
        FCLSTMCell(3).build((None, None, WIDTH, FILTERS))
    cell = built(FCLSTMCell(3))
    states = cell.get_initial_state(BATCH, image_size=(WIDTH, HEIGHT))
    x = images(FILTERS, 1).swapaxes(1, 2)
    with pytest.raises(ValueError, match=r"built for, \(6, 5\)\. Received.*Resize"):
        cell(x, states)
