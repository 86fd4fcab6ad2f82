"""Prepared video: the folder that `prepare` writes, and the windows of frames in it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.data.digits import SPLITS, check_split
from iprnn_tf.data.drawn import HELD_OUT_SEED, SPLIT_STREAMS
from iprnn_tf.data.tfrecords import FrameRecords
from iprnn_tf.data.video_protocols import VIDEO_PROTOCOLS, VideoProtocol

INDEX = "index.json"


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames that follow each other, all in one split.

    Args:
        video: name of the recording they come from.
        split: "train", "validation" or "test".
        shard: name of the TFRecord file.
        first: index of the first frame in that file.
        frames: how many.
    """

    video: str
    split: str
    shard: str
    first: int
    frames: int

    def windows(self, num_frames: int, stride: int) -> int:
        """Returns how many windows fit: none crosses the border of the segment."""
        return max((self.frames - num_frames) // stride + 1, 0)


@dataclasses.dataclass(frozen=True)
class PreparedVideo:
    """What a prepared folder holds.

    Args:
        folder: where it is.
        records: how frames lie in its files.
        segments: which frames belong to which split.
        settings: how the frames were made, and of what.
        skipped: names of the videos that couldn't be read, with the reasons.
        shards: size and SHA-256 of each file.
        source: the folder of the videos, where it is known.
        remarks: what people should know of its videos: a name, and half a sentence.
    """

    folder: Path
    records: FrameRecords
    segments: tuple[Segment, ...]
    settings: dict[str, Any]
    skipped: dict[str, str]
    shards: dict[str, dict[str, Any]]
    source: str = ""
    remarks: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, folder: str | Path) -> PreparedVideo:
        """Reads the index of a prepared folder, and checks that all its files are there.

        Raises:
            ValueError: if this is no prepared folder, or a file is missing or cut.
        """
        folder = Path(folder)
        try:
            index = json.loads((folder / INDEX).read_text())
            height, width, channels = index["settings"]["frame_shape"]
            prepared = cls(
                folder,
                FrameRecords((height, width, channels), index["settings"]["dtype"]),
                tuple(Segment(**segment) for segment in index["segments"]),
                index["settings"],
                index["skipped"],
                index["shards"],
                index.get("source", ""),
                tuple((name, text) for name, text in index.get("remarks", [])),
            )
            wrong = [
                name
                for name, shard in prepared.shards.items()
                if _size(folder / name) != shard["bytes"]
            ]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"Prepared video is a folder that trainers.prepare wrote, with an {INDEX}. "
                f"Received: {folder} ({type(error).__name__}: {error}). Prepare it: "
                "python -m trainers.prepare --dataset=video --data_dir=... --output=..."
            ) from error
        if wrong:
            raise _damaged(folder, wrong, "missing or cut")
        return prepared

    def check(self) -> None:
        """Reads all files and compares them with their checksums.

        Raises:
            ValueError: if one is damaged.
        """
        with concurrent.futures.ThreadPoolExecutor() as pool:
            digests = pool.map(lambda name: digest_of(self.folder / name), self.shards)
            found = dict(zip(self.shards, digests, strict=True))
        wrong = [name for name, shard in self.shards.items() if found[name] != shard["sha256"]]
        if wrong:
            raise _damaged(self.folder, wrong, "damaged")

    @property
    def contents(self) -> str:
        """A hash of the frames and of the recordings they are from, wherever they lie."""
        # The frame's shape says both, also where the cut left them open.
        cut = {**self.settings["cut"], "image_size": None, "channels": None}
        told = [
            {**self.settings, "cut": cut},
            [dataclasses.astuple(segment) for segment in self.segments],
            [shard["sha256"] for shard in self.shards.values()],
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def frames(self, split: str) -> int:
        """Returns how many frames a split has."""
        return sum(segment.frames for segment in self.segments if segment.split == split)

    def videos(self, split: str) -> list[str]:
        """Returns the names of the videos of a split, in order."""
        return list(dict.fromkeys(s.video for s in self.segments if s.split == split))


class VideoWindows:
    """Windows of frames of prepared video.

    Training windows come in an order drawn anew for each pass over the data, and never end;
    those of validation and test come in an order that is always the same, so that the first n
    are a fair sample. Window i of a split depends on the seed and on i alone. Windows never
    cross the border of a video, and splits share no frame.

    Args:
        data_dir: a prepared folder.
        protocol: a key of `VIDEO_PROTOCOLS`; it says how far windows are apart.
        num_frames: T, the length of a window.
        window_stride: frames from one window to the next; 0 for the protocol's.
        seed: of the order of the training windows.

    Raises:
        ValueError: if there is no prepared video, or an argument is out of range.
    """

    protocols = tuple(VIDEO_PROTOCOLS)

    def __init__(
        self,
        data_dir: str | Path,
        protocol: str = "paper",
        num_frames: int = 20,
        window_stride: int = 0,
        seed: int = 0,
    ) -> None:
        _check_lengths(num_frames, window_stride)
        self.prepared = PreparedVideo.read(data_dir)
        self.protocol = _protocol(protocol)
        self.image_shape = self.prepared.records.shape
        self.num_frames = num_frames
        self.window_stride = window_stride
        self.seed = seed

    def num_windows(self, split: str) -> int:
        """Returns how many windows a split has."""
        return int(self._table(split)[1][-1])

    def frames(self, split: str, start: int = 0) -> tf.data.Dataset:
        """Returns the windows of a split, each uint8 or uint16 `(T, H, W, C)`.

        Args:
            split: "train", "validation" or "test".
            start: index of the first window; an interrupted run goes on from there.

        Raises:
            ValueError: if the split has no window of this length.
        """
        check_split(split)
        count = self.num_windows(split)
        if not count:
            raise ValueError(
                f"A split needs videos of at least {self.num_frames} frames, context and horizon "
                f"together. Received: {self.prepared.folder}, with none in {split!r} "
                f"({self.prepared.frames(split):,} frames in "
                f"{len(self.prepared.videos(split)):,} videos). "
                "Add videos, or lower --context_frames or --horizon."
            )
        stop = np.iinfo(np.int64).max if split == "train" else count
        windows = tf.data.Dataset.range(min(start, stop), stop).map(
            self._reader(split, count), num_parallel_calls=tf.data.AUTOTUNE
        )
        if split == "train":
            return windows
        return windows.apply(tf.data.experimental.assert_cardinality(max(count - start, 0)))

    def _reader(self, split: str, count: int) -> Any:
        segments, ends = self._table(split)
        stride, records = self._stride(split), self.prepared.records
        seed = self.seed if split == "train" else HELD_OUT_SEED

        def read(window: np.ndarray) -> np.ndarray:
            index = int(np.searchsorted(ends, window, side="right"))
            segment = segments[index]
            before = int(ends[index - 1]) if index else 0
            first = segment.first + (int(window) - before) * stride
            return records.read(self.prepared.folder / segment.shard, first, self.num_frames)

        def load(position: tf.Tensor) -> tf.Tensor:
            order = tf.stack([SPLIT_STREAMS[split] + 3 * seed, position // count])
            window = tf.random.experimental.index_shuffle(position % count, order, count - 1)
            frames = tf.numpy_function(read, [window], tf.as_dtype(records.dtype), stateful=False)
            return tf.ensure_shape(frames, (self.num_frames, *self.image_shape))

        return load

    def _table(self, split: str) -> tuple[list[Segment], np.ndarray]:
        """The segments of a split, and how many windows there are up to the end of each."""
        segments = [segment for segment in self.prepared.segments if segment.split == split]
        stride = self._stride(split)
        counts = [segment.windows(self.num_frames, stride) for segment in segments]
        return segments, np.cumsum(counts or [0])

    def _stride(self, split: str) -> int:
        stride = self.protocol.train_stride if split == "train" else self.protocol.test_stride
        return self.window_stride or stride or self.num_frames


def _check_lengths(num_frames: int, window_stride: int) -> None:
    if num_frames < 2:
        raise ValueError(
            "A window needs a frame to see and one to predict. "
            f"Received: num_frames={num_frames}. Most papers use 20."
        )
    if window_stride < 0:
        raise ValueError(
            "Windows begin one frame apart or more. "
            f"Received: window_stride={window_stride}. Leave it out for the protocol's."
        )


def _protocol(name: str) -> VideoProtocol:
    if name not in VIDEO_PROTOCOLS:
        raise ValueError(
            f"`protocol` of a video data set is one of {', '.join(VIDEO_PROTOCOLS)}. "
            f"Received: protocol={name!r}. The paper's is 'paper'."
        )
    return VIDEO_PROTOCOLS[name]


def digest_of(file: Path) -> str:
    """Returns the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _damaged(folder: Path, files: list[str], how: str) -> ValueError:
    return ValueError(
        f"The files of prepared video must be whole. Received: {folder}, where "
        f"{', '.join(files)} is {how}. Prepare it again, with the same command: what is whole is "
        "kept."
    )


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def summary(windows: VideoWindows) -> list[list[str]]:
    """Returns a table of the splits for people: videos, frames and windows of each."""
    rows = [["", "videos", "frames", "windows"]]
    for split in SPLITS:
        numbers = (
            len(windows.prepared.videos(split)),
            windows.prepared.frames(split),
            windows.num_windows(split),
        )
        rows.append([split, *(f"{number:,}" for number in numbers)])
    return rows
