"""Frames in files: every format there and back, and files that are none."""

import sys

import numpy as np
import pytest
from PIL import Image

from export import media

GREY = np.random.default_rng(0).integers(0, 256, (4, 16, 24), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def _save(folder, names, frames=GREY, mode=None):
    folder.mkdir(exist_ok=True)
    for name, frame in zip(names, frames, strict=False):
        image = Image.fromarray(frame)
        (image.convert(mode) if mode else image).save(folder / name)
    return folder


def test_pictures_are_read_in_the_order_of_their_numbers(tmp_path):
    folder = _save(tmp_path / "frames", ["f1.png", "F2.PNG", "f10.png"])
    (folder / "notes.txt").write_text("no picture")
    (folder / "._f1.png").write_bytes(b"what a Mac leaves")
    frames = media.read_frames(folder, channels=1)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, np.float32(GREY[None, :3, ..., None]) / np.float32(255))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_grey_pictures_stay_exact_however_they_are_stored(tmp_path, mode):
    black_and_white = np.where(GREY > 127, 255, 0).astype(np.uint8)
    folder = _save(tmp_path / "frames", ["1.png", "2.png"], black_and_white, mode)
    frames = media.read_frames(folder, channels=1)
    np.testing.assert_array_equal(frames[0, ..., 0], black_and_white[:2] / 255.0)


def test_grey_becomes_colour_and_colour_grey(tmp_path):
    folder = _save(tmp_path / "frames", ["1.png"], [COLOUR])
    colour = media.read_frames(folder, channels=3)
    np.testing.assert_allclose(colour[0, 0], COLOUR / 255.0, rtol=1e-6)
    grey = media.read_frames(folder, channels=1)
    luma = COLOUR @ [0.299, 0.587, 0.114] / 255.0
    np.testing.assert_allclose(grey[0, 0, ..., 0], luma, atol=1e-6)
    np.save(tmp_path / "grey.npy", grey[0])
    np.testing.assert_array_equal(
        media.read_frames(tmp_path / "grey.npy", channels=3), np.repeat(grey, 3, axis=-1)
    )


def test_an_array_holds_one_sequence_or_many_in_bytes_or_floats(tmp_path):
    path = tmp_path / "array.npy"
    for array in (GREY[..., None], GREY[None, ..., None], GREY[None, ..., None] / 255.0):
        np.save(path, array)
        frames = media.read_frames(path, channels=1)
        assert frames.shape == (1, 4, 16, 24, 1)
        np.testing.assert_allclose(frames[0, ..., 0], GREY / 255.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GREY, r"shape \(T, H, W, C\)"),
        (GREY[:0, ..., None], "shape"),
        (GREY[..., None].astype("int64"), "Cast bytes to uint8"),
        (GREY[..., None].astype("float32"), "to 255"),
        (np.full((3, 8, 8, 1), np.nan), "from nan"),
        (np.zeros((3, 8, 8, 2)), "only grey and colour are converted.*with 2"),
        (np.array([{}]), "Python objects"),
    ],
)
def test_an_array_of_something_else_is_answered_with_the_rule(tmp_path, array, message):
    np.save(tmp_path / "array.npy", array)
    with pytest.raises(ValueError, match=message):
        media.read_frames(tmp_path / "array.npy", channels=1)


def test_a_file_that_holds_no_frames_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("text.gif", "text.mp4", "text.npy"):
        (tmp_path / name).write_bytes(b"no picture")
    folder = _save(tmp_path / "cut", ["1.png"])
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    for name, message in {
        "empty": "with none",
        "nowhere.gif": "nowhere.gif",
        "nowhere.mp4": "nowhere.mp4",
        "nowhere.npy": "nowhere.npy",
        "text.gif": "text.gif, which can't be read",
        "text.mp4": "text.mp4, which can't be read",
        "text.npy": "text.npy",
        "cut": "1.png, which can't be read",
    }.items():
        with pytest.raises(ValueError, match=message):
            media.read_frames(tmp_path / name, channels=1)


def test_sixteen_bits_and_mixed_sizes_are_refused(tmp_path):
    deep = _save(tmp_path / "deep", ["1.png"], [GREY[0].astype(np.uint16) * 257])
    with pytest.raises(ValueError, match="more than 8 bits"):
        media.read_frames(deep, channels=1)
    mixed = _save(tmp_path / "mixed", ["1.png", "2.png"], [GREY[0], GREY[1, :8]])
    with pytest.raises(ValueError, match=r"8 x 24 in .*2.png, 16 x 24 in .*1.png"):
        media.read_frames(mixed, channels=1)


@pytest.mark.parametrize("name", ["one.gif", "ONE.GIF", "one.mp4", "one.png", "one.npy", "O.NPY"])
@pytest.mark.parametrize("channels", [1, 3])
def test_predictions_are_written_in_the_form_of_the_suffix(tmp_path, name, channels):
    frames = np.repeat(np.float32(GREY[None, ..., None]) / 255, channels, axis=-1)
    media.write_predictions(tmp_path / name, frames[:, :3], frames[:, 3:])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.lower().endswith("npy"):
        np.testing.assert_array_equal(np.load(tmp_path / name), frames[:, 3:])
    else:
        read = media.read_frames(tmp_path / name, channels=3)
        assert read.shape[1] == (1 if name.endswith("png") else 4)


def test_a_video_looks_like_what_was_drawn(tmp_path):
    white = np.ones((1, 2, 17, 25, 1), np.float32)
    media.write_predictions(tmp_path / "white.mp4", white, 0 * white)
    frames = media.read_frames(tmp_path / "white.mp4", channels=3)
    height, width = frames.shape[2:4]
    middle = frames[0, :, height // 2, width // 2]
    np.testing.assert_allclose(middle, [[1.0] * 3] * 2 + [[0.0] * 3] * 2, atol=0.05)


def test_videos_need_pyav_and_say_so_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="extra `video`"):
        media.check_output("prediction.mp4")
    media.check_output("prediction.gif")


def test_files_keep_eight_bits_of_a_frame():
    for channels in (1, 3):
        frame = np.repeat(np.float32(GREY[0][..., None]) / 255, channels, axis=-1)
        decoded = media.from_png(media.to_png(frame), channels)
        np.testing.assert_array_equal(decoded, frame)
