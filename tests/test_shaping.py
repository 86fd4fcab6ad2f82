"""Frames at an even rate, of one size and in one range."""

import numpy as np
import pytest
from PIL import Image
from true_formats import moving_frames

from iprnn_tf.data.footage import Cut
from iprnn_tf.data.recordings import Frame, Video
from iprnn_tf.data.shaping import FrameShape, resampled


def _numbered(times):
    return [Frame(np.full((1, 2, 1), index), time) for index, time in enumerate(times)]


def _taken(times, fps, source_fps=None):
    return [int(frame.pixels[0, 0, 0]) for frame in resampled(_numbered(times), fps, source_fps)]


@pytest.mark.parametrize("digits", [9, 3])
def test_ten_of_thirty_frames_a_second_are_every_third(digits):
    times = [round(index / 30, digits) for index in range(300)]
    assert _taken(times, 10) == list(range(0, 300, 3))


def test_ten_of_2997_frames_a_second_do_not_drift():
    times = [index * 1001 / 30000 for index in range(30000)]
    taken = _taken(times, 10)
    assert len(taken) == 10010
    np.testing.assert_allclose(np.array(times)[taken], np.arange(10010) / 10, atol=0.0167)


def test_the_frame_nearest_in_time_is_taken_and_the_earlier_of_two():
    assert _taken([0.0, 0.04, 0.16, 0.2], 10) == [0, 1, 3]
    assert _taken([0.0, 0.06, 0.14, 0.2], 10) == [0, 1, 3]
    assert _taken([index / 30 for index in range(7)], 20) == [0, 1, 3, 4, 6]


def test_a_frame_that_lasts_long_is_repeated():
    assert _taken([0.0, 0.1, 1.0, 1.1], 10) == [0] + [1] * 5 + [2] * 5 + [3]
    assert _taken([0.0, 0.1, 0.2], 30) == [0, 0, 1, 1, 1, 2, 2]


def test_time_begins_at_the_first_frame_and_the_result_has_its_own():
    frames = list(resampled(_numbered([7.0, 7.1, 7.2, 7.3, 7.4]), 5))
    assert [frame.seconds for frame in frames] == [0.0, 0.2, 0.4]
    assert [frame.pixels[0, 0, 0] for frame in frames] == [0, 2, 4]
    assert _taken([3.0], 10) == [0]
    assert _taken([], 10) == []


def test_a_source_without_time_needs_its_rate():
    assert _taken([None] * 7, 10, source_fps=30) == [0, 3, 6]
    assert _taken([0.0, 0.1, 0.2], 10, source_fps=30) == [0, 1, 2]  # Its own time wins.
    with pytest.raises(ValueError, match="--source_fps"):
        _taken([None] * 7, 10)


@pytest.mark.parametrize("times", [[0.0, 0.0], [0.0, 0.1, 0.05], [0.0, None], [None, 0.0]])
def test_time_that_stands_still_or_is_missing_is_an_error(times):
    with pytest.raises(ValueError, match=r"Take all frames \(--fps=0\)"):
        _taken(times, 10, source_fps=10)


@pytest.mark.parametrize("rates", [(0, None), (-1, None), (float("nan"), None), (10, 0)])
def test_rates_are_positive_and_checked_at_once(rates):
    with pytest.raises(ValueError, match=r"positive rate.*fps="):
        resampled([], *rates)


def test_two_frames_at_a_time_are_held():
    ahead = 0

    def counted():
        nonlocal ahead
        for frame in _numbered([index / 10 for index in range(50)]):
            ahead += 1
            yield frame

    for taken, _ in enumerate(resampled(counted(), 10)):
        assert ahead <= taken + 2


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_kitti_becomes_what_prednet_trains_on(dtype):
    """process_kitti of PredNet: to a height of 128, then 160 columns from the middle."""
    picture = moving_frames(1, (375, 1242))[0]
    scaled = np.asarray(Image.fromarray(picture).resize((424, 128), Image.Resampling.BILINEAR))
    expected = scaled[:, 132:292]
    result = FrameShape((128, 160))(picture if dtype == np.uint8 else np.float32(picture) / 255)
    assert result.dtype == dtype
    if dtype == np.uint8:
        np.testing.assert_array_equal(result, expected)
    else:
        np.testing.assert_allclose(result, expected / 255, atol=1 / 255)


@pytest.mark.parametrize(
    ("size", "target", "covering"),
    [((40, 20), (16, 12), (24, 12)), ((9, 16), (18, 30), (18, 32)), ((10, 15), (20, 30), (20, 30))],
)
def test_a_frame_just_covers_its_target_before_it_is_cut(size, target, covering):
    picture = moving_frames(1, size, 1)[0]
    height, width = covering
    scaled = Image.fromarray(picture[..., 0]).resize((width, height), Image.Resampling.BILINEAR)
    top, left = (height - target[0]) // 2, (width - target[1]) // 2
    expected = np.asarray(scaled)[top : top + target[0], left : left + target[1], None]
    np.testing.assert_array_equal(FrameShape(target)(picture), expected)


@pytest.mark.parametrize("image_size", [None, (24, 40)])
def test_a_frame_of_the_right_size_keeps_every_bit(image_size):
    picture = moving_frames(1)[0]
    np.testing.assert_array_equal(FrameShape(image_size)(picture), picture)
    floats = np.random.default_rng(0).random((24, 40, 2), "float32")
    np.testing.assert_array_equal(FrameShape(image_size)(floats), floats)


def test_cutting_alone_keeps_every_bit():
    picture = moving_frames(1, (24, 40))[0]
    np.testing.assert_array_equal(FrameShape((24, 30))(picture), picture[:, 5:35])


def test_grey_becomes_colour_and_colour_grey():
    colour = moving_frames(1)[0]
    grey = FrameShape(channels=1)(colour)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey[..., 0], np.rint(colour @ [0.299, 0.587, 0.114]))
    np.testing.assert_allclose(
        FrameShape(channels=1)(colour / 255.0)[..., 0],
        colour @ [0.299, 0.587, 0.114] / 255,
        atol=1e-6,
    )
    for values in (grey, np.float32(grey) / np.float32(255)):
        back = FrameShape(channels=1)(FrameShape(channels=3)(values))
        np.testing.assert_array_equal(back, values)
    with pytest.raises(ValueError, match=r"wanted with 3 channels.*24 x 40 with 2"):
        FrameShape(channels=3)(colour[..., :2])


def test_a_range_of_values_becomes_zero_to_one():
    field = np.linspace(-40, 60, 24 * 40).reshape(24, 40, 1)
    for dtype in ("float64", "float32", "float16"):
        scaled = FrameShape(value_range=(-40, 60))(field.astype(dtype))
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(scaled, (field + 40) / 100, atol=1e-3)
    whole = FrameShape(value_range=(0, 65535))(np.full((2, 3, 1), 13107, np.uint16))
    np.testing.assert_allclose(whole, 0.2, rtol=1e-6)
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    exact = np.divide(every, 255, dtype=np.float32)
    np.testing.assert_array_equal(FrameShape(value_range=(0, 255))(every), exact)


def test_scaling_keeps_to_the_range():
    noise = np.random.default_rng(0).choice([0.1, 0.7], (24, 40, 3)).astype("float32")
    scaled = FrameShape((16, 20), value_range=(0.1, 0.7))(noise)
    assert scaled.min() >= 0
    assert scaled.max() <= 1


@pytest.mark.parametrize(
    ("values", "value_range", "message"),
    [
        ([0.5, 1.5], None, r"from 0 to 1\. Received: 0\.5 to 1\.5"),
        ([np.nan, 0.5], None, "nan"),
        ([-41.0, 3.0], (-40, 60), r"from -40 to 60\. Received: -41\.0"),
        ([0.0, np.inf], (0, 1e9), "inf"),
    ],
)
def test_values_outside_their_range_are_an_error(values, value_range, message):
    with pytest.raises(ValueError, match=message) as caught:
        FrameShape(value_range=value_range)(np.reshape(values, (1, 2, 1)))
    assert "--value_range" in str(caught.value)


def test_missing_values_are_counted_in_their_frame_and_filled_when_asked():
    radar = np.linspace(0, 70, 5 * 4 * 6, dtype="float32").reshape(5, 4, 6, 1)
    radar[3, 1, 2:4], radar[4, 0, 0] = np.nan, np.nan
    whole = Video("radar", lambda: (Frame(pixels, None) for pixels in radar))
    with pytest.raises(ValueError, match=r"radar: Frame 3: .*2 NaN of 24.*--missing.*nan_to_num"):
        list(Cut(value_range=(0.0, 70.0)).frames(whole))
    told = []
    filled = list(Cut(value_range=(0.0, 70.0), missing=7.0).frames(whole, told.append))
    np.testing.assert_allclose(filled, np.where(np.isnan(radar), 7, radar) / 70, atol=1e-6)
    assert told == ["3 missing values became 7, in 2 frames"]
    radar[0, 0, 0] = -np.inf
    with pytest.raises(ValueError, match=r"Frame 0: .*1 infinite of 24"):
        list(Cut(value_range=(0.0, 70.0), missing=7.0).frames(whole))


def test_whole_numbers_need_a_range():
    for dtype in ("int16", "uint16", "bool"):
        with pytest.raises(ValueError, match=f"{dtype} without one.*--value_range"):
            FrameShape()(np.ones((2, 3, 1), dtype))


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size": (0, 4)},
        {"channels": 0},
        {"value_range": (1, 1)},
        {"value_range": (0, float("inf"))},
    ],
)
def test_a_shape_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match=f"Received.*{next(iter(settings))}="):
        FrameShape(**settings)


def test_a_clock_that_jumps_is_no_endless_video():
    frames = [Frame(np.zeros((2, 3, 1), np.uint8), seconds) for seconds in (0.0, 0.1, 1e9)]
    with pytest.raises(
        ValueError, match=r"0\.100 s and then 1000000000\.000 s.*Take all frames \(--fps=0\)"
    ):
        list(resampled(frames, 10))
