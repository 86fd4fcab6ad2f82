"""The memories of other systems against their papers' equations, transcribed in NumPy."""

import numpy as np
import pytest
from keras import ops
from numpy_convolution import convolve, sigmoid

from iprnn_tf.cells import (
    CausalLSTMCell,
    ConvGRUCell,
    ConvLSTMCell,
    GradientHighwayCell,
    STLSTMCell,
)

BATCH, HEIGHT, WIDTH, CHANNELS, FILTERS = 2, 6, 5, 2, 3


def images(channels, seed):
    shape = (BATCH, HEIGHT, WIDTH, channels)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def terms(convolution, image):
    """What a fused convolution gives, one array for each gate."""
    kernel = convolution.convolution.kernel.numpy().astype("float64")
    bias = convolution.convolution.bias
    gates = range(kernel.shape[-1] // FILTERS)
    kernels = [kernel[..., g * FILTERS : (g + 1) * FILTERS] for g in gates]
    biases = [0.0 if bias is None else bias.numpy()[g * FILTERS : (g + 1) * FILTERS] for g in gates]
    return [convolve(image, k) + b for k, b in zip(kernels, biases, strict=True)]


def conv_lstm(cell, x, states):
    h, c = states
    x_i, x_f, x_g, x_o = terms(cell.from_features, x)
    h_i, h_f, h_g, h_o = terms(cell.from_hidden, h)
    w_i, w_f, w_o = np.zeros((3, FILTERS)) if cell.peephole is None else cell.peephole.numpy()
    i = sigmoid(x_i + h_i + w_i * c)
    f = sigmoid(x_f + h_f + w_f * c + cell.forget_bias)
    c = f * c + i * np.tanh(x_g + h_g)
    o = sigmoid(x_o + h_o + w_o * c)
    h = o * np.tanh(c)
    return h, [h, c]


def conv_gru(cell, x, states):
    [h] = states
    x_z, x_r, x_c = terms(cell.from_features, x)
    h_z, h_r = terms(cell.from_hidden, h)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    [reset] = terms(cell.from_reset, r * h)
    h = (1 - z) * h + z * np.tanh(x_c + reset)
    return h, [h]


def st_lstm(cell, x, states):
    h, c, m = states
    x_i, x_f, x_g, x_i2, x_f2, x_g2, x_o = terms(cell.from_features, x)
    h_i, h_f, h_g, h_o = terms(cell.from_hidden, h)
    m_i, m_f, m_g = terms(cell.from_memory, m)
    c = sigmoid(x_f + h_f + cell.forget_bias) * c + sigmoid(x_i + h_i) * np.tanh(x_g + h_g)
    m = sigmoid(x_f2 + m_f + cell.forget_bias) * m + sigmoid(x_i2 + m_i) * np.tanh(x_g2 + m_g)
    both = np.concatenate([c, m], axis=-1)
    [o] = terms(cell.from_both, both)
    [merged] = terms(cell.merge, both)
    h = sigmoid(x_o + h_o + o) * np.tanh(merged)
    return h, [h, c, m]


def causal_lstm(cell, x, states):
    h, c, m = states
    x_i, x_f, x_g, x_i2, x_f2, x_g2, x_o = terms(cell.from_features, x)
    h_i, h_f, h_g = terms(cell.from_hidden, h)
    c_i, c_f, c_g = terms(cell.from_cell, c)
    i, f, g = sigmoid(x_i + h_i + c_i), sigmoid(x_f + h_f + c_f + cell.forget_bias), x_g + h_g + c_g
    c = f * c + i * np.tanh(g)
    c_i, c_f, c_g, c_o = terms(cell.from_new_cell, c)
    m_i, m_f, m_g, kept = terms(cell.from_memory, m)
    i, f = sigmoid(x_i2 + c_i + m_i), sigmoid(x_f2 + c_f + m_f + cell.forget_bias)
    m = f * np.tanh(kept) + i * np.tanh(x_g2 + c_g + m_g)
    [m_o] = terms(cell.from_new_memory, m)
    [merged] = terms(cell.merge, np.concatenate([c, m], axis=-1))
    h = np.tanh(x_o + c_o + m_o) * np.tanh(merged)
    return h, [h, c, m]


def gradient_highway(cell, x, states):
    [z] = states
    x_p, x_s = terms(cell.from_features, x)
    z_p, z_s = terms(cell.from_state, z)
    s = sigmoid(x_s + z_s)
    z = s * np.tanh(x_p + z_p) + (1 - s) * z
    return z, [z]


ROWS = {
    "conv_lstm": (ConvLSTMCell, {}, conv_lstm),
    "conv_lstm_as_published": (ConvLSTMCell, {"peepholes": True, "forget_bias": 0.0}, conv_lstm),
    "conv_gru": (ConvGRUCell, {}, conv_gru),
    "st_lstm": (STLSTMCell, {}, st_lstm),
    "st_lstm_with_biases": (STLSTMCell, {"use_bias": True, "forget_bias": 0.5}, st_lstm),
    "causal_lstm": (CausalLSTMCell, {}, causal_lstm),
    "causal_lstm_with_biases": (CausalLSTMCell, {"use_bias": True}, causal_lstm),
    "gradient_highway": (GradientHighwayCell, {}, gradient_highway),
}


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_a_step_is_the_equations(randomize, name, kernel_size):
    make, options, transcription = ROWS[name]
    cell = make(FILTERS, kernel_size=kernel_size, **options)
    cell.build((BATCH, HEIGHT, WIDTH, CHANNELS))
    randomize(cell)
    x = images(CHANNELS, 1)
    states = [images(FILTERS, 2 + index) for index in range(len(cell.state_size))]
    features, new_states = cell(x, states)
    expected, expected_states = transcription(cell, x, states)
    for received, wanted in zip([features, *new_states], [expected, *expected_states], strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(received), wanted, atol=1e-5)
