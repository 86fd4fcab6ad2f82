"""Frames as a server takes them: from files, and as files."""

from __future__ import annotations

import io
from os import PathLike

import numpy as np
from PIL import Image

from iprnn_tf.data.recordings import Video
from iprnn_tf.data.shaping import FrameShape, as_floats
from iprnn_tf.data.videos import open_videos


def read_sequences(
    path: str | PathLike[str], channels: int | None = None, part: slice = slice(None)
) -> np.ndarray:
    """Reads the one sequence of a video, or the many of an array.

    Nothing is resized, and every stored frame is taken once, whatever its duration.

    Args:
        path: what `iprnn_tf.data.videos.open_videos` takes: a video, an animation, a folder of
            pictures, or an array `(T, H, W, C)` or `(N, T, H, W, C)`, uint8 or float in [0, 1].
        channels: C of the model: grey becomes colour and colour grey; by default the file's.
        part: which of the sequences; only these are read.

    Returns:
        Frames `(N, T, H, W, C)`, float32 in [0, 1].

    Raises:
        ValueError: if there are no frames there, or none that can be read.
    """
    videos = open_videos(path, name=str(path))[part]
    shape = FrameShape(image_size=None, channels=channels, value_range=None)
    sequences = [_frames(video, shape, path) for video in videos]
    shapes = sorted({frames.shape for frames in sequences})
    if len(shapes) != 1:
        raise ValueError(
            "Sequences that are predicted together have one shape (T, H, W, C). "
            f"Received: {path} with {' and '.join(map(str, shapes)) or 'none'}. Give one at a time."
        )
    return np.stack(sequences)


def to_png(frame: np.ndarray) -> bytes:
    """Encodes a float frame `(H, W, C)`, C 1 or 3, in 8 bits."""
    pixels = np.round(np.clip(frame, 0.0, 1.0) * 255.0).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def from_png(file: bytes, channels: int) -> np.ndarray:
    """Decodes a file to a float frame `(H, W, C)`, C 1 or 3."""
    with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return as_floats(pixels).reshape(*pixels.shape[:2], channels)


def _frames(video: Video, shape: FrameShape, path: str | PathLike[str]) -> np.ndarray:
    return np.stack([_shaped(frame.pixels, shape, path) for frame in video.frames()])


def _shaped(pixels: np.ndarray, shape: FrameShape, path: str | PathLike[str]) -> np.ndarray:
    frame = _floats(pixels, path)  # Before colour becomes grey: nothing is rounded.
    try:
        return shape(frame)
    except ValueError as error:
        raise ValueError(f"The frames of {path} don't fit. {error}") from error


def _floats(pixels: np.ndarray, path: str | PathLike[str]) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return as_floats(pixels)
    if pixels.dtype.kind != "f" or not 0.0 <= pixels.min() <= pixels.max() <= 1.0:
        raise ValueError(
            "Frames are uint8, or float in [0, 1]. "
            f"Received: {path} with {pixels.dtype} from {pixels.min()} to {pixels.max()}. "
            "Cast bytes to uint8, or scale to [0, 1]."
        )
    return pixels
