import keras
import numpy as np
import pytest
from keras import ops

from iprnn_tf.losses import FrameError

BATCH, TIME, HEIGHT, WIDTH = 2, 3, 4, 5


def grey(level, channels=1):
    return np.full((BATCH, TIME, HEIGHT, WIDTH, channels), level, "float32")


@pytest.mark.parametrize("channels", [1, 3])
def test_errors_are_summed_over_the_frame_and_its_channels(channels):
    loss = FrameError()(grey(0.25, channels), grey(0.75, channels))
    assert float(loss) == pytest.approx(HEIGHT * WIDTH * channels * 0.25)


def test_errors_are_averaged_over_frames_and_sequences():
    predictions = grey(0.0)
    predictions[0, 1, 2, 3] = 2.0
    predictions[1, 2, 0, 1] = -1.0
    loss = FrameError()(grey(0.0), predictions)
    assert float(loss) == pytest.approx((2**2 + 1**2) / (BATCH * TIME))


def test_each_frame_has_its_error():
    targets = grey(0.0)
    targets[1, 2] = 1.0
    expected = np.zeros((BATCH, TIME))
    expected[1, 2] = HEIGHT * WIDTH
    errors = FrameError(reduction="none")(targets, grey(0.0))
    np.testing.assert_allclose(ops.convert_to_numpy(errors), expected)


def test_errors_of_bfloat16_predictions_are_summed_in_float32():
    predictions = ops.ones((1, 1, 41, 29, 1), dtype="bfloat16")  # bfloat16 has no 1189.
    targets = ops.zeros((1, 1, 41, 29, 1), dtype="bfloat16")
    for error in (
        FrameError()(targets, predictions),
        FrameError().call(targets, predictions),
    ):
        assert keras.backend.standardize_dtype(error.dtype) == "float32"
        assert float(ops.max(error)) == 1189.0


def test_config_round_trip():
    loss = FrameError(0.5, 0.25, horizon=2, name="error", reduction="sum")
    clone = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(clone, FrameError)
    assert clone.get_config() == loss.get_config()


def test_the_absolute_error_is_added_with_its_weight():
    loss = FrameError(absolute_weight=3.0)(grey(0.0), grey(-0.5))
    assert float(loss) == pytest.approx(HEIGHT * WIDTH * (0.25 + 3 * 0.5))


def test_warm_up_counts_less_and_the_mean_stays_a_mean():
    predictions = grey(0.0)
    predictions[:, 0] = 1.0  # The warm-up of three outputs, of which the last two are predicted.
    weights = 0.25 / (0.25 + 1 + 1)
    loss = FrameError(warm_up_weight=0.25, horizon=2)(grey(0.0), predictions)
    assert float(loss) == pytest.approx(HEIGHT * WIDTH * weights)
    same = FrameError(warm_up_weight=0.25, horizon=2)(grey(0.0), grey(1.0))
    assert float(same) == pytest.approx(HEIGHT * WIDTH)


def test_without_warm_up_all_outputs_count():
    loss = FrameError(warm_up_weight=0.0, horizon=TIME)(grey(0.0), grey(1.0))
    assert float(loss) == pytest.approx(HEIGHT * WIDTH)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"absolute_weight": -1.0}, "zero or positive"),
        ({"warm_up_weight": float("nan"), "horizon": 2}, "zero or positive"),
        ({"warm_up_weight": 0.0}, "Give the horizon too"),
    ],
)
def test_wrong_weights_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrameError(**arguments)


def test_fewer_outputs_than_predictions_are_refused():
    with pytest.raises(ValueError, match="Lower the horizon"):
        FrameError(warm_up_weight=0.5, horizon=TIME + 1)(grey(0.0), grey(1.0))
