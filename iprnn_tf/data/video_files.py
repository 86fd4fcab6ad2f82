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

_ERRORS = (OSError, ValueError, EOFError, IndexError)
SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")


def open_video(path: Path, name: str) -> list[Video]:
    """Opens a video file: its first video stream, in RGB, each frame at its own time.

    Where frames have no times that grow, as in AVI with B-frames, the stream's rate makes them.
    Frames are turned as players turn them (phones store how they were held). Pixels that aren't
    square stay as they are stored. Colour of more than 8 bits becomes 8; grey of more is refused,
    as it is in pictures: it is measurements. A file that ends too early is an error before its
    first frame, and damage is one at its frame, as far as the codec tells; neither makes a shorter
    video.

    Raises:
        ValueError: if PyAV isn't installed.
    """
    import_av()
    frames, remarks = functools.partial(_read, path), functools.partial(_remarks, path)
    return [Video(name, frames, [path], remarks)]


def _remarks(path: Path) -> list[str]:
    """What can be seen of a file by its first frame; a file that can't be read says so later."""
    av, told = import_av(), []
    try:
        with av.open(str(path.absolute())) as container:
            streams = len(container.streams.video)
            first = next(container.decode(video=0))
    except (*_ERRORS, av.error.FFmpegError, StopIteration):
        return []
    if streams > 1:
        told.append(f"the first of its {streams} video streams is taken")
    if first.interlaced_frame:
        told.append("it is interlaced, and what moves has combs: ffmpeg -i IN -vf bwdif OUT")
    if _bits(first) > 8:
        told.append(f"its {_bits(first)} bits a channel become 8")
    return told


def _bits(picture: Any) -> int:
    return max((part.bits for part in picture.format.components), default=8)


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
    except (*_ERRORS, av.error.FFmpegError) as error:
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
        if _bits(picture) > 8 and len(picture.format.components) == 1:
            raise ValueError(f"grey of {_bits(picture)} bits: numbers in .npy keep them")
        pixels = _upright(picture.to_ndarray(format="rgb24"), picture)
        size = size or pixels.shape
        if pixels.shape != size:
            raise ValueError(f"its frames change from {size[0]} x {size[1]} to {size_of(pixels)}")
        first_time = picture.time if index == 0 else first_time
        rate = stream.average_rate
        told = float(index / rate) if rate else None
        timed = timed and picture.time is not None
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
