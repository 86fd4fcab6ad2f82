"""Weights of PyTorch: what a model does with them is what the original's forward pass does."""

import numpy as np
import pytest
from numpy_convolution import convolve, sigmoid

from iprnn_tf.models import from_openstl

FILTERS, LAYERS, SIDE, PATCH = 4, 3, 3, 2
HEIGHT, WIDTH, CHANNELS = IMAGE_SHAPE = (8, 12, 1)
TIME, HORIZON = 3, 2
# The modules of a cell, as (channels out, channels in) in units of its filters.
MODULES = {
    "conv_lstm": {"conv_h": (4, 1), "conv_o": (1, 2)},
    "predrnn": {"conv_h": (4, 1), "conv_m": (3, 1), "conv_o": (1, 2)},
    "predrnn_pp": {
        "conv_h": (4, 1),
        "conv_c": (3, 1),
        "conv_m": (3, 1),
        "conv_o": (1, 2),
        "conv_c2m": (4, 1),
        "conv_om": (1, 1),
    },
}


def state_dict(kind, normalized=False):
    """Random weights in the layout of PyTorch: (out, in, k, k)."""
    rng, state = np.random.default_rng(1), {}

    def add(name, out, into, side=SIDE):
        scale = 1 / np.sqrt(into * side**2)
        state[f"{name}.weight"] = rng.normal(0, scale, (out, into, side, side)).astype("float32")

    patch = PATCH**2 * CHANNELS
    for layer in range(LAYERS):
        at = f"cell_list.{layer}"
        features = (4 if kind == "conv_lstm" else 7) * FILTERS
        modules = {"conv_x": (features, FILTERS if layer else patch)}
        modules |= {
            name: (out * FILTERS, into * FILTERS) for name, (out, into) in MODULES[kind].items()
        }
        for name, (out, into) in modules.items():
            add(f"{at}.{name}.0", out, into)
            if normalized:
                shape = (out, HEIGHT // PATCH, WIDTH // PATCH)
                for part in ("weight", "bias"):
                    state[f"{at}.{name}.1.{part}"] = rng.normal(size=shape).astype("float32")
        add(f"{at}.conv_last", FILTERS, 2 * FILTERS, 1)
    add("conv_last", patch, FILTERS, 1)
    if kind == "predrnn_pp":
        add("gradient_highway.x_concat.0", 2 * FILTERS, FILTERS)
        add("gradient_highway.z_concat.0", 2 * FILTERS, FILTERS)
    return state


class Original:
    """The forward pass of the original, in NumPy and channels first."""

    def __init__(self, kind, state):
        self.kind, self.state = kind, state

    def convolved(self, name, image):
        first = f"{name}.0.weight"
        kernel = self.state[first if first in self.state else f"{name}.weight"]
        image = convolve(image.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0))
        image = image.transpose(0, 3, 1, 2)
        if f"{name}.1.weight" in self.state:
            axes = {"axis": (1, 2, 3), "keepdims": True}
            image = (image - image.mean(**axes)) / np.sqrt(image.var(**axes) + 1e-5)
            image = image * self.state[f"{name}.1.weight"] + self.state[f"{name}.1.bias"]
        return image

    def gates(self, layer, module, image):
        image = self.convolved(f"cell_list.{layer}.{module}", image)
        return np.split(image, image.shape[1] // FILTERS, axis=1)

    def conv_lstm(self, layer, x, h, c, m):
        i_x, f_x, g_x, o_x = self.gates(layer, "conv_x", x)
        i_h, f_h, g_h, o_h = self.gates(layer, "conv_h", h)
        c = sigmoid(f_x + f_h) * c + sigmoid(i_x + i_h) * np.tanh(g_x + g_h)
        return sigmoid(o_x + o_h) * np.tanh(c), c, m

    def predrnn(self, layer, x, h, c, m):
        i_x, f_x, g_x, i_y, f_y, g_y, o_x = self.gates(layer, "conv_x", x)
        i_h, f_h, g_h, o_h = self.gates(layer, "conv_h", h)
        i_m, f_m, g_m = self.gates(layer, "conv_m", m)
        c = sigmoid(f_x + f_h + 1) * c + sigmoid(i_x + i_h) * np.tanh(g_x + g_h)
        m = sigmoid(f_y + f_m + 1) * m + sigmoid(i_y + i_m) * np.tanh(g_y + g_m)
        both = np.concatenate([c, m], axis=1)
        [out], [last] = self.gates(layer, "conv_o", both), self.gates(layer, "conv_last", both)
        return sigmoid(o_x + o_h + out) * np.tanh(last), c, m

    def predrnn_pp(self, layer, x, h, c, m):
        i_x, f_x, g_x, i_y, f_y, g_y, o_x = self.gates(layer, "conv_x", x)
        i_h, f_h, g_h, o_h = self.gates(layer, "conv_h", h)
        i_m, f_m, m_m = self.gates(layer, "conv_m", m)
        i_c, f_c, g_c = self.gates(layer, "conv_c", c)
        kept = sigmoid(f_x + f_h + f_c + 1) * c
        c = kept + sigmoid(i_x + i_h + i_c) * np.tanh(g_x + g_h + g_c)
        i_c, g_c, f_c, o_c = self.gates(layer, "conv_c2m", c)
        kept = sigmoid(f_y + f_m + f_c + 1) * np.tanh(m_m)
        m = kept + sigmoid(i_y + i_m + i_c) * np.tanh(g_y + g_c)
        [o_m] = self.gates(layer, "conv_om", m)
        [last] = self.gates(layer, "conv_last", np.concatenate([c, m], axis=1))
        return np.tanh(o_x + o_h + o_c + o_m) * np.tanh(last), c, m

    def highway(self, x, z):
        gates = self.convolved("gradient_highway.x_concat", x)
        gates = gates + self.convolved("gradient_highway.z_concat", z)
        p, u = np.split(gates, 2, axis=1)
        return sigmoid(u) * np.tanh(p) + (1 - sigmoid(u)) * z

    def __call__(self, context, horizon):
        """Frames `(B, T, C, h, w)` of patches as channels; what follows them, likewise."""
        zeros = np.zeros((len(context), FILTERS, *context.shape[3:]))
        h, c, m, z = [zeros] * LAYERS, [zeros] * LAYERS, zeros, zeros
        predictions = []
        for step in range(TIME + horizon - 1):
            x = context[:, step] if step < TIME else predictions[-1]
            for layer in range(LAYERS):
                h[layer], c[layer], m = getattr(self, self.kind)(layer, x, h[layer], c[layer], m)
                x = h[layer]
                if layer == 0 and self.kind == "predrnn_pp":
                    x = z = self.highway(x, z)
            predictions.append(self.convolved("conv_last", x))
        return np.stack(predictions[-horizon:], axis=1)


def as_patches(frames):
    """`(B, T, H, W, C)` to `(B, T, p * p * C, h, w)`."""
    batch, time, height, width, channels = frames.shape
    shape = (batch, time, height // PATCH, PATCH, width // PATCH, PATCH, channels)
    patches = frames.reshape(shape).transpose(0, 1, 3, 5, 6, 2, 4)
    return patches.reshape(batch, time, -1, height // PATCH, width // PATCH)


ROWS = [*((kind, False) for kind in MODULES), ("conv_lstm", True), ("predrnn", True)]


@pytest.mark.parametrize(("kind", "normalized"), ROWS)
def test_a_model_of_pytorch_weights_predicts_what_the_original_does(kind, normalized):
    state = state_dict(kind, normalized)
    context = np.random.default_rng(2).random((2, TIME, *IMAGE_SHAPE), "float32")
    expected = Original(kind, state)(as_patches(context), HORIZON)
    model = from_openstl({f"module.{name}": array for name, array in state.items()}, IMAGE_SHAPE)
    received = np.asarray(model.rollout(context, HORIZON))
    np.testing.assert_allclose(as_patches(received), expected, atol=1e-4)


def test_names_and_shapes_of_another_model_are_refused():
    state = state_dict("predrnn")
    with pytest.raises(ValueError, match=r"has 'cell_list\.0\.conv_x.*Received: other"):
        from_openstl({"other": np.zeros(1)})
    with pytest.raises(ValueError, match=r"takes C \* p \* p channels.*one of 4"):
        from_openstl(state, (8, 12, 3))
    with pytest.raises(ValueError, match=r"cells of conv_last, conv_m"):
        from_openstl({name: a for name, a in state.items() if "conv_h" not in name}, IMAGE_SHAPE)
    without = {name: a for name, a in state.items() if name != "cell_list.1.conv_h.0.weight"}
    with pytest.raises(ValueError, match="Give a whole one"):
        from_openstl(without, IMAGE_SHAPE)
    with pytest.raises(ValueError, match=r"Received: cell_list\.0\.conv_x\.0\.bias, for which"):
        from_openstl(state | {"cell_list.0.conv_x.0.bias": np.zeros(28)}, IMAGE_SHAPE)
    assert from_openstl(state | {"adapter.weight": np.zeros((4, 4, 1, 1))}, IMAGE_SHAPE)
    with pytest.raises(ValueError, match=r"PredRNN\+\+ runs without normalisation"):
        from_openstl(state_dict("predrnn_pp", normalized=True), IMAGE_SHAPE)
    with pytest.raises(ValueError, match=r"has 'conv_last\.weight'"):
        from_openstl({name: a for name, a in state.items() if name[:9] != "conv_last"}, IMAGE_SHAPE)
    narrow = state | {"cell_list.1.conv_h.0.weight": np.zeros((4, 4, 3, 3))}
    with pytest.raises(ValueError, match="Layers of several widths"):
        from_openstl(narrow, IMAGE_SHAPE)
