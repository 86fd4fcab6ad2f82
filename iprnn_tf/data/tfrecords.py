"""TFRecords of frames, written in order and read at any place.

Each record is a `tf.train.Example` with one feature, `frame`: the bytes of a uint8 or uint16 frame
`(H, W, C)`. As all frames of a data set have one size, all records have one length, and frame i
of a file begins where arithmetic says: a window is one read, in any order, at constant memory.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf

FEATURE = "frame"
_LENGTH = 12  # Bytes before the content of a record: its length, and the checksum of that.
_CHECKSUM = 4  # Bytes after it.


@dataclasses.dataclass(frozen=True)
class FrameRecords:
    """How frames of one size lie in a TFRecord file.

    Args:
        shape: (H, W, C).
        dtype: "uint8", or "uint16" where the frames were no bytes.
        source: the video that decided so, for people.
    """

    shape: tuple[int, int, int]
    dtype: str
    source: str = dataclasses.field(default="", compare=False)

    @functools.cached_property
    def layout(self) -> np.dtype:
        """One record, as NumPy sees it."""
        frame = np.zeros(self.shape, self.dtype)
        before = _LENGTH + len(_example(frame)) - frame.nbytes  # The frame comes last.
        stored = np.dtype(self.dtype).newbyteorder("<")
        return np.dtype(
            [("before", f"V{before}"), ("frame", stored, self.shape), ("after", f"V{_CHECKSUM}")]
        )

    def write(self, path: Path, frames: Iterable[np.ndarray], source: str) -> int:
        """Writes frames to a new file and returns how many they were.

        Args:
            path: the file.
            frames: each `(H, W, C)`, uint8 or float in [0, 1].
            source: where they come from, for people.

        Raises:
            ValueError: if a frame has another shape, or is bytes where others aren't.
            OSError: if the file can't be written.
        """
        count = 0
        with tf.io.TFRecordWriter(str(path)) as writer:
            for frame in frames:
                self._check(frame, source)
                writer.write(_example(as_integers(frame, self.dtype)))
                count += 1
        return count

    def _check(self, frame: np.ndarray, source: str) -> None:
        is_bytes = self.dtype == "uint8"
        if frame.shape != self.shape or (frame.dtype == np.uint8) != is_bytes:
            raise ValueError(
                f"{source}: Frames of a data set have one shape (H, W, C), and all are bytes or "
                f"none. Received: {frame.shape} of {frame.dtype}; the first video has "
                f"{self.shape} of {'uint8' if is_bytes else 'float32'} ({self.source}). Give "
                "--image_size=HxW or --channels=3, convert it, or keep it apart."
            )

    def read(self, path: Path, first: int, count: int) -> np.ndarray:
        """Returns `count` frames from frame `first` of a file on, `(count, H, W, C)`.

        Raises:
            OSError: if the file can't be read, or is too short.
        """
        layout = self.layout
        records = np.fromfile(path, layout, count, offset=first * layout.itemsize)
        if len(records) < count:
            raise OSError(f"{path} is shorter than it was when it was written. Prepare it again.")
        return np.ascontiguousarray(records["frame"], self.dtype)


def as_integers(frame: np.ndarray, dtype: str) -> np.ndarray:
    """Returns a frame as integers: uint8 stays as it is, float in [0, 1] takes the whole range."""
    if frame.dtype == np.uint8:
        return frame
    levels = np.iinfo(dtype).max
    return np.round(frame * np.float64(levels)).astype(dtype)


def _example(frame: np.ndarray) -> bytes:
    content = frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
    example = tf.train.Example(features=tf.train.Features(feature={FEATURE: feature}))
    return bytes(example.SerializeToString())
