"""From the frames of a recording to a model's: at which times, how large, in which units."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from iprnn_tf.data.recordings import Frame, size_of

CONVERTIBLE_CHANNELS = (1, 3)  # Grey and colour become each other; other numbers stay.
_GREEN, _BLUE = 0.587, 0.114  # Weights of ITU-R BT.601 for grey; red has the rest.
_LONGEST_FRAME = 600.0  # Seconds. It would be repeated without an end where a clock jumps.
_SLACK = 1e-6  # Seconds: time stamps closer than this to the middle are as near to both sides.
_SHORT_FLOATS = (np.float16, np.float32)


def resampled(
    frames: Iterable[Frame], fps: float, source_fps: float | None = None
) -> Iterator[Frame]:
    """Takes frames at an even rate, by their time stamps.

    Frame k of the result is the one nearest to k / fps seconds after the first; of two equally
    near ones the earlier. A frame that lasts long is repeated; the last one lasts half a period,
    of the source or the result, whichever is shorter. Holds two frames at a time.

    Args:
        frames: of one recording.
        fps: frames a second of the result.
        source_fps: frames a second of a recording without time stamps; those of others win.

    Returns:
        Frames with their new times, k / fps.

    Raises:
        ValueError: if a rate isn't positive, time stamps are missing without `source_fps`, or
            they don't grow, or jump by more than ten minutes.
    """
    for name, rate in (("fps", fps), ("source_fps", source_fps)):
        if rate is not None and not 0 < rate < float("inf"):
            raise ValueError(
                f"Frames are taken at a positive rate. Received: {name}={rate}. "
                "Give frames per second."
            )
    return _resampled(frames, fps, source_fps)


def _resampled(frames: Iterable[Frame], fps: float, source_fps: float | None) -> Iterator[Frame]:
    taken, now, interval = 0, 0.0, 0.0
    current: np.ndarray | None = None
    for time, following in _timed(frames, source_fps):
        if current is not None:
            interval = time - now
            while taken / fps <= now + interval / 2 + _SLACK:
                yield Frame(current, taken / fps)
                taken += 1
        now, current = time, following
    end = now + max(0.0, min(interval, 1 / fps) / 2 - _SLACK)
    while current is not None and taken / fps <= end:
        yield Frame(current, taken / fps)
        taken += 1


def _timed(frames: Iterable[Frame], source_fps: float | None) -> Iterator[tuple[float, np.ndarray]]:
    """Gives every frame the time since the first one."""
    start: float | None = None
    latest = -1.0
    for index, (pixels, seconds, _) in enumerate(frames):
        start = seconds if index == 0 else start
        if (seconds is None) != (start is None):
            raise ValueError(
                "Either all frames of a video have time stamps or none. Received: both, at frame "
                f"{index}. Take all frames (--fps=0), or convert the video."
            )
        told = seconds is None or start is None
        time = _told(index, source_fps) if told else seconds - start  # type: ignore[operator]
        if time <= latest:
            raise ValueError(
                "The time stamps of a video must grow. Received: "
                f"{time} s after {latest} s, at frame {index}. "
                "Take all frames (--fps=0), or convert the video."
            )
        if index and time - latest > _LONGEST_FRAME:
            raise ValueError(
                "No frame of a video lasts longer than ten minutes. Received: time stamps of "
                f"{latest:.3f} s and then {time:.3f} s, at frame {index}: a clock was set. "
                "Take all frames (--fps=0), or cut the video there."
            )
        latest = time
        yield time, pixels


def _told(index: int, source_fps: float | None) -> float:
    if source_fps is None:
        raise ValueError(
            "Frames can be taken at a rate only if it is known when they were recorded. "
            "Received: a source without time stamps. Say its frames per second with "
            "--source_fps, or take all frames (--fps=0)."
        )
    return index / source_fps


def as_floats(frames: np.ndarray) -> np.ndarray:
    """Returns float32 in [0, 1] of bytes; what isn't bytes stays as it is."""
    return np.divide(frames, 255.0, dtype=np.float32) if frames.dtype == np.uint8 else frames


@dataclasses.dataclass(frozen=True)
class FrameShape:
    """Brings frames to one size, one number of channels and one range of values.

    The size is reached as in PredNet's preparation of KITTI: scaled by one factor, bilinear with
    antialiasing, so that the target is just covered, then cut to its centre: 375 x 1242 becomes
    128 x 424, then 128 x 160. A frame of the right size keeps its numbers exactly, and grey stays
    exact in colour and back.

    Args:
        image_size: (H, W), or None for the frames' own.
        channels: C, or None for the frames' own; grey (1) and colour (3) become each other, by
            ITU-R BT.601, and others must be so already.
        value_range: (low, high) in the units of the data, which become 0 and 1; None where they
            are pictures: uint8, or float in [0, 1].
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        size, limits = self.image_size, self.value_range
        good = size is None or (len(size) == 2 and min(size) > 0)
        good = good and (self.channels is None or self.channels > 0)
        good = good and (
            limits is None or bool(np.isfinite(limits).all() and limits[0] < limits[1])
        )
        if not good:
            raise ValueError(
                "Frames have a positive height, width and number of channels, and finite values "
                f"from low to high. Received: image_size={size}, channels={self.channels}, "
                f"value_range={limits}. Leave out what shall stay as it is."
            )

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Returns a frame in this shape.

        Args:
            pixels: `(H, W, C)`, uint8 or of other numbers.

        Returns:
            uint8 where it was uint8 and there is no `value_range`, else float32 in [0, 1].

        Raises:
            ValueError: if values are outside their range, or the channels can't be converted.
        """
        if pixels.dtype == np.uint8 and self.value_range is None:
            return self._with_channels(self._with_size(pixels))
        low, high = self._checked_range(pixels)
        sized = self._with_size(pixels)
        sized = sized.astype(np.float32 if sized.dtype in _SHORT_FLOATS else np.float64)
        scaled = np.clip((sized - low) / (high - low), 0.0, 1.0)
        return self._with_channels(scaled.astype(np.float32))

    def _checked_range(self, pixels: np.ndarray) -> tuple[float, float]:
        if self.value_range is None and pixels.dtype.kind != "f":
            raise ValueError(
                "Frames are uint8, float in [0, 1], or have a range of values. Received: "
                f"{pixels.dtype} without one. Say it with --value_range=low,high."
            )
        low, high = (float(limit) for limit in self.value_range or (0.0, 1.0))
        _check_numbers(pixels, low, high)
        least, most = pixels.min(), pixels.max()
        if not low <= least <= most <= high:
            raise ValueError(
                f"Values must be from {low:g} to {high:g}. Received: {least} to {most}. Say with "
                "--value_range=low,high which values all of the data may take, or use numpy.clip."
            )
        return low, high

    def _with_size(self, pixels: np.ndarray) -> np.ndarray:
        if self.image_size is None or pixels.shape[:2] == tuple(self.image_size):
            return pixels
        target = self.image_size
        factor = max(wanted / given for wanted, given in zip(target, pixels.shape, strict=False))
        covering = [
            max(wanted, round(factor * given))
            for wanted, given in zip(target, pixels.shape, strict=False)
        ]
        top, left = ((size - wanted) // 2 for size, wanted in zip(covering, target, strict=True))
        scaled = _scaled(pixels, covering[0], covering[1])
        return scaled[top : top + target[0], left : left + target[1]]

    def _with_channels(self, pixels: np.ndarray) -> np.ndarray:
        given, wanted = pixels.shape[-1], self.channels
        if wanted in (None, given):
            return pixels
        if (given, wanted) == (1, 3):
            return np.repeat(pixels, 3, axis=-1)
        if (given, wanted) == (3, 1):
            red, green, blue = np.split(pixels.astype(np.float32), 3, axis=-1)
            grey = red + _GREEN * (green - red) + _BLUE * (blue - red)  # Grey stays, exactly.
            return grey if pixels.dtype != np.uint8 else np.rint(grey).astype(np.uint8)
        raise ValueError(
            f"Frames are wanted with {wanted} channels, and only grey and colour are converted. "
            f"Received: a frame of {size_of(pixels)} with {given}. Give such frames, or a "
            "model for these."
        )


def _check_numbers(pixels: np.ndarray, low: float, high: float) -> None:
    if np.isfinite(pixels).all():
        return
    nan, infinite = int(np.isnan(pixels).sum()), int(np.isinf(pixels).sum())
    counts = {"NaN": nan, "infinite": infinite}
    found = " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    raise ValueError(
        f"Values must be numbers from {low:g} to {high:g} (--value_range). Received: {found} of "
        f"{pixels.size:,} values. Say with --missing=VALUE what NaN stands for, or use "
        "numpy.nan_to_num."
    )


def _scaled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales bilinearly with antialiasing.

    Pillow has no pictures of two channels, or of floats in colour: these go one by one.
    """
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32)
    elif pixels.shape[-1] == 3:
        return _resized(pixels, height, width)
    channels = np.moveaxis(pixels, -1, 0)
    return np.stack([_resized(channel, height, width) for channel in channels], axis=-1)


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
