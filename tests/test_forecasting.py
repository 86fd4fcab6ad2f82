"""Which frames of a video a forecast sees, and which it predicts."""

import tracemalloc

import numpy as np
import pytest

from iprnn_tf.models import CopyLastFrame
from trainers.measuring.forecasting import Forecaster, Schedule


def numbered(count):
    """Frames whose pixels are their index."""
    return (np.full((4, 6, 1), index, np.uint8) for index in range(count))


def windows(count, *schedule):
    """Where the windows begin, and the indices in each."""
    found = Schedule(*schedule).windows(numbered(count), "clip.mp4")
    return {begin: list(frames[:, 0, 0, 0]) for begin, frames in found}


def test_predictions_follow_each_other_and_reach_beyond_the_end():
    assert windows(9, 3, 2, 2) == {
        0: [0, 1, 2, 3, 4],
        2: [2, 3, 4, 5, 6],
        4: [4, 5, 6, 7, 8],
        6: [6, 7, 8],
    }


def test_the_last_forecasts_may_know_a_part_of_the_truth():
    assert windows(8, 3, 4, 1)[3] == [3, 4, 5, 6, 7]
    assert list(windows(8, 3, 4, 1)) == [0, 1, 2, 3, 4, 5]
    assert windows(8, 3, 4, 1)[5] == [5, 6, 7]


def test_a_video_as_long_as_the_context_has_one_forecast_and_no_truth():
    assert windows(3, 3, 2, 2) == {0: [0, 1, 2]}
    assert windows(7, 3, 2, 2, 4) == {4: [4, 5, 6]}


@pytest.mark.parametrize("count", [1, 9, 14, 15, 16, 17, 40])
@pytest.mark.parametrize("stride", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("start", [0, 4])
def test_every_forecast_is_made_whose_context_fits(count, stride, start):
    begins = [b for b in range(start, count, stride) if b + 3 <= count]
    wanted = {begin: list(range(begin, min(begin + 5, count))) for begin in begins}
    if wanted:
        assert windows(count, 3, 2, stride, start) == wanted
    else:
        with pytest.raises(ValueError, match=f"clip.mp4 with {count} frames"):
            windows(count, 3, 2, stride, start)


def test_a_short_video_is_answered_with_both_numbers():
    with pytest.raises(ValueError, match=r"needs 3 frames.*Received: clip.mp4 with 2 frames"):
        windows(2, 3, 2, 2)
    with pytest.raises(ValueError, match="3 frames to start from after the first 5"):
        windows(7, 3, 2, 2, 5)


def test_no_more_frames_are_held_than_one_forecast_has():
    def peak(count):
        frames = (np.zeros((100, 100, 3), np.uint8) for _ in range(count))
        tracemalloc.start()
        for _ in Schedule(3, 2, 2).windows(frames, "clip.mp4"):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(200) < peak(20) + 100 * 100 * 3


def test_a_forecast_has_what_was_seen_the_truth_and_the_prediction():
    forecaster = Forecaster(CopyLastFrame((4, 6, 1), 7), Schedule(3, 2, 2))
    first, last = forecaster.forecasts(numbered(6), "clip.mp4")
    assert first.context.dtype == first.predictions.dtype == np.float32
    for forecast, start, truth in ((first, 0, [3, 4]), (last, 2, [5, np.nan])):
        assert forecast.start == start
        seen, known, made = (255 * frames[:, 3, 5, 0] for frames in forecast[1:])
        np.testing.assert_allclose(seen, [start, start + 1, start + 2], rtol=1e-6)
        np.testing.assert_allclose(known, truth, rtol=1e-6)
        np.testing.assert_allclose(made, [start + 2, start + 2], rtol=1e-6)
