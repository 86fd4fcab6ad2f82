"""Forecasts all along a video, which is read frame by frame."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from iprnn_tf.data.shaping import as_floats
from iprnn_tf.models import VideoPredictor
from programs.media import Forecast
from trainers.measuring.machine import compiles_by_default

Window = tuple[int, np.ndarray]  # Where in the video it begins, and its frames.


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When forecasts are made, in frames of a video.

    Forecast i sees the T frames from `start + i * stride` on and predicts the K frames after
    them. All are made whose context fits, so that the last ones reach beyond the end, where there
    is no truth.

    Args:
        context_frames: T.
        horizon: K.
        stride: frames from one forecast to the next.
        start: first frame that is seen.
    """

    context_frames: int
    horizon: int
    stride: int
    start: int = 0

    def windows(self, frames: Iterable[np.ndarray], name: str) -> Iterator[Window]:
        """Yields the frames of every forecast; no more than T + K are held.

        Args:
            frames: of one video.
            name: of the video.

        Yields:
            The index of the first frame; and the T frames of the context with the K after them,
            or as many as there are, `(T to T + K, H, W, C)`.

        Raises:
            ValueError: if the video is too short for a single forecast.
        """
        begin, count = self.start, 0
        held: collections.deque[np.ndarray] = collections.deque()
        for count, frame in enumerate(frames, start=1):
            if count > begin:
                held.append(frame)
            if len(held) == self.context_frames + self.horizon:
                yield begin, np.stack(held)
                begin += self._advance(held)
        if count < self.start + self.context_frames:
            raise self._too_short(name, count)
        while len(held) >= self.context_frames:
            yield begin, np.stack(held)
            begin += self._advance(held)

    def _advance(self, held: collections.deque[np.ndarray]) -> int:
        for _ in range(min(self.stride, len(held))):
            held.popleft()
        return self.stride

    def _too_short(self, name: str, count: int) -> ValueError:
        needed = f"{self.context_frames} frames to start from"
        after = f" after the first {self.start}" if self.start else ""
        return ValueError(
            f"The model needs {needed}{after}. Received: {name} with {count} frames. Give a "
            "longer video, or fewer --context_frames."
        )


class Forecaster:
    """Makes forecasts with one model, one after the other.

    Args:
        model: its horizon becomes the schedule's.
        schedule: when forecasts are made.
    """

    def __init__(self, model: VideoPredictor, schedule: Schedule) -> None:
        self._model, self._schedule = model, schedule
        model.horizon = schedule.horizon
        model.compile(jit_compile=compiles_by_default())

    def forecasts(self, frames: Iterable[np.ndarray], name: str) -> Iterator[Forecast]:
        """Yields the forecasts of a video as its frames come.

        Args:
            frames: `(H, W, C)`, uint8 or float32 in [0, 1].
            name: of the video.

        Raises:
            ValueError: if the video is too short, or its frames don't fit the model.
        """
        first = self._schedule.context_frames
        for start, window in self._schedule.windows(frames, name):
            window = as_floats(window)
            context, known = window[:first], window[first:]
            targets = np.full((self._schedule.horizon, *window.shape[1:]), np.nan, np.float32)
            targets[: len(known)] = known
            yield Forecast(start, context, targets, self._predict(context))

    def _predict(self, context: np.ndarray) -> np.ndarray:
        predictions: np.ndarray = self._model.predict_on_batch(context[None])
        return predictions[0]
