import numpy as np
import pytest


@pytest.fixture
def randomize():
    """Gives a layer weights that no initialiser would, biases and scales included."""

    def assign(layer, seed=0):
        rng = np.random.default_rng(seed)
        for weight in layer.weights:
            weight.assign(rng.normal(0.0, 0.4, weight.shape).astype("float32"))
        return layer

    return assign
