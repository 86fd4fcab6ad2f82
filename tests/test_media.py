"""Predictions in files: in the form of the suffix, whole or not at all."""

import sys
import tracemalloc

import av
import numpy as np
import pytest
from PIL import Image

from iprnn_tf.visualization import filmstrips
from programs import media
from programs.media import Forecast

SHAPE = (16, 24, 1)
FRAMES = np.random.default_rng(0).random((9, *SHAPE), dtype=np.float32)
UNKNOWN = np.full(SHAPE, np.nan, np.float32)


def forecast(start, horizon=2, end=9):
    """Two frames of context, and of the truth what lies before the end."""
    wanted = range(start + 2, start + 2 + horizon)
    targets = np.stack([FRAMES[index] if index < end else UNKNOWN for index in wanted])
    return Forecast(start, FRAMES[start : start + 2], targets, np.full_like(targets, start / 10))


def levels(path):
    """For every picture of an animation the middle of its left and of its right panel."""
    if path.suffix.lower() == ".mp4":
        with av.open(path) as file:
            pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    else:
        with Image.open(path) as image:
            pictures = []
            for index in range(image.n_frames):
                image.seek(index)
                pictures.append(np.asarray(image.convert("RGB")))
    middle, width = pictures[0].shape[0] // 2 + 10, pictures[0].shape[1]
    return [picture[middle, [width // 4, 3 * width // 4], 0] / 255 for picture in pictures]


@pytest.mark.parametrize("name", ["one.gif", "ONE.GIF", "one.mp4", "one.png", "one.npy", "O.NPY"])
@pytest.mark.parametrize("channels", [1, 3])
def test_predictions_are_written_in_the_form_of_the_suffix(tmp_path, name, channels):
    frames = np.repeat(FRAMES[None], channels, axis=-1)
    path = tmp_path / name
    media.write_predictions(path, frames[:, :3], frames[:, 3:])
    assert list(tmp_path.iterdir()) == [path]
    if name.lower().endswith("npy"):
        np.testing.assert_array_equal(np.load(path), frames[:, 3:])
    elif name.endswith("png"):
        with Image.open(path) as image:
            assert image.size[1] == SHAPE[0]
    else:
        assert len(levels(path)) == 9


def test_a_video_looks_like_what_was_drawn(tmp_path):
    white = np.ones((1, 2, 17, 25, 1), np.float32)
    media.write_predictions(tmp_path / "white.mp4", white, 0 * white)
    middle = [pair[0] for pair in levels(tmp_path / "white.mp4")]
    np.testing.assert_allclose(middle, [1.0, 1.0, 0.0, 0.0], atol=0.05)


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_forecasts_without_a_gap_are_one_animation_over_the_time_of_the_video(tmp_path, name):
    flat = [
        Forecast(f.start, 0 * f.context, 0 * f.targets + 0.2, 0 * f.predictions + level)
        for f, level in ((forecast(0), 0.6), (forecast(2), 0.8), (forecast(4, end=7), 1.0))
    ]
    media.write_forecasts(tmp_path / name, flat)
    wanted = [(0, 0)] * 2 + [(0.2, 0.6)] * 2 + [(0.2, 0.8)] * 2 + [(0.2, 1), (0.5, 1)]
    np.testing.assert_allclose(levels(tmp_path / name), wanted, atol=0.05)


def shown(forecasts):
    """The label of the right panel of every picture."""
    moments, names = [], []

    def note(panels, scale):
        moments.append(panels[-1])
        names.append(panels[-1].label)
        return np.zeros((4, 4, 3), np.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "side_by_side", note)
        list(media._moments(forecasts))
    return [f"{name[0]}{name.split()[1][0]}" for name in names]


def test_of_overlapping_forecasts_the_newest_is_shown():
    overlapping = [forecast(0, horizon=4), forecast(1, horizon=4), forecast(3, horizon=4)]
    assert shown(overlapping) == ["c1", "c2", "p1", "p1", "p2", "p1", "p2", "p3", "p4"]


def test_between_forecasts_that_are_far_apart_the_context_is_shown():
    assert shown([forecast(0), forecast(3)]) == ["c1", "c2", "p1", "p2", "c2", "p1", "p2"]
    far = ["c1", "c2", "p1", "p2", "c1", "c2", "p1", "p2"]
    assert shown([forecast(0), forecast(6)]) == far


def test_the_next_video_begins_anew():
    assert shown([forecast(0), forecast(0)]) == 2 * ["c1", "c2", "p1", "p2"]


def test_the_picture_shows_ten_forecasts_and_all_are_taken(tmp_path):
    taken = []

    def some(count):
        for _ in range(count):
            taken.append(forecast(0))
            yield taken[-1]

    media.write_forecasts(tmp_path / "a.png", some(12))
    assert len(taken) == 12
    context, targets, predictions = (np.stack([f[i] for f in taken[:10]]) for i in (1, 2, 3))
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(image, filmstrips(context, targets, predictions))


def test_without_any_truth_a_filmstrip_is_one_row(tmp_path):
    media.write_forecasts(tmp_path / "a.png", [forecast(7)])
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[1] == SHAPE[0]


def test_an_array_has_the_units_of_the_data(tmp_path):
    forecasts = [forecast(start) for start in (1, 5)]
    media.write_forecasts(tmp_path / "a.npy", iter(forecasts), value_range=(-10.0, 30.0))
    predictions = np.load(tmp_path / "a.npy")
    assert (predictions.shape, predictions.dtype) == ((2, 2, *SHAPE), np.float32)
    np.testing.assert_allclose(predictions[:, 0, 0, 0, 0], [-6.0, 10.0], rtol=1e-6)


def test_an_array_grows_on_the_disk_and_not_in_memory(tmp_path):
    one = np.zeros((100, 100), np.float32)

    def peak(length):
        tracemalloc.start()
        media.save_arrays(tmp_path / "a.npy", (one + i for i in range(length)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short = peak(10)
    assert peak(200) < short + one.nbytes
    written = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert written.shape == (200, 100, 100)
    np.testing.assert_array_equal(written[:, 99, 99], np.arange(200))


@pytest.mark.parametrize("name", ["a.gif", "a.mp4", "a.png", "a.npy"])
def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path, name):
    def interrupted():
        yield forecast(0)
        raise KeyboardInterrupt

    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        media.write_forecasts(tmp_path / name, interrupted())
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(name, b"old")]


def test_arrays_of_two_shapes_or_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Received: \(2,\) after \(3,\)"):
        media.save_arrays(tmp_path / "a.npy", [np.zeros(3), np.zeros(2)])
    with pytest.raises(ValueError, match="Received: none"):
        media.save_arrays(tmp_path / "a.npy", [])
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "folder.gif").mkdir()
    for name, message in {
        "a.avi": r"ends in one of .gif.*Received: .*a.avi",
        "none": "ends in one of",
        "file/a.gif": r"Received: .*file/a\.gif, but .*file is no folder",
        "folder.gif": "which is a folder",
    }.items():
        with pytest.raises(ValueError, match=message):
            media.check_output(tmp_path / name)
    media.check_output(tmp_path / "new" / "er" / "a.gif")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ValueError, match="is read-only"):
        media.check_output(tmp_path / "a.gif")


def test_videos_need_pyav_and_say_so_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="extra `video`"):
        media.check_output("prediction.mp4")
    media.check_output("prediction.gif")
