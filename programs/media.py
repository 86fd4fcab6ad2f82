"""Predictions in files: animations, filmstrips and arrays, by the suffix of the name."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from iprnn_tf.files import replacing
from iprnn_tf.pyav import import_av
from iprnn_tf.visualization import (
    DRAWABLE_CHANNELS,
    Panel,
    Picture,
    animation,
    filmstrips,
    save_gif,
    save_mp4,
    save_png,
    side_by_side,
)
from programs import command_line

SUFFIXES = (".gif", ".mp4", ".png", ".npy")
FRAMES_PER_SECOND = 5.0
STRIPS = 10  # A picture of more forecasts is too large to look at.
_SIDE = 320  # Pixels that small frames are enlarged to.
ValueRange = tuple[float, float]


class Forecast(NamedTuple):
    """What a model saw of a video, and what it made of it.

    Args:
        start: index of the first frame of the context in its video.
        context: `(T, H, W, C)`, float in [0, 1].
        targets: `(K, H, W, C)`, NaN where the video has ended.
        predictions: `(K, H, W, C)`.
    """

    start: int
    context: np.ndarray
    targets: np.ndarray
    predictions: np.ndarray


def check_files(source: str | None, output: str | None) -> None:
    """Says before any work whether predictions of what one file holds could be written to another.

    Raises:
        ValueError: if one isn't named, both are the same, or as `check_output`.
    """
    for name, path in {"input": source, "output": output}.items():
        if not path:
            raise ValueError(f"--{name} is needed. Received: none. Name a file; see --help.")
    check_output(str(output))
    if Path(str(source)).resolve() == Path(str(output)).resolve():
        raise ValueError(
            f"--output must be another file than --input. Received: {output} as both. "
            "Choose another name."
        )


def check_drawable(output: str | os.PathLike[str], channels: int) -> None:
    """Says before any work whether frames of so many channels could be written to a file.

    Raises:
        ValueError: if the file is a picture, and they can't be drawn.
    """
    if channels not in DRAWABLE_CHANNELS and Path(output).suffix.lower() != ".npy":
        raise ValueError(
            "Frames of 1 or 3 channels can be drawn. "
            f"Received: a model of {channels} and --output={output}. Choose .npy."
        )


def check_output(path: str | os.PathLike[str]) -> None:
    """Says before any work whether predictions could be written to a file of this name.

    Raises:
        ValueError: if the suffix is unknown or needs a package that isn't there, or such a file
            couldn't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"--output ends in one of {', '.join(SUFFIXES)}. Received: {path}. "
            "Choose .npy for the numbers."
        )
    command_line.check_file(path)
    if path.suffix.lower() == ".mp4":
        import_av()


def write_predictions(
    path: str | os.PathLike[str], context: np.ndarray, predictions: np.ndarray
) -> None:
    """Writes sequences side by side, in the form that the suffix asks for.

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
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        save_arrays(path, predictions)
    elif suffix == ".png":
        save_png(path, filmstrips(context, None, predictions))
    else:
        _save_animation(path, animation(context, None, predictions), FRAMES_PER_SECOND)


def write_forecasts(
    path: str | os.PathLike[str],
    forecasts: Iterable[Forecast],
    frames_per_second: float = FRAMES_PER_SECOND,
    value_range: ValueRange | None = None,
) -> None:
    """Writes forecasts one after the other, in the form that the suffix asks for.

    They are taken one by one, all of them, and no more than two are held at a time; but a GIF is
    held until its end, and so are the filmstrips of a PNG.

    Args:
        path: `.gif` or `.mp4` for an animation over the time of the video: the truth on the left,
            on the right the newest prediction; `.png` for filmstrips of the first ten; `.npy`
            for the predictions alone, float32 `(forecasts, K, H, W, C)`, clipped to the range.
        forecasts: in the order of their starts, video by video.
        frames_per_second: pace of the animation.
        value_range: what 0 and 1 stand for in an array, by default 0 and 1.

    Raises:
        ValueError: as `check_output`, if pictures of this number of channels can't be drawn, or
            there are no forecasts.
        OSError: if the file can't be written; an old one is then as it was.
    """
    check_output(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        low, high = value_range or (0.0, 1.0)
        save_arrays(path, (_in_units(forecast, low, high) for forecast in forecasts))
    elif suffix == ".png":
        save_png(path, _strips(forecasts))
    else:
        _save_animation(path, _moments(forecasts), frames_per_second)


def _in_units(forecast: Forecast, low: float, high: float) -> np.ndarray:
    """The predictions, which no value leaves: there is no negative rain."""
    return np.clip(low + (high - low) * forecast.predictions, low, high)


def save_arrays(path: str | os.PathLike[str], arrays: Iterable[np.ndarray]) -> None:
    """Writes arrays of one shape as a `.npy` file with one axis more in front.

    Each is written as it comes. A file half written never takes the place of a good one.

    Args:
        path: the file.
        arrays: float, written as float32; of one shape.

    Raises:
        ValueError: if there are none, or their shapes differ.
        OSError: if the file can't be written; an old one is then as it was.
    """
    arrays = iter(arrays)
    first = next(arrays, None)
    if first is None:
        raise ValueError("There must be predictions to write. Received: none. Make some first.")
    count = 0
    with replacing(path) as unfinished, unfinished.open("wb") as stream:
        _write_header(stream, (count, *first.shape))
        for array in itertools.chain([first], arrays):
            if array.shape != first.shape:
                raise ValueError(
                    "Predictions in one array have one shape. Received: "
                    f"{array.shape} after {first.shape}. Predict videos of one size at a time."
                )
            stream.write(np.ascontiguousarray(array, np.float32).data)
            count += 1
        stream.seek(0)
        _write_header(stream, (count, *first.shape))


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    """Its length is the same for any length of the first axis: NumPy leaves room for growth."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _save_animation(
    path: str | os.PathLike[str], pictures: Iterable[Picture], frames_per_second: float
) -> None:
    save = save_mp4 if Path(path).suffix.lower() == ".mp4" else save_gif
    save(path, pictures, frames_per_second)


def _strips(forecasts: Iterable[Forecast]) -> Picture:
    forecasts = iter(forecasts)
    drawn = list(itertools.islice(forecasts, STRIPS))
    for _ in forecasts:  # Whoever makes them may measure them.
        pass
    context, targets, predictions = (
        np.stack([forecast[field] for forecast in drawn]) for field in (1, 2, 3)
    )
    return filmstrips(context, None if np.isnan(targets).all() else targets, predictions)


def _moments(forecasts: Iterable[Forecast]) -> Iterator[Picture]:
    """Draws every frame of a video that a forecast sees or predicts, once."""
    shown = 0  # Of the video, from its start.
    for forecast, following in _with_following(forecasts):
        end = forecast.start + len(forecast.context) + len(forecast.predictions)
        # Starts rise within a video: one that doesn't is of the next.
        video_goes_on = following is not None and following.start > forecast.start
        if following is not None and video_goes_on:
            end = min(end, following.start + len(following.context))
        for index in range(max(shown, forecast.start), end):
            yield _moment(forecast, index - forecast.start)
        shown = end if video_goes_on else 0


def _with_following(forecasts: Iterable[Forecast]) -> Iterator[tuple[Forecast, Forecast | None]]:
    forecasts = iter(forecasts)
    forecast = next(forecasts, None)
    while forecast is not None:
        following = next(forecasts, None)
        yield forecast, following
        forecast = following


def _moment(forecast: Forecast, time: int) -> Picture:
    """Draws one frame of context and future, which are counted through."""
    length = len(forecast.context)
    if time < length:
        panels = 2 * [_panel("context", forecast.context, time)]
    else:
        known = not np.isnan(forecast.targets[time - length]).any()
        panels = [
            _panel("truth" if known else "no truth", forecast.targets, time - length),
            _panel("prediction", forecast.predictions, time - length, is_prediction=True),
        ]
    return side_by_side(panels, scale=max(1, _SIDE // max(forecast.context.shape[1:3])))


def _panel(name: str, frames: np.ndarray, time: int, is_prediction: bool = False) -> Panel:
    label = f"{name} {time + 1}/{len(frames)}"
    return Panel(label, frames[time : time + 1], is_prediction)
