"""Weights in the layout of the author's code: a model predicts what the original's parts do."""

import keras
import numpy as np
import pytest
from numpy_convolution import convolve, sigmoid

from iprnn_tf import IPRNN
from iprnn_tf.models import from_author, load_model

FILTERS, LAYERS, HALVINGS, SIDE = 4, 2, 2, 5
HEIGHT, WIDTH, CHANNELS = IMAGE_SHAPE = (8, 12, 3)
TIME, HORIZON = 3, 3


def state_dict(normalized=True, halvings=HALVINGS):
    """Random weights in the layout of PyTorch, and those that nothing uses."""
    rng, state = np.random.default_rng(1), {}

    def add(name, *shape):
        scale = 1 / np.sqrt(np.prod(shape[1:]))
        state[f"{name}.weight"] = rng.normal(0, scale, shape).astype("float32")
        state[f"{name}.bias"] = rng.normal(0, 0.3, shape[:1]).astype("float32")

    add("encoders.0.encoder_t_conv-1", FILTERS, CHANNELS, 1, 1)
    for scale in range(halvings):
        add(f"encoders.{scale + 1}.encoder_t{scale}", FILTERS, FILTERS, 3, 3)
        add(f"decoders.{scale}.c_decoder{scale}", FILTERS, FILTERS, 3, 3)
    add("srcnn.0", CHANNELS, FILTERS, 1, 1)
    add("merge", FILTERS, 2 * FILTERS, 1, 1)
    add("conv_last_sr", CHANNELS, 2 * CHANNELS, 1, 1)
    latent = (4 * FILTERS, HEIGHT >> halvings, WIDTH >> halvings)
    for layer in range(LAYERS):
        add(f"cell_list.{layer}.conv_last", FILTERS, 2 * FILTERS, 1, 1)
        for module in ("conv_t", "conv_s"):
            add(f"cell_list.{layer}.{module}.0", 4 * FILTERS, FILTERS, SIDE, SIDE)
            for part in ("weight", "bias") if normalized else ():
                name = f"cell_list.{layer}.{module}.1.{part}"
                state[name] = rng.normal(size=latent).astype("float32")
    return state


def leaky_relu(x):
    return np.where(x > 0, x, 0.2 * x)


class Original:
    """The forward pass of the original, in NumPy and channels first."""

    def __init__(self, state, halvings=HALVINGS):
        self.state, self.halvings = state, halvings

    def weights(self, name):
        bias = self.state[f"{name}.bias"]
        return self.state[f"{name}.weight"], bias[:, None, None]

    def convolved(self, name, image):
        kernel, bias = self.weights(name)
        image = convolve(image.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0))
        return image.transpose(0, 3, 1, 2) + bias

    def halved(self, name, image):
        """A convolution of stride 2 with padding 1."""
        kernel, bias = self.weights(name)
        batch, _, height, width = image.shape
        padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)])
        result = np.zeros((batch, len(kernel), height // 2, width // 2))
        for y, x in np.ndindex(result.shape[2:]):
            window = padded[:, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            result[:, :, y, x] = np.einsum("bcij,ocij->bo", window, kernel)
        return result + bias

    def doubled(self, name, image):
        """A transposed convolution of stride 2 with padding 1 and output padding 1."""
        kernel, bias = self.weights(name)
        batch, _, height, width = image.shape
        # Row y goes to the rows 2y - 1 + k, of which there are two for each y; so do the columns.
        result = np.zeros((batch, kernel.shape[1], 2 * height + 2, 2 * width + 2))
        for y, x in np.ndindex(height, width):
            spread = np.einsum("bc,coij->boij", image[:, :, y, x], kernel)
            result[:, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3] += spread
        return result[:, :, 1:-1, 1:-1] + bias

    def gates(self, name, image):
        image = self.convolved(f"{name}.0", image)
        if f"{name}.1.weight" in self.state:
            axes = {"axis": (1, 2, 3), "keepdims": True}
            image = (image - image.mean(**axes)) / np.sqrt(image.var(**axes) + 1e-5)
            image = image * self.state[f"{name}.1.weight"] + self.state[f"{name}.1.bias"]
        return np.split(image, 4, axis=1)

    def cell(self, layer, temporal, spatial):
        t_z, t_r, t_t, t_s = self.gates(f"cell_list.{layer}.conv_t", temporal)
        s_z, s_r, s_t, s_s = self.gates(f"cell_list.{layer}.conv_s", spatial)
        update, reset = sigmoid(t_z + s_z + 1), sigmoid(t_r + s_r)
        new_temporal, new_spatial = np.tanh(t_t + reset * s_t), np.tanh(s_s + reset * t_s)
        return (
            (1 - update) * new_temporal + update * temporal,
            (1 - update) * new_spatial + update * spatial,
        )

    def step(self, frame, states):
        seen = [leaky_relu(self.convolved("encoders.0.encoder_t_conv-1", frame))]
        for scale in range(self.halvings):
            name = f"encoders.{scale + 1}.encoder_t{scale}"
            seen.append(leaky_relu(self.halved(name, seen[-1])))
        spatial = seen.pop()
        for layer in range(LAYERS):
            states[layer], spatial = self.cell(layer, states[layer], spatial)
        features = self.convolved("merge", np.concatenate([states[-1], spatial], axis=1))
        for scale in range(self.halvings):
            features = self.doubled(f"decoders.{scale}.c_decoder{scale}", features)
            if scale < self.halvings - 1:
                features = leaky_relu(features)
            features = features + seen.pop()
        return self.convolved("srcnn.0", features)

    def __call__(self, context, horizon):
        """What follows frames `(B, T, H, W, C)`."""
        height, width = HEIGHT >> self.halvings, WIDTH >> self.halvings
        states = [np.zeros((len(context), FILTERS, height, width)) for _ in range(LAYERS)]
        predictions = []
        for step in range(TIME + horizon - 1):
            known = step < TIME
            frame = context[:, step].transpose(0, 3, 1, 2) if known else predictions[-1]
            predictions.append(self.step(frame, states))
        return np.stack(predictions[-horizon:], axis=1).transpose(0, 1, 3, 4, 2)


def contexts():
    return np.random.default_rng(2).random((2, TIME, *IMAGE_SHAPE), "float32")


def predicted(model):
    return keras.ops.convert_to_numpy(model.rollout(contexts(), HORIZON))


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("halvings", [0, 1, 2])
def test_a_model_of_the_authors_weights_predicts_what_the_original_does(
    tmp_path, normalized, halvings
):
    state = state_dict(normalized, halvings)
    expected = Original(state, halvings)(contexts(), HORIZON)
    assert np.abs(expected[:, -1] - expected[:, 0]).max() > 0.1  # What is fed back matters.
    model = from_author({f"module.{name}": array for name, array in state.items()}, IMAGE_SHAPE)
    np.testing.assert_allclose(predicted(model), expected, atol=1e-4)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(predicted(load_model(tmp_path / "model.keras")), expected, atol=1e-4)


def test_weights_of_pytorch_in_kernels_that_lie_as_keras_has_them_predict_something_else():
    model = from_author(state_dict(), IMAGE_SHAPE)
    shifted = IPRNN.from_config({**model.get_config(), "pytorch_padding": False})
    shifted.set_weights(model.get_weights())
    assert np.abs(predicted(shifted) - predicted(model)).max() > 0.1


def test_without_normalisation_frames_may_have_any_size():
    model = from_author(state_dict(normalized=False), (None, None, CHANNELS))
    expected = from_author(state_dict(normalized=False), IMAGE_SHAPE)
    np.testing.assert_allclose(predicted(model), predicted(expected), atol=1e-5)


WRONG = {
    "flat": (
        lambda state: state | {"cell_list.0.conv_t.0.weight": np.zeros(3)},
        r"is the kernel of a convolution.*Received: one of shape \(3,\)",
    ),
    "none": (lambda state: {"other": np.zeros(1)}, r"STGRUs.*has 'cell_list\.0\.conv_t.*: other"),
    "mau": (
        lambda state: state | {"cell_list.0.conv_t_next.0.weight": np.zeros((4, 4, 5, 5))},
        r"Received: cell_list\.0\.conv_t_next\.0\.weight, for which there is none.*MAU",
    ),
    "no_merge": (
        lambda state: {name: array for name, array in state.items() if "merge" not in name},
        r"has 'merge\.weight'.*Give a whole one",
    ),
    "no_encoder": (
        lambda state: {name: array for name, array in state.items() if "encoders" not in name},
        r"has 'encoders\.0\.encoder_t_conv-1\.weight'",
    ),
    "narrow": (
        lambda state: state | {"cell_list.1.conv_s.0.weight": np.zeros((8, 4, 5, 5))},
        r"'cell_list\.1\.conv_s\.0\.weight' must have the shape \(5, 5, 4, 16\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_names_and_shapes_of_another_model_are_refused(case):
    change, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        from_author(change(state_dict()), IMAGE_SHAPE)


def test_weights_of_frames_of_another_size_or_channels_are_refused():
    for shape in ((12, 8, CHANNELS), (8, 12, 1)):
        with pytest.raises(ValueError, match="frames of another size"):
            from_author(state_dict(), shape)
