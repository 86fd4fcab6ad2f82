"""STGRU against Eqs. 2 and 3 of the paper, transcribed in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy_convolution import convolve, sigmoid

from iprnn_tf import STGRUCell

BATCH, HEIGHT, WIDTH, FILTERS = SHAPE = (2, 6, 5, 3)  # (B, h, w, F)

VARIANTS = {
    "the_paper": {},
    "bias": {"use_bias": True},
    "update_bias": {"update_bias": 1.0},
    "normalization": {
        "normalization": keras.layers.GroupNormalization(groups=1, epsilon=1e-5),
        "use_bias": True,
        "update_bias": 1.0,
    },
}


def images(seed):
    return np.random.default_rng(seed).normal(size=SHAPE).astype("float32")


def normalize(gates, layer):
    """Mean 0 and variance 1 over image, channels and gates of a sample."""
    stacked = np.concatenate(gates, axis=-1)
    if layer is not None:
        gamma, beta = layer.get_weights()
        mean = stacked.mean(axis=(1, 2, 3), keepdims=True)
        variance = stacked.var(axis=(1, 2, 3), keepdims=True)
        stacked = (stacked - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    return np.split(stacked, 4, axis=-1)


def gates_of(weight):
    """Update, reset, temporal candidate C, spatial candidate M."""
    weight = weight.numpy().astype("float64")
    return [weight[..., gate * FILTERS : (gate + 1) * FILTERS] for gate in range(4)]


def equations_2_and_3(cell, spatial, temporal):
    w_sz, w_sr, w_sc, w_sm = gates_of(cell.kernel)
    w_tz, w_tr, w_tc, w_tm = gates_of(cell.recurrent_kernel)
    b_s, b_t = [0.0] * 4, [0.0] * 4
    if cell.use_bias:
        b_s, b_t = gates_of(cell.bias), gates_of(cell.recurrent_bias)
    spatial_terms = [
        convolve(spatial, w_sz) + b_s[0],
        convolve(spatial, w_sr) + b_s[1],
        convolve(spatial, w_sc) + b_s[2],
        convolve(spatial, w_sm) + b_s[3],
    ]
    temporal_terms = [
        convolve(temporal, w_tz) + b_t[0],
        convolve(temporal, w_tr) + b_t[1],
        convolve(temporal, w_tc) + b_t[2],
        convolve(temporal, w_tm) + b_t[3],
    ]
    s_z, s_r, s_c, s_m = normalize(spatial_terms, cell.spatial_normalization)
    t_z, t_r, t_c, t_m = normalize(temporal_terms, cell.temporal_normalization)

    update = sigmoid(s_z + t_z + cell.update_bias)
    reset = sigmoid(s_r + t_r)
    temporal_candidate = np.tanh(t_c + reset * s_c)
    spatial_candidate = np.tanh(s_m + reset * t_m)
    return (
        (1 - update) * spatial_candidate + update * spatial,
        (1 - update) * temporal_candidate + update * temporal,
    )


def built(randomize, **options):
    cell = STGRUCell(FILTERS, **options)
    cell.build(SHAPE)
    return randomize(cell)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_step_is_equations_2_and_3(randomize, options, kernel_size):
    cell = built(randomize, kernel_size=kernel_size, **options)
    spatial, temporal = images(1), images(2)
    new_spatial, [new_temporal] = cell(spatial, [temporal])
    expected_spatial, expected_temporal = equations_2_and_3(cell, spatial, temporal)
    np.testing.assert_allclose(ops.convert_to_numpy(new_spatial), expected_spatial, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(new_temporal), expected_temporal, atol=1e-5)


def test_a_saturated_update_gate_keeps_both_states(randomize):
    cell = built(randomize, update_bias=200.0)
    spatial, temporal = images(1), images(2)
    new_spatial, [new_temporal] = cell(spatial, [temporal])
    np.testing.assert_array_equal(ops.convert_to_numpy(new_spatial), spatial)
    np.testing.assert_array_equal(ops.convert_to_numpy(new_temporal), temporal)


def test_an_open_update_gate_replaces_both_states_by_bounded_candidates(randomize):
    cell = built(randomize, update_bias=-200.0)
    new_spatial, [new_temporal] = cell(10 * images(1), [10 * images(2)])
    for state in (new_spatial, new_temporal):
        assert np.abs(ops.convert_to_numpy(state)).max() <= 1


def test_two_convolutions_do_the_paper_s_eight():
    cell = STGRUCell(FILTERS, kernel_size=5)
    cell.build(SHAPE)
    assert [tuple(weight.shape) for weight in cell.weights] == [(5, 5, FILTERS, 4 * FILTERS)] * 2


def test_a_step_runs_two_convolutions_and_unrolling_one_spatial_one_for_all_steps(
    randomize, monkeypatch
):
    cell = built(randomize)
    batches = []
    conv = ops.conv

    def counting(inputs, *args, **kwargs):
        batches.append(inputs.shape[0])
        return conv(inputs, *args, **kwargs)

    monkeypatch.setattr(ops, "conv", counting)
    cell(images(1), [images(2)])
    assert batches == [BATCH, BATCH]
    batches.clear()
    cell.unroll([ops.convert_to_tensor(images(seed)) for seed in range(3)], [images(2)])
    assert batches == [3 * BATCH, BATCH, BATCH, BATCH]


def test_biases_are_one_for_each_convolution_and_start_at_zero():
    cell = STGRUCell(FILTERS, use_bias=True)
    cell.build(SHAPE)
    for bias in (cell.bias, cell.recurrent_bias):
        np.testing.assert_array_equal(bias.numpy(), np.zeros(4 * FILTERS))


def test_each_convolution_has_its_own_copy_of_the_normalization():
    template = keras.layers.GroupNormalization(groups=1, epsilon=1e-5)
    cell = STGRUCell(FILTERS, normalization=template)
    cell.build(SHAPE)
    assert not template.built
    assert cell.spatial_normalization is not cell.temporal_normalization
    assert cell.spatial_normalization.epsilon == cell.temporal_normalization.epsilon == 1e-5
    assert len(cell.weights) == 2 + 4


def test_what_is_read_out_is_the_temporal_state_and_then_the_spatial_one():
    cell = STGRUCell(FILTERS)
    read = ops.convert_to_numpy(cell.readout(images(1), [images(2)]))
    np.testing.assert_array_equal(read, np.concatenate([images(2), images(1)], axis=-1))


def test_features_must_have_as_many_channels_as_filters():
    with pytest.raises(ValueError, match="as many channels as its filters") as error:
        STGRUCell(4).build((None, HEIGHT, WIDTH, 3))
    message = str(error.value)
    assert f"Received: features of shape (None, {HEIGHT}, {WIDTH}, 3) with filters=4" in message
    assert "Use filters=3, or a 1x1 convolution" in message


@pytest.mark.parametrize(
    "argument", [{"filters": 0}, {"filters": 2.5}, {"kernel_size": 0}, {"kernel_size": "5"}]
)
def test_arguments_out_of_range_are_refused_by_name(argument):
    [(name, value)] = argument.items()
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer") as error:
        STGRUCell(**{"filters": 3, **argument})
    assert f"Received: {name}={value!r}" in str(error.value)
