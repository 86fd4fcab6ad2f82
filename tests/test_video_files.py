"""Video files of every container, their time and rotation, and files that aren't whole."""

import struct
import sys
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from true_formats import moving_frames, write_video

from iprnn_tf.data.containers import missing_bytes
from iprnn_tf.data.video_files import SUFFIXES
from iprnn_tf.data.videos import open_videos
from iprnn_tf.pyav import import_av

FRAMES = moving_frames(8, (48, 80))


def _read(path):
    frames = list(open_videos(path)[0].frames())
    return np.stack([frame.pixels for frame in frames]), [frame.seconds for frame in frames]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_container_gives_back_every_byte_and_the_time(tmp_path, suffix):
    path = write_video(tmp_path / f"Übung 1:2 é{suffix}", FRAMES, fps=25)
    pixels, seconds = _read(path)
    np.testing.assert_array_equal(pixels, FRAMES)
    np.testing.assert_allclose(seconds, np.arange(8) / 25, atol=6e-4)  # Matroska: milliseconds.


def test_h264_comes_back_within_the_error_of_the_codec(tmp_path):
    smooth = np.repeat(np.repeat(FRAMES[:, ::8, ::8], 8, axis=1), 8, axis=2)
    pixels, seconds = _read(write_video(tmp_path / "one.mp4", smooth, codec="libx264"))
    assert np.abs(pixels.astype(int) - smooth).mean() < 4
    np.testing.assert_allclose(seconds, np.arange(8) / 30)  # In order, though it has B-frames.


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0.0, 0.04, 0.1, 0.1 + 1 / 90, 0.5, 0.51, 2.0, 2.1]
    _, seconds = _read(write_video(tmp_path / "one.mp4", FRAMES, seconds=times))
    np.testing.assert_allclose(seconds, times, atol=1e-9)
    rate = Fraction(30000, 1001)
    _, seconds = _read(write_video(tmp_path / "ntsc.mp4", FRAMES, fps=rate))
    np.testing.assert_allclose(seconds, np.arange(8) / float(rate), atol=1e-9)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_an_avi_with_b_frames_have_the_times_of_its_rate(tmp_path, codec):
    av = import_av()
    path = tmp_path / "one.avi"
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        for index, frame in enumerate(moving_frames(30, (48, 80))):
            picture = av.VideoFrame.from_ndarray(frame, "rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    np.testing.assert_allclose(_read(path)[1], np.arange(30) / 25)


def _write_kinds(path, codec, fmt, streams=1, interlaced=False):
    av = import_av()
    with av.open(str(path), "w") as file:
        options = {"x264-params": "tff=1"} if interlaced else {}
        added = [file.add_stream(codec, rate=25, options=options) for _ in range(streams)]
        for stream in added:
            stream.height, stream.width, stream.pix_fmt = 48, 80, fmt
        for stream in added:
            for index, frame in enumerate(FRAMES[:2]):
                picture = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format=fmt)
                picture.pts, picture.time_base = index, Fraction(1, 25)
                file.mux(stream.encode(picture))
            file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, None),
        ({"streams": 2}, "the first of its 2 video streams"),
        ({"interlaced": True}, "it is interlaced"),
        ({"fmt": "yuv420p10le", "codec": "ffv1"}, "its 10 bits a channel become 8"),
    ],
)
def test_what_players_hide_is_told(tmp_path, options, told):
    path = _write_kinds(tmp_path / "one.mkv", **{"codec": "libx264", "fmt": "yuv420p"} | options)
    remarks = open_videos(path)[0].remarks()
    assert len(remarks) == (told is not None)
    assert all(remark.startswith(told) for remark in remarks)
    assert len(_read(path)[0]) == 2


def test_grey_of_sixteen_bits_is_refused_as_in_pictures(tmp_path):
    path = _write_kinds(tmp_path / "one.mkv", "ffv1", "gray16le")
    with pytest.raises(ValueError, match=r"one\.mkv, .*grey of 16 bits"):
        _read(path)


def test_time_starts_at_the_first_frame(tmp_path):
    times = [5 + index / 10 for index in range(8)]
    _, seconds = _read(write_video(tmp_path / "one.mkv", FRAMES, seconds=times))
    np.testing.assert_allclose(seconds, np.arange(8) / 10, atol=1e-9)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_frames_are_turned_as_players_turn_them(tmp_path, rotation):
    path = write_video(tmp_path / "one.mp4", FRAMES, rotation=rotation)
    np.testing.assert_array_equal(_read(path)[0], np.rot90(FRAMES, rotation // 90, axes=(1, 2)))


# Matrices of EXIF's eight orientations, as phones and editors write them into tkhd, and where the
# top left corner of the stored frame (red) and its top right one (green) are then seen.
ORIENTATIONS = [
    ((1, 0, 0, 1), (0, 0), (0, -1)),
    ((-1, 0, 0, 1), (0, -1), (0, 0)),
    ((-1, 0, 0, -1), (-1, -1), (-1, 0)),
    ((1, 0, 0, -1), (-1, 0), (-1, -1)),
    ((0, 1, 1, 0), (0, 0), (-1, 0)),
    ((0, 1, -1, 0), (0, -1), (-1, -1)),  # A phone held upright: a quarter clockwise.
    ((0, -1, -1, 0), (-1, -1), (0, -1)),
    ((0, -1, 1, 0), (-1, 0), (0, 0)),
]


@pytest.mark.parametrize(("matrix", "red", "green"), ORIENTATIONS)
def test_corners_are_where_the_file_format_puts_them(tmp_path, matrix, red, green):
    frames = np.zeros((1, 16, 32, 3), np.uint8)
    frames[0, 0, 0, 0] = frames[0, 0, -1, 1] = 255
    path = write_video(tmp_path / "one.mp4", frames)
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    place = data.index(b"tkhd") + 4 + 40  # Behind the version, times, layer and volume.
    assert struct.unpack_from(">9i", data, place) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    (pixels,), _ = _read(path)
    assert pixels.shape == ((16, 32, 3) if matrix[0] else (32, 16, 3))
    assert pixels[red].tolist() == [255, 0, 0]
    assert pixels[green].tolist() == [0, 255, 0]


CONTAINERS = [
    *((f"one{suffix}", None, {}) for suffix in SUFFIXES),
    ("h264.mp4", "libx264", {}),
    ("start.mp4", "libx264", {"movflags": "faststart"}),
    ("parts.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("h264.mkv", "libx264", {}),
    ("mpeg4.avi", "mpeg4", {}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS)
def test_a_truncated_video_is_named(tmp_path, name, codec, options, capfd):
    path = write_video(tmp_path / name, FRAMES, codec=codec, **options)
    assert missing_bytes(path) == 0
    assert len(_read(path)[0]) == 8
    data = path.read_bytes()
    for length in (100, len(data) // 2, len(data) * 9 // 10, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=f"{name}, which can't be read"):
            _read(path)
    path.write_bytes(data + bytes(64))  # Some recorders fill up their last sector.
    assert len(_read(path)[0]) == 8
    assert capfd.readouterr() == ("", "")  # FFmpeg has an opinion on all of this.


def test_a_live_recording_is_read_to_its_end(tmp_path):
    path = write_video(tmp_path / "one.mkv", FRAMES, live="1")
    assert missing_bytes(path) == 0
    assert len(_read(path)[0]) == 8


def test_files_without_video_are_named(tmp_path, capfd):
    with zipfile.ZipFile(tmp_path / "zip.mp4", "w") as file:
        file.writestr("one.txt", "one")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.avi").write_text("RIFF")
    (tmp_path / "text.webm").write_bytes(b"\x1a\x45\xdf\xa3")
    _write_sound(tmp_path / "sound.mp4")
    for name in ("zip.mp4", "empty.mp4", "text.avi", "text.webm", "sound.mp4"):
        with pytest.raises(ValueError, match=f"{name}, which can't be read"):
            _read(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def _write_sound(path):
    av = import_av()
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), "float32"), "fltp", "mono")
        silence.rate = 16000
        file.mux(stream.encode(silence))
        file.mux(stream.encode(None))


def test_a_damaged_frame_is_an_error(tmp_path):
    path = write_video(tmp_path / "one.mp4", FRAMES)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"one\.mp4, .*damaged frame"):
        _read(path)


def test_frames_of_a_changing_size_are_an_error(tmp_path):
    """Raw MJPEG of two sizes behind each other is what FFmpeg hands through as it comes."""
    path = tmp_path / "one.avi"
    av = import_av()
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuvj420p"
        for size in ((48, 80), (32, 64)):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.height, encoder.width, encoder.pix_fmt = *size, "yuvj420p"
            encoder.time_base = Fraction(1, 10)
            picture = av.VideoFrame.from_ndarray(np.zeros((*size, 3), np.uint8), "rgb24")
            for packet in encoder.encode(picture.reformat(format="yuvj420p")):
                packet.stream, packet.pts, packet.dts = stream, size[0] == 32, size[0] == 32
                packet.time_base = Fraction(1, 10)
                file.mux(packet)
    with pytest.raises(ValueError, match="its frames change from 48 x 80 to 32 x 64"):
        _read(path)


def test_videos_need_pyav_and_say_so_before_any_work(tmp_path, monkeypatch):
    path = write_video(tmp_path / "one.mp4", FRAMES[:1])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="extra `video`"):
        open_videos(path)


def test_a_video_that_may_not_be_read_is_named(tmp_path):
    path = write_video(tmp_path / "one.mp4", FRAMES[:1])
    (video,) = open_videos(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=r"one\.mp4, which can't be read"):
        next(video.frames())
