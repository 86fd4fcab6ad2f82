"""Frames in files: what a client reads sequences from, and what it writes predictions to."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image, ImageSequence

from iprnn_tf import visualization
from iprnn_tf.files import replacing

FRAMES_PER_SECOND = 5
_PICTURES = (".png", ".jpg", ".jpeg")
_FORMATS = ("GIF", "PNG", "JPEG")
_GREEN, _BLUE = 0.587, 0.114  # Weights of ITU-R BT.601 for grey; red has the rest.


def read_frames(path: str | PathLike[str], channels: int) -> np.ndarray:
    """Reads one sequence, or the many of an array.

    Nothing is resized. Grey becomes colour and colour grey where the model wants the other.

    Args:
        path: an animation (`.gif`, each stored frame once, whatever its duration), a video
            (`.mp4`), a folder of PNG or JPEG files in the order of their names (frame2 before
            frame10), or an array (`.npy`) of `(T, H, W, C)` or `(N, T, H, W, C)`, uint8 or
            float in [0, 1].
        channels: C of the model.

    Returns:
        Frames `(N, T, H, W, C)`, float32 in [0, 1].

    Raises:
        ValueError: if there are no frames there, or none that can be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        frames = read_array(path)
    else:
        read = _video if path.suffix.lower() == ".mp4" else _pictures
        frames = _floats(read(path), path)
    return _with_channels(frames, channels, path)


def read_array(path: str | PathLike[str], part: slice = slice(None)) -> np.ndarray:
    """Reads the sequences of a `.npy` file.

    Args:
        path: an array `(T, H, W, C)` or `(N, T, H, W, C)`, uint8 or float in [0, 1].
        part: which of its sequences; only these are read.

    Returns:
        Frames `(N, T, H, W, C)`, float32 in [0, 1].

    Raises:
        ValueError: if it can't be read, or holds anything else.
    """
    try:
        frames: np.ndarray = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"Frames in a .npy file are an array that NumPy can read. Received: {path} ({error}). "
            "Write it with numpy.save."
        ) from error
    frames = frames[None] if frames.ndim == 4 else frames
    if frames.ndim != 5 or 0 in frames.shape:
        raise ValueError(
            "An array of frames has the shape (T, H, W, C) or (N, T, H, W, C). "
            f"Received: {path} of shape {frames.shape}. Add axes; grey has one channel."
        )
    return _floats(np.asarray(frames[part]), Path(path))


def check_output(path: str | PathLike[str]) -> None:
    """Says before any work whether `write_predictions` could write a file of this name.

    Raises:
        ValueError: if the suffix is unknown, or needs a package that isn't there.
    """
    if Path(path).suffix.lower() not in _WRITERS:
        raise ValueError(
            f"--output ends in one of {', '.join(_WRITERS)}. Received: {path}. "
            "Choose .npy for the numbers."
        )
    if Path(path).suffix.lower() == ".mp4":
        _av()


def write_predictions(
    path: str | PathLike[str], context: np.ndarray, predictions: np.ndarray
) -> None:
    """Writes sequences in the form that the suffix asks for.

    Args:
        path: `.gif` or `.mp4` for an animation of context and predictions, `.png` for
            filmstrips, `.npy` for the predictions alone as float32 `(N, K, H, W, C)`.
        context: `(N, T, H, W, C)`, what was observed.
        predictions: `(N, K, H, W, C)`.

    Raises:
        ValueError: as `check_output`, or if pictures of this number of channels can't be drawn.
        OSError: if the file can't be written; an old one is then as it was.
    """
    check_output(path)
    _WRITERS[Path(path).suffix.lower()](Path(path), context, predictions)


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
    return np.divide(pixels, 255.0, dtype=np.float32).reshape(*pixels.shape[:2], channels)


def _video(path: Path) -> np.ndarray:
    av = _av()
    try:
        with av.open(path) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
            return np.stack(frames)[None]  # There may be none, or some of another size.
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise _unreadable(path, error) from error


def _pictures(path: Path) -> np.ndarray:
    files = _in_order(path) if path.is_dir() else [path]
    frames: list[np.ndarray] = []
    for file in files:
        for frame in _decoded(file):
            if frames and frame.shape != frames[0].shape:
                raise ValueError(
                    f"Frames of a sequence have one size. Received: {_size(frame)} in {file}, "
                    f"{_size(frames[0])} in {files[0]}. Resize or remove the one."
                )
            frames.append(frame)
    return np.stack(frames)[None]


def _in_order(folder: Path) -> list[Path]:
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _PICTURES and not file.name.startswith(".")
    ]
    if not files:
        raise ValueError(
            f"A folder of frames holds {', '.join(_PICTURES)} files. Received: {folder} with "
            "none. Give a folder with pictures, a .gif, .mp4 or .npy."
        )

    def numbers_by_value(file: Path) -> list[tuple[int, str]]:
        return [
            (int(part) if part.isdecimal() else 0, part)
            for part in re.split(r"(\d+)", file.name.casefold())
        ]

    return sorted(files, key=numbers_by_value)


def _decoded(file: Path) -> Iterator[np.ndarray]:
    """Yields a picture, or all those of an animation, as uint8 RGB `(H, W, 3)`."""
    try:
        with Image.open(file, formats=_FORMATS) as image:
            if image.mode.startswith(("I", "F")):  # Pillow would cut 16 bits off at 255.
                raise ValueError("more than 8 bits a channel")
            for frame in ImageSequence.Iterator(image):
                yield np.asarray(frame.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error


def _unreadable(path: Path, reason: object) -> ValueError:
    return ValueError(
        "--input is a GIF, an MP4, a folder of 8-bit PNG or JPEG files or a .npy array. "
        f"Received: {path}, which can't be read ({reason}). Check the path, or write it again."
    )


def _floats(frames: np.ndarray, path: Path) -> np.ndarray:
    if frames.dtype == np.uint8:
        return np.divide(frames, 255.0, dtype=np.float32)
    if frames.dtype.kind != "f" or not (0.0 <= frames.min() <= frames.max() <= 1.0):
        raise ValueError(
            "Frames are uint8, or float in [0, 1]. "
            f"Received: {path} with {frames.dtype} from {frames.min()} to {frames.max()}. "
            "Cast bytes to uint8, or scale to [0, 1]."
        )
    return frames.astype(np.float32)


def _with_channels(frames: np.ndarray, channels: int, path: Path) -> np.ndarray:
    given = frames.shape[-1]
    if given == channels:
        return frames
    if given == 1 and channels == 3:
        return np.repeat(frames, 3, axis=-1)
    if given == 3 and channels == 1:
        red, green, blue = np.split(frames, 3, axis=-1)
        return red + _GREEN * (green - red) + _BLUE * (blue - red)  # Grey stays as it is, exactly.
    raise ValueError(
        f"Frames must have the model's {channels} channels; only grey and colour are converted. "
        f"Received: {path} with {given}. Give other frames, or ask another model."
    )


def _size(frame: np.ndarray) -> str:
    return f"{frame.shape[0]} x {frame.shape[1]}"


def _write_gif(path: Path, context: np.ndarray, predictions: np.ndarray) -> None:
    pictures = visualization.animation(context, None, predictions)
    visualization.save_gif(path, pictures, FRAMES_PER_SECOND)


def _write_png(path: Path, context: np.ndarray, predictions: np.ndarray) -> None:
    visualization.save_png(path, visualization.filmstrips(context, None, predictions))


def _write_npy(path: Path, context: np.ndarray, predictions: np.ndarray) -> None:
    with replacing(path) as unfinished, unfinished.open("wb") as stream:
        np.save(stream, predictions)


def _write_mp4(path: Path, context: np.ndarray, predictions: np.ndarray) -> None:
    av = _av()
    pictures = visualization.animation(context, None, predictions)
    # H.264 halves the resolution of colours, so sides are even.
    odd = [(0, side % 2) for side in pictures.shape[1:3]]
    pictures = np.pad(pictures, [(0, 0), *odd, (0, 0)], constant_values=255)
    with replacing(path) as unfinished, av.open(unfinished, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"  # What browsers play.
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise ValueError(
            "MP4 files need PyAV. Received: an .mp4, and no package `av`. "
            'Install the extra `video`, pip install -e ".[video]", or choose .gif.'
        ) from error
    return av


_WRITERS: dict[str, Callable[[Path, np.ndarray, np.ndarray], None]] = {
    ".gif": _write_gif,
    ".mp4": _write_mp4,
    ".png": _write_png,
    ".npy": _write_npy,
}
