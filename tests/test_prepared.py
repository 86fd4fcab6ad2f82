"""Prepared video on disk, and windows of it: whole, within their video, and in a fair order."""

import json

import numpy as np
import pytest
import tensorflow as tf
from prepared_videos import prepare

from iprnn_tf.data import VideoWindows
from iprnn_tf.data.prepared import INDEX, PreparedVideo
from iprnn_tf.data.tfrecords import FEATURE, FrameRecords, as_integers

FRAMES = np.random.default_rng(0).integers(0, 256, (40, 5, 7, 3), np.uint8)


def numbered(first, count):
    """Frames that tell where they come from: all pixels of frame i are `first` + i."""
    return np.broadcast_to(np.arange(first, first + count, dtype=np.uint8)[:, None, None, None],
                           (count, 5, 7, 1))  # fmt: skip


def windows(folder, **settings):
    return VideoWindows(folder, **{"num_frames": 4, **settings})


def first_pixels(data, split, count=None):
    """The number of each frame of each window, `(N, T)`."""
    frames = data.frames(split).take(-1 if count is None else count)
    return np.stack([window[:, 0, 0, 0] for window in frames.as_numpy_iterator()])


@pytest.fixture(name="folder")
def _folder(tmp_path):
    videos = {f"{split}/a": numbered(start, 20) for split, start in
              [("train", 0), ("validation", 50), ("test", 150)]}  # fmt: skip
    prepare(tmp_path / "prepared", {**videos, "train/b": numbered(100, 9)})
    return tmp_path / "prepared"


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_record_is_an_example_that_anyone_can_parse(tmp_path, dtype):
    path = tmp_path / "frames.tfrecord"
    frames = FRAMES if dtype == "uint8" else FRAMES / np.float32(255)
    assert FrameRecords((5, 7, 3), dtype).write(path, frames, "a") == 40
    feature = {FEATURE: tf.io.FixedLenFeature((), tf.string)}
    for record, frame in zip(tf.data.TFRecordDataset(str(path)), frames, strict=True):
        stored = tf.io.parse_single_example(record, feature)[FEATURE]
        parsed = tf.io.decode_raw(stored, dtype).numpy().reshape(5, 7, 3)
        np.testing.assert_array_equal(parsed, as_integers(frame, dtype))


def test_frames_are_read_at_any_place(tmp_path):
    records = FrameRecords((5, 7, 3), "uint8")
    records.write(tmp_path / "frames.tfrecord", FRAMES, "a")
    for first, count in [(0, 40), (13, 4), (39, 1)]:
        read = records.read(tmp_path / "frames.tfrecord", first, count)
        np.testing.assert_array_equal(read, FRAMES[first : first + count])
    with pytest.raises(OSError, match="shorter"):
        records.read(tmp_path / "frames.tfrecord", 38, 3)


def test_sixteen_bits_keep_what_bytes_can_and_more():
    fine = np.linspace(0, 1, 60_000, dtype=np.float32).reshape(200, 300, 1)
    stored = as_integers(fine, "uint16")
    np.testing.assert_allclose(stored / 65535, fine, atol=0.51 / 65535)
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    stored = as_integers(grey / np.float32(255), "uint16")
    np.testing.assert_allclose(stored / 65535, grey / 255, atol=1e-7)


@pytest.mark.parametrize(
    "other",
    [FRAMES[..., :1], FRAMES[:, :4], FRAMES / np.float32(255)],
    ids=["grey", "low", "float"],
)
def test_a_video_of_another_kind_is_named(tmp_path, other):
    with pytest.raises(ValueError, match=r"b: .*\(\d, 7, \d\).*first video has \(5, 7, 3\)"):
        prepare(tmp_path, {"a": FRAMES, "b": other, "c": FRAMES})


def test_windows_hold_consecutive_frames_of_one_video(folder):
    numbers = first_pixels(windows(folder), "train", count=200)
    np.testing.assert_array_equal(np.diff(numbers), 1)
    assert set(numbers[:, 0]) == {*range(17), *range(100, 106)}


def test_a_pass_over_the_data_shows_each_window_once_in_another_order(folder):
    numbers = first_pixels(windows(folder), "train", count=69)[:, 0]
    passes = numbers.reshape(3, 23)
    assert len({tuple(sorted(order)) for order in passes.tolist()}) == 1
    assert len({tuple(order) for order in passes.tolist()}) == 3
    assert len(set(passes[0])) == 23


def test_held_out_windows_come_in_a_fair_order(folder):
    numbers = first_pixels(windows(folder), "test")[:, 0]
    assert sorted(numbers) == list(range(150, 167))
    assert list(numbers) != sorted(numbers)


@pytest.mark.parametrize(
    ("settings", "train", "test"),
    [
        ({}, 23, 17),
        ({"window_stride": 3}, 6 + 2, 6),
        ({"protocol": "prednet"}, 23, 5),
        ({"protocol": "openstl"}, 5 + 2, 5),
        ({"num_frames": 10}, 11, 11),
        ({"num_frames": 20}, 1, 1),
    ],
)
def test_the_protocol_says_how_far_windows_are_apart(folder, settings, train, test):
    data = windows(folder, **settings)
    assert [data.num_windows(split) for split in ("train", "test")] == [train, test]
    assert len(first_pixels(data, "test")) == test
    first_pixels(data, "train", count=train + 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frames": 1}, "a frame to see and one to predict. Received: num_frames=1"),
        ({"num_frames": -3}, "Received: num_frames=-3"),
        ({"window_stride": -1}, "one frame apart or more. Received: window_stride=-1"),
    ],
)
def test_windows_that_there_cannot_be_are_refused(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        windows(folder, **settings)
    windows(folder, num_frames=2, window_stride=0)


def test_a_split_without_windows_says_what_to_change(folder):
    with pytest.raises(ValueError, match=r"at least 21 frames.*29 frames in 2 videos.*--horizon"):
        windows(folder, num_frames=21).frames("train")


def test_what_is_no_prepared_video_or_was_cut_is_answered(folder, tmp_path):
    with pytest.raises(ValueError, match=r"python -m trainers.prepare"):
        PreparedVideo.read(tmp_path)
    shard = next(folder.glob("*.tfrecord"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=f"{shard.name} is missing or cut"):
        PreparedVideo.read(folder)
    shard.unlink()
    with pytest.raises(ValueError, match=f"{shard.name} is missing or cut"):
        PreparedVideo.read(folder)
    index = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps({**index, "segments": [{"video": "a"}]}))
    with pytest.raises(ValueError, match="TypeError"):
        PreparedVideo.read(folder)
