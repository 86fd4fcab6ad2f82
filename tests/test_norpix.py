"""Norpix sequences: every coding, their time, and anything else that ends in `.seq`."""

import contextlib
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from true_formats import jpeg_frames, moving_frames, write_seq

from iprnn_tf.data.videos import open_videos

COLOUR = moving_frames(5)
GREY = moving_frames(5, channels=1)
TIMES = [0.0, 0.033, 0.067004, 0.1, 0.5]


def _read(path):
    frames = list(open_videos(path)[0].frames())
    return np.stack([frame.pixels for frame in frames]), [frame.seconds for frame in frames]


@pytest.mark.parametrize("frames", [COLOUR, GREY])
@pytest.mark.parametrize("gap", [8, 16, 24])
@pytest.mark.parametrize("coding", ["png", "jpeg"])
def test_compressed_frames_come_back(tmp_path, frames, gap, coding):
    path = write_seq(tmp_path / "V000.seq", frames, coding, seconds=TIMES, gap=gap)
    pixels, seconds = _read(path)
    np.testing.assert_array_equal(pixels, jpeg_frames(frames) if coding == "jpeg" else frames)
    np.testing.assert_allclose(seconds, TIMES, atol=1e-6)


@pytest.mark.parametrize("frames", [COLOUR, GREY])
@pytest.mark.parametrize(("header_size", "padding"), [(1024, 0), (1024, 40), (8192, 24)])
def test_raw_frames_come_back_exactly(tmp_path, frames, header_size, padding):
    path = tmp_path / "V000.seq"
    write_seq(path, frames, "raw", seconds=TIMES, header_size=header_size, padding=padding)
    pixels, seconds = _read(path)
    np.testing.assert_array_equal(pixels, frames)
    np.testing.assert_allclose(seconds, TIMES, atol=1e-6)


@pytest.mark.parametrize("coding", ["raw", "jpeg"])
def test_a_header_of_unknown_length_is_read_to_the_end(tmp_path, coding):
    path = write_seq(tmp_path / "V000.seq", COLOUR, coding, declared=0, gap=16)
    assert len(_read(path)[0]) == 5


def test_one_frame_alone_is_read(tmp_path):
    assert len(_read(write_seq(tmp_path / "V000.seq", COLOUR[:1]))[0]) == 1


@pytest.mark.parametrize("coding", ["raw", "jpeg"])
@pytest.mark.parametrize("missing", [1, 9, 100, 3000])
def test_a_truncated_sequence_is_an_error_before_its_first_frame(tmp_path, coding, missing):
    path = write_seq(tmp_path / "V000.seq", COLOUR, coding)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(ValueError, match=r"V000\.seq, .*it ends after . of 5 frames"):
        next(open_videos(path)[0].frames())


def test_fewer_frames_than_promised_are_an_error(tmp_path):
    path = write_seq(tmp_path / "V000.seq", COLOUR, declared=6)
    with pytest.raises(ValueError, match="it ends after 5 of 6 frames"):
        _read(path)


def test_a_camera_without_a_clock_has_its_frame_rate(tmp_path):
    path = write_seq(tmp_path / "V000.seq", COLOUR, fps=25.0, seconds=[0.0] * 5)
    np.testing.assert_allclose(_read(path)[1], np.arange(5) / 25)
    path = write_seq(tmp_path / "V001.seq", COLOUR, fps=25.0, seconds=[0, 1, 2, 2, 3])
    np.testing.assert_allclose(_read(path)[1], np.arange(5) / 25)
    path = write_seq(tmp_path / "V002.seq", COLOUR, fps=1.0, seconds=[0.0] * 5)
    _patch(path, "<d", 584, float("nan"))
    assert _read(path)[1] == [None] * 5


def _patch(path, form, place, *values):
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, place, *values)
    path.write_bytes(data)


def test_from_version_four_on_the_coding_has_a_field_of_its_own(tmp_path):
    path = write_seq(tmp_path / "V000.seq", COLOUR)
    _patch(path, "<i", 28, 4)
    _patch(path, "<I", 568, 200)
    _patch(path, "<I", 620, 1)
    np.testing.assert_array_equal(_read(path)[0], jpeg_frames(COLOUR))


def test_rows_may_be_longer_than_the_picture(tmp_path):
    wide = np.pad(GREY, [(0, 0), (0, 0), (0, 2), (0, 0)])
    path = write_seq(tmp_path / "V000.seq", wide, "raw")
    _patch(path, "<I", 548, GREY.shape[2])
    np.testing.assert_array_equal(_read(path)[0], GREY)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 0xBEEF, "doesn't begin as one"),
        (548, 0, "frames are 24 x 0"),
        (548, 4000, "no raw frames of 24 x 4000 x 3"),
        (560, 12, "12 bits a channel"),
        (568, 101, "image format is 101"),
        (580, 10, "bytes every 10 are no raw frames"),
    ],
)
def test_what_no_data_set_has_is_refused_when_opened(tmp_path, place, value, message):
    path = write_seq(tmp_path / "V000.seq", COLOUR, "raw")
    _patch(path, "<I", place, value)
    with pytest.raises(ValueError, match=rf"V000\.seq, which can't be read \(.*{message}"):
        open_videos(path)


def test_a_picture_of_another_size_than_the_header_says_is_an_error(tmp_path):
    path = write_seq(tmp_path / "V000.seq", COLOUR)
    _patch(path, "<I", 552, 32)
    with pytest.raises(ValueError, match="a picture of 24 x 40"):
        _read(path)


def _frames_or_value_error(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "V000.seq"
        path.write_bytes(data)
        tracemalloc.start()
        with contextlib.suppress(ValueError):
            for frame in open_videos(path)[0].frames():
                assert frame.pixels.dtype == np.uint8
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 50_000_000


def _sequence(coding, frames):
    with tempfile.TemporaryDirectory() as folder:
        return write_seq(Path(folder) / "one.seq", frames, coding, gap=16).read_bytes()


VALID = [
    _sequence(coding, frames[:3]) for coding in ("raw", "jpeg", "png") for frames in (COLOUR, GREY)
]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(max_size=3000), st.booleans())
def test_random_bytes_give_frames_or_a_value_error(data, with_header):
    _frames_or_value_error(VALID[1][:1024] + data if with_header else data)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8)), max_size=4),
    st.sampled_from([1, 24, 80, 600]),
)
def test_changed_bytes_give_frames_or_a_value_error(data, changes, densely):
    data = bytearray(data)
    for place, change in changes:  # In the header, around the first frame, or anywhere.
        start = place % len(data) if densely == 1 else 540 + place % densely
        data[start : start + len(change)] = change
    _frames_or_value_error(bytes(data))
