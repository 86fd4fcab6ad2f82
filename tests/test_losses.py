import keras
import numpy as np
import pytest
from keras import ops

from iprnn_tf.losses import FrameSquaredError

BATCH, TIME, HEIGHT, WIDTH = 2, 3, 4, 5


def grey(level, channels=1):
    return np.full((BATCH, TIME, HEIGHT, WIDTH, channels), level, "float32")


@pytest.mark.parametrize("channels", [1, 3])
def test_errors_are_summed_over_the_frame_and_its_channels(channels):
    loss = FrameSquaredError()(grey(0.25, channels), grey(0.75, channels))
    assert float(loss) == pytest.approx(HEIGHT * WIDTH * channels * 0.25)


def test_errors_are_averaged_over_frames_and_sequences():
    predictions = grey(0.0)
    predictions[0, 1, 2, 3] = 2.0
    predictions[1, 2, 0, 1] = -1.0
    loss = FrameSquaredError()(grey(0.0), predictions)
    assert float(loss) == pytest.approx((2**2 + 1**2) / (BATCH * TIME))


def test_each_frame_has_its_error():
    targets = grey(0.0)
    targets[1, 2] = 1.0
    expected = np.zeros((BATCH, TIME))
    expected[1, 2] = HEIGHT * WIDTH
    errors = FrameSquaredError(reduction="none")(targets, grey(0.0))
    np.testing.assert_allclose(ops.convert_to_numpy(errors), expected)


def test_errors_of_bfloat16_predictions_are_summed_in_float32():
    predictions = ops.ones((1, 1, 41, 29, 1), dtype="bfloat16")  # bfloat16 has no 1189.
    targets = ops.zeros((1, 1, 41, 29, 1), dtype="bfloat16")
    for error in (
        FrameSquaredError()(targets, predictions),
        FrameSquaredError().call(targets, predictions),
    ):
        assert keras.backend.standardize_dtype(error.dtype) == "float32"
        assert float(ops.max(error)) == 1189.0


def test_config_round_trip():
    loss = FrameSquaredError(name="error", reduction="sum")
    clone = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(clone, FrameSquaredError)
    assert clone.get_config() == loss.get_config()
