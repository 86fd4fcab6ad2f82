"""What a client sends: sequences from files, to the last bit, and frames as PNG files."""

import numpy as np
import pytest
from true_formats import moving_frames, write_picture_folder, write_video

from export.inputs.frames import from_png, read_sequences, to_png

COLOUR = moving_frames(4, size=(16, 24))
GREY = moving_frames(4, size=(16, 24), channels=1)


def test_grey_becomes_colour_and_colour_grey_without_rounding(tmp_path):
    folder = write_picture_folder(tmp_path / "colour", COLOUR)
    colour = read_sequences(folder, channels=3)
    np.testing.assert_allclose(colour[0], COLOUR / 255.0, rtol=1e-6)
    grey = read_sequences(folder, channels=1)
    np.testing.assert_allclose(grey[0, ..., 0], COLOUR @ [0.299, 0.587, 0.114] / 255.0, atol=1e-6)
    np.save(tmp_path / "grey.npy", grey[0])
    np.testing.assert_array_equal(
        read_sequences(tmp_path / "grey.npy", channels=3), np.repeat(grey, 3, axis=-1)
    )


def test_an_array_holds_one_sequence_or_many_in_bytes_or_floats(tmp_path):
    path = tmp_path / "array.npy"
    for array in (GREY, GREY[None], GREY[None] / 255.0, np.float32(GREY) / np.float32(255)):
        np.save(path, array)
        frames = read_sequences(path, channels=1)
        assert frames.dtype == np.float32
        np.testing.assert_array_equal(frames, np.float32(GREY[None]) / np.float32(255))


def test_only_the_sequences_that_are_asked_for_are_read(tmp_path):
    broken = np.full((3, 2, 16, 24, 1), 7.0)  # Of which two can't be read.
    broken[1] = 0.5
    np.save(tmp_path / "array.npy", broken)
    frames = read_sequences(tmp_path / "array.npy", part=slice(1, 2))
    np.testing.assert_array_equal(frames, broken[1:2])


def test_a_video_is_a_sequence(tmp_path):
    write_video(tmp_path / "clip.avi", COLOUR, fps=10)
    frames = read_sequences(tmp_path / "clip.avi", channels=3)
    np.testing.assert_array_equal(frames[0], np.float32(COLOUR) / np.float32(255))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GREY.astype("int64"), "array.npy with int64.*Cast bytes"),
        (GREY.astype("float32"), "array.npy with float32.*scale to"),
        (np.full((3, 8, 8, 1), np.nan), "array.npy with float64 from nan"),
        (np.zeros((3, 8, 8, 2)), "array.npy don't fit.*only grey and colour.*with 2"),
        (np.array([{}]), "array.npy"),
        (np.zeros((0, 3, 8, 8, 1)), "array.npy"),
    ],
)
def test_an_array_of_something_else_is_answered_with_the_rule(tmp_path, array, message):
    np.save(tmp_path / "array.npy", array)
    with pytest.raises(ValueError, match=message):
        read_sequences(tmp_path / "array.npy", channels=1)


def test_sequences_of_two_shapes_are_refused(tmp_path):
    np.savez(tmp_path / "two.npz", a=GREY, b=GREY[1:])
    with pytest.raises(ValueError, match=r"two.npz with \(3, 16, 24, 1\) and \(4, 16, 24, 1\)"):
        read_sequences(tmp_path / "two.npz", channels=1)


def test_files_keep_eight_bits_of_a_frame():
    for frames in (GREY, COLOUR):
        frame = np.float32(frames[0]) / np.float32(255)
        np.testing.assert_array_equal(from_png(to_png(frame), frame.shape[-1]), frame)
