"""Recordings as Norpix StreamPix sequences (`.seq`), the format of Caltech Pedestrian.

A file is a header, then frames. Raw frames have one size and lie at equal distances. Compressed
ones each begin with their length in bytes, which includes its own four, and are followed by
8 bytes of time and in some files by 8 more. Numbers are little endian.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from iprnn_tf.data.pictures import ERRORS, decoded
from iprnn_tf.data.recordings import Frame, Video

_MAGIC, _SMALLEST_HEADER, _LARGE_HEADER = 0xFEED, 1024, 8192
_RAW = {100: 1, 200: 3}  # Image format to channels; colour is BGR.
_COMPRESSED = {102: "JPEG", 201: "JPEG", 1: "PNG", 2: "PNG"}
_START = {"JPEG": b"\xff\xd8", "PNG": b"\x89PNG"}
_GAPS = range(8, 65, 4)  # Bytes from the end of one picture to the length of the next.
_STAMP = struct.Struct("<iHH")  # Seconds, milliseconds, microseconds.
# A flat picture takes a 1032nd of its pixels as PNG; JPEG can't do better.
_MOST_PIXELS_PER_BYTE = 2048


class _Place(NamedTuple):
    """Where a frame lies in the file, and when it was taken."""

    offset: int
    length: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class _Header:
    size: int  # Where the first frame begins.
    width: int
    height: int
    channels: int  # Of raw frames.
    codec: str | None  # None where frames are raw.
    image_bytes: int
    count: int  # 0 where it was never filled in.
    stride: int  # From one raw frame to the next.
    fps: float


def open_sequence(path: Path, name: str) -> list[Video]:
    """Opens a Norpix sequence: frames raw or as JPEG or PNG, RGB or grey.

    The times are those of its stamps, or where these don't grow, as with a camera without a
    clock, those of the frame rate in its header.

    Raises:
        ValueError: if it isn't one, or of a kind that no public data set has.
    """
    try:
        with path.open("rb") as file:
            _read_header(file)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return [Video(name, functools.partial(_read, path), [path])]


def _read(path: Path) -> Iterator[Frame]:
    try:
        with path.open("rb") as file:
            header = _read_header(file)
            stamped = _are_increasing(_places(file, header))
            start = None
            for index, place in enumerate(_places(file, header)):
                start = place.seconds if start is None else start
                told = index / header.fps if header.fps > 0 else None
                yield Frame(
                    _pixels(file, header, place), place.seconds - start if stamped else told
                )
    except ERRORS as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        "Norpix sequences (.seq) hold raw, JPEG or PNG frames of 8 bits, every one that their "
        f"header promises. Received: {path}, which can't be read ({error}). Download it again."
    )


def _read_header(file: BinaryIO) -> _Header:
    data = file.read(_SMALLEST_HEADER)
    if len(data) < _SMALLEST_HEADER or struct.unpack_from("<I", data)[0] != _MAGIC:
        raise ValueError("it doesn't begin as one")
    version, size = struct.unpack_from("<ii", data, 28)
    width, height, _, depth, image_bytes, kind, count, _, stride = struct.unpack_from(
        "<9I", data, 548
    )
    (fps,) = struct.unpack_from("<d", data, 584)
    codec = _codec(version, kind, struct.unpack_from("<I", data, 620)[0])
    if depth > 8:
        raise ValueError(f"it has {depth} bits a channel")
    # From version 5 on the header is larger, also where this number wasn't changed.
    size = max(size, _LARGE_HEADER if version >= 5 else _SMALLEST_HEADER)
    fps = fps if math.isfinite(fps) else 0.0
    channels = _RAW.get(kind, 3)
    header = _Header(size, width, height, channels, codec, image_bytes, count, stride, fps)
    _check_sizes(header)
    return header


def _codec(version: int, kind: int, compression: int) -> str | None:
    if version >= 4 and kind in _RAW and compression == 1:  # From then on two fields say it.
        return "JPEG"
    if kind in _COMPRESSED:
        return _COMPRESSED[kind]
    if kind not in _RAW or (version >= 4 and compression):
        raise ValueError(f"its image format is {kind}, compressed in way {compression}")
    return None


def _check_sizes(header: _Header) -> None:
    if not header.width or not header.height:
        raise ValueError(f"its frames are {header.height} x {header.width}")
    if header.codec is None:
        row, rest = divmod(header.image_bytes, header.height)
        short = header.stride < header.image_bytes + _STAMP.size
        if rest or row < header.width * header.channels or short:
            raise ValueError(
                f"{header.image_bytes} bytes every {header.stride} are no raw frames of "
                f"{header.height} x {header.width} x {header.channels}"
            )


def _places(file: BinaryIO, header: _Header) -> Iterator[_Place]:
    """Yields where the frames are, without reading them.

    Raises:
        ValueError: where the file ends before the last one.
    """
    end = os.fstat(file.fileno()).st_size
    places = _raw_places if header.codec is None else _compressed_places
    found = 0
    for place in places(file, header, end):
        yield place
        found += 1
        if found == header.count:
            return
    if found < max(header.count, 1):
        raise ValueError(f"it ends after {found} of {header.count or 'its'} frames")


def _raw_places(file: BinaryIO, header: _Header, end: int) -> Iterator[_Place]:
    for offset in range(header.size, end, header.stride):
        stamp = offset + header.image_bytes
        if stamp + _STAMP.size > end:
            return
        yield _Place(offset, header.image_bytes, _stamp(file, stamp))


def _compressed_places(file: BinaryIO, header: _Header, end: int) -> Iterator[_Place]:
    start, gap = header.size, None
    while (length := _length(file, header, start, end)) is not None:
        stamp = start + length
        if stamp + _STAMP.size > end:
            return
        yield _Place(start + 4, length - 4, _stamp(file, stamp))
        if gap is None:
            fits = (g for g in _GAPS if _length(file, header, stamp + g, end) is not None)
            gap = next(fits, _GAPS[0])
        start = stamp + gap


def _length(file: BinaryIO, header: _Header, start: int, end: int) -> int | None:
    """The bytes of the frame that begins there, its length included; None where none does."""
    magic = _START[header.codec or ""]
    file.seek(start)
    data = file.read(4 + len(magic))
    length = int.from_bytes(data[:4], "little")
    fits = data[4:] == magic and 4 + len(magic) < length <= end - start
    return length if fits else None


def _stamp(file: BinaryIO, offset: int) -> float:
    file.seek(offset)
    seconds, thousandths, millionths = _STAMP.unpack(file.read(_STAMP.size))
    return seconds + thousandths / 1e3 + millionths / 1e6


def _are_increasing(places: Iterator[_Place]) -> bool:
    """Goes through all stamps, and so also finds a file that ends too early before any work."""
    latest, increasing = -math.inf, True
    for place in places:
        increasing = increasing and place.seconds > latest
        latest = place.seconds
    return increasing


def _pixels(file: BinaryIO, header: _Header, place: _Place) -> np.ndarray:
    file.seek(place.offset)
    data = file.read(place.length)
    size = header.height, header.width
    if header.codec is not None:
        if header.height * header.width > _MOST_PIXELS_PER_BYTE * len(data):
            raise ValueError(f"{len(data)} bytes can't be a frame of {size[0]} x {size[1]}")
        return decoded(io.BytesIO(data), (header.codec,), size)
    rows = np.frombuffer(data, np.uint8).reshape(header.height, -1)  # May be longer than needed.
    pixels = rows[:, : header.width * header.channels].reshape(*size, header.channels)
    return pixels[..., ::-1].copy()  # From BGR; grey is itself.
