"""How frames are taken from videos, and which data set's videos belong to which split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.data.recordings import Frame, Video
from iprnn_tf.data.shaping import FrameShape, resampled

PAPER_SIZE = (128, 160)


@dataclasses.dataclass(frozen=True)
class Cut:
    """How frames are taken from a video: which of them, how large, in which units.

    Args:
        image_size: (H, W) to scale and cut frames to, or None for their own.
        channels: C, or None for their own; only grey and colour become each other.
        value_range: (low, high) of arrays in other units, or None.
        fps: frames a second to take by their time stamps, 0 for all, or None for the data set's
            own, which is all where it has none.
        source_fps: frames a second of what has no time stamps, or None.
        missing: value that NaN in arrays becomes, in their units, or None where it is an error.
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    value_range: tuple[float, float] | None = None
    fps: float | None = None
    source_fps: float | None = None
    missing: float | None = None

    def frames(
        self, video: Video, remark: Callable[[str], None] = lambda text: None
    ) -> Iterator[np.ndarray]:
        """Yields the frames of a video, `(H, W, C)`, uint8 or float32 in [0, 1], as they are read.

        Args:
            video: a recording.
            remark: told at the end, in half a sentence, how many values were filled, if any.

        Raises:
            ValueError: if the video, which it names, can't be read or doesn't fit.
        """
        shape = FrameShape(self.image_size, self.channels, self.value_range)
        try:
            frames = self._of_one_kind(video.frames())
            if self.fps:
                frames = resampled(frames, self.fps, self.source_fps)
            filled, affected = 0, 0
            for index, frame in enumerate(frames):
                pixels, added = self._filled(frame.pixels)
                filled, affected = filled + added, affected + bool(added)
                yield _shaped(shape, pixels, index)
        except ValueError as error:
            raise ValueError(f"{video.name}: {error}") from error
        if filled:
            values = f"{filled:,} missing value{'s' * (filled > 1)}"
            places = f"{affected:,} frame{'s' * (affected > 1)}"
            remark(f"{values} became {self.missing:g}, in {places}")

    def _of_one_kind(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Refuses grey among colour, unless it is said what both become."""
        first: Frame | None = None
        for index, frame in enumerate(frames):
            first = first or frame
            counts = frame.pixels.shape[-1], first.pixels.shape[-1]
            if self.channels is None and counts[0] != counts[1]:
                raise ValueError(
                    "Frames of a video are all grey or all in colour, unless --channels=1 or "
                    f"--channels=3 converts them. Received: {counts[0]} channels in "
                    f"{frame.file or f'frame {index}'}, {counts[1]} in "
                    f"{first.file or 'frame 0'}. Give --channels."
                )
            yield frame

    def _filled(self, pixels: np.ndarray) -> tuple[np.ndarray, int]:
        if self.missing is None or pixels.dtype.kind != "f":
            return pixels, 0
        missing = np.isnan(pixels)
        return np.where(missing, pixels.dtype.type(self.missing), pixels), int(missing.sum())

    def suited_to(self, frame: np.ndarray) -> Cut:
        """Returns the same with a size, where a first frame `(H, W, C)` is too large for its own.

        Where no size is given, sides longer than those of the paper's 128 x 160 are brought down
        to them: a model of full-size video would fit no memory.
        """
        smaller = (min(frame.shape[0], PAPER_SIZE[0]), min(frame.shape[1], PAPER_SIZE[1]))
        own = None if smaller == frame.shape[:2] else smaller
        return dataclasses.replace(self, image_size=self.image_size or own)

    def suited_to_model(
        self,
        image_shape: tuple[int | None, int | None, int],
        value_range: tuple[float, float] | None,
    ) -> Cut:
        """Returns the same with frames as a model takes them.

        Args:
            image_shape: (H, W, C); where H or W is open, `image_size` stays.
            value_range: the model's.
        """
        height, width, channels = image_shape
        return dataclasses.replace(
            self,
            image_size=(height, width) if height and width else self.image_size,
            channels=channels,
            value_range=value_range,
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the settings as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if name != "missing" or value is not None  # Older preparations don't know it.
        }


def _shaped(shape: FrameShape, pixels: np.ndarray, index: int) -> np.ndarray:
    try:
        return shape(pixels)
    except ValueError as error:
        raise ValueError(f"Frame {index}: {error}") from error


def at_rate(video: Video, fps: float) -> Video:
    """Returns a recording that has a frame every 1 / fps seconds."""
    return dataclasses.replace(video, frames=lambda: resampled(video.frames(), fps))


@dataclasses.dataclass(frozen=True)
class Footage:
    """A data set of videos.

    Args:
        find: returns the videos below a folder.
        split: says to which split each of the videos belongs, by name. One without a split is
            cut in three, over time.
        image_size: (H, W) that its papers use, or None.
        fps: frames a second that its papers use, or None for all.
        recorded_fps: frames a second of the data where all are used, or None where that differs.
    """

    find: Callable[[Path], list[Video]]
    split: Callable[[Sequence[str]], dict[str, str]]
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    recorded_fps: float | None = None

    def cut(self, given: Cut) -> Cut:
        """Returns how its frames are taken: as given, else as its papers do."""
        return dataclasses.replace(
            given,
            image_size=given.image_size or self.image_size,
            fps=self.fps if given.fps is None else given.fps or None,
        )
