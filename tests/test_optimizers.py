"""ConvMuon against the singular values that its updates must have."""

import math

import keras
import numpy as np
import pytest

from iprnn_tf.optimizers import ConvMuon


def updates(shapes, **kwargs):
    """The first update of each weight, for random gradients and a learning rate of 1."""
    generator = np.random.default_rng(0)
    weights = [keras.Variable(np.zeros(shape, "float32")) for shape in shapes]
    gradients = [generator.normal(size=shape).astype("float32") for shape in shapes]
    optimizer = ConvMuon(learning_rate=1.0, **kwargs)
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], weights)
    return gradients, [weight.numpy() for weight in weights]


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (5, 5, 2, 64), (3, 5, 1, 3)])
def test_the_update_of_a_kernel_is_nearly_orthogonal(shape):
    [gradient], [update] = updates([shape])
    matrix = -update.reshape(-1, shape[-1])
    values = np.linalg.svd(matrix, compute_uv=False)
    scale = 0.2 * math.sqrt(max(matrix.shape))
    # Five Newton-Schulz steps bring all singular values near one.
    assert (values / scale > 0.5).all()
    assert (values / scale < 1.4).all()
    assert np.sum(matrix * gradient.reshape(matrix.shape)) > 0


@pytest.mark.parametrize("shape", [(7,), (1, 1, 3, 5), (6, 4)])
def test_other_weights_follow_adam(shape):
    [gradient], [update] = updates([shape])
    np.testing.assert_allclose(update, -np.sign(gradient), atol=1e-3)


def test_kernels_of_excluded_layers_follow_adam():
    layers = [keras.layers.Conv2D(8, 3, name=name) for name in ("stem", "head_1")]
    for layer in layers:
        layer.build((None, 5, 7, 4))
        layer.kernel.assign(np.zeros((3, 3, 4, 8)))
    gradient = np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype("float32")
    stem, head = (layer.kernel for layer in layers)
    optimizer = ConvMuon(learning_rate=1.0, exclude_layers=["head"])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2, [stem, head])
    np.testing.assert_allclose(head.numpy(), -np.sign(gradient), atol=1e-3)
    assert np.abs(stem.numpy()).mean() == pytest.approx(0.2, rel=0.3)


def test_updates_are_as_large_as_adams():
    _, [update] = updates([(5, 5, 32, 128)])
    assert np.sqrt(np.mean(update**2)) == pytest.approx(0.2, rel=0.3)


def test_weights_without_gradient_stay_without_weight_decay():
    weight = keras.Variable(np.ones((3, 3, 2, 2), "float32"))
    ConvMuon(learning_rate=1.0).apply([keras.ops.zeros((3, 3, 2, 2))], [weight])
    np.testing.assert_array_equal(weight.numpy(), np.ones((3, 3, 2, 2)))


def test_config_round_trip():
    optimizer = ConvMuon(learning_rate=0.5, momentum=0.8, use_ema=True)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert isinstance(again, ConvMuon)
    assert again.get_config() == optimizer.get_config()
