"""Files of prepared video, each written whole, with a note of what is in it beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from iprnn_tf.data.footage import Cut
from iprnn_tf.data.prepared import INDEX, digest_of
from iprnn_tf.data.recordings import Video
from iprnn_tf.data.remarks import Clock
from iprnn_tf.data.tfrecords import FrameRecords
from iprnn_tf.files import replacing, write_json

_OWN = re.compile(r"\d{5}\.(tfrecord|json)|\.unfinished\..*|index\.json|\.lock")

Progress = Callable[[int, int], None]  # Called with videos and frames that are newly done.
Note = dict[str, Any]


def name_of(index: int) -> str:
    """The name of a shard."""
    return f"{index:05d}.tfrecord"


def note_of(shard: Path) -> Path:
    """Where the note of a shard lies."""
    return shard.with_suffix(".json")


def is_own(file: Path) -> bool:
    """Whether a preparation may have written this file."""
    return _OWN.fullmatch(file.name) is not None


def read_note(file: Path) -> Note | None:
    """Returns a note, or None where nothing good is."""
    try:
        note = json.loads(file.read_text())
        return note if {"settings", "sha256", "videos", "skipped", "states"} <= set(note) else None
    except (OSError, ValueError, TypeError):
        return None


@dataclasses.dataclass(frozen=True)
class ShardWriter:
    """Writes shards of one folder, from several threads.

    Args:
        folder: where to.
        cut: how frames are taken from videos.
        records: how they are stored.
        settings: what makes two preparations the same.
        skip_bad_files: whether to go on where a video can't be read.
        progress: called for every frame and video.
        stopped: set by whoever wants no more.
    """

    folder: Path
    cut: Cut
    records: FrameRecords
    settings: dict[str, Any]
    skip_bad_files: bool
    progress: Progress
    stopped: threading.Event

    def write(self, name: str, videos: Sequence[Video]) -> Note:
        """Writes one shard and its note, unless both are there and good, and returns the note.

        Raises:
            ValueError: if a video can't be read.
            OSError: if the shard can't be written.
        """
        shard = self.folder / name
        states = {video.name: video.state() for video in videos}
        older = read_note(note_of(shard))
        if older and older["states"] == states and self._is_good(older, shard):
            self.progress(len(videos), sum(frames for _, frames in older["videos"]))
            return older
        note: Note = {"settings": self.settings, "states": states, "videos": [], "skipped": []}
        note |= {"remarks": [], "rates": {}, "contents": {}}
        digest = hashlib.sha256()
        with replacing(shard) as unfinished, unfinished.open("wb") as stream:
            for video in videos:
                self._add(video, stream, digest, note)
            note.update(sha256=digest.hexdigest(), bytes=stream.tell())
            if note != older:
                (self.folder / INDEX).unlink(missing_ok=True)  # It is true no more.
        write_json(note_of(shard), note)
        return note

    def _is_good(self, note: Note, shard: Path) -> bool:
        if not shard.is_file() or note["skipped"]:
            return False  # What was bad may be read today: with PyAV, say.
        return digest_of(shard) == note["sha256"]

    def _add(self, video: Video, shard: BinaryIO, digest: Any, note: Note) -> None:
        """Puts a video behind those in a shard: all of it, or nothing where it is bad."""
        part = Path(f"{shard.name}.part")
        try:
            clock, content, remarks = Clock(), hashlib.sha256(), [*video.remarks()]
            timed = dataclasses.replace(video, frames=lambda: clock.timed(video.frames()))
            frames = self.records.write(part, self._counted(timed, remarks.append), video.name)
            if not frames:
                raise no_frames(video)
            with part.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
                    content.update(block)
                    shard.write(block)
            note["videos"].append([video.name, frames])
            note["rates"][video.name] = clock.rate
            note["contents"][video.name] = content.hexdigest()
            note["remarks"] += [[video.name, text] for text in remarks]
        except ValueError as error:
            if not self.skip_bad_files:
                raise ValueError(f"{error} Or go on without it: --skip_bad_files.") from error
            note["skipped"].append([video.name, str(error)])
        finally:
            part.unlink(missing_ok=True)
        self.progress(1, 0)

    def _counted(self, video: Video, remark: Callable[[str], None]) -> Iterator[np.ndarray]:
        for frame in self.cut.frames(video, remark):
            if self.stopped.is_set():
                raise InterruptedError("The preparation was stopped.")
            yield frame
            self.progress(0, 1)


def no_frames(video: Video) -> ValueError:
    """The error of a video that is empty."""
    return ValueError(f"{video.name}: A video must have frames. Received: none. Remove it.")
