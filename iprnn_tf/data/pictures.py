"""Recordings as pictures: folders of PNG or JPEG files, KITTI's with its time, and GIFs."""

from __future__ import annotations

import functools
import itertools
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from iprnn_tf.data import remarks
from iprnn_tf.data.recordings import Frame, Video, naturally_sorted, size_of

SUFFIXES = (".png", ".jpg", ".jpeg")
# What Pillow raises on damaged files, whatever its documentation says.
ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
KITTI_TIMES = "timestamps.txt"
_GREY_MODES = ("1", "L", "LA")
_UNTOLD_DURATION = 100  # Milliseconds for which browsers show a GIF's frame of duration 0.
_GIF_TRAILER = b";"


def open_folder(folder: Path, name: str) -> Video:
    """Opens a folder of pictures as one recording, in the order of their numbers.

    Raises:
        ValueError: if it holds no pictures.
    """
    return open_pictures(folder, _pictures_in(folder), name)


def open_pictures(folder: Path, names: Sequence[str], name: str) -> Video:
    """Opens pictures of one folder as one recording.

    Grey pictures have C = 1, all others are RGB; what is transparent loses its transparency.
    Pictures have no time, except in KITTI's folders: where the folder is called `data` and a
    `timestamps.txt` lies beside it, its lines are their times.

    Args:
        folder: where they lie.
        names: of the files, in any order.
        name: of the recording.
    """
    files = [folder / name for name in naturally_sorted(names)]
    times = [folder.parent / KITTI_TIMES] if _has_kitti_times(folder) else []
    frames = functools.partial(_read_folder, folder, files)
    return Video(name, frames, [*files, *times], functools.partial(remarks.of_gaps, files))


def open_animation(path: Path, name: str) -> list[Video]:
    """Opens a GIF, in RGB; every stored frame is one, and its durations are the time."""
    return [Video(name, functools.partial(_read_animation, path), [path])]


def decoded(
    file: BinaryIO | Path, formats: tuple[str, ...], size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decodes a picture to uint8 `(H, W, C)`: C is 1 where it is grey, else 3.

    Args:
        file: a path, or an open file.
        formats: that it may have, in Pillow's names.
        size: (H, W) that it must have; another is refused before its memory is taken.

    Raises:
        ValueError: if it has more than 8 bits a channel, or another size.
        OSError: if it can't be read; damaged files raise any of `ERRORS`.
    """
    with Image.open(file, formats=formats) as image:
        if size is not None and (image.height, image.width) != size:
            raise ValueError(f"a picture of {image.height} x {image.width}")
        # Pillow would cut off what is beyond the first 8 bits, without a word.
        if image.mode.startswith(("I", "F")) or any("16" in str(tile[3]) for tile in image.tile):
            raise ValueError("more than 8 bits a channel")
        return _pixels(ImageOps.exif_transpose(image))


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode in _GREY_MODES:
        return np.asarray(image.convert("L"))[..., None]
    if image.mode == "P":  # Pillow warns of palettes with transparency on the direct way.
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _pictures_in(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    pictures = [name for name in names if name.lower().endswith(SUFFIXES) and name[0] != "."]
    if not pictures:
        raise ValueError(
            f"A folder that is one video holds {', '.join(SUFFIXES)} files. Received: {folder} "
            "with none. Check the path, or name one of the videos in it."
        )
    return pictures


def _read_folder(folder: Path, files: Sequence[Path]) -> Iterator[Frame]:
    times = _kitti_times(folder, len(files))
    first: tuple[int, ...] = ()
    for file, seconds in zip(files, times, strict=True):
        try:
            pixels = decoded(file, ("PNG", "JPEG"))
        except ERRORS as error:
            raise _unreadable(file, error) from error
        first = first or pixels.shape
        if pixels.shape[:2] != first[:2]:
            raise ValueError(
                f"Frames of a video have one size. Received: {size_of(pixels)} pixels in {file}, "
                f"{first[0]} x {first[1]} pixels in {files[0]}. Convert or remove the one."
            )
        yield Frame(pixels, seconds, str(file))


def _has_kitti_times(folder: Path) -> bool:
    return folder.name == "data" and (folder.parent / KITTI_TIMES).is_file()


def _kitti_times(folder: Path, count: int) -> list[float] | list[None]:
    if not _has_kitti_times(folder):
        return [None] * count
    file = folder.parent / KITTI_TIMES
    try:
        lines = filter(None, map(str.strip, file.read_text().splitlines()))
        times = [np.datetime64(line, "ns") for line in lines]
    except (OSError, ValueError) as error:
        raise ValueError(
            "KITTI's time stamps look like 2011-09-26 13:02:25.964389445, one a line. "
            f"Received: {file} ({error}). Download it again, or remove it."
        ) from error
    if len(times) != count:
        raise ValueError(
            f"KITTI has one time stamp per picture. Received: {file} with {len(times)}, "
            f"{folder} with {count} pictures. Download the drive again."
        )
    if any(later <= time for time, later in itertools.pairwise(times)):
        return [None] * count  # They tell nothing: --source_fps may.
    return [float((time - times[0]) / np.timedelta64(1, "s")) for time in times]


def _read_animation(path: Path) -> Iterator[Frame]:
    milliseconds = 0.0
    try:
        with path.open("rb") as file, Image.open(file, formats=["GIF"]) as image:
            for picture in ImageSequence.Iterator(image):
                yield Frame(np.asarray(picture.convert("RGB")), milliseconds / 1000)
                milliseconds += picture.info.get("duration") or _UNTOLD_DURATION
            _check_trailer(file)
    except ERRORS as error:
        raise _unreadable(path, error) from error


def _check_trailer(file: BinaryIO) -> None:
    """Refuses a GIF cut between two frames, where Pillow sees the end of the animation."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1024))
    if not file.read().rstrip(b"\0").endswith(_GIF_TRAILER):
        raise ValueError("it ends too early")


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = str(error) or type(error).__name__
    return ValueError(
        "Pictures are PNG, JPEG or GIF files of 8 bits a channel. Received: "
        f"{path}, which can't be read ({reason}). Write it again."
    )
