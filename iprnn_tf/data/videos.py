"""Recordings in files and folders, whatever their format."""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from iprnn_tf.data import arrays, netcdf, norpix, pictures, video_files
from iprnn_tf.data.recordings import Frame as Frame
from iprnn_tf.data.recordings import Video as Video
from iprnn_tf.data.recordings import in_natural_order

_Reader = Callable[[Path, str], list[Video]]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(video_files.SUFFIXES, video_files.open_video),
    ".gif": pictures.open_animation,
    ".seq": norpix.open_sequence,
    ".npy": arrays.open_array,
    ".npz": arrays.open_archive,
    **dict.fromkeys(arrays.HDF5_SUFFIXES, arrays.open_hdf5),
    **dict.fromkeys(netcdf.SUFFIXES, netcdf.open_netcdf),
}
_FORMATS = f"{', '.join(_READERS)}, or a folder of {', '.join(pictures.SUFFIXES)}"


def open_videos(path: str | os.PathLike[str], name: str | None = None) -> list[Video]:
    """Opens the recordings of one file, or of one folder of pictures.

    Cheap: no frame is decoded yet. Of an array the shape is read.

    Args:
        path: a video file, an animation, a Norpix sequence, a folder of pictures, or an array
            file, which may hold several recordings.
        name: of the recording, by default the last part of `path`. Where there are several, each
            has its key or index behind it: `digits.npz[train]`, `digits.npy[0]`.

    Raises:
        ValueError: if there is nothing of the kind.
    """
    path = Path(path)
    name = path.name if name is None else name
    if path.is_dir():
        _check_no_video_file(path)
        return [pictures.open_folder(path, name)]
    if not path.exists():
        raise ValueError(
            f"A video is read from a file or a folder. Received: {path}, which isn't there. "
            "Check the path."
        )
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"Videos are read from {_FORMATS}. Received: {path}. Convert it to one of them."
        )
    return reader(path, name)


def _check_no_video_file(folder: Path) -> None:
    found = sorted(name for name in os.listdir(folder) if _is_video_file(name))
    if found:
        raise ValueError(
            "A folder that is one video holds pictures alone. Received: "
            f"{folder}, with {found[0]} among {len(found):,} video files. Give one of these."
        )


def _is_video_file(name: str) -> bool:
    return name.lower().endswith((*video_files.SUFFIXES, ".gif", ".seq")) and name[0] != "."


def find_videos(folder: str | os.PathLike[str]) -> list[Video]:
    """Opens all recordings below a folder, in natural order (drive2 before drive10).

    A folder that holds pictures is one recording, but pictures beside video files are left out,
    which the first of these remarks. Hidden files and folders, and files of unknown
    suffix, are left out. Links are followed, to every folder once. Cheap, as `open_videos`.

    Args:
        folder: a folder of files, or of folders at any depth.

    Returns:
        One recording or more. Each is named by its path from `folder`; `.` is the folder itself.

    Raises:
        ValueError: if it is no folder, or there are no recordings.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "which is a file" if folder.exists() else "which isn't there"
        raise ValueError(
            f"Videos are looked for in a folder. Received: {folder}, {found}. Give the folder "
            "that holds them."
        )
    videos = [video for parent, names in _walk(folder) for video in _videos(folder, parent, names)]
    if not videos:
        raise ValueError(
            f"A folder of videos holds {_FORMATS}, at any depth. Received: {folder} with none. "
            "Check the path."
        )
    return sorted(videos, key=lambda video: in_natural_order(video.name))


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yields every folder with the names of its files, what is hidden left out."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        place = os.stat(parent)
        known = (place.st_dev, place.st_ino) in seen  # A link led here before, maybe in a circle.
        seen.add((place.st_dev, place.st_ino))
        folders[:] = [] if known else sorted(filter(_visible, folders), key=in_natural_order)
        if not known:
            yield Path(parent), list(filter(_visible, names))


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _refuse(error: OSError) -> None:
    raise ValueError(
        f"Every folder below is searched. Received: {error.filename}, which can't be read "
        f"({error.strerror}). Change its permissions, or move it away."
    ) from error


def _videos(folder: Path, parent: Path, names: list[str]) -> Iterator[Video]:
    """Opens what a folder holds directly."""
    place = parent.relative_to(folder)
    frames = [name for name in names if Path(name).suffix.lower() in pictures.SUFFIXES]
    beside = [name for name in names if _is_video_file(name)]
    if frames and not beside:
        yield pictures.open_pictures(parent, frames, place.as_posix())
    for name in names:
        reader = _READERS.get(os.path.splitext(name)[1].lower())
        if reader is not None:
            opened = _opened(reader, parent / name, (place / name).as_posix())
            if frames and name == min(beside, default=None):
                opened = [_with_remark(opened[0], _left_out(frames))]
            yield from opened


def _left_out(frames: list[str]) -> str:
    return (
        f"pictures in its folder are left out ({len(frames):,}, such as {min(frames)}): those that "
        "are a video have a folder of their own"
    )


def _with_remark(video: Video, text: str) -> Video:
    return dataclasses.replace(video, remarks=lambda: [*video.remarks(), text])


def kinds(videos: Sequence[Video]) -> str:
    """Says what videos were taken from, as in `2 videos: 1 video file, 1 picture folder`."""
    counts = collections.Counter(_kind(video) for video in videos)
    found = [f"{count:,} {kind}{'s' * (count > 1)}" for kind, count in counts.items()]
    return f"{len(videos):,} video{'s' * (len(videos) > 1)}: {', '.join(found)}"


def _kind(video: Video) -> str:
    suffix = video.files[0].suffix.lower() if video.files else ""
    if suffix in pictures.SUFFIXES:
        return "picture folder"
    return "video file" if suffix in video_files.SUFFIXES else f"{suffix} recording".strip()


def _opened(reader: _Reader, path: Path, name: str) -> list[Video]:
    """Opens a file; one that can't be opened says so when it is read, as any damaged one."""
    try:
        return reader(path, name)
    except ValueError as error:
        return [Video(name, functools.partial(_raise, error), [path])]


def _raise(error: ValueError) -> Iterator[Frame]:
    raise error
