"""Recordings as arrays in files: `.npy`, `.npz` and HDF5."""

from __future__ import annotations

import functools
import math
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.data.recordings import Frame, Video

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
_FEWEST_AXES, _MOST_CHANNELS = 3, 4
_RULE = (
    "An array of frames has the shape (T, H, W) for grey, (T, H, W, C) with C up to 4, or "
    "(N, T, H, W, C) for many videos, of numbers or booleans."
)
# What NumPy, zipfile and h5py raise on damaged files.
_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    EOFError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_SMALL_CACHE, _LARGE_CACHE = 2**20, 2**28  # Bytes: HDF5's own, and as much as is taken at most.
_CACHE_SLOTS = 100_003  # A prime, far above the number of chunks held.
_loading = threading.Lock()
_Opener = Callable[[], AbstractContextManager[Any]]  # Gives an array, or a data set in a file.


def open_array(path: Path, name: str) -> list[Video]:
    """Opens the recordings of a `.npy` file, which is mapped into memory.

    Raises:
        ValueError: if it can't be read, or isn't an array of frames.
    """

    @contextmanager
    def opened() -> Iterator[np.ndarray]:
        yield np.lib.format.open_memmap(path, mode="r")

    with _named(path), opened() as array:
        return _videos(path, name, opened, array.shape, array.dtype)


def open_archive(path: Path, name: str) -> list[Video]:
    """Opens the recordings of a `.npz` file: all its arrays with three axes or more.

    An array is read as a whole at its first frame, and kept until another one is read.

    Raises:
        ValueError: if it can't be read, or holds no arrays of frames.
    """
    videos = []
    with _named(path), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            key = member.filename.removesuffix(".npy")
            with archive.open(member) as stream:
                shape, dtype = _npy_header(stream, member.file_size)
            opened = functools.partial(_member, path, key, path.stat().st_mtime_ns)
            if len(shape) >= _FEWEST_AXES:
                videos += _videos(path, f"{name}[{key}]", opened, shape, dtype)
    return _found(videos, path)


def open_hdf5(
    path: Path, name: str, values: Callable[[Any], Any] = lambda dataset: dataset
) -> list[Video]:
    """Opens the recordings of an HDF5 file: all data sets with three axes or more, at any depth.

    Frames are read one by one; of chunks, those of one layer are held, up to 256 MiB.

    Args:
        path: the file.
        name: of the recording.
        values: what is read as an array of a data set, by default itself.

    Raises:
        ValueError: if it can't be read, or holds no arrays of frames.
    """
    import h5py

    found: list[tuple[str, tuple[int, ...], np.dtype]] = []

    def note(key: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and len(item.shape or ()) >= _FEWEST_AXES:
            found.append((key, item.shape, values(item).dtype))

    @contextmanager
    def opened(key: str) -> Iterator[Any]:
        with h5py.File(path) as file:
            needed = _layer_bytes(file[key])
        with h5py.File(path, rdcc_nbytes=needed, rdcc_nslots=_CACHE_SLOTS, rdcc_w0=1.0) as file:
            yield values(file[key])

    videos = []
    with _named(path):
        with h5py.File(path) as file:
            file.visititems(note)
        for key, shape, dtype in found:
            videos += _videos(path, f"{name}[{key}]", functools.partial(opened, key), shape, dtype)
    return _found(videos, path)


def _layer_bytes(dataset: Any) -> int:
    """Bytes of all chunks that a frame lies in: with fewer, each frame would unpack them anew."""
    chunks = dataset.chunks or (1,) * dataset.ndim
    time = dataset.ndim == 5  # The axis of time; behind it are those of a frame.
    covering = [
        -(-size // chunk) * chunk for size, chunk in zip(dataset.shape, chunks, strict=True)
    ]
    needed = math.prod([*chunks[: time + 1], *covering[time + 1 :]]) * dataset.dtype.itemsize
    return min(max(needed, _SMALL_CACHE), _LARGE_CACHE)


def _videos(
    path: Path, name: str, opened: _Opener, shape: tuple[int, ...], dtype: np.dtype
) -> list[Video]:
    many = len(shape) == 5
    channels = 1 if len(shape) == _FEWEST_AXES else shape[-1]
    fits = _FEWEST_AXES <= len(shape) <= 5 and 0 not in shape and channels <= _MOST_CHANNELS
    if not fits or dtype.kind not in "buif":
        raise ValueError(
            f"{_RULE} Received: {name} of shape {tuple(shape)} and type {dtype}. "
            f"{_way_out(tuple(shape))}"
        )
    if not many:
        return [Video(name, functools.partial(_read, path, opened, ()), [path])]
    return [
        Video(f"{name}[{index}]", functools.partial(_read, path, opened, (index,)), [path])
        for index in range(shape[0])
    ]


def _way_out(shape: tuple[int, ...]) -> str:
    """Says how to order the axes of an array; short ones are channels, equal ones a frame's."""
    if len(shape) < _FEWEST_AXES:
        return "Add the axes that are missing: numpy.reshape(array, (T, H, W))."
    few = [axis for axis in (1, len(shape) - 3) if shape[axis] in range(1, _MOST_CHANNELS + 1)]
    if len(shape) in (4, 5) and 0 not in shape and few and shape[-1] > _MOST_CHANNELS:
        axes = "NTCHW"[-len(shape) :] if few[-1] == len(shape) - 3 else "NCTHW"
        return (
            f"Where it is ({', '.join(axes)}), move the channels to the end: "
            f"numpy.moveaxis(array, {few[-1]}, -1)."
        )
    time_first = "array[..., None] where it is (N, T, H, W)"
    time_last = "numpy.moveaxis(array, -1, 1)[..., None] where it is (N, H, W, T)"
    ways = [time_first, time_last]
    if len(shape) == 4 and shape[1] != shape[3] and shape[2] in (shape[1], shape[3]):
        ways = [time_last] if shape[1] == shape[2] else [time_first]
    return f"Order the axes: {', or '.join(ways)}."


def _read(path: Path, opened: _Opener, index: tuple[int, ...]) -> Iterator[Frame]:
    with _named(path), opened() as array:
        for time in range(array.shape[len(index)]):
            pixels = np.array(array[(*index, time)])
            if pixels.dtype == bool:
                pixels = pixels.astype(np.uint8) * 255
            yield Frame(pixels[..., None] if pixels.ndim == 2 else pixels, None)


@contextmanager
def _member(path: Path, key: str, changed: int) -> Iterator[np.ndarray]:
    with _loading:  # Else threads that want the same array would all read it.
        array = _loaded(path, key, changed)
    yield array


@functools.lru_cache(maxsize=1)
def _loaded(path: Path, key: str, changed: int) -> np.ndarray:
    """Reads an array of an archive; the time of its last change tells a new one of that name."""
    with np.load(path, allow_pickle=False) as archive:
        array: np.ndarray = archive[key]
        return array


def _npy_header(stream: Any, size: int) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    if not dtype.hasobject and dtype.itemsize * int(np.prod(shape, dtype=object)) > size:
        raise ValueError(f"{size} bytes are too few for an array of {shape}")
    return shape, dtype


def _found(videos: list[Video], path: Path) -> list[Video]:
    if not videos:
        raise ValueError(f"{_RULE} Received: {path} with no array of three axes or more. Add axes.")
    return videos


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Names the file in what reading it raises."""
    try:
        yield
    except _ERRORS as error:
        if isinstance(error, ValueError) and _RULE in str(error):
            raise
        raise ValueError(
            "Arrays are read from .npy, .npz and HDF5 files. "
            f"Received: {path}, which can't be read ({error}). Write it again."
        ) from error
