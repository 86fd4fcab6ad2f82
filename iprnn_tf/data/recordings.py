"""What every reader of video gives: frames with their time, one recording at a time."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

# The last number, with one point, and what stands before and after it.
_DECIMAL = re.compile(r"(.*?\D|)(?<!\d\.)(\d+\.\d+)(\D*(?:\.[^.]*)?)")


class Frame(NamedTuple):
    """One picture of a recording.

    Args:
        pixels: `(H, W, C)`: uint8 RGB or grey (C 3 or 1) from pictures and videos; arrays keep
            their own type and C.
        seconds: since the first frame of the recording; None where the source has no time.
        file: that holds this frame alone, if one does.
    """

    pixels: np.ndarray
    seconds: float | None
    file: str = ""


@dataclasses.dataclass(frozen=True)
class Video:
    """One uninterrupted recording.

    Args:
        name: for people, unique in its data set: the path from the folder that was searched, with
            forward slashes.
        frames: reads from the start, one frame at a time, at constant memory; every call starts
            anew. Raises ValueError, which names the file, where it can't be read.
        files: what it is read from.
        remarks: what people should know of it before they train, in half sentences. Cheap.
    """

    name: str
    frames: Callable[[], Iterator[Frame]]
    files: Sequence[Path] = ()
    remarks: Callable[[], Sequence[str]] = tuple

    def state(self) -> str:
        """Returns a text that changes when one of the files does, without reading them.

        Raises:
            ValueError: if a file isn't there any more.
        """
        digest = hashlib.sha256()
        for file in self.files:
            try:
                stat = file.stat()
            except OSError as error:
                raise ValueError(
                    f"The files of a video must be there. Received: {file} ({error.strerror}). "
                    "Was it moved, or a disk taken away?"
                ) from error
            digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]


def in_natural_order(name: str) -> list[tuple[int, str]]:
    """A key to sort names by: numbers by their value, so that frame2 comes before frame10."""
    parts = [
        (int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name.casefold())
    ]
    return [*parts, (0, name)]  # Names that differ in case alone have one order too.


def naturally_sorted(names: Iterable[str]) -> list[str]:
    """Sorts the names of one recording's files by their numbers, as `in_natural_order`.

    `0.05` comes before `0.1`, as decimals do, where the names differ in nothing but one number with
    one point, and these can't be versions: one has a zero behind its point, or they are evenly
    spaced. Else every number counts by itself: version `1.9` comes before `1.10`, and
    `frame_1.2.10` is no decimal.
    """
    names = list(names)
    found = [_DECIMAL.fullmatch(name) for name in names]
    frames = {(match[1], match[3]) for match in found if match}
    if None in found or len(frames) != 1:
        return sorted(names, key=in_natural_order)
    values = {name: Fraction(match[2]) for name, match in zip(names, found, strict=True) if match}
    ordered = sorted(values, key=values.__getitem__)
    steps = {values[after] - values[before] for before, after in itertools.pairwise(ordered)}
    zero = any(re.search(r"\.0\d", match[2]) for match in found if match)
    is_even = len(names) > 2 and len(steps) == 1
    return ordered if zero or is_even else sorted(names, key=in_natural_order)


def size_of(pixels: np.ndarray) -> str:
    """The size of a frame for messages, as in `375 x 1242`: height first."""
    return f"{pixels.shape[0]} x {pixels.shape[1]}"
