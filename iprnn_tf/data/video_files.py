"""Recordings as video files, by PyAV (FFmpeg): MP4, MOV, AVI, MKV and WebM."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.data.containers import missing_bytes
from iprnn_tf.data.recordings import Frame, Video, size_of
from iprnn_tf.pyav import import_av

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")


def open_video(path: Path, name: str) -> list[Video]:
    """Opens a video file: its first video stream, in RGB, each frame at its own time.

    Where frames have no times that grow, as in AVI with B-frames, the stream's rate makes them.
    Frames are turned as players turn them (phones store how they were held). Pixels that aren't
    square stay as they are stored. A file that ends too early is an error before its first frame,
    and damage is one at its frame, as far as the codec tells; neither makes a shorter video.

    Raises:
        ValueError: if PyAV isn't installed.
    """
    import_av()
    return [Video(name, functools.partial(_read, path), [path])]


def _read(path: Path) -> Iterator[Frame]:
    av = import_av()
    try:
        missing = missing_bytes(path)
        if missing:
            raise ValueError(f"it ends too early, {missing:,} bytes are missing")
        # An absolute path, as FFmpeg takes what stands before a colon for a protocol.
        with av.open(str(path.absolute())) as container:
            if not container.streams.video:
                raise ValueError("there is no video in it")
            timed = _has_times(container)
        with av.open(str(path.absolute())) as container:
            yield from _frames(container, timed)
    except (OSError, ValueError, EOFError, IndexError, av.error.FFmpegError) as error:
        raise ValueError(
            f"Video files ({', '.join(SUFFIXES)}) are what FFmpeg can decode, from beginning to "
            f"end. Received: {path}, which can't be read ({error}). Download or convert it again."
        ) from error


def _has_times(container: Any) -> bool:
    """Goes through the packets, without decoding them, to know whether each has its own time.

    AVI stores the order of decoding alone, which B-frames make another than that of showing.
    """
    stream = container.streams.video[0]
    if container.format.name == "avi" and stream.codec_context.has_b_frames:
        return False
    times = [packet.pts for packet in container.demux(stream) if packet.size]
    return None not in times and len(set(times)) == len(times)


def _frames(container: Any, timed: bool) -> Iterator[Frame]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    first_time, size = None, None
    for index, picture in enumerate(_decoded(container, stream)):
        pixels = _upright(picture.to_ndarray(format="rgb24"), picture)
        size = size or pixels.shape
        if pixels.shape != size:
            raise ValueError(f"its frames change from {size[0]} x {size[1]} to {size_of(pixels)}")
        first_time = picture.time if index == 0 else first_time
        rate = stream.average_rate
        told = float(index / rate) if rate else None
        yield Frame(pixels, picture.time - first_time if timed else told)
    if size is None:
        raise ValueError("there are no frames in it")


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise ValueError("it is damaged or ends too early")
        for picture in packet.decode():
            if picture.is_corrupt:  # FFmpeg filled the damaged part with something likely.
                raise ValueError("it has a damaged frame")
            yield picture


def _upright(pixels: np.ndarray, picture: Any) -> np.ndarray:
    """Turns and mirrors a frame as its display matrix says.

    The matrix is that of ISO/IEC 14496-12, 6.2.2: x' = a x + c y and y' = b x + d y, with x to the
    right and y down, in the order a, b, u, c, d, v. FFmpeg has it in 32 bits each.
    """
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d, _ = np.frombuffer(bytes(matrix), np.int32)[:6]
    if max(abs(b), abs(c)) > max(abs(a), abs(d)):  # Lies on its side: x becomes y.
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
