"""Colours of video files: each codec, matrix and range gives back what was recorded."""

from fractions import Fraction

import numpy as np
import pytest

from iprnn_tf.data.videos import open_videos
from iprnn_tf.pyav import import_av

COLOURS = np.array(
    [
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]],
        [[255, 255, 0], [0, 255, 255], [255, 0, 255], [30, 120, 200]],
    ],
    float,
)
SIDE = 16  # Of a field of one colour.
HALVES = {"yuv420p": (2, 2), "yuvj420p": (2, 2), "yuv422p": (1, 2), "yuv444p": (1, 1)}
BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)  # Weights of red and blue in the brightness.
TAGS = {BT601: 5, BT709: 1}  # ISO/IEC 23091-2, MatrixCoefficients.


def _planes(weights, full, fmt):
    """Y', Cb and Cr of 8 bits by ITU-R BT.601 and BT.709, 3; `full` as in JPEG."""
    red, green, blue = np.moveaxis(COLOURS / 255, -1, 0)
    of_red, of_blue = weights
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 * (1 - of_blue)), (red - luma) / (2 * (1 - of_red))
    black, levels, colour_levels = (0, 255, 255) if full else (16, 219, 224)
    values = [black + levels * luma, *(128 + colour_levels * plane for plane in chroma)]
    fields = np.uint8(np.rint(np.clip(values, 0, 255)).repeat(SIDE, 1).repeat(SIDE, 2))
    down, across = HALVES[fmt]
    return [fields[0], *(plane[::down, ::across] for plane in fields[1:])]


def _write(path, codec, fmt, weights, full, tagged):
    av = import_av()
    planes = _planes(weights, full, fmt)
    height, width = planes[0].shape
    options = {"crf": "4"} if codec.startswith("lib") else {}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, fmt
        if tagged:
            stream.codec_context.colorspace = TAGS[weights]
            stream.codec_context.color_range = 2 if full else 1
        picture = av.VideoFrame(width, height, fmt)
        for plane, values in zip(picture.planes, planes, strict=True):
            rows = np.zeros((len(values), plane.line_size), np.uint8)
            rows[:, : values.shape[1]] = values
            plane.update(rows.tobytes())
        picture.pts, picture.time_base = 0, Fraction(1, 10)
        file.mux(stream.encode(picture))
        file.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "codec", "fmt", "weights", "full", "tagged"),
    [
        ("one.mp4", "libx264", "yuv420p", BT709, False, True),
        ("one.mp4", "libx264", "yuv420p", BT709, True, True),
        ("one.mp4", "libx264", "yuv420p", BT601, False, True),
        ("one.mp4", "libx264", "yuv420p", BT601, False, False),
        ("one.mp4", "libx264", "yuv444p", BT709, False, True),
        ("one.mov", "libx264", "yuv422p", BT709, False, True),
        ("one.mkv", "ffv1", "yuv420p", BT709, False, True),
        ("one.mkv", "ffv1", "yuv420p", BT709, True, True),
        ("one.mkv", "ffv1", "yuv420p", BT601, True, True),
        ("one.webm", "libvpx-vp9", "yuv420p", BT709, False, True),
        ("one.webm", "libvpx-vp9", "yuv420p", BT601, True, True),
        ("one.avi", "mpeg4", "yuv420p", BT601, False, False),
        ("one.avi", "mjpeg", "yuvj420p", BT601, True, False),
    ],
)
def test_colours_come_back_whatever_the_codec_and_range(
    tmp_path, name, codec, fmt, weights, full, tagged
):
    _write(tmp_path / name, codec, fmt, weights, full, tagged)
    (frame,) = open_videos(tmp_path / name)[0].frames()
    middles = frame.pixels[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE]
    np.testing.assert_allclose(middles, COLOURS, atol=3)  # Before PyAV 17 up to 23 off.
