import keras
import numpy as np
import pytest
from keras import ops

from iprnn_tf.autoencoders import FrameDecoder, FrameEncoder

SIZES = [(8, 16), (9, 14), (7, 5)]
BATCH, CHANNELS = 2, 3

every_size = pytest.mark.parametrize("size", SIZES, ids=str)
every_padding = pytest.mark.parametrize("pytorch_padding", [False, True])
every_depth = pytest.mark.parametrize("downsamplings", [0, 1, 2, 3])


def images(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def pair(randomize, downsamplings, skips=True, **kwargs):
    """An encoder and a decoder, with other channels at each scale: 2, 3, 4 … for a depth of n."""
    filters = list(range(2, downsamplings + 3))
    encoder = FrameEncoder(filters, **kwargs)
    encoder.build((None, None, None, CHANNELS))
    decoder = FrameDecoder(filters[:-1], channels=CHANNELS, skips=skips, **kwargs)
    decoder.build((None, None, None, filters[-1]))
    return randomize(encoder, seed=1), randomize(decoder, seed=2)


def padded_size(size, downsamplings):
    stride = 2**downsamplings
    return [int(np.ceil(side / stride)) * stride for side in size]


@every_size
@every_depth
@every_padding
def test_each_scale_halves_the_padded_frame(randomize, size, downsamplings, pytorch_padding):
    encoder, _ = pair(randomize, downsamplings, pytorch_padding=pytorch_padding)
    features, skips = encoder(images(BATCH, *size, CHANNELS))
    height, width = padded_size(size, downsamplings)
    scales = [(height >> scale, width >> scale) for scale in range(downsamplings + 1)]
    assert tuple(features.shape) == (BATCH, *scales[-1], downsamplings + 2)
    assert len(skips) == downsamplings
    for scale, skip in enumerate(skips):
        assert tuple(skip.shape) == (BATCH, *(scales[scale] if scale else size), scale + 2)


@every_size
@every_depth
@pytest.mark.parametrize("skips", [True, False])
def test_the_decoder_gives_a_frame_of_the_size_that_was_encoded(
    randomize, size, downsamplings, skips
):
    encoder, decoder = pair(randomize, downsamplings, skips)
    frames = decoder(*encoder(images(BATCH, *size, CHANNELS)))
    assert tuple(frames.shape) == (BATCH, *size, CHANNELS)


@every_size
@every_depth
@every_padding
def test_a_frame_that_the_stride_does_not_divide_is_padded_with_zeros_and_cropped_back(
    randomize, size, downsamplings, pytorch_padding
):
    encoder, decoder = pair(randomize, downsamplings, pytorch_padding=pytorch_padding)
    frames = images(BATCH, *size, CHANNELS)
    height, width = padded_size(size, downsamplings)
    bottom, right = height - size[0], width - size[1]
    padded = np.pad(frames, [(0, 0), (0, bottom), (0, right), (0, 0)])
    expected = array(decoder(*encoder(padded)))[:, : size[0], : size[1]]
    np.testing.assert_allclose(array(decoder(*encoder(frames))), expected, rtol=1e-5, atol=1e-6)


@every_size
@every_padding
def test_sizes_that_are_known_only_when_the_graph_runs_give_the_same(
    randomize, size, pytorch_padding
):
    encoder, decoder = pair(randomize, 2, pytorch_padding=pytorch_padding)
    frame = keras.Input((None, None, CHANNELS))
    decoded = decoder(*encoder(frame))
    assert decoded.shape == (None, None, None, CHANNELS)
    model = keras.Model(frame, decoded)
    frames = images(BATCH, *size, CHANNELS)
    expected = array(decoder(*encoder(frames)))
    np.testing.assert_allclose(model.predict(frames, verbose=0), expected, atol=1e-5)


@every_padding
def test_a_kernel_of_stride_2_is_centred_on_even_pixels_as_in_pytorch_or_on_odd_ones(
    pytorch_padding,
):
    encoder = FrameEncoder([1, 1], pytorch_padding=pytorch_padding)
    decoder = FrameDecoder([1], skips=False, pytorch_padding=pytorch_padding)
    encoder.build((None, None, None, 1))
    decoder.build((None, None, None, 1))
    centre = np.zeros((3, 3, 1, 1))
    centre[1, 1] = 1
    for layer in [encoder.stem, *encoder.stages, *decoder.stages, decoder.head]:
        own = centre if layer.kernel_size == (3, 3) else np.ones((1, 1, 1, 1))
        layer.set_weights([own, np.zeros(1)])
    frames = np.abs(images(BATCH, 8, 12, 1))
    first = 0 if pytorch_padding else 1
    features, skips = encoder(frames)
    np.testing.assert_allclose(array(features), frames[:, first::2, first::2], atol=1e-6)
    expected = np.zeros_like(frames)
    expected[:, first::2, first::2] = frames[:, first::2, first::2]
    np.testing.assert_allclose(array(decoder(features, skips)), expected, atol=1e-6)


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_with_skips_the_decoder_recalls_every_scale_and_without_them_none(randomize, scale):
    for skips in (True, False):
        encoder, decoder = pair(randomize, 3, skips)
        features, seen = encoder(images(BATCH, 9, 14, CHANNELS))
        before = array(decoder(features, seen))
        seen[scale] = seen[scale] + 1
        after = array(decoder(features, seen))
        if skips:
            assert not np.allclose(before, after, atol=0.01)
        else:
            np.testing.assert_array_equal(before, after)


def test_the_skip_of_the_finest_scale_is_a_1x1_convolution_of_the_frame(randomize):
    encoder, _ = pair(randomize, 2)
    frames = images(BATCH, 9, 14, CHANNELS)
    _, skips = encoder(frames)
    kernel, bias = encoder.stem.get_weights()
    projected = frames @ kernel[0, 0] + bias
    expected = np.where(projected > 0, projected, 0.2 * projected)
    np.testing.assert_allclose(array(skips[0]), expected, atol=1e-5)


def test_frames_are_float32_and_the_rest_bfloat16_under_mixed_precision(randomize):
    encoder, decoder = pair(randomize, 2, dtype="mixed_bfloat16")
    features, skips = encoder(images(BATCH, 9, 14, CHANNELS))
    inner = {keras.backend.standardize_dtype(tensor.dtype) for tensor in [features, *skips]}
    assert inner == {"bfloat16"}
    assert keras.backend.standardize_dtype(decoder(features, skips).dtype) == "float32"
    assert {weight.dtype for weight in encoder.weights + decoder.weights} == {"float32"}


def test_predictions_are_not_clipped(randomize):
    encoder, decoder = pair(randomize, 1)
    frames = array(decoder(*encoder(10 * images(BATCH, 9, 14, CHANNELS))))
    assert frames.min() < 0
    assert frames.max() > 1


@pytest.mark.parametrize(
    "layer",
    [
        FrameEncoder([2, 3, 4]),
        FrameEncoder([2, 3], pytorch_padding=True),
        FrameDecoder([2, 3], channels=3, skips=False, pytorch_padding=True),
    ],
    ids=repr,
)
def test_config_round_trip(layer):
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("value", [-0.5, 0.25, 1.5])
def test_a_clipped_output_stays_in_range_and_learns_from_outside(value):
    decoder = FrameDecoder([2], output_activation="clipped")
    decoder.build((None, None, None, 2))
    decoder.set_weights([np.zeros(weight.shape) for weight in decoder.weights])
    bias = decoder.head.bias
    bias.assign([value])
    model = keras.Sequential([keras.Input((2, 3, 2)), OnBlackFrames(decoder)])
    frames = ops.convert_to_numpy(model(np.zeros((1, 2, 3, 2), "float32")))
    np.testing.assert_allclose(frames, np.clip(value, 0, 1), atol=1e-6)
    model.compile(keras.optimizers.SGD(0.1), loss="mean_squared_error")
    model.train_on_batch(np.zeros((1, 2, 3, 2)), np.full((1, 4, 6, 1), 0.5))
    expected = value - 0.1 * 2 * (np.clip(value, 0, 1) - 0.5)
    np.testing.assert_allclose(bias.numpy(), [expected], rtol=1e-5)


class OnBlackFrames(keras.layers.Layer):
    """Decodes features that come from black frames of 4 x 6 pixels."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def call(self, features):
        return self.decoder(features, [ops.zeros((ops.shape(features)[0], 4, 6, 2))])


def test_an_unknown_output_activation_is_refused():
    with pytest.raises(ValueError, match=r"linear, clipped, sigmoid\..*output_activation='tanh'"):
        FrameDecoder([2], output_activation="tanh")
