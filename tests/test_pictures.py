"""Folders of pictures, KITTI's time stamps, and GIFs."""

import builtins
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from true_formats import moving_frames, write_gif, write_kitti_drive, write_picture_folder

from iprnn_tf.data.footage import Cut
from iprnn_tf.data.pictures import open_pictures
from iprnn_tf.data.recordings import naturally_sorted
from iprnn_tf.data.remarks import of_gaps
from iprnn_tf.data.videos import open_videos

FRAMES = moving_frames(4, (16, 24))
GREY = np.where(moving_frames(2, (16, 24), 1) > 100, 255, 0).astype(np.uint8)


def _read(path):
    frames = list(open_videos(path)[0].frames())
    return np.stack([frame.pixels for frame in frames]), [frame.seconds for frame in frames]


@pytest.mark.parametrize("frames", [FRAMES, FRAMES[..., :1]])
def test_png_comes_back_exactly_and_without_time(tmp_path, frames):
    pixels, seconds = _read(write_picture_folder(tmp_path / "frames", frames))
    np.testing.assert_array_equal(pixels, frames)
    assert seconds == [None] * 4


def test_jpeg_comes_back_as_the_codec_left_it(tmp_path):
    smooth = np.repeat(FRAMES[:, :1], 16, axis=1)
    folder = write_picture_folder(tmp_path / "frames", smooth, ".jpeg", quality=98, subsampling=0)
    np.testing.assert_allclose(_read(folder)[0], smooth, atol=12)


def test_frame_2_comes_before_frame_10(tmp_path):
    frames = moving_frames(12)
    pixels, _ = _read(write_picture_folder(tmp_path / "frames", frames))
    np.testing.assert_array_equal(pixels, frames)


@pytest.mark.parametrize(
    "names",
    [
        ["plot_0.05.png", "plot_0.1.png", "plot_0.15.png", "plot_0.2.png", "plot_1.0.png"],
        ["0.25.png", "0.5.png", "0.75.png", "1.0.png"],
        ["t9.05s.jpg", "t10.0s.jpg", "t10.5s.jpg"],
        ["v1.8.png", "v1.9.png", "v1.10.png", "v1.11.png"],
        ["frame_1.2.9.png", "frame_1.2.10.png", "frame_1.10.1.png"],
        ["2024.01.02.png", "2024.01.10.png", "2024.02.01.png"],
        ["frame2.png", "frame10.png"],
        ["run1_0.1.png", "run1_0.2.png", "run2_0.1.png"],
        ["run1_0.05.png", "run1_0.1.png", "run1_0.15.png"],
    ],
)
def test_numbers_in_names_count_by_their_value(names):
    for given in (names[::-1], sorted(names), [*names[1:], names[0]]):
        assert naturally_sorted(given) == names


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)]
)
def test_grey_has_one_channel_and_all_else_three(tmp_path, mode, channels):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(GREY):
        Image.fromarray(frame[..., 0]).convert(mode).save(folder / f"{index}.png")
    pixels, _ = _read(folder)
    np.testing.assert_array_equal(pixels, np.repeat(GREY, channels, axis=-1))


def test_transparency_is_dropped_without_a_warning(tmp_path):
    picture = Image.fromarray(GREY[0, ..., 0]).convert("P")
    picture.save(tmp_path / "0.png", transparency=bytes([0, 128, 255]))
    assert _read(tmp_path)[0].shape == (1, 16, 24, 3)


def test_photographs_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: its first row is the right side.
    Image.fromarray(FRAMES[0]).save(tmp_path / "0.jpg", exif=exif, quality=98)
    pixels, _ = _read(tmp_path)
    assert pixels.shape == (1, 24, 16, 3)
    stored = np.asarray(Image.open(io.BytesIO((tmp_path / "0.jpg").read_bytes())))
    np.testing.assert_array_equal(pixels[0], np.rot90(stored, -1))


@pytest.mark.parametrize("mode", ["I;16", "RGB"])
def test_sixteen_bits_are_refused(tmp_path, mode):
    if mode == "RGB":
        (tmp_path / "0.png").write_bytes(_png_of_16_bits())
    else:
        Image.fromarray(GREY[0, ..., 0].astype(np.uint16) * 257).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"0\.png.*more than 8 bits"):
        _read(tmp_path)


def _png_of_16_bits():
    """Pillow writes none in colour: two black pixels, by hand."""
    import struct
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(13))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_pictures_of_two_sizes_or_colours_are_named(tmp_path):
    folder = write_picture_folder(tmp_path / "frames", FRAMES[:1])
    Image.fromarray(FRAMES[1, :8]).save(folder / "frame1.png")
    with pytest.raises(ValueError, match=r"8 x 24 .* in .*frame1.png, 16 x 24 .*frame0.png"):
        _read(folder)
    Image.fromarray(FRAMES[1, ..., 0]).save(folder / "frame1.png")
    (video,) = open_videos(folder)
    with pytest.raises(ValueError, match=r"1 channels in .*frame1\.png, 3 in .*frame0\.png"):
        list(Cut().frames(video))


@pytest.mark.parametrize("modes", [("L", "RGB"), ("RGB", "L"), ("L", "P"), ("1", "RGBA")])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_among_colour_is_converted_when_asked(tmp_path, modes, channels):
    for index, mode in enumerate(modes):
        Image.fromarray(GREY[index, ..., 0]).convert(mode).save(tmp_path / f"{index}.png")
    (video,) = open_videos(tmp_path)
    converted = np.stack(list(Cut(channels=channels).frames(video)))
    np.testing.assert_array_equal(converted, np.repeat(GREY, channels, axis=-1))


def test_numbers_that_are_left_out_are_told(tmp_path):
    folder = write_picture_folder(tmp_path / "frames", FRAMES)
    assert list(open_videos(folder)[0].remarks()) == []
    (folder / "frame3.png").rename(folder / "frame7.png")
    (told,) = open_videos(folder)[0].remarks()
    assert told == "the numbers of its frames have gaps (1), first from frame2.png to frame7.png"
    assert of_gaps([Path(f"clip2_{number:04}.png") for number in (1, 2, 9)])
    assert of_gaps([Path("1.jpg"), Path("1.png"), Path("2.jpg")]) == []


def test_a_damaged_picture_is_named(tmp_path):
    folder = write_picture_folder(tmp_path / "frames", FRAMES)
    cut = (folder / "frame2.png").read_bytes()[:100]
    (folder / "frame2.png").write_bytes(cut)
    frames = open_videos(folder)[0].frames()
    assert [next(frames).pixels.shape, next(frames).pixels.shape] == [(16, 24, 3)] * 2
    with pytest.raises(ValueError, match=r"frame2\.png, which can't be read"):
        next(frames)


def test_a_picture_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    folder = write_picture_folder(tmp_path / "frames", FRAMES)
    video = open_videos(folder)[0]

    def refused(file, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(builtins, "open", refused)
    with pytest.raises(ValueError, match=r"frame0\.png, which can't be read \(.*Permission denied"):
        next(video.frames())


def test_kitti_knows_when_its_pictures_were_taken(tmp_path):
    times = [0.0, 0.103, 0.206001234, 0.31]
    pixels, seconds = _read(write_kitti_drive(tmp_path, FRAMES, seconds=times))
    np.testing.assert_array_equal(pixels, FRAMES)
    np.testing.assert_allclose(seconds, times, atol=1e-9)
    unknown = write_kitti_drive(tmp_path, FRAMES, drive=2, seconds=[])
    assert _read(unknown)[1] == [None] * 4


def test_times_of_kitti_that_do_not_grow_tell_nothing(tmp_path):
    folder = write_kitti_drive(tmp_path, FRAMES, seconds=[0.0, 0.1, 0.1, 0.3])
    assert _read(folder)[1] == [None] * 4


def test_other_times_make_another_recording_of_kitti(tmp_path):
    folder = write_kitti_drive(tmp_path, FRAMES)
    names = [file.name for file in folder.iterdir()]
    before = open_pictures(folder, names, "drive").state()
    write_kitti_drive(tmp_path, FRAMES[:0], seconds=[0.0, 0.1, 0.2, 0.35])
    assert open_pictures(folder, names, "drive").state() != before


def test_kitti_without_all_its_pictures_is_an_error(tmp_path):
    folder = write_kitti_drive(tmp_path, FRAMES)
    (folder / "0000000002.png").unlink()
    with pytest.raises(ValueError, match=r"timestamps.txt with 4, .*data with 3 pictures"):
        _read(folder)
    (folder.parent / "timestamps.txt").write_text("yesterday\n" * 3)
    with pytest.raises(ValueError, match=r"look like 2011.*yesterday"):
        _read(folder)


def test_an_animation_has_the_times_of_its_durations(tmp_path):
    path = write_gif(tmp_path / "one.gif", FRAMES, [100, 40, 0, 200])
    pixels, seconds = _read(path)
    assert pixels.shape == FRAMES.shape
    np.testing.assert_allclose(seconds, [0.0, 0.1, 0.14, 0.24])


def test_a_grey_animation_is_exact_in_colour(tmp_path):
    path = write_gif(tmp_path / "one.gif", FRAMES[..., :1])
    np.testing.assert_array_equal(_read(path)[0], np.repeat(FRAMES[..., :1], 3, axis=-1))


def test_an_animation_cut_anywhere_is_an_error(tmp_path):
    data = write_gif(tmp_path / "one.gif", FRAMES).read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "cut.gif").write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"cut\.gif, which can't be read"):
            _read(tmp_path / "cut.gif")
