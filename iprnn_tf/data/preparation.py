"""From raw video to prepared video: frames of one size in checksummed TFRecords."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.data import remarks
from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.footage import Cut
from iprnn_tf.data.prepared import INDEX, PreparedVideo, Segment
from iprnn_tf.data.recordings import Video
from iprnn_tf.data.shards import (
    Note,
    Progress,
    ShardWriter,
    is_own,
    name_of,
    no_frames,
    note_of,
    read_note,
)
from iprnn_tf.data.tfrecords import FrameRecords
from iprnn_tf.files import locked, write_json

MAX_SHARDS = 256
TRAIN_PART, VALIDATION_PART = 0.8, 0.9  # Where a video without a split is cut, over time.

Split = Callable[[Sequence[str]], dict[str, str]]
Group = tuple[str, list[Video]]  # A shard and its videos.


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Writes the frames of videos into a folder of TFRecords, as many files as are useful.

    A file appears whole or not at all, with its SHA-256 in a `.json` beside it. What an earlier,
    interrupted run finished of the same, unchanged videos is checked and kept. Videos are read in
    parallel, each frame by frame: memory doesn't grow with the data.

    Args:
        videos: what to read, in order.
        cut: how frames are taken from them; what it leaves open is as in the first video.
        split: says to which split each video belongs, by name; the others are cut in three.
        folder: where to write.
        dataset: name of the data set.
        skip_bad_files: whether to go on where a video can't be read, and list it in the index.
        source: where the videos lie, for the index.
    """

    videos: Sequence[Video]
    cut: Cut
    split: Split
    folder: Path
    dataset: str = "video"
    skip_bad_files: bool = False
    source: str = ""

    def run(self, progress: Progress = lambda videos, frames: None) -> PreparedVideo:
        """Writes what isn't there yet.

        Args:
            progress: called from several threads, for every frame.

        Raises:
            ValueError: if a video can't be read, all are bad, or the folder holds anything else
                or is being written to.
            OSError: if it can't be written.
        """
        self.split([video.name for video in self.videos])  # A wrong one is told before the work.
        cut, records = self._resolved()
        settings = {
            "dataset": self.dataset,
            "cut": cut.as_dict(),
            "frame_shape": list(records.shape),
            "dtype": records.dtype,
        }
        _check_folder(self.folder, settings)
        rule = (
            f"One program at a time prepares a folder. Received: {self.folder}, to which another "
            "is writing. Start again when it has finished."
        )
        with locked(self.folder, rule):
            writer = ShardWriter(
                self.folder,
                cut,
                records,
                settings,
                self.skip_bad_files,
                progress,
                threading.Event(),
            )
            shards = _in_parallel(writer, list(_groups(self.videos)))
            _remove_others(self.folder, shards)
            index = _index(settings, shards, self.split)
            write_json(self.folder / INDEX, {"source": self.source, **index})
        return PreparedVideo.read(self.folder)

    def _resolved(self) -> tuple[Cut, FrameRecords]:
        """Reads a first frame to know what the settings leave open."""
        reasons = []
        for video in self.videos:
            try:
                cut = self.cut.suited_to(_first_frame(video, self.cut))
                frame = _first_frame(video, cut)
            except ValueError as error:
                if not self.skip_bad_files:
                    raise
                reasons.append(str(error))
                continue
            height, width, channels = frame.shape
            dtype = "uint8" if frame.dtype == np.uint8 else "uint16"
            return cut, FrameRecords((height, width, channels), dtype, video.name)
        raise ValueError(
            "At least one video must be readable. Received: "
            f"{len(self.videos):,} that are not; the first: {reasons[0]}"
        )


def _first_frame(video: Video, cut: Cut) -> np.ndarray:
    frame = next(cut.frames(video), None)
    if frame is None:
        raise no_frames(video)
    return frame


def _check_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Refuses to write beside what is something else."""
    files = list(folder.iterdir()) if folder.is_dir() else [folder] if folder.exists() else []
    foreign = [file.name for file in files if not is_own(file)]
    notes = [note for file in files if file.name != INDEX and (note := read_note(file))]
    other = any(note["settings"] != settings for note in notes)
    if foreign or other:
        holds = f"{foreign[0]}" if foreign else "video prepared in another way"
        raise ValueError(
            "--output must be a new or empty folder, or the same preparation begun before. "
            f"Received: {folder}, which holds {holds}. Choose another folder."
        )


def _groups(videos: Sequence[Video]) -> Iterator[Group]:
    """Names of shards with the videos of each: one by one, or many tiny ones together."""
    size = -(-len(videos) // MAX_SHARDS)
    for index, first in enumerate(range(0, len(videos), size)):
        yield name_of(index), list(videos[first : first + size])


def _in_parallel(writer: ShardWriter, groups: list[Group]) -> dict[str, Note]:
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


def _remove_others(folder: Path, shards: dict[str, Note]) -> None:
    """Removes shards of a longer list of videos."""
    for shard in folder.glob("[0-9]*.tfrecord"):
        if is_own(shard) and shard.name not in shards:
            shard.unlink()
            note_of(shard).unlink(missing_ok=True)


def _index(settings: dict[str, Any], shards: dict[str, Note], split: Split) -> dict[str, Any]:
    segments = _segments(shards, split)
    return {
        "settings": settings,
        "segments": [dataclasses.asdict(segment) for segment in segments],
        "remarks": _remarks(settings, shards, segments),
        "skipped": {name: why for note in shards.values() for name, why in note["skipped"]},
        "shards": {
            name: {key: note[key] for key in ("bytes", "sha256")} for name, note in shards.items()
        },
    }


def _remarks(
    settings: dict[str, Any], shards: dict[str, Note], segments: list[Segment]
) -> list[Sequence[str]]:
    """What is to be said of single videos, and of them all; older notes say nothing."""
    notes = shards.values()
    contents, rates = (
        {name: value for note in notes for name, value in note.get(key, {}).items()}
        for key in ("contents", "rates")
    )
    splits = {segment.video: segment.split for segment in segments}
    together = [*remarks.of_copies(contents, splits)]
    if not settings["cut"]["fps"]:
        together += remarks.of_rates(rates)
    return [*together, *(remark for note in notes for remark in note.get("remarks", []))]


def _segments(shards: dict[str, Note], split: Split) -> list[Segment]:
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
