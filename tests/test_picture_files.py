"""Pictures in files: what is written is what was drawn, whole or not at all."""

import sys
import tracemalloc

import av
import numpy as np
import pytest
from PIL import Image

from iprnn_tf.visualization import animation, filmstrip, save_gif, save_mp4, save_png

HEIGHT, WIDTH = 6, 9
SEEN, HORIZON = 3, 2
CONTEXT = np.random.default_rng(0).random((SEEN, HEIGHT, WIDTH, 1), dtype=np.float32)
TARGETS, PREDICTIONS = CONTEXT[:HORIZON], CONTEXT[-HORIZON:]
PICTURES = np.zeros((2, HEIGHT, WIDTH, 3), np.uint8)


def save_one(path, picture):
    save_gif(path, [picture])


def test_a_saved_gif_has_every_picture_and_their_pace(tmp_path):
    pictures = animation(CONTEXT[None], TARGETS[None], PREDICTIONS[None], scale=2)
    save_gif(tmp_path / "a.gif", pictures, frames_per_second=4)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == SEEN + HORIZON
        assert gif.info["loop"] == 0
        for time, picture in enumerate(pictures):
            gif.seek(time)
            assert gif.info["duration"] == 250
            error = np.asarray(gif.convert("RGB")).astype(int) - picture
            assert np.abs(error).max() <= 8  # A GIF has 256 colours.


@pytest.mark.parametrize("pace", [5, 12.5, 30, 40, 48])
def test_a_gif_plays_as_fast_as_asked_in_the_mean(tmp_path, pace):
    levels = np.arange(30, dtype=np.uint8)[:, None, None, None]
    save_gif(tmp_path / "a.gif", np.tile(8 * levels, (1, HEIGHT, WIDTH, 3)), pace)
    with Image.open(tmp_path / "a.gif") as gif:
        total = 0
        for time in range(gif.n_frames):
            gif.seek(time)
            total += gif.info["duration"]
            assert gif.info["duration"] >= 20  # Browsers show 10 ms as 100.
    assert gif.n_frames == 30
    assert total == pytest.approx(30_000 / pace, abs=5)


def test_still_parts_of_a_colour_gif_stay_the_same(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3), np.uint8)
    pictures[:, :, :30] = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3)
    save_gif(tmp_path / "a.gif", pictures)
    with Image.open(tmp_path / "a.gif") as gif:
        shown = []
        for time in range(gif.n_frames):
            gif.seek(time)
            shown.append(np.asarray(gif.convert("RGB")))
    assert np.ptp(np.stack(shown)[:, :, :30], axis=0).max() == 0


def test_a_saved_png_is_the_picture(tmp_path):
    picture = filmstrip(CONTEXT, TARGETS, PREDICTIONS)
    save_png(str(tmp_path / "a.png"), picture)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), picture)


@pytest.mark.parametrize("save", [save_png, save_one])
def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, save):
    path = tmp_path / "picture"
    path.write_bytes(b"good")

    def half(self, target, *args, **kwargs):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save(path, filmstrip(CONTEXT, TARGETS, PREDICTIONS))
    assert [file.name for file in tmp_path.iterdir()] == ["picture"]
    assert path.read_bytes() == b"good"


def test_nothing_to_save_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 pictures"):
        save_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match="0 pictures"):
        save_mp4(tmp_path / "a.mp4", [])
    with pytest.raises(ValueError, match="at least one"):
        save_png(tmp_path / "a.png", np.zeros((0, 5, 3), "uint8"))
    with pytest.raises(ValueError, match="Pictures must be uint8"):
        save_png(tmp_path / "a.png", np.zeros((4, 5, 4), "uint8"))
    with pytest.raises(ValueError, match="float32"):
        save_png(tmp_path / "a.png", np.zeros((4, 5, 3), "float32"))
    for save, name in ((save_gif, "a.gif"), (save_mp4, "a.mp4")):
        with pytest.raises(ValueError, match="all of one shape"):
            save(tmp_path / name, [np.zeros((4, side, 3), "uint8") for side in (5, 6)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pace", [0, -1, 60])
def test_a_pace_that_no_browser_shows_is_refused(tmp_path, pace):
    with pytest.raises(ValueError, match=f"frames_per_second={pace}"):
        save_gif(tmp_path / "a.gif", PICTURES, frames_per_second=pace)


def levels_of(path):
    with av.open(path) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        return stream.average_rate, [f.to_ndarray(format="rgb24") for f in file.decode(stream)]


@pytest.mark.parametrize(("height", "width"), [(40, 64), (41, 65)])
def test_a_saved_mp4_has_every_picture_and_their_pace(tmp_path, height, width):
    levels = [20, 90, 160, 230]
    pictures = (np.full((height, width, 3), level, np.uint8) for level in levels)
    save_mp4(tmp_path / "a.mp4", pictures, frames_per_second=12.5)
    rate, frames = levels_of(tmp_path / "a.mp4")
    assert rate == 12.5
    for frame, level in zip(frames, levels, strict=True):
        assert frame.shape == (height + height % 2, width + width % 2, 3)
        np.testing.assert_allclose(frame[height // 2, width // 2], level, atol=4)


def test_an_mp4_is_written_picture_by_picture(tmp_path):
    shape = (64, 96, 3)

    def peak(length):
        tracemalloc.start()
        save_mp4(tmp_path / "a.mp4", (np.zeros(shape, np.uint8) for _ in range(length)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(5)  # What is imported and kept on the first call.
    assert peak(100) < peak(10) + 10 * np.prod(shape)


@pytest.mark.parametrize("pace", [0, -1, float("nan"), float("inf")])
def test_a_video_without_a_pace_is_refused(tmp_path, pace):
    with pytest.raises(ValueError, match="above 0"):
        save_mp4(tmp_path / "a.mp4", PICTURES, frames_per_second=pace)


def test_an_interrupted_mp4_leaves_the_old_file_and_no_other(tmp_path):
    def interrupted():
        yield from PICTURES
        raise KeyboardInterrupt

    (tmp_path / "a.mp4").write_bytes(b"good")
    with pytest.raises(KeyboardInterrupt):
        save_mp4(tmp_path / "a.mp4", interrupted())
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"good"


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="extra `video`"):
        save_mp4(tmp_path / "a.mp4", PICTURES)
