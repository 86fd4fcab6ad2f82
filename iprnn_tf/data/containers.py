"""Whether a video file is whole, by what its container says about its length."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # Matroska's first two elements.


def missing_bytes(path: Path) -> int:
    """Returns how many bytes a file lacks that was cut off at its end; 0 where none are known to.

    Decoders just stop at the end of a file, so that half a video looks like a short one. But MP4
    and MOV consist of boxes, AVI of chunks and Matroska and WebM of elements, that all begin with
    their length. Where that reaches beyond the end of the file, the rest is missing. A length
    that was never filled in, as in live recordings, says nothing.

    Raises:
        OSError: if the file can't be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(12)
        if start[:4] == b"RIFF":
            ends = _chunk_ends(file, size)
        elif start[:4] == _EBML:
            ends = _segment_end(file)
        else:
            ends = _box_ends(file, size)
        return max(0, *ends, size) - size


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """ISO/IEC 14496-12, 4.2: a length of 4 bytes, a type, and for length 1 one of 8 bytes."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:])
        if length < 8 or not kind.isalnum():  # 0: to the end of the file. Else no box at all.
            return
        place += length
        yield place


def _chunk_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """RIFF, and OpenDML for more than one: a type, and the length of what follows."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        header = file.read(8)
        length = int.from_bytes(header[4:], "little")
        if header[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):  # Never filled in.
            return
        place += 8 + length
        yield place


def _segment_end(file: BinaryIO) -> Iterator[int]:
    """RFC 8794: an identifier, then a length whose first bit set says how many bytes it has."""
    file.seek(len(_EBML))
    header = _length(file)
    if header is None:
        return
    file.seek(header, os.SEEK_CUR)
    if file.read(4) == _SEGMENT:
        length = _length(file)
        if length is not None:
            yield file.tell() + length


def _length(file: BinaryIO) -> int | None:
    first = file.read(1)
    if not first or not first[0]:
        return None
    rest = 8 - first[0].bit_length()
    bits = 7 * (rest + 1)
    value = int.from_bytes(first + file.read(rest)) & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value  # All ones: unknown.
