"""From raw video to prepared video: frames of one size in checksummed TFRecords."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.footage import Cut
from iprnn_tf.data.prepared import INDEX, PreparedVideo, Segment
from iprnn_tf.data.recordings import Video
from iprnn_tf.data.tfrecords import FrameRecords
from iprnn_tf.files import replacing, write_json

MAX_SHARDS = 256
TRAIN_PART, VALIDATION_PART = 0.8, 0.9  # Where a video without a split is cut, over time.

Progress = Callable[[int, int], None]  # Called with videos and frames that are newly done.


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Writes the frames of videos into a folder of TFRecords, as many files as are useful.

    A file appears whole or not at all, with its SHA-256 in a `.json` beside it. What an earlier,
    interrupted run finished is checked and kept. Videos are read in parallel, each frame by
    frame: memory doesn't grow with the data.

    Args:
        videos: what to read, in order.
        cut: how frames are taken from them; what it leaves open is as in the first video.
        split: says to which split each video belongs, by name; the others are cut in three.
        folder: where to write.
        skip_bad_files: whether to go on where a video can't be read, and list it in the index.
    """

    videos: Sequence[Video]
    cut: Cut
    split: Callable[[Sequence[str]], dict[str, str]]
    folder: Path
    skip_bad_files: bool = False

    def run(self, progress: Progress = lambda videos, frames: None) -> PreparedVideo:
        """Writes what isn't there yet.

        Args:
            progress: called from several threads, for every frame.

        Raises:
            ValueError: if a video can't be read, all are bad, or the folder holds anything else.
            OSError: if it can't be written.
        """
        cut, records = self._resolved()
        settings = {"cut": cut.as_dict(), "frame_shape": list(records.shape)}
        self._check_folder(settings)
        writer = _ShardWriter(
            self.folder, cut, records, settings, self.skip_bad_files, progress, threading.Event()
        )
        shards = _in_parallel(writer, list(_groups(self.videos)))
        segments = _segments(shards, self.split)
        index = {
            "settings": settings,
            "frame_shape": list(records.shape),
            "dtype": records.dtype,
            "segments": [dataclasses.asdict(segment) for segment in segments],
            "skipped": {name: why for shard in shards.values() for name, why in shard["skipped"]},
            "shards": {
                name: {key: shard[key] for key in ("bytes", "sha256")}
                for name, shard in shards.items()
            },
        }
        write_json(self.folder / INDEX, index)
        for file in self.folder.glob("*.tfrecord"):
            if file.name not in shards:  # Of a longer list of videos.
                file.unlink()
        return PreparedVideo.read(self.folder)

    def _resolved(self) -> tuple[Cut, FrameRecords]:
        """Reads a first frame to know what the settings leave open."""
        reasons = []
        for video in self.videos:
            try:
                frame = next(self.cut.frames(video))
                cut = self.cut.suited_to(frame)
                height, width, channels = next(cut.frames(video)).shape
            except (ValueError, StopIteration) as error:
                if not self.skip_bad_files:
                    raise _no_frames(video) if isinstance(error, StopIteration) else error from None
                reasons.append(str(error))
                continue
            dtype = "uint8" if frame.dtype == np.uint8 else "uint16"
            return cut, FrameRecords((height, width, channels), dtype)
        raise ValueError(
            "At least one video must be readable. Received: "
            f"{len(self.videos):,} that are not; the first: {reasons[0]}"
        )

    def _check_folder(self, settings: dict[str, Any]) -> None:
        """Refuses to write beside what is something else."""
        if not self.folder.exists():
            return
        notes = [_read_note(file) for file in sorted(self.folder.glob("*.json"))]
        others = {note["settings"] == settings for note in notes if note}
        foreign = not notes and any(
            not file.name.startswith(".unfinished") for file in self.folder.iterdir()
        )
        if foreign or False in others:
            holds = "something else" if foreign else "video prepared in another way"
            raise ValueError(
                "--output must be a new or empty folder, or the same preparation begun before. "
                f"Received: {self.folder}, which holds {holds}. Choose another folder."
            )


@dataclasses.dataclass(frozen=True)
class _ShardWriter:
    folder: Path
    cut: Cut
    records: FrameRecords
    settings: dict[str, Any]
    skip_bad_files: bool
    progress: Progress
    stopped: threading.Event

    def write(self, name: str, videos: Sequence[Video]) -> dict[str, Any]:
        """Writes one file and the note beside it, unless both are there, and returns the note."""
        note_file = self.folder / f"{Path(name).stem}.json"
        note = _read_note(note_file)
        if note and self._holds(note, self.folder / name, videos):
            self.progress(len(videos), sum(frames for _, frames in note["videos"]))
            return note
        note = {"settings": self.settings, "videos": [], "skipped": []}
        digest = hashlib.sha256()
        with replacing(self.folder / name) as unfinished, unfinished.open("wb") as shard:
            for video in videos:
                self._add(video, shard, digest, note)
        note.update(sha256=digest.hexdigest(), bytes=(self.folder / name).stat().st_size)
        write_json(note_file, note)
        return note

    def _holds(self, note: dict[str, Any], file: Path, videos: Sequence[Video]) -> bool:
        names = {name for name, _ in [*note["videos"], *note["skipped"]]}
        if names != {video.name for video in videos} or not file.is_file():
            return False
        if note["skipped"] and not self.skip_bad_files:
            return False
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == note["sha256"]

    def _add(self, video: Video, shard: BinaryIO, digest: Any, note: dict[str, Any]) -> None:
        """Puts a video behind those in a shard: all of it, or nothing where it is bad."""
        part = Path(f"{shard.name}.part")
        try:
            frames = self.records.write(part, self._counted(video), video.name)
            if not frames:
                raise _no_frames(video)
            with part.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
                    shard.write(block)
            note["videos"].append([video.name, frames])
        except ValueError as error:
            if not self.skip_bad_files:
                raise
            note["skipped"].append([video.name, str(error)])
        finally:
            part.unlink(missing_ok=True)
        self.progress(1, 0)

    def _counted(self, video: Video) -> Iterator[np.ndarray]:
        for frame in self.cut.frames(video):
            if self.stopped.is_set():
                raise InterruptedError("The preparation was stopped.")
            yield frame
            self.progress(0, 1)


def _groups(videos: Sequence[Video]) -> Iterator[tuple[str, list[Video]]]:
    """Names of shards with the videos of each: one by one, or many tiny ones together."""
    size = -(-len(videos) // MAX_SHARDS)
    for index, first in enumerate(range(0, len(videos), size)):
        yield f"{index:05d}.tfrecord", list(videos[first : first + size])


def _in_parallel(
    writer: _ShardWriter, groups: list[tuple[str, list[Video]]]
) -> dict[str, dict[str, Any]]:
    """Writes the shards, as many at once as there are cores; the first error stops all."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {name: pool.submit(writer.write, name, videos) for name, videos in groups}
        try:
            for future in concurrent.futures.as_completed(futures.values()):
                future.result()
        except BaseException:  # Ctrl-C too.
            writer.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
        return {name: future.result() for name, future in futures.items()}


def _segments(
    shards: dict[str, dict[str, Any]], split: Callable[[Sequence[str]], dict[str, str]]
) -> list[Segment]:
    videos = [
        Segment(name, "", shard, sum(frames for _, frames in note["videos"][:index]), count)
        for shard, note in shards.items()
        for index, (name, count) in enumerate(note["videos"])
    ]
    splits = split([video.video for video in videos])
    return [part for video in videos for part in _parts(video, splits.get(video.video))]


def _parts(video: Segment, split: str | None) -> list[Segment]:
    """A video as one segment or, where it has no split, as three that follow each other."""
    if split is not None:
        return [dataclasses.replace(video, split=split)]
    ends = [round(part * video.frames) for part in (0.0, TRAIN_PART, VALIDATION_PART, 1.0)]
    return [
        dataclasses.replace(video, split=split, first=video.first + start, frames=end - start)
        for split, (start, end) in zip(SPLITS, itertools.pairwise(ends), strict=True)
    ]


def _read_note(file: Path) -> dict[str, Any] | None:
    """What stands beside a shard, or None where nothing good does."""
    try:
        note = json.loads(file.read_text())
        return note if "settings" in note else None
    except (OSError, ValueError, TypeError):
        return None


def _no_frames(video: Video) -> ValueError:
    return ValueError(
        f"A video must have frames. Received: {video.name} with none. Remove it, or give "
        "--skip_bad_files."
    )
