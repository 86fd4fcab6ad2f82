"""Caltech Pedestrian: video from a car, 30 frames a second, in sets of recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from iprnn_tf.data.footage import PAPER_SIZE, Footage
from iprnn_tf.data.recordings import Video, in_natural_order
from iprnn_tf.data.videos import find_videos

FRAMES_PER_SECOND = 10.0  # Of the papers; recorded are 30.
VALIDATION_SETS, TEST_SETS = ("05",), ("06", "07", "08", "09", "10")
_RECORDING = re.compile(r"(?:^|/)set(\d\d)(?:/.*)?[/_]V(\d\d\d)\.(?:seq|avi)$", re.IGNORECASE)


def find_recordings(folder: Path) -> list[Video]:
    """Returns the recordings `set00/V000.seq` and so on below a folder, or their `.avi` copies.

    Raises:
        ValueError: if there are none.
    """
    found = recordings(find_videos(folder))
    if not found:
        raise ValueError(
            "Caltech Pedestrian is a folder with set00/V000.seq to set10/V011.seq, or .avi files "
            f"of these names. Received: {folder} with none. Unpack the set*.tar files there."
        )
    return found


def recordings(videos: Iterable[Video]) -> list[Video]:
    """Returns those of the videos that are the data set's, the original before a copy."""
    found: dict[tuple[str, ...], Video] = {}
    for video in sorted(videos, key=lambda video: video.name[-4:].lower()):  # .avi before .seq.
        match = _RECORDING.search(video.name)
        if match:
            found[match.groups()] = video
    return sorted(found.values(), key=lambda video: in_natural_order(video.name))


def split_of(name: str) -> str:
    """Returns the split of a recording, by its set: 06 to 10 are the published test sets.

    Reference:
        Dollar et al., Pedestrian Detection: An Evaluation of the State of the Art, 2012.
    """
    match = _RECORDING.search(name)
    number = match[1] if match else ""
    if number in TEST_SETS:
        return "test"
    return "validation" if number in VALIDATION_SETS else "train"


def split_by_set(names: Sequence[str]) -> dict[str, str]:
    """Puts each recording into a split, as `split_of`."""
    return {name: split_of(name) for name in names}


CALTECH_PEDESTRIAN = Footage(find_recordings, split_by_set, PAPER_SIZE, FRAMES_PER_SECOND)
